//! Functions of libc's that the recorder meets: those that synchronise without a system call, and those that a signal
//! handler must not call.
//!
//! # Theory of operation
//!
//! A semaphore that is not 0 and a lock that nobody has are taken in user memory alone: a hundred rounds of sem_post and
//! sem_wait make no system call. So breakpoints stand at the first instructions of these functions. In a dynamic program
//! they are planted when the loader has done its work and the program's own entry (AT_ENTRY) is reached, in a static one
//! at the exec. They are written into the tracee's private copies of libc's pages: a fork inherits them, an exec ends
//! them, and no file changes. What a program reads of libc's text is not what the file says; nothing reads that.
//!
//! At a function's entry its arguments are noted, and it is a place where the schedule may switch. When it is the
//! tracee's turn, the instruction behind the breakpoint is made by a single step with the byte put back: nobody else
//! runs meanwhile, so nobody passes by. A signal that comes instead of the step leaves the function not yet called: the
//! breakpoint is met again when its handler has returned.
//!
//! The result is taken at a breakpoint at the return address, which stays once it is planted. Such an address may be
//! reached in other ways too (it may begin a loop), so a return counts only where the stack stands as it must after
//! this call: no other call of the same thread that is not over can have its return address in the same place. A call
//! that never returns (siglongjmp out of a handler, a cancelled thread) is noticed when the same thread comes to
//! another function with its stack wound back at least as far. A handler that runs while its thread waits has its own
//! calls above that one's, however deep.
//!
//! What libc does inside for itself (a call whose return address lies in libc, a lock of its loader) is passed by.
//!
//! Functions that a handler must not call are everywhere in a program, so their breakpoints stand only while a handler
//! of the same address space runs: from its first instruction to rt_sigreturn, or until its stack is seen to be gone.
//!
//! Only in the box. A program that is watched where it stands may be anything, and stays as it is.

mod handlers;
mod image;
mod space;
mod sync;
mod table;

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use nix::errno::Errno;

use self::handlers::Handler;
use self::space::Space;
use self::sync::{Frame, Pending};
use super::auxiliary::Auxiliary;
use super::engine::{Engine, Fallible, failed};
use super::tracee::{Resume, State};
use crate::model::Signal;
use crate::sys::wait::{Status, Stop, wait};
use crate::sys::{memory, ptrace};
use crate::trace::Bytes;
use crate::trace::raw::{Call, RawFile, RawKind, Tid};

/// Changes in memory are seen in words of so many bytes.
const WORD: u64 = 8;

/// All that is known of functions, by address space and by thread.
#[derive(Debug, Default)]
pub(super) struct Functions {
    spaces: HashMap<u32, Space>,
    made: u32,
    threads: HashMap<Tid, Calls>,
    /// The objects in shared memory that functions were called for: memory, offset and size.
    objects: BTreeMap<(u64, u64, u64), u64>,
    /// What stood beside a spin lock, in the same word, when that was looked at last.
    beside: HashMap<(u64, u64, u64), Vec<u8>>,
}

/// The calls that a thread is in.
#[derive(Debug, Clone, Default)]
struct Calls {
    space: u32,
    /// The breakpoint that it stands at.
    trap: Option<Trap>,
    /// Functions that have not returned, the innermost last.
    frames: Vec<Frame>,
    /// Handlers that run, the innermost last.
    handlers: Vec<Handler>,
    /// The signal that it goes on with has a handler; whether that is libc's own.
    delivering: Option<bool>,
}

/// A breakpoint that a thread stands at, its instruction not yet made.
#[derive(Debug, Clone)]
struct Trap {
    addr: u64,
    /// The function that begins there.
    call: Option<Pending>,
}

impl Functions {
    fn space_of(&mut self, tid: Tid) -> Option<&mut Space> {
        self.spaces.get_mut(&self.threads.get(&tid)?.space)
    }

    /// A thread is gone.
    pub(super) fn forget(&mut self, tid: Tid) {
        if let Some(calls) = self.threads.remove(&tid) {
            self.let_go(calls.space);
        }
    }

    fn let_go(&mut self, space: u32) {
        if !self.threads.values().any(|calls| calls.space == space) {
            self.spaces.remove(&space);
        }
    }

    /// A new thread, or a process with the same memory or a copy of it.
    pub(super) fn forked(&mut self, parent: Tid, child: Tid, thread: bool, shares_memory: bool) {
        let Some(calls) = self.threads.get(&parent) else { return };
        let space = calls.space;
        let mut inherited = if thread { Calls { space, ..Calls::default() } } else { calls.clone() };
        inherited.trap = None;
        if !shares_memory && let Some(mut copy) = self.spaces.get(&space).map(Space::copied) {
            copy.handlers = inherited.handlers.len() as u32;
            self.made += 1;
            inherited.space = self.made;
            self.spaces.insert(self.made, copy);
        }
        self.threads.insert(child, inherited);
    }

