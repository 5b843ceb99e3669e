//! Two processes stop and continue each other without end.

fn main() {
    unsafe {
        let parent = libc::getpid();
        let child = libc::fork();
        let other = if child == 0 { parent } else { child };
        loop {
            libc::kill(other, libc::SIGSTOP);
            libc::kill(other, libc::SIGCONT);
        }
    }
}
