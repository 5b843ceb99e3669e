//! A System V set: the semaphores are the kernel's, and have to be removed. The lock is given back when its owner dies
//! (SEM_UNDO); the counts are not: a process that ends has stored and taken what it has.

use std::error::Error;
use std::num::NonZeroUsize;
use std::process::exit;

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use unix_ipc::sem::{Op, Set};
use unix_ipc::{Key, Make};

/// A page: more than the slots need.
const SIZE: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// The semaphores of the set: free slots, full ones, and the right to be at them.
const EMPTY: u16 = 0;
const FULL: u16 = 1;
const LOCK: u16 = 2;

/// The ring, as each of the two processes sees it.
struct Ring {
    set: Set,
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
            let ended = waitpid(child, None)?;
            ring.set.remove()?; // nobody else would
            match ended {
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
        let set = Set::get(Key::Private, 3, Make::New)?;
        set.set(EMPTY, count.try_into()?)?;
        set.set(FULL, 0)?;
        set.set(LOCK, 1)?;
        Ok(Self { set, slots: base.cast().as_ptr(), count })
    }

    /// Stores an item, once there is a free slot.
    fn put(&self, turn: usize, item: u64) -> Result<(), Box<dyn Error>> {
        self.add(EMPTY, -1, false)?;
        self.add(LOCK, -1, true)?;
        // SAFETY: a slot of the page; the other process leaves it alone until it is said to be full.
        unsafe { self.slots.add(turn % self.count).write_volatile(item) };
        self.add(LOCK, 1, true)?;
        self.add(FULL, 1, false)?;
        Ok(())
    }

    fn add(&self, index: u16, change: i16, undo: bool) -> Result<(), Box<dyn Error>> {
        Ok(self.set.change(&[Op { index, change, undo }])?)
    }

    /// Takes the next item, once it is there.
    fn take(&self, turn: usize) -> Result<u64, Box<dyn Error>> {
        self.add(FULL, -1, false)?;
        self.add(LOCK, -1, true)?;
        // SAFETY: a slot of the page; the other process leaves it alone until it is said to be empty.
        let item = unsafe { self.slots.add(turn % self.count).read_volatile() };
        self.add(LOCK, 1, true)?;
        self.add(EMPTY, 1, false)?;
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
