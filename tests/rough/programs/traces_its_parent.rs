//! The child wants to trace its parent and to look into its memory.

fn main() {
    unsafe {
        let child = libc::fork();
        if child == 0 {
            let parent = libc::getppid();
            let traced = libc::ptrace(libc::PTRACE_SEIZE, parent, 0, 0);
            println!("{traced}");
            return;
        }
        libc::waitpid(child, std::ptr::null_mut(), 0);
    }
}
