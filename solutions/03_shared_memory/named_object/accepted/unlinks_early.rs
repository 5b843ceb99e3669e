//! No ftruncate: posix_fallocate gives the object its size. The name goes once the other side has the object open; the
//! memory stays until the last mapping is gone. Bytes are copied, not interpreted in place.

use std::error::Error;
use std::io::{BufRead, stdin};
use std::num::NonZeroUsize;
use std::ptr::copy_nonoverlapping;

use nix::fcntl::{OFlag, posix_fallocate};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap, shm_open, shm_unlink};
use nix::sys::stat::Mode;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, name, x] = arguments.as_slice() else { return Err("usage: named_object /NAME X".into()) };
    let x: u32 = x.parse()?;
    let length = NonZeroUsize::new(8).ok_or("no length")?;

    let object = shm_open(name.as_str(), OFlag::O_CREAT | OFlag::O_RDWR, Mode::from_bits_truncate(0o600))?;
    posix_fallocate(&object, 0, 8)?;
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: the kernel chooses an address that is free.
    let base = unsafe { mmap(None, length, access, MapFlags::MAP_SHARED, &object, 0)? };
    let bytes = base.cast::<u8>().as_ptr();

    // SAFETY: four bytes from offset 0 of a mapping of eight.
    unsafe { copy_nonoverlapping(x.to_ne_bytes().as_ptr(), bytes, 4) };
    stdin().lock().lines().next().ok_or("no line came")??;
    shm_unlink(name.as_str())?;

    let mut answer = [0; 4];
    // SAFETY: four bytes from offset 4 of a mapping of eight.
    unsafe { copy_nonoverlapping(bytes.add(4), answer.as_mut_ptr(), 4) };
    // SAFETY: nothing points into the mapping any more.
    unsafe { munmap(base, 8)? };
    println!("answer {}", u32::from_ne_bytes(answer));
    Ok(())
}
