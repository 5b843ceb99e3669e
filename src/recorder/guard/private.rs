//! Private memory of a stopped process, as a thread sees it that is followed by hand: page by page, written back at once.
//!
//! The kernel says what may be read and written there, as it would to the thread itself: process_vm_readv(2) and
//! process_vm_writev(2) go by the protection of what is mapped. So nothing has to be known of mappings, but which are
//! shared.

use std::ops::Range;

use super::Mapping;
use crate::sys::arch::{LONGEST_INSTRUCTION, Memory};
use crate::sys::{memory, ptrace};
use crate::trace::raw::Tid;

const PAGE: u64 = 4096;
/// What lies so near to the stack's end is needed again soon.
const NEAR: u64 = 2 * PAGE;

/// Pages that were read.
#[derive(Debug, Default)]
pub(super) struct Pages {
    /// How many disturbances there had been then ([`ptrace::disturbances`]).
    as_of: u64,
    all: Vec<Page>,
}

#[derive(Debug)]
struct Page {
    at: u64,
    bytes: Box<[u8; PAGE as usize]>,
    /// There are instructions in it.
    code: bool,
    /// The thread may write there.
    writable: bool,
    /// What was changed.
    dirty: Range<usize>,
}

impl Pages {
    /// Forgets what may have changed since.
    pub(super) fn refresh(&mut self) {
        if self.as_of != ptrace::disturbances() {
            self.all.clear();
            self.as_of = ptrace::disturbances();
        }
    }

    /// Writes what was changed. Instructions and the end of the stack stay: other private memory may be a file's, and
    /// change with it.
    pub(super) fn write_back(&mut self, tid: Tid, stack: u64) -> nix::Result<()> {
        for page in self.all.iter_mut().filter(|page| !page.dirty.is_empty()) {
            let dirty = std::mem::take(&mut page.dirty);
            memory::write_back(tid, page.at + dirty.start as u64, &page.bytes[dirty])?;
        }
        self.all.retain(|page| page.code || page.at.abs_diff(stack) < NEAR);
        Ok(())
    }
}

/// The memory of one thread.
pub(super) struct View<'a> {
    pub(super) tid: Tid,
    /// What is shared.
    pub(super) mappings: &'a [Mapping],
    pub(super) pages: &'a mut Pages,
    /// Guarded memory that was to be accessed.
    pub(super) met: Option<u64>,
}

impl View<'_> {
    /// The bytes at an address, as far as they are there, up to an instruction's length.
    pub(super) fn code(&mut self, at: u64) -> ([u8; LONGEST_INSTRUCTION], usize) {
        let (mut bytes, mut got) = ([0; LONGEST_INSTRUCTION], 0);
        while got < bytes.len() {
            let Some((page, from)) = self.page(at.wrapping_add(got as u64)) else { break };
            page.code = true;
            let part = &page.bytes[from..(from + bytes.len() - got).min(PAGE as usize)];
            bytes[got..got + part.len()].copy_from_slice(part);
            got += part.len();
        }
        (bytes, got)
    }

    /// The page that holds an address, and where in it.
    fn page(&mut self, addr: u64) -> Option<(&mut Page, usize)> {
        let (at, from) = (addr & !(PAGE - 1), (addr % PAGE) as usize);
        if let Some(known) = self.pages.all.iter().position(|page| page.at == at) {
            return Some((&mut self.pages.all[known], from));
        }
        let alias = |it: &Mapping| it.alias.is_some_and(|alias| (alias..alias + it.len).contains(&addr));
        if let Some(mapping) = self.mappings.iter().find(|it| it.holds(addr) || alias(it)) {
            self.met = (mapping.alias.is_some() && mapping.holds(addr)).then_some(addr);
            return None;
        }
        let mut bytes = Box::new([0; PAGE as usize]);
        if memory::read_open(self.tid, at, &mut bytes[..]) != Ok(bytes.len()) {
            return None;
        }
        self.pages.all.push(Page { at, bytes, code: false, writable: false, dirty: 0..0 });
        self.pages.all.last_mut().map(|page| (page, from))
    }

    /// The same for a number that lies in one page.
    fn within(&mut self, addr: u64, len: usize) -> Option<(&mut Page, Range<usize>)> {
        if addr % PAGE + len as u64 > PAGE {
            return None;
        }
        self.page(addr).map(|(page, from)| (page, from..from + len))
    }
}

impl Memory for View<'_> {
    fn load(&mut self, addr: u64, len: usize) -> Option<u64> {
        let (page, place) = self.within(addr, len)?;
        let mut bytes = [0; 8];
        bytes[..len].copy_from_slice(&page.bytes[place]);
        Some(u64::from_ne_bytes(bytes))
    }

    fn store(&mut self, addr: u64, value: u64, len: usize) -> Option<()> {
        let tid = self.tid;
        let (page, place) = self.within(addr, len)?;
        if !page.writable {
            // What stands there already: whether it can be written shows, and nothing else.
            memory::write_back(tid, addr, &page.bytes[place.clone()]).ok()?;
            page.writable = true;
        }
        page.bytes[place.clone()].copy_from_slice(&value.to_ne_bytes()[..len]);
        page.dirty = if page.dirty.is_empty() {
            place
        } else {
            page.dirty.start.min(place.start)..page.dirty.end.max(place.end)
        };
        Some(())
    }
}
