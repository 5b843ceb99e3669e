//! Stops its child, then itself.

fn main() {
    unsafe {
        let child = libc::fork();
        if child == 0 {
            loop {
                libc::pause();
            }
        }
        libc::kill(child, libc::SIGSTOP);
        libc::raise(libc::SIGSTOP);
    }
}
