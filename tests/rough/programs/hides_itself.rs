//! Makes itself undumpable, so that its entries in /proc belong to root, then goes on as if nothing were.

fn main() {
    unsafe {
        libc::prctl(libc::PR_SET_DUMPABLE, 0);
        let mut ends = [0; 2];
        libc::pipe(ends.as_mut_ptr());
        if libc::fork() == 0 {
            let mut byte = 0u8;
            libc::read(ends[0], (&raw mut byte).cast(), 1);
            libc::pause();
        }
        libc::wait(std::ptr::null_mut());
    }
}
