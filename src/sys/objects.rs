//! Looking for IPC objects, and removing them, by their names and ids (mq_unlink(3), shmctl(2), semctl(2), msgctl(2)).

use nix::errno::Errno;

/// The queue of this name.
///
/// # Errors
/// What mq_unlink(3) says.
pub fn remove_queue(name: &str) -> nix::Result<()> {
    nix::mqueue::mq_unlink(name)
}

/// Whether there is a queue of this name, or there may be: one that cannot be opened is there (mq_open(3)).
pub fn queue_stands(name: &str) -> bool {
    use nix::mqueue::{MQ_OFlag, mq_close, mq_open};
    match mq_open(name, MQ_OFlag::O_RDONLY | MQ_OFlag::O_CLOEXEC, nix::sys::stat::Mode::empty(), None) {
        Ok(queue) => {
            let _closed = mq_close(queue);
            true
        }
        Err(errno) => errno != Errno::ENOENT,
    }
}

/// The System V segment of this id; it goes when nobody has it attached any more.
///
/// # Errors
/// What shmctl(2) says.
pub fn remove_segment(id: i32) -> nix::Result<()> {
    // SAFETY: IPC_RMID takes no structure.
    Errno::result(unsafe { libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()) }).map(drop)
}

/// The System V set of semaphores of this id.
///
/// # Errors
/// What semctl(2) says.
pub fn remove_semaphores(id: i32) -> nix::Result<()> {
    // SAFETY: IPC_RMID takes no fourth argument.
    Errno::result(unsafe { libc::semctl(id, 0, libc::IPC_RMID) }).map(drop)
}

/// The System V queue of this id.
///
/// # Errors
/// What msgctl(2) says.
pub fn remove_messages(id: i32) -> nix::Result<()> {
    // SAFETY: IPC_RMID takes no structure.
    Errno::result(unsafe { libc::msgctl(id, libc::IPC_RMID, std::ptr::null_mut()) }).map(drop)
}
