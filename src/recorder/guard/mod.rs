//! Shared memory, access by access: memory that two processes can reach and one may write is *guarded*.
//!
//! # Theory of operation
//!
//! A guarded mapping is inaccessible in each of the learner's processes (PROT_NONE); beside it lies a second, open mapping
//! of the same pages, the *alias* (mremap(2) with an old size of 0). An access faults, and the fault is a stop in which
//! the thread stands *before* its access: a place where the schedule decides. When the thread is chosen, the access is
//! carried out through the alias, by hand where it is simple and else by a single step with the operand moved there, and
//! told as `Loaded` or `Stored`. The SIGSEGV never reaches the program. Where the few instructions up to the next access are
//! simple they are carried out by hand too, and that access makes no stop ([`ahead`]).
//!
//! What only one process maps is left alone. Anonymous memory is guarded at the entry of the fork that shares it, so that
//! the child inherits both mappings; an object with a name when a second process maps it: a process that sleeps then gets
//! its guard at its call's exit, before it runs code of its own. Peers tell their accesses themselves and are never
//! guarded. Memory is changed by calls that the recorder makes the stopped tracee do ([`inject`]).
//!
//! System calls do not fault but fail on guarded memory: pointers in their arguments are moved to the alias for the
//! length of the call ([`pointers`]). What the kernel itself stores there is seen by comparing, as for unguarded memory.
//!
//! Architecture invariant: knows no names and no verdicts, and nothing of a processor but what `sys::arch` says.

mod access;
mod ahead;
mod calls;
mod fault;
mod images;
mod inject;
mod pointers;
mod private;
mod robust;
mod standing;
mod told;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use self::ahead::Step;
use self::images::Images;
use self::private::Pages;
use self::standing::Code;
pub(super) use self::standing::Standing;
use crate::trace::raw::{RawFile, Tid};

/// How many accesses of a run are looked at one by one; past it the memory is opened for good.
pub(super) const MOST_ACCESSES: u64 = 100_000;

/// The identity of shared memory: device and inode.
type Identity = (u64, u64);

/// What is guarded, and where.
#[derive(Debug, Default)]
pub(super) struct Guard {
    /// Address spaces by number; those that are gone leave a hole.
    spaces: BTreeMap<u32, Space>,
    next: u32,
    /// By a process's first thread.
    of: HashMap<Tid, u32>,
    fates: HashMap<Identity, Fate>,
    /// How many accesses there were.
    accesses: u64,
    /// And how many of them were come to by hand.
    pub(super) by_hand: u64,
}

/// What was decided of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Its accesses are seen.
    Guarded,
    /// There were too many, or it cannot be guarded.
    Open,
}

/// One address space: what a process, or several of them until an exec, have mapped.
#[derive(Debug, Default)]
struct Space {
    mappings: Vec<Mapping>,
    /// Something of it has to be guarded before code of the program's runs again.
    pending: bool,
    /// The harness's own.
    peer: bool,
    /// Where an instruction stands that makes system calls.
    call_instruction: Option<u64>,
    /// What the program wants done on SIGSEGV, as sigaction(2) gave it; none where nobody asked yet.
    on_segv: Option<Vec<u8>>,
    /// Instructions that accessed guarded memory; processes that run the same program share it.
    code: Rc<RefCell<HashMap<u64, Option<Rc<Code>>>>>,
    images: Rc<RefCell<Images>>,
    /// Instructions that were followed by hand, or could not be.
    steps: Rc<RefCell<HashMap<u64, Rc<Step>>>>,
    pages: Pages,
    /// Where calls that point there stop: filters stay, and memory is often mapped again where it was.
    filtered: Vec<(u64, u64)>,
    /// Whether the processor keeps return addresses of its own; none where nobody asked yet.
    shadow_stack: Option<bool>,
}

/// Shared memory in an address space.
#[derive(Debug, Clone)]
struct Mapping {
    addr: u64,
    len: u64,
    /// What the program may do there, as it asked for it (mmap(2)).
    prot: i32,
    file: RawFile,
    /// Where the object begins to be shown, in bytes from its start.
    offset: u64,
    /// Where it lies open; none where it is not guarded.
    alias: Option<u64>,
    /// The guard was taken away for one instruction, and has to be put back.
    open: bool,
}

impl Mapping {
    fn identity(&self) -> Identity {
        (self.file.dev, self.file.ino)
    }

    fn end(&self) -> u64 {
        self.addr + self.len
    }

    fn holds(&self, addr: u64) -> bool {
        (self.addr..self.end()).contains(&addr)
    }

