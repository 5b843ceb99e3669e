//! Puts a number into a shared object, waits for a line, and prints the answer that it finds there.

use std::error::Error;
use std::io::stdin;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::fcntl::OFlag;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, shm_open, shm_unlink};
use nix::sys::stat::Mode;
use nix::unistd::ftruncate;

/// What both programs agree on: these eight bytes, in this order.
#[repr(C)]
struct Board {
    x: AtomicU32,
    answer: AtomicU32,
}

fn main() -> Result<(), Box<dyn Error>> {
    let (name, x) = arguments()?;
    let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_RDWR;
    let object = shm_open(name.as_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR)?;

    let answer = ask(&object, x);
    shm_unlink(name.as_str())?; // before any error is passed on: the name must not stay
    println!("answer {}", answer?);
    Ok(())
}

/// Stores `x` in the object and returns what lies beside it once a line has come.
fn ask(object: &OwnedFd, x: u32) -> Result<u32, Box<dyn Error>> {
    let board = map(object)?;
    board.x.store(x, Ordering::SeqCst);
    stdin().read_line(&mut String::new())?;
    Ok(board.answer.load(Ordering::SeqCst))
}

/// Gives the object its size and maps it, for as long as the program lives.
fn map(object: &OwnedFd) -> Result<&'static Board, Box<dyn Error>> {
    let size = NonZeroUsize::new(size_of::<Board>()).ok_or("the board has no size")?;
    ftruncate(object, size_of::<Board>().try_into()?)?;
    // SAFETY: the kernel chooses an address that is free.
    let base =
        unsafe { mmap(None, size, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED, object, 0)? };
    // SAFETY: the mapping begins at a page, is as large as a board, and is never unmapped. Any bytes are valid atomics,
    // and atomics may change under our eyes.
    Ok(unsafe { base.cast().as_ref() })
}

/// The program's two arguments: the object's name, with its slash, and the number to store.
fn arguments() -> Result<(String, u32), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("usage: named_object /NAME X");
    Ok((next()?, next()?.parse()?))
}
