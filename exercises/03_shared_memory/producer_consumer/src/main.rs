//! One process fills a ring of slots in shared memory, the other empties it. The lesson is in README.md.
#![allow(unused)] // the imports below are there for you: take what you need

use std::error::Error;
use std::num::NonZeroUsize;
use std::process::exit;

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork};
use unix_ipc::semaphore::{Semaphore, Sharing};

fn main() -> Result<(), Box<dyn Error>> {
    let (slots, items) = arguments()?;

    // TODO 1: map memory that both processes will share. When: before or after the fork?
    // TODO 2: two semaphores in it. What do they count, and where does each start?
    // TODO 3: fork. The child stores each item in the next slot, round and round.
    // TODO 4: the parent takes each item, and prints their sum: sum N
    // TODO 5: wait for the child.
    Ok(())
}

/// The program's two arguments: how many slots the ring has, and the items.
fn arguments() -> Result<(usize, Vec<u64>), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("usage: producer_consumer SLOTS 'ITEMS'");
    let slots = next()?.parse()?;
    let items = next()?.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    Ok((slots, items))
}
