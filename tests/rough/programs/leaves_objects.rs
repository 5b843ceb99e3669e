//! Says which objects an earlier run has left, then leaves one of each kind itself.

fn main() {
    unsafe {
        let name = c"/left".as_ptr();
        if libc::shm_open(name, libc::O_RDWR, 0) >= 0 {
            println!("found shared memory");
        }
        if libc::mq_open(name, libc::O_RDWR) >= 0 {
            println!("found a queue");
        }
        if libc::shmget(4711, 0, 0) >= 0 || libc::semget(4711, 0, 0) >= 0 || libc::msgget(4711, 0) >= 0 {
            println!("found a System V object");
        }
        let how = libc::O_CREAT | libc::O_RDWR;
        let made = [
            libc::shm_open(name, how, 0o600),
            libc::mq_open(name, how, 0o600, std::ptr::null::<libc::mq_attr>()),
            libc::shmget(4711, 4096, libc::IPC_CREAT | 0o600),
            libc::semget(4711, 1, libc::IPC_CREAT | 0o600),
            libc::msgget(4711, libc::IPC_CREAT | 0o600),
        ];
        println!("made {}", made.iter().filter(|id| **id >= 0).count());
    }
}
