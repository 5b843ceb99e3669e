//! Waits for a timer that goes off in years.

fn main() {
    unsafe {
        libc::alarm(1_000_000_000);
        loop {
            libc::pause();
        }
    }
}