    /// Whether what the thread does now is libc's work inside a function that synchronises, not the program's own.
    ///
    /// Accesses to shared memory that are made there are no accesses of the program's, and no place for a switch: the
    /// function's own events tell all there is. A handler that runs inside of it is the program's own again.
    pub(super) fn inside_sync(&self, tid: Tid) -> bool {
        self.threads
            .get(&tid)
            .is_some_and(|calls| calls.frames.last().is_some_and(|frame| frame.handlers == calls.handlers.len()))
    }

    /// The program's own bytes, where breakpoints stand among these.
    pub(super) fn put_back(&mut self, tid: Tid, addr: u64, bytes: &mut [u8]) {
        let Some(space) = self.space_of(tid) else { return };
        for (at, byte) in (addr..).zip(bytes) {
            if let Some(site) = space.sites.get(&at) {
                *byte = site.byte;
            }
        }
    }

    /// Where a function that synchronises begins, and where it may return to without being mistaken for the program.
    pub(super) fn callable(&mut self, tid: Tid, name: &str) -> Option<(u64, u64)> {
        let space = self.space_of(tid)?;
        let named = |site: &space::Site| site.sync.is_some_and(|sync| sync.name == name);
        let function = space.sites.iter().find(|(_, site)| named(site)).map(|(addr, _)| *addr)?;
        Some((function, space.program))
    }

    /// Whether functions return to this place.
    pub(super) fn returns_to(&mut self, tid: Tid, addr: u64) -> bool {
        self.space_of(tid).and_then(|space| space.sites.get(&addr)).is_some_and(|site| site.returns)
    }

    /// The thread is going to be elsewhere; the breakpoint is met again when it comes back.
    pub(super) fn leave_trap(&mut self, tid: Tid) {
        if let Some(calls) = self.threads.get_mut(&tid) {
            calls.trap = None;
        }
    }

    /// Takes the breakpoint at an instruction away for a step, or puts it there again.
    pub(super) fn lift(&mut self, tid: Tid, addr: u64, lifted: bool) {
        let Some(space) = self.space_of(tid) else { return };
        if let Some(site) = space.sites.get(&addr).copied() {
            space.write(tid, addr, &[if lifted { site.byte } else { crate::sys::arch::BREAKPOINT }]);
        }
    }

    /// Memory was mapped or unmapped.
    pub(super) fn remapped(&mut self, tid: Tid) {
        if let Some(space) = self.space_of(tid) {
            space.mappings = None;
        }
    }

    /// Nothing is mapped here any more, or something else. Whether there was something in private memory for which
    /// functions were called.
    fn unmapped(&mut self, tid: Tid, range: Range<u64>) -> bool {
        self.space_of(tid).is_some_and(|space| space.unmap(range))
    }

    /// A file got one more name: sem_open made a semaphore, and did not only open it.
    pub(super) fn linked(&mut self, tid: Tid) {
        if let Some(frame) = self.threads.get_mut(&tid).and_then(|calls| calls.frames.last_mut()) {
            frame.linked = true;
        }
    }

    /// Whether this place lies inside of a semaphore or lock.
    pub(super) fn is_in_object(&self, (dev, ino): (u64, u64), offset: u64) -> bool {
        let before = self.objects.range((dev, ino, 0)..=(dev, ino, offset)).next_back();
        before.is_some_and(|((.., from), size)| offset < from + size)
    }

    /// What of a change in shared memory is the program's own, and not the inside of a semaphore or lock.
    pub(super) fn without_objects(&mut self, file: &RawFile, offset: u64, bytes: Bytes) -> Vec<(u64, Bytes)> {
        let end = offset + bytes.len() as u64;
        let (dev, ino) = (file.dev, file.ino);
        let (mut rest, mut at, mut touched) = (Vec::new(), offset, false);
        for ((.., from), size) in self.objects.range((dev, ino, 0)..(dev, ino, end)) {
            if from + size <= at {
                continue;
            }
            touched = true;
            if *from > at {
                rest.push((at, *from));
            }
            at = at.max(from + size);
        }
        if !touched {
            return vec![(offset, bytes)];
        }
        if at < end {
            rest.push((at, end));
        }
        let part = |from: u64, to: u64| bytes.0[(from - offset) as usize..(to - offset) as usize].to_vec();
        let mut own = Vec::new();
        for (from, to) in rest {
            // Changes are told in whole words: what shares one with a spin lock may be as it was.
            let edge = from.next_multiple_of(WORD).min(to);
            let beside = part(from, edge);
            let before = self.beside.insert((dev, ino, from), beside.clone());
            if before.unwrap_or_else(|| vec![0; beside.len()]) != beside {
                own.push((from, Bytes(beside)));
            }
            if edge < to {
                own.push((edge, Bytes(part(edge, to))));
            }
        }
        own
    }
}

