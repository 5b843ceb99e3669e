//! Waits for a timer that goes off every hour, for years.

extern "C" fn nothing(_: i32) {}

fn main() {
    unsafe {
        libc::signal(libc::SIGALRM, nothing as extern "C" fn(i32) as libc::sighandler_t);
        loop {
            libc::alarm(3600);
            libc::pause();
        }
    }
}
