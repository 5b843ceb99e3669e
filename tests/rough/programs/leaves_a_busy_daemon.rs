//! As a daemon that waits, but this one computes.

fn main() {
    unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::setsid();
            if libc::fork() == 0 {
                loop {
                    std::hint::spin_loop();
                }
            }
            return;
        }
        libc::waitpid(child, std::ptr::null_mut(), 0);
    }
}
