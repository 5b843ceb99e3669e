//! What the guard knows of one thread, and of an access that it stands before.

use std::cell::Cell;
use std::rc::Rc;

use super::Mapping;
use super::images::Class;
use super::inject::At;
use crate::sys::arch::{Instruction, Registers, Touch};
use crate::sys::wait::Status;
use crate::trace::raw::RawFile;

/// An instruction that accessed guarded memory, and the function it stands in.
#[derive(Debug)]
pub(super) struct Code {
    pub(super) instruction: Instruction,
    pub(super) class: Class,
    /// How often in a row no other access was come to by hand from here.
    pub(super) futile: Cell<u32>,
}

/// What the guard knows of one thread.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// The kind of stop it is in.
    pub(crate) at: At,
    /// It stands before an access.
    pub(super) access: Option<Pending>,
    /// It has loaded and not yet stored: an instruction that does both and is not locked.
    pub(super) half: Option<Half>,
    /// Accesses of one function of libc's that are told as one.
    pub(super) run: Option<Run>,
    /// The arguments of its call as the program gave them, where they were moved.
    pub(super) args: Option<[u64; 6]>,
    /// It masked SIGSEGV when it went on.
    pub(super) masks_segv: bool,
    /// No signal awaited it when there had been so many disturbances ([`crate::sys::ptrace::disturbances`]).
    pub(super) undisturbed: Option<u64>,
    /// Its last loads, of a few places, and how often it has seen no more than these since.
    pub(super) seen: Vec<(Touch, Vec<u8>)>,
    pub(super) again: u32,
}

#[derive(Debug)]
pub(super) struct Pending {
    pub(super) registers: Registers,
    pub(super) code: Option<Rc<Code>>,
    /// The address that faulted.
    pub(super) addr: u64,
    /// libc makes it inside of a function that is told itself.
    pub(super) silent: bool,
}

#[derive(Debug)]
pub(super) struct Half {
    pub(super) instruction: u64,
    pub(super) stack: u64,
    pub(super) loaded: Vec<u8>,
}

/// Stretches of one object, each with its bytes.
pub(super) type Stretches = Vec<(RawFile, u64, Vec<u8>)>;

#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) stack: u64,
    /// Where the function returns to, and where its first access stands: the same again is the next call of it, unless it
    /// goes on where it was, as a loop inside does.
    pub(super) caller: Option<u64>,
    pub(super) first: u64,
    /// A function on strings: what it looks at ends with the string.
    pub(super) text: bool,
    pub(super) loaded: Stretches,
    /// What stood there before.
    pub(super) stored: Stretches,
}

impl Run {
    /// Whether this place lies at the end of what was accessed, before its start or inside.
    pub(super) fn adjoins(&self, identity: super::Identity, offset: u64) -> bool {
        /// The widest access that comes before what is there already, when a copy goes downwards.
        const WIDEST: u64 = 64;
        self.loaded.iter().chain(&self.stored).any(|(file, start, bytes)| {
            (file.dev, file.ino) == identity
                && (start.saturating_sub(WIDEST)..=start + bytes.len() as u64).contains(&offset)
        })
    }
}

/// A touch of guarded memory.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) touch: Touch,
    pub(super) open: u64,
    pub(super) mapping: Mapping,
}

impl Place {
    pub(super) fn offset(&self) -> u64 {
        self.mapping.offset + (self.touch.addr - self.mapping.addr)
    }
}

/// How a step ended.
pub(super) enum Stepped {
    /// The instruction is done.
    Done(Box<Registers>),
    /// Something else came first; the thread is as before.
    Instead(Status),
}

impl Standing {
    /// Whether it stands before a call that has not begun.
    pub(crate) fn is_before_call(&self) -> bool {
        self.at == At::Entry
    }

    /// Whether it stands before an access: a place where the schedule decides.
    pub(crate) fn is_before_access(&self) -> bool {
        self.access.is_some()
    }

    /// Notes a load: how many there were since one that showed something new.
    ///
    /// A loop that waits may look at several places in turn: at an index and at the one that it chases.
    pub(super) fn looks_again(&mut self, load: (Touch, Vec<u8>)) -> u32 {
        /// Who looks at more places gets on.
        const PLACES: usize = 4;
        if self.seen.contains(&load) {
            self.again += 1;
            return self.again;
        }
        if self.seen.len() == PLACES || self.seen.iter().any(|(touch, _)| *touch == load.0) {
            self.seen.clear();
        }
        self.seen.push(load);
        self.again = 0;
        0
    }

    /// Whether arguments of its call were moved.
    pub(crate) fn has_moved_args(&self) -> bool {
        self.args.is_some()
    }

    /// The arguments of its call as the program gave them, where they were moved.
    pub(crate) fn take_args(&mut self) -> Option<[u64; 6]> {
        self.args.take()
    }
}
