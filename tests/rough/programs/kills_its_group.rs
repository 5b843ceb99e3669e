//! The child kills its parent's group, which it is in itself.

fn main() {
    unsafe {
        if libc::fork() == 0 {
            libc::kill(-libc::getpgid(libc::getppid()), libc::SIGKILL);
        }
        libc::wait(std::ptr::null_mut());
    }
}
