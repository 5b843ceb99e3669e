//! expect: M002
//! The object gets no size: mapping it succeeds, and the first store ends the program with SIGBUS.

use std::error::Error;
use std::io::stdin;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::fcntl::OFlag;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, shm_open, shm_unlink};
use nix::sys::stat::Mode;

fn main() -> Result<(), Box<dyn Error>> {
    let (name, x) = arguments()?;
    let object = shm_open(name.as_str(), OFlag::O_CREAT | OFlag::O_RDWR, Mode::S_IRUSR | Mode::S_IWUSR)?;
    let length = NonZeroUsize::new(8).ok_or("no length")?;
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    let base = unsafe { mmap(None, length, access, MapFlags::MAP_SHARED, &object, 0)? };
    let numbers: &[AtomicU32; 2] = unsafe { base.cast().as_ref() };

    numbers[0].store(x, Ordering::SeqCst);
    stdin().read_line(&mut String::new())?;
    println!("answer {}", numbers[1].load(Ordering::SeqCst));
    shm_unlink(name.as_str())?;
    Ok(())
}

/// The program's two arguments: the object's name, with its slash, and the number to store.
fn arguments() -> Result<(String, u32), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("usage: named_object /NAME X");
    Ok((next()?, next()?.parse()?))
}
