//! Memory shared with other processes, mapped whole: a peer looks at it and changes it as a program would.

use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// A shared mapping of an object from its start, for reading and writing; unmapped when dropped.
#[derive(Debug)]
pub struct Mapping {
    base: NonNull<libc::c_void>,
    len: usize,
}

impl Mapping {
    /// Maps the object's first `len` bytes (mmap(2), MAP_SHARED).
    ///
    /// # Errors
    /// What mmap(2) says.
    pub fn new(object: &impl AsFd, len: NonZeroUsize) -> nix::Result<Self> {
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let base = unsafe { mmap(None, len, access, MapFlags::MAP_SHARED, object, 0) }?;
        Ok(Self { base, len: len.get() })
    }

    /// How many bytes are mapped.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is mapped: never, since mmap(2) refuses that.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes at an offset, or none where they are not all inside the mapping.
    ///
    /// The object must not have shrunk since it was mapped: beyond its end is SIGBUS (mmap(2)).
    pub fn load(&self, offset: usize, len: usize) -> Option<Vec<u8>> {
        self.inside(offset, len)?;
        let at = |index: usize| {
            // SAFETY: offset + index is below the mapping's length; another process may write at the same time, so
            // each byte is read once, volatile, and no reference to it is made.
            unsafe { self.base.as_ptr().cast::<u8>().add(offset + index).read_volatile() }
        };
        Some((0..len).map(at).collect())
    }

    /// Changes the bytes at an offset, or does nothing and returns none where they are not all inside the mapping.
    ///
    /// As for [`Mapping::load`], the object must not have shrunk.
    pub fn store(&self, offset: usize, bytes: &[u8]) -> Option<()> {
        self.inside(offset, bytes.len())?;
        for (index, byte) in bytes.iter().enumerate() {
            // SAFETY: as in `load`; the mapping is writable.
            unsafe { self.base.as_ptr().cast::<u8>().add(offset + index).write_volatile(*byte) };
        }
        Some(())
    }

    fn inside(&self, offset: usize, len: usize) -> Option<()> {
        (offset.checked_add(len)? <= self.len).then_some(())
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: this mapping is ours alone, and nothing that borrows from it exists.
        let _gone = unsafe { munmap(self.base, self.len) };
    }
}
