//! Calls that change what is mapped: what two processes can reach, and what has to be guarded for it.

use std::ops::Range;

use super::super::engine::{Engine, Fallible};
use super::super::filter::filter_for;
use super::super::proc;
use super::inject::{Lost, Session};
use super::{Fate, Mapping};
use crate::sys::arch::{Invocation, Registers, SYSCALL, Sys};
use crate::sys::{memory, ptrace, seccomp};
use crate::trace::raw::{Call, RawFile, RawKind, Tid};

const PAGE: u64 = 4096;

fn pages(len: u64) -> u64 {
    len.div_ceil(PAGE).saturating_mul(PAGE)
}

impl Engine<'_> {
    fn tgid(&self, tid: Tid) -> Option<Tid> {
        let order = self.order_of.get(&tid)?;
        Some(self.tracees.get(order)?.tgid)
    }

    /// Whether the call only changes private memory: nobody needs to know of it, and its exit need not stop.
    pub(crate) fn maps_privately(&self, tid: Tid, call: &Invocation) -> bool {
        let [addr, len, _, flags, ..] = call.args;
        let (from, to) = match call.sys {
            Sys::Munmap | Sys::Mprotect | Sys::Mremap => (addr, addr.saturating_add(pages(len))),
            // The filter stops these for what they may lie over.
            Sys::Mmap if flags as i32 & libc::MAP_ANONYMOUS != 0 && flags as i32 & libc::MAP_SHARED == 0 => {
                (addr, addr.saturating_add(pages(len)))
            }
            _ => return false,
        };
        let space = self.tgid(tid).and_then(|tgid| self.guard.space(tgid));
        !space.is_some_and(|space| space.mappings.iter().any(|it| it.addr < to && from < it.end()))
    }

    /// At the entry of a call that shares all of the process's memory with a new one: what is shared is guarded first.
    pub(crate) fn guard_before_fork(&mut self, tid: Tid, call: &Invocation, registers: &Registers) -> Fallible<()> {
        let shares = call.sys == Sys::Vfork || call.sys == Sys::Clone && call.args[0] & libc::CLONE_VM as u64 != 0;
        let Some(tgid) = self.tgid(tid).filter(|_| self.options.boxed && !shares) else { return Ok(()) };
        self.note_call_instruction(tid, tgid, registers);
        self.guard.decide(Some(tgid));
        self.guard_pending(tid)
    }

    /// Before it is let go: shared memory that another process has mapped meanwhile is guarded here too. Where that
    /// cannot be done at this stop, it comes at the next one, before code of the program's runs.
    pub(crate) fn guard_pending(&mut self, tid: Tid) -> Fallible<()> {
        let Some(tgid) = self.tgid(tid) else { return Ok(()) };
        let Some(space) = self.guard.space(tgid).filter(|space| space.pending) else { return Ok(()) };
        let opened: Vec<(u64, u64)> = space.mappings.iter().filter(|it| it.open).map(|it| (it.addr, it.len)).collect();
        let wanted: Vec<Mapping> = space
            .mappings
            .iter()
            .filter(|it| it.alias.is_none() && self.guard.fates.get(&it.identity()) == Some(&Fate::Guarded))
            .cloned()
            .collect();
        for (addr, len) in opened {
            let closed = self.inject(tid, |session| {
                session.call(libc::SYS_mprotect, [addr, len, libc::PROT_NONE as u64, 0, 0, 0])
            })?;
            if closed.is_none() {
                return Ok(());
            }
            let space = self.guard.space_mut(tgid).expect("it was there");
            space.mappings.iter_mut().filter(|it| it.addr == addr).for_each(|it| it.open = false);
        }
        for mapping in wanted {
            let Mapping { addr, len, .. } = mapping;
            let filtered = self.guard.space(tgid).map_or(&[][..], |space| &space.filtered);
            let filtered = filtered.iter().any(|(from, to)| *from <= addr && addr + len <= *to);
            let made = self.inject(tid, |session| {
                // mremap(2): an old size of zero makes a second mapping of the same pages.
                let alias = session.call(libc::SYS_mremap, [addr, 0, len, libc::MREMAP_MAYMOVE as u64, 0, 0])?;
                if alias > 0 {
                    session.call(libc::SYS_mprotect, [addr, len, libc::PROT_NONE as u64, 0, 0, 0])?;
                    if !filtered {
                        stop_where_pointed(tid, session, addr..addr + len)?;
                    }
                }
                Ok(alias)
            })?;
            let Some(alias) = made else { return Ok(()) };
            if alias < 0 {
                // No room for it (RLIMIT_AS): what happens there is not seen, and that is said.
                self.leave_open(tid, &mapping.file);
                continue;
            }
            let space = self.guard.space_mut(tgid).expect("it was there");
            if !filtered {
                space.filtered.push((addr, addr + len));
            }
            for it in space.mappings.iter_mut().filter(|it| it.addr == addr && it.len == len) {
                it.alias = Some(alias as u64);
            }
            self.shadows.set_guarded(&mapping.file, true);
        }
        if let Some(space) = self.guard.space_mut(tgid) {
            space.pending = false;
        }
        Ok(())
    }

    /// From now on accesses to this memory are not seen one by one.
    pub(super) fn leave_open(&mut self, tid: Tid, file: &RawFile) {
        if self.guard.fates.insert((file.dev, file.ino), Fate::Open) != Some(Fate::Open) {
            self.shadows.set_guarded(file, false);
            self.tell(tid, RawKind::Unexamined { file: file.clone() });
        }
    }

    fn note_call_instruction(&mut self, tid: Tid, tgid: Tid, registers: &Registers) {
        let Some(space) = self.guard.space_mut(tgid).filter(|space| space.call_instruction.is_none()) else { return };
        let at = registers.call_instruction();
        if memory::read_vec(tid, at, SYSCALL.len()) == SYSCALL {
            space.call_instruction = Some(at);
        }
    }

    /// A call came back: what it changed in the address space.
    pub(crate) fn note_mappings(&mut self, tid: Tid, call: &Invocation, decoded: &Call, result: i64) -> Fallible<()> {
        let Some(tgid) = self.tgid(tid).filter(|_| self.options.boxed && result >= 0) else { return Ok(()) };
        let [addr, len, prot, ..] = call.args;
        match call.sys {
            Sys::Mmap => {
                let from = result as u64;
                self.forget_mappings(tid, tgid, from, from + pages(len))?;
                if let Call::Map { shared: true, file: Some(file), offset, .. } = decoded {
                    self.mapped(tid, tgid, from, pages(len), prot as i32, file, *offset)?;
                }
            }
            Sys::Shmat => {
                if let Call::ShmAttach { write, file: Some(file), .. } = decoded {
                    let prot = libc::PROT_READ | if *write { libc::PROT_WRITE } else { 0 };
                    let len = mapped_length(tid, result as u64);
                    self.mapped(tid, tgid, result as u64, len, prot, file, 0)?;
                }
            }
            Sys::Munmap => self.forget_mappings(tid, tgid, addr, addr + pages(len))?,
            Sys::Shmdt => {
                let space = self.guard.space(tgid);
                let all = space.and_then(|space| space.mappings.iter().find(|it| it.addr == addr).cloned());
                if let Some(mapping) = all {
                    let ends = self.guard.space(tgid).into_iter().flat_map(|space| &space.mappings);
                    let same = ends.filter(|it| it.identity() == mapping.identity() && it.addr >= addr);
                    let end = same.map(Mapping::end).max().unwrap_or(addr);
                    self.forget_mappings(tid, tgid, addr, end)?;
                }
            }
            Sys::Mprotect => self.protected(tid, tgid, addr, addr + pages(len), prot as i32)?,
            Sys::Mremap => {
                let moved = self.guard.space(tgid).and_then(|it| it.mappings.iter().find(|m| m.holds(addr)).cloned());
                if let Some(mapping) = moved {
                    let (from, len) = (result as u64, pages(call.args[2]));
                    let offset = mapping.offset + (addr - mapping.addr);
                    let old = if call.args[1] == 0 { addr } else { addr + pages(call.args[1]) };
                    self.forget_mappings(tid, tgid, addr, old)?;
                    self.forget_mappings(tid, tgid, from, from + len)?;
                    if mapping.alias.is_some() {
                        // It came with the protection that the guard gave it.
                        let prot = mapping.prot as u64;
                        self.inject(tid, |session| session.call(libc::SYS_mprotect, [from, len, prot, 0, 0, 0]))?;
                    }
                    self.mapped(tid, tgid, from, len, mapping.prot, &mapping.file, offset)?;
                }
            }
            Sys::Shmctl if matches!(call.args[1] as i32 & !0x100, libc::IPC_STAT) => {
                self.correct_attachments(tid, call);
            }
            Sys::RtSigaction if call.args[0] as i32 == libc::SIGSEGV && call.args[1] != 0 => {
                let action = memory::read_vec(tid, call.args[1], super::fault::SIGACTION);
                if let Some(space) = self.guard.space_mut(tgid) {
                    space.on_segv = Some(action);
                }
            }
            _ => {}
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "a mapping has that many")]
    fn mapped(
        &mut self,
        tid: Tid,
        tgid: Tid,
        addr: u64,
        len: u64,
        prot: i32,
        file: &RawFile,
        offset: u64,
    ) -> Fallible<()> {
        if let Ok(registers) = ptrace::registers(tid) {
            self.note_call_instruction(tid, tgid, &registers);
        }
        let Some(space) = self.guard.space_mut(tgid) else { return Ok(()) };
        space.mappings.push(Mapping { addr, len, prot, file: file.clone(), offset, alias: None, open: false });
        self.guard.decide(None);
        Ok(())
    }

    /// A call that only changes private memory unmaps some, perhaps to map something else there.
    pub(crate) fn note_unmapped_privately(&mut self, tid: Tid, call: &Invocation) {
        let [addr, len, _, flags, ..] = call.args;
        let unmaps = match call.sys {
            Sys::Munmap => true,
            Sys::Mmap => flags as i32 & libc::MAP_FIXED != 0,
            _ => false,
        };
        // Where its arguments are good it succeeds, but at the limit of mappings (munmap(2), ENOMEM).
        if unmaps && addr.is_multiple_of(PAGE) {
            self.forget_what_lay_in(tid, addr..addr.saturating_add(pages(len)));
        }
    }

    /// Memory was unmapped: so are its aliases.
    fn forget_mappings(&mut self, tid: Tid, tgid: Tid, from: u64, to: u64) -> Fallible<()> {
        self.forget_what_lay_in(tid, from..to.max(from));
        self.functions.remapped(tid);
        let removed = self.guard.space_mut(tgid).map(|space| space.remove(from, to)).unwrap_or_default();
        for mapping in removed {
            if let Some(alias) = mapping.alias {
                self.inject(tid, |session| session.call(libc::SYS_munmap, [alias, mapping.len, 0, 0, 0, 0]))?;
            }
        }
        Ok(())
    }

    /// The program changed what it may do with memory: guarded memory stays guarded, and the alias can do as much.
    fn protected(&mut self, tid: Tid, tgid: Tid, from: u64, to: u64, prot: i32) -> Fallible<()> {
        let parts = self.guard.space_mut(tgid).map(|space| space.remove(from, to)).unwrap_or_default();
        for mut part in parts {
            part.prot = prot;
            if let Some(alias) = part.alias {
                let (addr, len) = (part.addr, part.len);
                self.inject(tid, |session| {
                    session.call(libc::SYS_mprotect, [addr, len, libc::PROT_NONE as u64, 0, 0, 0])?;
                    session.call(libc::SYS_mprotect, [alias, len, prot as u64, 0, 0, 0])
                })?;
            }
            if let Some(space) = self.guard.space_mut(tgid) {
                space.mappings.push(part);
            }
        }
        self.guard.decide(None);
        Ok(())
    }

    /// shm_nattch without the aliases, which nobody attached (struct shmid_ds, shmctl(2)).
    fn correct_attachments(&mut self, tid: Tid, call: &Invocation) {
        /// Where shm_nattch stands in it, on 64-bit Linux.
        const NATTCH: u64 = 88;
        let id = u64::from(call.args[0] as u32);
        let aliases: u64 = self
            .guard
            .spaces
            .values()
            .flat_map(|space| &space.mappings)
            // The inode of a System V segment is its identifier (ipc/shm.c, newseg).
            .find(|mapping| mapping.file.ino == id && mapping.file.path.is_empty())
            .map_or(0, |mapping| self.guard.aliases(mapping.identity()));
        let place = call.args[2] + NATTCH;
        if aliases > 0
            && let Some(count) = memory::read_u64(tid, place)
        {
            // Where it cannot be written, the kernel could not either and the call failed.
            let _ = memory::write(tid, place, &count.saturating_sub(aliases).to_ne_bytes());
        }
    }
}

/// From now on calls of the process that point into this memory stop, also those that nobody looks at: seccomp filters are
/// added, never taken away, and children inherit them. Where one more is refused such a call fails with EFAULT.
fn stop_where_pointed(tid: Tid, session: &mut Session, guarded: Range<u64>) -> Result<(), Lost> {
    let program = filter_for(guarded);
    let place = session.below_stack(seccomp::in_memory(&program, 0).len() as u64);
    if memory::write(tid, place, &seccomp::in_memory(&program, place)).is_ok() {
        let (add, threads) = (libc::SECCOMP_SET_MODE_FILTER, libc::SECCOMP_FILTER_FLAG_TSYNC);
        session.call(libc::SYS_seccomp, [u64::from(add), threads, place, 0, 0, 0])?;
    }
    Ok(())
}

/// The length of the mapping that begins at an address.
fn mapped_length(tid: Tid, addr: u64) -> u64 {
    let maps = proc::text(tid, "maps");
    let from = format!("{addr:x}-");
    let line = maps.lines().find_map(|line| line.strip_prefix(&from)?.split_whitespace().next());
    line.and_then(|to| u64::from_str_radix(to, 16).ok()).map_or(PAGE, |to| to - addr)
}
