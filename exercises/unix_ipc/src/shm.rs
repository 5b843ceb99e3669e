//! System V shared memory: a segment is got by its key, attached, detached, and removed.

use std::io;
use std::ptr::{NonNull, null};

use super::{Key, Make, checked};

/// A segment. It outlives every process until [`Segment::remove`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    id: libc::c_int,
}

/// A segment in this process's memory. Dropping it is shmdt(2).
#[derive(Debug)]
pub struct Attachment {
    base: NonNull<u8>,
}

impl Segment {
    /// shmget(2): the segment of a key, of `size` bytes at least.
    ///
    /// # Errors
    /// EEXIST, ENOENT as `make` has it; EINVAL where it is smaller than `size`.
    pub fn get(key: Key, size: usize, make: Make) -> io::Result<Self> {
        // SAFETY: no memory is involved yet.
        let id = checked(unsafe { libc::shmget(key.raw(), size, private(key, make)) })?;
        Ok(Self { id })
    }

    /// Its id: any process of the same user can use it, [`Segment::from_id`].
    pub fn id(self) -> i32 {
        self.id
    }

    /// The segment of an id that somebody else told.
    pub fn from_id(id: i32) -> Self {
        Self { id }
    }

    /// shmat(2): maps the segment, for reading and writing, where the kernel likes.
    ///
    /// # Errors
    /// EINVAL where it is gone, EACCES.
    pub fn attach(self) -> io::Result<Attachment> {
        // SAFETY: the kernel chooses an address that is free.
        let base = unsafe { libc::shmat(self.id, null(), 0) };
        if base.addr() == usize::MAX {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Attachment { base })
    }

    /// How many attachments there are just now, in all processes (shmctl(2), IPC_STAT).
    ///
    /// # Errors
    /// EINVAL where it is gone.
    pub fn attachments(self) -> io::Result<u64> {
        // SAFETY: plain numbers, for which zero is one.
        let mut status: libc::shmid_ds = unsafe { std::mem::zeroed() };
        // SAFETY: the room is ours and of the right type.
        checked(unsafe { libc::shmctl(self.id, libc::IPC_STAT, &mut status) })?;
        Ok(status.shm_nattch)
    }

    /// shmctl(2), IPC_RMID: nobody finds it any more; its memory goes with the last attachment.
    ///
    /// # Errors
    /// EINVAL where it is gone already.
    pub fn remove(self) -> io::Result<()> {
        // SAFETY: this command takes no argument.
        checked(unsafe { libc::shmctl(self.id, libc::IPC_RMID, std::ptr::null_mut()) }).map(drop)
    }
}

impl Attachment {
    /// Where it begins. What is there may change at any time: look at it through atomics or volatile accesses.
    pub fn base(&self) -> NonNull<u8> {
        self.base
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        // SAFETY: it is attached at this address, and the borrow checker has seen its last use; whoever kept a raw
        // pointer was told.
        unsafe { libc::shmdt(self.base.as_ptr().cast()) };
    }
}

/// A private object is always a new one.
fn private(key: Key, make: Make) -> libc::c_int {
    if key == Key::Private { Make::New.flags() } else { make.flags() }
}
