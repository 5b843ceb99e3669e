//! Closes all that is open, standard streams too, forks out of its session, and changes its name and its arguments.

fn main() {
    unsafe {
        for fd in 0..1024 {
            libc::close(fd);
        }
        libc::prctl(libc::PR_SET_NAME, c"nobody".as_ptr());
        for _ in 0..3 {
            if libc::fork() == 0 {
                libc::setsid();
                libc::signal(libc::SIGHUP, libc::SIG_IGN);
                loop {
                    libc::pause();
                }
            }
        }
    }
}
