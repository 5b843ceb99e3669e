//! Eight bytes shared with another program, found by name. The lesson is in README.md.
#![allow(unused)] // the imports below are there for you: take what you need

use std::error::Error;
use std::io::stdin;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::fcntl::OFlag;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, shm_open, shm_unlink};
use nix::sys::stat::Mode;
use nix::unistd::ftruncate;

fn main() -> Result<(), Box<dyn Error>> {
    let (name, x) = arguments()?;

    // TODO 1: create the shared object `name`, for reading and writing.
    // TODO 2: give it a size: 8 bytes.
    // TODO 3: map it into this process, shared.
    // TODO 4: store x at offset 0.
    // TODO 5: wait for a line on standard input.
    // TODO 6: load the answer from offset 4 and print it: answer N
    // TODO 7: remove the object's name.
    Ok(())
}

/// The program's two arguments: the object's name, with its slash, and the number to store.
fn arguments() -> Result<(String, u32), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("usage: named_object /NAME X");
    Ok((next()?, next()?.parse()?))
}