impl Engine<'_> {
    /// What lay in this memory is gone, and what comes to lie there is something else (munmap(2)).
    pub(super) fn forget_what_lay_in(&mut self, tid: Tid, range: Range<u64>) {
        if self.functions.unmapped(tid, range.clone()) {
            let call = Call::Unmap { addr: range.start, len: range.end - range.start };
            self.tell(tid, RawKind::Returned { call, result: Ok(0) });
        }
    }

    /// A new program: nothing of the old one's is left.
    pub(super) fn look_for_functions(&mut self, tid: Tid, auxiliary: &Auxiliary) {
        let peer = self.tracee(tid).is_none_or(|tracee| tracee.peer);
        if peer || !self.options.boxed {
            return;
        }
        self.functions.forget(tid);
        let Some(entry) = auxiliary.entry() else { return };
        let mut space = Space::of(entry);
        if auxiliary.is_dynamic() {
            space.plant(tid, entry, |_| {});
            space.entry = Some(entry);
        } else {
            space.plant_static(tid, entry);
        }
        self.functions.made += 1;
        let id = self.functions.made;
        self.functions.spaces.insert(id, space);
        self.functions.threads.insert(tid, Calls { space: id, ..Calls::default() });
    }

    /// A thread stopped by SIGTRAP: whether it is at a breakpoint of ours. It is ready then.
    pub(super) fn on_breakpoint(&mut self, tid: Tid) -> Fallible<bool> {
        if self.functions.threads.is_empty() {
            return Ok(false);
        }
        let mut registers = ptrace::registers(tid).map_err(|errno| failed("read the registers of", tid, errno))?;
        let addr = registers.breakpoint();
        let Some(space) = self.functions.space_of(tid) else { return Ok(false) };
        let Some(site) = space.sites.get(&addr).copied() else { return Ok(false) };
        if !ptrace::at_breakpoint(tid).unwrap_or(false) {
            return Ok(false);
        }
        registers.set_instruction(addr);
        ptrace::set_registers(tid, &mut registers).map_err(|errno| failed("set the registers of", tid, errno))?;
        self.set(tid, State::Ready, Resume::Next(None));
        if let Some(tracee) = self.tracee(tid) {
            tracee.computes_since = None;
            tracee.yielded = false;
        }
        let Some(space) = self.functions.space_of(tid) else { return Ok(true) };
        if space.entry == Some(addr) {
            space.entry = None;
            space.unplant(tid, addr);
            space.plant_libraries(tid);
            return Ok(true);
        }
        if site.returns {
            self.on_function_return(tid, addr, &registers);
            if self.give_back_at(tid, Some(addr))? {
                return Ok(true);
            }
        }
        let call = self.on_function_entry(tid, site, &registers);
        if call.as_ref().is_some_and(|call| call.decides)
            && let Some(tracee) = self.tracee(tid)
        {
            tracee.comes_to(true);
            tracee.prelude = false;
        }
        if let Some(calls) = self.functions.threads.get_mut(&tid) {
            calls.trap = Some(Trap { addr, call });
        }
        Ok(true)
    }

    /// Makes the instruction at the breakpoint that the thread stands at, and brings a signal to its handler. False
    /// where something else came between: that has been taken in.
    pub(super) fn pass_breakpoint(&mut self, tid: Tid) -> Fallible<bool> {
        let Some(calls) = self.functions.threads.get_mut(&tid) else { return Ok(true) };
        if let Some(own) = calls.delivering.take() {
            return self.bring_into_handler(tid, own);
        }
        let Some(trap) = calls.trap.take() else { return Ok(true) };
        if let Some(tracee) = self.tracee(tid) {
            tracee.before = false;
        }
        let Some(space) = self.functions.space_of(tid) else { return Ok(true) };
        let Some(site) = space.sites.get(&trap.addr).copied() else {
            // Taken away meanwhile; the byte is the program's own again.
            return Ok(true);
        };
        space.write(tid, trap.addr, &[site.byte]);
        let status = single_step(tid, None)?;
        if let Some(space) = self.functions.space_of(tid) {
            space.write(tid, trap.addr, &[crate::sys::arch::BREAKPOINT]);
        }
        match status {
            Some(Status::Stopped(Stop::Signal(Signal::TRAP))) => {}
            // It accesses guarded memory (pthread_spin_lock begins so): part of the function, and no place for a switch.
            Some(status) if trap.call.is_some() && status == Status::Stopped(Stop::Signal(Signal::SEGV)) => {
                self.handle(tid, status)?;
                if !self.access_in_passing(tid)? {
                    return Ok(false);
                }
            }
            Some(other) => {
                self.handle(tid, other)?;
                return Ok(false);
            }
            None => return Ok(true),
        }
        if let Some(call) = trap.call {
            self.called(tid, call);
        }
        Ok(true)
    }
}

/// Lets a thread make one instruction and waits for its next stop; none where it is gone.
fn single_step(tid: Tid, signal: Option<Signal>) -> Fallible<Option<Status>> {
    match ptrace::step(tid, signal) {
        Ok(()) => {}
        Err(Errno::ESRCH) => return Ok(None),
        Err(errno) => return Err(failed("step", tid, errno)),
    }
    loop {
        match wait(Some(tid), true) {
            Ok(Some((_, status))) => return Ok(Some(status)),
            Ok(None) | Err(Errno::EINTR) => {}
            Err(Errno::ECHILD) => return Ok(None),
            Err(errno) => return Err(failed("wait for", tid, errno)),
        }
    }
}

/// A word of a thread's stack.
fn word(tid: Tid, addr: u64) -> Option<u64> {
    memory::read_u64(tid, addr)
}
