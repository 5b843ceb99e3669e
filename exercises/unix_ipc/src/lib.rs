//! POSIX semaphores and System V IPC, for the exercises of this course: what the crate `nix` does not have.
//!
//! | module | what | manual |
//! |---|---|---|
//! | [`semaphore`] | unnamed semaphores in shared memory, named ones | sem_overview(7) |
//! | [`shm`] | System V shared memory segments | shmget(2), shmat(2), shmctl(2) |
//! | [`msg`] | System V message queues | msgget(2), msgop(2), msgctl(2) |
//! | [`sem`] | System V semaphore sets, with undo | semget(2), semop(2), semctl(2) |
//!
//! Each function is one call of the C library under its own name, so that what the manual says holds here word for word.
//! A call that fails gives the error of the system as an [`std::io::Error`]; one that a signal has interrupted gives
//! [`std::io::ErrorKind::Interrupted`], and it is yours to call it again.
//!
//! What cannot be wrong is safe. Memory that another process may change at any time is not: it is handed out as raw
//! pointers.

pub mod msg;
pub mod sem;
pub mod semaphore;
pub mod shm;

use std::io;

/// By which name a System V object is found (sysvipc(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A new object, for this process and those that it forks (IPC_PRIVATE).
    Private,
    /// The object of this number, made by whoever comes first.
    Number(i32),
}

/// Whether an object of a key may be there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    /// It must be there.
    Open,
    /// It is made if it is not there (IPC_CREAT).
    OrOpen,
    /// It must not be there (IPC_CREAT | IPC_EXCL).
    New,
}

impl Key {
    fn raw(self) -> libc::key_t {
        match self {
            Self::Private => libc::IPC_PRIVATE,
            Self::Number(number) => number,
        }
    }
}

impl Make {
    /// The flags of the get calls; the object is its owner's alone.
    fn flags(self) -> libc::c_int {
        match self {
            Self::Open => 0,
            Self::OrOpen => libc::IPC_CREAT | 0o600,
            Self::New => libc::IPC_CREAT | libc::IPC_EXCL | 0o600,
        }
    }
}

/// The result of a call that says -1 where it failed.
fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