    fn writable(&self) -> bool {
        self.prot & libc::PROT_WRITE != 0
    }

    /// The part of it from one address to another.
    fn part(&self, from: u64, to: u64) -> Self {
        let (from, to) = (from.max(self.addr), to.min(self.end()));
        let skipped = from - self.addr;
        Self {
            addr: from,
            len: to - from,
            offset: self.offset + skipped,
            alias: self.alias.map(|alias| alias + skipped),
            ..self.clone()
        }
    }
}

impl Space {
    fn guarded(&self, addr: u64) -> Option<&Mapping> {
        self.mappings.iter().find(|mapping| mapping.alias.is_some() && mapping.holds(addr))
    }

    /// The open place of a guarded address.
    fn open_place(&self, addr: u64) -> Option<u64> {
        let mapping = self.guarded(addr)?;
        Some(mapping.alias? + (addr - mapping.addr))
    }

    /// Where a place in an object lies open.
    fn open_offset(&self, file: &RawFile, offset: u64) -> Option<u64> {
        self.mappings.iter().find_map(|mapping| {
            let here = mapping.identity() == (file.dev, file.ino);
            let inside = here && (mapping.offset..mapping.offset + mapping.len).contains(&offset);
            inside.then(|| mapping.alias.map(|alias| alias + (offset - mapping.offset))).flatten()
        })
    }

    /// What an address shows, of a guarded mapping or of its alias.
    fn shown(&self, addr: u64) -> Option<(Identity, u64)> {
        self.mappings.iter().find_map(|mapping| {
            let starts = [Some(mapping.addr), mapping.alias];
            let start = starts.into_iter().flatten().find(|start| (*start..start + mapping.len).contains(&addr))?;
            Some((mapping.identity(), mapping.offset + (addr - start)))
        })
    }

    /// Takes a stretch out; what lay there.
    fn remove(&mut self, from: u64, to: u64) -> Vec<Mapping> {
        let mut removed = Vec::new();
        for mapping in std::mem::take(&mut self.mappings) {
            if mapping.end() <= from || to <= mapping.addr {
                self.mappings.push(mapping);
                continue;
            }
            if mapping.addr < from {
                self.mappings.push(mapping.part(mapping.addr, from));
            }
            if to < mapping.end() {
                self.mappings.push(mapping.part(to, mapping.end()));
            }
            removed.push(mapping.part(from, to));
        }
        removed
    }
}

impl Guard {
    fn add(&mut self, space: Space) -> u32 {
        self.next += 1;
        self.spaces.insert(self.next, space);
        self.next
    }

    /// A root was seized.
    pub(super) fn started(&mut self, tgid: Tid, peer: bool) {
        let space = self.add(Space { peer, ..Space::default() });
        self.of.insert(tgid, space);
    }

    fn space(&self, tgid: Tid) -> Option<&Space> {
        self.spaces.get(self.of.get(&tgid)?)
    }

    fn space_mut(&mut self, tgid: Tid) -> Option<&mut Space> {
        self.spaces.get_mut(self.of.get(&tgid)?)
    }

    /// A process was forked; it may share its parent's memory until it execs (vfork(2)).
    pub(super) fn forked(&mut self, parent: Tid, child: Tid, shares: bool) {
        let Some(number) = self.of.get(&parent).copied() else { return };
        let number = if shares {
            number
        } else {
            let Some(space) = self.spaces.get(&number) else { return };
            let copy = Space {
                mappings: space.mappings.clone(),
                pending: space.pending,
                peer: space.peer,
                call_instruction: space.call_instruction,
                on_segv: space.on_segv.clone(),
                code: Rc::clone(&space.code),
                images: Rc::clone(&space.images),
                steps: Rc::clone(&space.steps),
                pages: Pages::default(),
                filtered: space.filtered.clone(),
                shadow_stack: space.shadow_stack,
            };
            self.add(copy)
        };
        self.of.insert(child, number);
    }

    /// Another program took the process over.
    pub(super) fn exec(&mut self, tgid: Tid) {
        let peer = self.space(tgid).is_some_and(|space| space.peer);
        self.gone(tgid);
        self.started(tgid, peer);
    }

    /// A process is gone, or its memory is.
    pub(super) fn gone(&mut self, tgid: Tid) {
        if let Some(number) = self.of.remove(&tgid)
            && !self.of.values().any(|other| *other == number)
        {
            self.spaces.remove(&number);
        }
    }

