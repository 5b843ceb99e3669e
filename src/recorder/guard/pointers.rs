//! Pointers that calls take into guarded memory: moved to the alias for the length of the call.

use super::super::engine::{Engine, Fallible, failed};
use super::super::tracee::{Resume, State};
use crate::sys::arch::{Invocation, Sys};
use crate::sys::{memory, ptrace};
use crate::trace::raw::Tid;

impl Engine<'_> {
    /// At the entry of a call: its arguments that point into guarded memory point to the alias from now on.
    ///
    /// Pointers that lie in memory themselves (readv(2), recvmsg(2), execve(2) …) are changed there, and changed back
    /// when the call has returned.
    pub(crate) fn move_pointers(&mut self, tid: Tid, call: &mut Invocation) -> Fallible<()> {
        let Some(tgid) = self.tracee(tid).map(|tracee| tracee.tgid) else { return Ok(()) };
        let Some(space) = self.guard.space(tgid).filter(|space| space.mappings.iter().any(|m| m.alias.is_some()))
        else {
            return Ok(());
        };
        if !follows_pointers(call.sys) {
            return Ok(());
        }
        let mut registers = ptrace::registers(tid).map_err(|errno| failed("read the registers of", tid, errno))?;
        let args = registers.raw_args();
        let moved = args.map(|arg| space.open_place(arg).unwrap_or(arg));
        registers.set_raw_args(moved);
        let Some(open) = registers.invocation() else { return Ok(()) };
        // Where the words stand that are pointers, and what they are to be.
        let mut words: Vec<(u64, u64, u64)> = Vec::new();
        for place in nested(tid, &open) {
            if let Some(pointer) = memory::read_u64(tid, place)
                && let Some(open) = space.open_place(pointer)
            {
                words.push((place, pointer, open));
            }
        }
        if moved != args {
            ptrace::set_registers(tid, &mut registers).map_err(|errno| failed("set the registers of", tid, errno))?;
            *call = open;
        }
        for (place, _, open) in &words {
            // Where it cannot be written the call fails with EFAULT, as it would without.
            let _ = memory::write(tid, *place, &open.to_ne_bytes());
        }
        if let Some(tracee) = self.tracee(tid) {
            tracee.standing.args = (moved != args).then_some(args);
            tracee.exchanged.extend(words.into_iter().map(|(place, old, _)| (place, old.to_ne_bytes().to_vec())));
        }
        Ok(())
    }

    /// The same for a call of which nothing is known but that it points into guarded memory, and of which nothing is told.
    pub(crate) fn move_arguments(&mut self, tid: Tid) -> Fallible<()> {
        let error = |errno| failed("move the arguments of", tid, errno);
        let mut registers = ptrace::registers(tid).map_err(error)?;
        let args = registers.raw_args();
        let Some(space) = self.tracee_space(tid) else { return Ok(()) };
        let moved = args.map(|arg| space.open_place(arg).unwrap_or(arg));
        if moved == args {
            // Something else lies there by now.
            return Ok(());
        }
        registers.set_raw_args(moved);
        ptrace::set_registers(tid, &mut registers).map_err(error)?;
        self.set(tid, State::Ready, Resume::Exit);
        if let Some(tracee) = self.tracee(tid) {
            tracee.standing.args = Some(args);
        }
        Ok(())
    }

    /// At a call's exit: the registers with its arguments are as the program left them, on which compilers rely.
    pub(crate) fn restore_pointers(&mut self, tid: Tid) -> Fallible<()> {
        let Some(args) = self.tracee(tid).and_then(|tracee| tracee.standing.args.take()) else { return Ok(()) };
        let error = |errno| failed("set the registers of", tid, errno);
        let mut registers = ptrace::registers(tid).map_err(error)?;
        registers.set_raw_args(args);
        ptrace::set_registers(tid, &mut registers).map_err(error)
    }
}

/// Whether the call's arguments are pointers that the kernel follows, and not places in the address space.
fn follows_pointers(sys: Sys) -> bool {
    !matches!(sys, Sys::Mmap | Sys::Munmap | Sys::Mprotect | Sys::Mremap | Sys::Shmat | Sys::Shmdt | Sys::Clone)
}

/// Where the pointers stand that the call finds in memory.
fn nested(tid: Tid, call: &Invocation) -> Vec<u64> {
    /// Most of them that are looked at.
    const MOST: u64 = 1024;
    let [_, b, c, _, _, f] = call.args;
    let vectors = |addr: u64, count: u64| (0..count.min(MOST)).map(move |i| addr + 16 * i);
    // struct msghdr: the name at 0, the parts at 16 and their number at 24, what is sent along at 32.
    let message = |addr: u64| {
        let (parts, count) = (memory::read_u64(tid, addr + 16), memory::read_u64(tid, addr + 24));
        let own = [addr, addr + 16, addr + 32];
        own.into_iter().chain(vectors(parts.unwrap_or(0), count.unwrap_or(0))).collect::<Vec<_>>()
    };
    let texts = |addr: u64| {
        (0..MOST).map(move |i| addr + 8 * i).take_while(|at| memory::read_u64(tid, *at).is_some_and(|text| text != 0))
    };
    match call.sys {
        Sys::Readv | Sys::Writev | Sys::Preadv | Sys::Pwritev | Sys::Vmsplice => vectors(b, c).collect(),
        Sys::Sendmsg | Sys::Recvmsg => message(b),
        Sys::Sendmmsg | Sys::Recvmmsg => (0..c.min(MOST)).flat_map(|i| message(b + 64 * i)).collect(),
        Sys::FutexWaitv => (0..b.min(128)).map(|i| call.args[0] + 24 * i + 8).collect(),
        Sys::Pselect6 if f != 0 => vec![f],
        Sys::Execve => texts(b).chain(texts(c)).collect(),
        Sys::Execveat => texts(c).chain(texts(call.args[3])).collect(),
        _ => Vec::new(),
    }
}
