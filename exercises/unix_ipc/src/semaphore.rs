//! POSIX semaphores (sem_overview(7)): a number that never falls below zero.
//!
//! [`Semaphore`] has no name and lies in memory that processes share; [`NamedSemaphore`] is found by its name.

use std::cell::UnsafeCell;
use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;

use super::checked;

/// Who uses an unnamed semaphore: the argument `pshared` of sem_init(3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// The threads of this process.
    Threads,
    /// All processes that have its memory mapped. Without this a wait in one process is not ended by a post in another.
    Processes,
}

/// An unnamed semaphore. It is used where it was made ready, and never moves.
#[repr(transparent)]
pub struct Semaphore {
    raw: UnsafeCell<libc::sem_t>,
}

// SAFETY: the functions of sem_*(3) may be called from any thread at any time; that is what they are for.
unsafe impl Sync for Semaphore {}

impl Semaphore {
    /// sem_init(3): makes the memory at `place` a semaphore, and gives it back as one.
    ///
    /// # Errors
    /// EINVAL where `value` is larger than a semaphore can be.
    ///
    /// # Safety
    /// `place` is aligned, and points to memory of a semaphore's size that may be written, is used as nothing else, and
    /// stays for `'a`. Nobody is using it as a semaphore yet.
    pub unsafe fn init<'a>(place: *mut Self, sharing: Sharing, value: u32) -> io::Result<&'a Self> {
        let shared = libc::c_int::from(sharing == Sharing::Processes);
        // SAFETY: the caller promises the memory.
        checked(unsafe { libc::sem_init(place.cast(), shared, value) })?;
        // SAFETY: sem_init has made a semaphore of it.
        Ok(unsafe { &*place })
    }

    /// sem_wait(3): waits until the number is above zero, and takes one away.
    ///
    /// # Errors
    /// Interrupted, where a handler ran meanwhile.
    pub fn wait(&self) -> io::Result<()> {
        // SAFETY: the reference says that it is a semaphore.
        checked(unsafe { libc::sem_wait(self.raw.get()) }).map(drop)
    }

    /// sem_trywait(3): takes one away if there is one; says whether.
    ///
    /// # Errors
    /// None that a right program can meet.
    pub fn try_wait(&self) -> io::Result<bool> {
        // SAFETY: the reference says that it is a semaphore.
        taken(unsafe { libc::sem_trywait(self.raw.get()) })
    }

    /// sem_post(3): adds one, and wakes one that waits.
    ///
    /// # Errors
    /// EOVERFLOW.
    pub fn post(&self) -> io::Result<()> {
        // SAFETY: the reference says that it is a semaphore.
        checked(unsafe { libc::sem_post(self.raw.get()) }).map(drop)
    }

    /// sem_getvalue(3): the number just now. It may be another one by the time you look at it.
    ///
    /// # Errors
    /// None that a right program can meet.
    pub fn value(&self) -> io::Result<u32> {
        let mut value = 0;
        // SAFETY: the reference says that it is a semaphore; the number is ours.
        checked(unsafe { libc::sem_getvalue(self.raw.get(), &mut value) })?;
        Ok(value.try_into().unwrap_or(0))
    }

    /// sem_destroy(3): the memory is plain memory again.
    ///
    /// # Errors
    /// EINVAL.
    ///
    /// # Safety
    /// Nobody waits for it, and nobody uses it afterwards, in any process.
    pub unsafe fn destroy(&self) -> io::Result<()> {
        // SAFETY: the caller promises that it was the last use.
        checked(unsafe { libc::sem_destroy(self.raw.get()) }).map(drop)
    }
}

/// A semaphore with a name, such as `/empty`: a slash, and no other. Dropping it is sem_close(3); the name stays until
/// [`NamedSemaphore::unlink`].
#[derive(Debug)]
pub struct NamedSemaphore {
    raw: *mut libc::sem_t,
}

// SAFETY: the pointer is the C library's, from sem_open to sem_close, and good in each thread.
unsafe impl Send for NamedSemaphore {}
// SAFETY: as for `Semaphore`.
unsafe impl Sync for NamedSemaphore {}

impl NamedSemaphore {
    /// sem_open(3) with O_CREAT and O_EXCL: a new semaphore.
    ///
    /// # Errors
    /// EEXIST where the name is there already, EINVAL for a name without its slash.
    pub fn create(name: &str, value: u32) -> io::Result<Self> {
        let name = CString::new(name)?;
        let mode: libc::c_uint = 0o600;
        // SAFETY: the name ends with a NUL, and the two arguments that O_CREAT asks for are there.
        Self::opened(unsafe { libc::sem_open(name.as_ptr(), libc::O_CREAT | libc::O_EXCL, mode, value) })
    }

    /// sem_open(3): the semaphore of this name.
    ///
    /// # Errors
    /// ENOENT where there is none.
    pub fn open(name: &str) -> io::Result<Self> {
        let name = CString::new(name)?;
        // SAFETY: the name ends with a NUL.
        Self::opened(unsafe { libc::sem_open(name.as_ptr(), 0) })
    }

    /// sem_unlink(3): removes the name. Whoever has it open may go on using it.
    ///
    /// # Errors
    /// ENOENT where there is none.
    pub fn unlink(name: &str) -> io::Result<()> {
        let name = CString::new(name)?;
        // SAFETY: the name ends with a NUL.
        checked(unsafe { libc::sem_unlink(name.as_ptr()) }).map(drop)
    }

    /// sem_wait(3), as [`Semaphore::wait`].
    ///
    /// # Errors
    /// Interrupted, where a handler ran meanwhile.
    pub fn wait(&self) -> io::Result<()> {
        // SAFETY: it is open.
        checked(unsafe { libc::sem_wait(self.raw) }).map(drop)
    }

    /// sem_trywait(3), as [`Semaphore::try_wait`].
    ///
    /// # Errors
    /// None that a right program can meet.
    pub fn try_wait(&self) -> io::Result<bool> {
        // SAFETY: it is open.
        taken(unsafe { libc::sem_trywait(self.raw) })
    }

    /// sem_post(3), as [`Semaphore::post`].
    ///
    /// # Errors
    /// EOVERFLOW.
    pub fn post(&self) -> io::Result<()> {
        // SAFETY: it is open.
        checked(unsafe { libc::sem_post(self.raw) }).map(drop)
    }

    fn opened(raw: *mut libc::sem_t) -> io::Result<Self> {
        if raw == libc::SEM_FAILED { Err(io::Error::last_os_error()) } else { Ok(Self { raw }) }
    }
}

impl Drop for NamedSemaphore {
    fn drop(&mut self) {
        // SAFETY: it is open, and this was its last use here.
        unsafe { libc::sem_close(self.raw) };
    }
}

/// Whether a try succeeded: EAGAIN is the answer "no".
fn taken(result: libc::c_int) -> io::Result<bool> {
    match checked(result) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// Room for a semaphore, zeroed: a field of what will lie in shared memory, until [`Semaphore::init`] is called on it.
pub type Room = MaybeUninit<Semaphore>;
