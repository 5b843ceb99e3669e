//! System V message queues: messages with a type, which receivers may choose by.

use std::io;

use super::{Key, Make, checked};

/// A queue. It outlives every process until [`Queue::remove`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    id: libc::c_int,
}

/// A message as msgsnd(2) has it: the type, then the text.
const TYPE: usize = size_of::<libc::c_long>();

impl Queue {
    /// msgget(2).
    ///
    /// # Errors
    /// EEXIST, ENOENT as `make` has it.
    pub fn get(key: Key, make: Make) -> io::Result<Self> {
        let make = if key == Key::Private { Make::New } else { make };
        // SAFETY: no memory is involved.
        let id = checked(unsafe { libc::msgget(key.raw(), make.flags()) })?;
        Ok(Self { id })
    }

    /// Its id.
    pub fn id(self) -> i32 {
        self.id
    }

    /// msgsnd(2): waits while the queue is full. `kind` is the message's type, 1 or more; the text's length does not
    /// count it.
    ///
    /// # Errors
    /// EINVAL for a type below 1 or a text that is too long, Interrupted, EIDRM where the queue goes meanwhile.
    pub fn send(self, kind: i64, text: &[u8]) -> io::Result<()> {
        let mut message = kind.to_ne_bytes().to_vec();
        message.extend_from_slice(text);
        // SAFETY: a type and `text.len()` bytes are there.
        checked(unsafe { libc::msgsnd(self.id, message.as_ptr().cast(), text.len(), 0) }).map(drop)
    }

    /// msgrcv(2): waits for a message of this type (0: any; below 0: the lowest type up to that, without its sign), and
    /// gives its type and text.
    ///
    /// # Errors
    /// E2BIG where the text has more than `room` bytes, Interrupted, EIDRM where the queue goes meanwhile.
    pub fn receive(self, kind: i64, room: usize) -> io::Result<(i64, Vec<u8>)> {
        self.received(kind, room, 0)
    }

    /// As [`Queue::receive`], but `None` where there is no such message now (IPC_NOWAIT).
    ///
    /// # Errors
    /// As there.
    pub fn try_receive(self, kind: i64, room: usize) -> io::Result<Option<(i64, Vec<u8>)>> {
        match self.received(kind, room, libc::IPC_NOWAIT) {
            Err(error) if error.raw_os_error() == Some(libc::ENOMSG) => Ok(None),
            other => other.map(Some),
        }
    }

    fn received(self, kind: i64, room: usize, flags: libc::c_int) -> io::Result<(i64, Vec<u8>)> {
        let mut message = vec![0_u8; TYPE + room];
        // SAFETY: a type and `room` bytes may be written.
        let count = unsafe { libc::msgrcv(self.id, message.as_mut_ptr().cast(), room, kind, flags) };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        let mut kind = [0; TYPE];
        kind.copy_from_slice(&message[..TYPE]);
        Ok((i64::from_ne_bytes(kind), message[TYPE..TYPE + count].to_vec()))
    }

    /// msgctl(2), IPC_RMID: the queue goes at once, and whoever waits for it gets EIDRM.
    ///
    /// # Errors
    /// EINVAL where it is gone already.
    pub fn remove(self) -> io::Result<()> {
        // SAFETY: this command takes no argument.
        checked(unsafe { libc::msgctl(self.id, libc::IPC_RMID, std::ptr::null_mut()) }).map(drop)
    }
}