    /// Where an address of a process's can be read.
    pub(super) fn open_place(&self, tgid: Tid, addr: u64) -> u64 {
        self.space(tgid).and_then(|space| space.open_place(addr)).unwrap_or(addr)
    }

    /// Whether something of the process's memory is guarded.
    pub(super) fn guards(&self, tgid: Tid) -> bool {
        self.space(tgid).is_some_and(|space| space.mappings.iter().any(|mapping| mapping.alias.is_some()))
    }

    /// Whether accesses to this memory are seen one by one.
    pub(super) fn sees(&self, file: &RawFile) -> bool {
        self.fates.get(&(file.dev, file.ino)) == Some(&Fate::Guarded)
    }

    /// Decides which objects have to be guarded from now on: those that two address spaces can reach, of which one may
    /// write. The memory of `forking` is about to be reached by one more.
    fn decide(&mut self, forking: Option<Tid>) {
        let forking = forking.and_then(|tgid| self.of.get(&tgid).copied());
        let mut reached: HashMap<Identity, (Vec<u32>, bool)> = HashMap::new();
        for (number, space) in &self.spaces {
            for mapping in &space.mappings {
                let (by, written) = reached.entry(mapping.identity()).or_default();
                by.push(*number);
                if forking == Some(*number) {
                    by.push(u32::MAX);
                }
                *written |= mapping.writable();
            }
        }
        for (identity, (mut by, written)) in reached {
            by.dedup();
            if by.len() > 1 && written {
                self.fates.entry(identity).or_insert(Fate::Guarded);
            }
        }
        for space in self.spaces.values_mut().filter(|space| !space.peer) {
            space.pending |= space
                .mappings
                .iter()
                .any(|mapping| mapping.alias.is_none() && self.fates.get(&mapping.identity()) == Some(&Fate::Guarded));
        }
    }

    /// How many aliases of an object there are: as many more attachments than the programs made.
    fn aliases(&self, identity: Identity) -> u64 {
        let all = self.spaces.values().flat_map(|space| &space.mappings);
        all.filter(|mapping| mapping.identity() == identity && mapping.alias.is_some()).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::raw::FileKind;

    fn mapping(addr: u64, len: u64, prot: i32) -> Mapping {
        let file = RawFile { kind: FileKind::Memory, path: String::new(), dev: 1, ino: 7, read: true, write: true };
        Mapping { addr, len, prot, file, offset: 0x2000, alias: Some(addr + 0x10_0000), open: false }
    }

    #[test]
    fn parts_are_taken_out_of_the_middle() {
        let mut space = Space { mappings: vec![mapping(0x1000, 0x4000, 3)], ..Space::default() };
        let removed = space.remove(0x2000, 0x3000);
        let shown = |all: &[Mapping]| -> Vec<_> {
            all.iter().map(|it| (it.addr, it.len, it.offset, it.alias.expect("an alias"))).collect()
        };
        assert_eq!(shown(&removed), [(0x2000, 0x1000, 0x3000, 0x10_2000)]);
        assert_eq!(shown(&space.mappings), [(0x1000, 0x1000, 0x2000, 0x10_1000), (0x3000, 0x2000, 0x4000, 0x10_3000)]);
        assert_eq!(space.open_place(0x3008), Some(0x10_3008));
        assert_eq!(space.open_place(0x2008), None);
    }

    #[test]
    fn guarded_is_what_two_reach_and_one_may_write() {
        let check = |prots: &[i32], guarded: bool| {
            let mut guard = Guard::default();
            for (tgid, prot) in (1..).zip(prots) {
                guard.started(tgid, false);
                let mapping = Mapping { alias: None, ..mapping(0x1000, 0x1000, *prot) };
                guard.space_mut(tgid).expect("started").mappings.push(mapping);
            }
            guard.decide(None);
            assert_eq!(guard.space(1).expect("started").pending, guarded, "{prots:?}");
        };
        check(&[3], false);
        check(&[1, 1], false);
        check(&[1, 3], true);
        check(&[3, 3], true);
    }

    #[test]
    fn memory_is_shared_until_an_exec_and_gone_with_its_last_process() {
        let mut guard = Guard::default();
        guard.started(1, false);
        guard.forked(1, 2, true);
        guard.forked(1, 3, false);
        assert_eq!(guard.of[&1], guard.of[&2]);
        assert_ne!(guard.of[&1], guard.of[&3]);
        guard.exec(2);
        assert_ne!(guard.of[&1], guard.of[&2]);
        guard.gone(1);
        guard.gone(2);
        assert_eq!(guard.spaces.len(), 1);
    }
}
