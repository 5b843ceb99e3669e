//! expect: H003
//! The consumer does wait for `full` in the end, but before that it looks at a counter until it changes.

use std::error::Error;
use std::num::NonZeroUsize;
use std::process::exit;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use unix_ipc::semaphore::{Semaphore, Sharing};

/// A page: more than two semaphores and the slots need.
const SIZE: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// Where the slots begin, behind the two semaphores.
const SLOTS_AT: usize = 128;

/// The ring, as each of the two processes sees it.
struct Ring {
    empty: &'static Semaphore,
    full: &'static Semaphore,
    stored: &'static AtomicU64,
    slots: *mut u64,
    count: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let (slots, items) = arguments()?;
    let ring = Ring::new(slots)?; // before the fork: then both have the same memory

    // SAFETY: this process has one thread, so the child may do all that a process may.
    match unsafe { fork() }? {
        ForkResult::Child => {
            for (turn, item) in items.iter().enumerate() {
                ring.put(turn, *item)?;
            }
            exit(0)
        }
        ForkResult::Parent { child } => {
            let mut sum = 0;
            for turn in 0..items.len() {
                sum += ring.take(turn)?;
            }
            println!("sum {sum}");
            match waitpid(child, None)? {
                WaitStatus::Exited(_, 0) => Ok(()),
                other => Err(format!("the child did not end well: {other:?}").into()),
            }
        }
    }
}

impl Ring {
    fn new(count: usize) -> Result<Self, Box<dyn Error>> {
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: the kernel chooses an address that is free.
        let base = unsafe { mmap_anonymous(None, SIZE, access, MapFlags::MAP_SHARED) }?;
        let semaphores = base.cast::<Semaphore>().as_ptr();
        // SAFETY: the page is new and stays mapped; nobody else uses its first bytes.
        let empty = unsafe { Semaphore::init(semaphores, Sharing::Processes, count.try_into()?) }?;
        // SAFETY: likewise, right behind the first.
        let full = unsafe { Semaphore::init(semaphores.add(1), Sharing::Processes, 0) }?;
        // SAFETY: eight bytes of the page, behind both semaphores and before the slots.
        let stored = unsafe { base.byte_add(SLOTS_AT - 8).cast::<AtomicU64>().as_ref() };
        // SAFETY: within the page, behind both semaphores.
        let slots = unsafe { base.byte_add(SLOTS_AT) }.cast().as_ptr();
        Ok(Self { empty, full, stored, slots, count })
    }

    /// Stores an item, once there is a free slot.
    fn put(&self, turn: usize, item: u64) -> Result<(), Box<dyn Error>> {
        self.empty.wait()?;
        // SAFETY: a slot of the page; the other process leaves it alone until it is said to be full.
        unsafe { self.slots.add(turn % self.count).write_volatile(item) };
        self.stored.fetch_add(1, SeqCst);
        self.full.post()?;
        Ok(())
    }

    /// Takes the next item, once it is there.
    fn take(&self, turn: usize) -> Result<u64, Box<dyn Error>> {
        while self.stored.load(SeqCst) == turn as u64 {}
        self.full.wait()?;
        // SAFETY: a slot of the page; the other process leaves it alone until it is said to be empty.
        let item = unsafe { self.slots.add(turn % self.count).read_volatile() };
        self.empty.post()?;
        Ok(item)
    }
}

/// The program's two arguments: how many slots the ring has, and the items.
fn arguments() -> Result<(usize, Vec<u64>), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("usage: producer_consumer SLOTS 'ITEMS'");
    let slots = next()?.parse()?;
    let items = next()?.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    Ok((slots, items))
}
