//! The child of a vfork keeps its parent's memory for ever.

fn main() {
    unsafe {
        if libc::syscall(libc::SYS_vfork) == 0 {
            loop {
                libc::pause();
            }
        }
    }
}
