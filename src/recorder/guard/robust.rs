//! Robust locks in guarded memory whose owner ends: the kernel cannot write there, so the recorder does its work.

use super::super::engine::Engine;
use super::super::tracee::State;
use crate::sys::arch::Sys;
use crate::sys::{memory, ptrace};
use crate::trace::raw::Tid;

/// The bits of a lock's word (linux/futex.h).
const WAITERS: u32 = 0x8000_0000;
const OWNER_DIED: u32 = 0x4000_0000;
const OWNER: u32 = 0x3fff_ffff;
/// As many locks as the kernel looks at (ROBUST_LIST_LIMIT in linux/futex.h).
const MOST: usize = 2048;

impl Engine<'_> {
    /// A thread is about to end: marks the locks that it holds, and lets those look again that wait for them
    /// (exit_robust_list in kernel/futex/core.c; Documentation/locking/robust-futex-ABI.rst).
    pub(crate) fn leave_robust_locks(&mut self, tid: Tid) {
        let Some((tgid, inner)) = self.tracee(tid).map(|tracee| (tracee.tgid, tracee.inner)) else { return };
        let Some(space) = self.guard.space(tgid) else { return };
        if space.mappings.iter().all(|mapping| mapping.alias.is_none()) {
            return;
        }
        let Ok(Some(head)) = ptrace::robust_list(tid) else { return };
        let word = |addr: u64| memory::read_u64(tid, addr);
        let (Some(mut entry), Some(offset), Some(pending)) = (word(head), word(head + 8), word(head + 16)) else {
            return;
        };
        let mut entries = Vec::new();
        while entry & !1 != head && entries.len() < MOST {
            entries.push(entry & !1);
            let Some(next) = word(entry & !1) else { break };
            entry = next;
        }
        entries.extend(Some(pending & !1).filter(|entry| *entry != 0));
        let mut died = Vec::new();
        for entry in entries {
            let place = entry.wrapping_add(offset);
            let Some(open) = space.open_place(place) else { continue };
            let Some(lock) = memory::read_u32(tid, open) else { continue };
            if lock & OWNER == inner as u32
                && memory::write_open(tid, open, &((lock & WAITERS) | OWNER_DIED).to_ne_bytes()).is_ok()
                && let Some(mapping) = space.guarded(place)
            {
                died.push((mapping.identity(), mapping.offset + (place - mapping.addr)));
            }
        }
        for (identity, offset) in died {
            let waiting: Vec<Tid> = self
                .tracees
                .values()
                .filter(|tracee| matches!(tracee.state, State::Asleep { .. }))
                .filter(|tracee| {
                    let call = tracee.call.filter(|call| call.sys == Sys::Futex);
                    call.and_then(|call| self.guard.space(tracee.tgid)?.shown(call.args[0])) == Some((identity, offset))
                })
                .map(|tracee| tracee.tid)
                .collect();
            for waiting in waiting {
                // Its wait begins again and sees the word; one that was killed needs no waking.
                let _ = ptrace::interrupt(waiting);
            }
        }
    }
}
