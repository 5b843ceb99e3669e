//! System V semaphore sets: several numbers, changed together or not at all, and undone when their process ends.

use std::io;

use super::{Key, Make, checked};

/// A set of semaphores. It outlives every process until [`Set::remove`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Set {
    id: libc::c_int,
}

/// What is done to one semaphore of a set (semop(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Op {
    /// Which, from 0.
    pub index: u16,
    /// What is added; below zero it waits until there is enough; at zero it waits for zero.
    pub change: i16,
    /// SEM_UNDO: the kernel takes it back when the process ends, however it ends.
    pub undo: bool,
}

/// The argument of semctl(2): the caller has to declare it.
#[repr(C)]
union Argument {
    value: libc::c_int,
    buffer: *mut libc::semid_ds,
}

impl Set {
    /// semget(2): a set of `count` semaphores. Linux makes them zero; set them before anybody uses them.
    ///
    /// # Errors
    /// EEXIST, ENOENT as `make` has it; EINVAL where it has fewer.
    pub fn get(key: Key, count: u16, make: Make) -> io::Result<Self> {
        let make = if key == Key::Private { Make::New } else { make };
        // SAFETY: no memory is involved.
        let id = checked(unsafe { libc::semget(key.raw(), count.into(), make.flags()) })?;
        Ok(Self { id })
    }

    /// Its id.
    pub fn id(self) -> i32 {
        self.id
    }

    /// semctl(2), SETVAL.
    ///
    /// # Errors
    /// ERANGE, EINVAL where there is no such semaphore.
    pub fn set(self, index: u16, value: u16) -> io::Result<()> {
        let argument = Argument { value: value.into() };
        // SAFETY: SETVAL takes the union's number.
        checked(unsafe { libc::semctl(self.id, index.into(), libc::SETVAL, argument) }).map(drop)
    }

    /// semctl(2), GETVAL: the number just now.
    ///
    /// # Errors
    /// EINVAL where there is no such semaphore.
    pub fn value(self, index: u16) -> io::Result<i32> {
        // SAFETY: GETVAL takes no argument.
        checked(unsafe { libc::semctl(self.id, index.into(), libc::GETVAL) })
    }

    /// semop(2): all of it at once, or nothing: waits until all can be done.
    ///
    /// # Errors
    /// Interrupted, EIDRM where the set goes meanwhile, EFBIG where there is no such semaphore.
    pub fn change(self, ops: &[Op]) -> io::Result<()> {
        self.op(ops, 0).map(drop)
    }

    /// As [`Set::change`], but says `false` where it would have to wait (IPC_NOWAIT).
    ///
    /// # Errors
    /// As there.
    pub fn try_change(self, ops: &[Op]) -> io::Result<bool> {
        match self.op(ops, libc::IPC_NOWAIT) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            other => other.map(|_| true),
        }
    }

    fn op(self, ops: &[Op], flags: libc::c_int) -> io::Result<libc::c_int> {
        let raw = |op: &Op| {
            let undo = if op.undo { libc::SEM_UNDO } else { 0 };
            libc::sembuf { sem_num: op.index, sem_op: op.change, sem_flg: (undo | flags) as libc::c_short }
        };
        let mut raw: Vec<libc::sembuf> = ops.iter().map(raw).collect();
        // SAFETY: so many operations are there.
        checked(unsafe { libc::semop(self.id, raw.as_mut_ptr(), raw.len()) })
    }

    /// semctl(2), IPC_RMID: the set goes at once, and whoever waits for it gets EIDRM.
    ///
    /// # Errors
    /// EINVAL where it is gone already.
    pub fn remove(self) -> io::Result<()> {
        let argument = Argument { buffer: std::ptr::null_mut() };
        // SAFETY: IPC_RMID looks at no argument.
        checked(unsafe { libc::semctl(self.id, 0, libc::IPC_RMID, argument) }).map(drop)
    }
}
