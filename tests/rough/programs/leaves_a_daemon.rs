//! Forks twice with a session of its own between, as daemons do; the daemon waits for ever.

fn main() {
    unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::setsid();
            if libc::fork() == 0 {
                libc::signal(libc::SIGTERM, libc::SIG_IGN);
                loop {
                    libc::pause();
                }
            }
            return;
        }
        libc::waitpid(child, std::ptr::null_mut(), 0);
    }
}
