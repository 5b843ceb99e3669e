//! Changes to a run, to see whether they mend it: a descriptor is closed that the program left open, a semaphore is
//! posted, a signal waits until its handler is there.
//!
//! # Theory of operation
//!
//! The process does it itself. As soon as what the change waits for has happened and the process stands in code of its
//! own, behind a call, before one or at a breakpoint, its registers are lent: they are set so that it makes a call of ours
//! or calls a function of libc's next, and put back when that returns. A call that it stood before is then made again. So
//! the change goes the way of all that a program does, through filter, schedule and naming, and shows in the trace.
//!
//! A signal mask is changed from outside, since what is pending comes before any call.
//!
//! A function returns to the program's entry, where nothing else ever returns to; the breakpoint there gives the thread
//! its registers back.

use serde::{Deserialize, Serialize};

use super::decode;
use super::engine::{Engine, Fallible, failed};
use super::tracee::{Resume, State};
use crate::model::Signal;
use crate::sys::arch::{Registers, Sys};
use crate::sys::{memory, ptrace};
use crate::trace::raw::{Call, Disposition, Fd, RawEvent, RawFile, RawKind, SyncKind, SyncObject, Tid};

/// Something that is done to a process in a run that is otherwise the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Which process: its place in the order in which processes were made, peers too.
    pub process: u32,
    /// The raw event after which it is done.
    pub after: u32,
    /// What.
    pub deed: Deed,
}

/// What is done to a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// Every descriptor is closed by which the process could write to what a raw event made: pipe, open.
    CloseWriteEnds {
        /// That raw event.
        made: u32,
    },
    /// Every descriptor is closed by which the process could read from it.
    CloseReadEnds {
        /// That raw event.
        made: u32,
    },
    /// A semaphore is posted, a lock unlocked.
    Release {
        /// A raw event that was about it, or made the set of semaphores that it is in.
        of: u32,
        /// Which semaphore of the set (semop(2)).
        number: u16,
    },
    /// The signal is masked until the process has a handler for it, so that it waits (signal(7), "pending").
    HoldUntilHandled {
        /// Which.
        signal: Signal,
    },
    /// The signal is not masked while the process sleeps in sigsuspend or pause.
    LetThrough {
        /// Which.
        signal: Signal,
    },
    /// The signal is masked no more.
    Unmask {
        /// Which.
        signal: Signal,
    },
}

/// Registers that a thread gets back when what it does in our name is done.
#[derive(Debug)]
pub(super) struct Lent {
    kept: Registers,
    /// Where the function returns to that it calls; none for a system call.
    returns: Option<u64>,
}

/// The changes that a run still has before it.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pending: Vec<Change>,
    /// In the order in which they were made.
    processes: Vec<Tid>,
    /// Signals that are masked until their handlers are there.
    held: Vec<(u32, Signal)>,
    events: u32,
}

impl Changes {
    pub(super) fn new(pending: Vec<Change>) -> Self {
        Self { pending, ..Self::default() }
    }

    pub(super) fn note(&mut self, event: &RawEvent) {
        match &event.kind {
            RawKind::Started { .. } => self.processes.push(event.tid),
            RawKind::Forked { child, thread: false, .. } => self.processes.push(*child),
            RawKind::Returned {
                call: Call::SetDisposition { signal, disposition: Disposition::Handler, .. },
                result: Ok(_),
            } => self.handled(event.tid, *signal),
            _ => {}
        }
        self.events += 1;
    }

    /// A process has a handler for a signal: it waits no longer.
    fn handled(&mut self, tid: Tid, signal: Signal) {
        let processes = &self.processes;
        let now = |(process, held): &(u32, Signal)| *held == signal && processes.get(*process as usize) == Some(&tid);
        if let Some(at) = self.held.iter().position(now) {
            let (process, _) = self.held.swap_remove(at);
            self.pending.push(Change { process, after: self.events, deed: Deed::Unmask { signal } });
        }
    }
}

/// What became of an attempt to make a change.
enum Made {
    /// It is done, or begun.
    Done,
    /// Not here.
    NotYet,
}

impl Engine<'_> {
    /// Lets processes begin what changes ask of them, where it is time.
    pub(super) fn make_changes(&mut self) -> Fallible<()> {
        for index in (0..self.changes.pending.len()).rev() {
            let Change { process, after, deed } = self.changes.pending[index].clone();
            let Some(tid) = self.changes.processes.get(process as usize).copied() else { continue };
            if self.events.len() <= after as usize || !self.is_in_its_own_code(tid) {
                continue;
            }
            if matches!(self.make_change(tid, &deed)?, Made::Done) {
                self.changes.pending.remove(index);
                if let Deed::HoldUntilHandled { signal } = deed {
                    self.changes.held.push((process, signal));
                }
            }
        }
        Ok(())
    }

    fn make_change(&mut self, tid: Tid, deed: &Deed) -> Fallible<Made> {
        match deed {
            Deed::CloseWriteEnds { made } => self.close_next(tid, *made, |file| file.write),
            Deed::CloseReadEnds { made } => self.close_next(tid, *made, |file| file.read),
            Deed::Release { of, number } => match self.released_by(*of, *number) {
                Some(Released::InMemory(function, object)) => self.call_function(tid, function, &object),
                Some(Released::InSet(id, number)) => {
                    // struct sembuf: its number, what is added, no flags (semop(2)).
                    let operation = [number.to_ne_bytes(), 1i16.to_ne_bytes(), [0; 2]].concat();
                    self.lend_with(tid, libc::SYS_semop, &operation, |addr| [id as u64, addr, 1, 0, 0, 0])
                }
                None => Ok(Made::Done),
            },
            Deed::HoldUntilHandled { signal } => self.set_mask(tid, |masked| masked | bit(*signal)),
            Deed::Unmask { signal } => self.set_mask(tid, |masked| masked & !bit(*signal)),
            Deed::LetThrough { signal } => self.let_through(tid, *signal),
        }
    }

    /// Whether the thread can be made to do something before it goes on: it is in no call that has begun.
    fn is_in_its_own_code(&mut self, tid: Tid) -> bool {
        let free = self.tracee(tid).is_some_and(|tracee| {
            let before_call = tracee.standing.is_before_call();
            let rests = match tracee.resume {
                Resume::Exit => before_call && tracee.call.is_some() && !tracee.entered,
                Resume::Next(None) => !before_call || tracee.before,
                Resume::Next(Some(_)) => false,
            };
            rests
                && tracee.state == State::Ready
                && tracee.restart.is_none()
                && tracee.lent.is_none()
                && tracee.split.is_none()
                && !tracee.standing.is_before_access()
        });
        free && !self.functions.inside_sync(tid)
    }

    /// Closes one of the descriptors by which a process has such an end of what an event made.
    fn close_next(&mut self, tid: Tid, made: u32, is_end: impl Fn(&RawFile) -> bool) -> Fallible<Made> {
        match self.open_ends(tid, made, is_end).first() {
            // Rust ends a program that closes a descriptor which is closed already, so the number stays open, on
            // something that keeps nobody waiting: standard input (std, OwnedFd: "IO Safety violation").
            Some(fd) => {
                self.lend(tid, libc::SYS_dup3, |_| [0, *fd as u64, libc::O_CLOEXEC as u64, 0, 0, 0])?;
                // There may be more of them.
                Ok(Made::NotYet)
            }
            None => Ok(Made::Done),
        }
    }

    fn open_ends(&self, tid: Tid, made: u32, is_end: impl Fn(&RawFile) -> bool) -> Vec<Fd> {
        let Some(&RawFile { dev, ino, .. }) = self.events.get(made as usize).and_then(file_of) else {
            return Vec::new();
        };
        let folder = std::fs::read_dir(format!("/proc/{tid}/fd")).into_iter().flatten().flatten();
        let mut numbers: Vec<Fd> = folder.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        numbers.sort_unstable();
        numbers.retain(|fd| {
            let file = decode::files::file(tid, *fd, None);
            is_end(&file) && (file.dev, file.ino) == (dev, ino)
        });
        numbers
    }

    /// What a raw event was about, and what gives it back.
    fn released_by(&self, of: u32, number: u16) -> Option<Released> {
        match &self.events.get(of as usize)?.kind {
            RawKind::Synced { object, .. } => {
                let function = match object.kind {
                    SyncKind::Semaphore => "sem_post",
                    SyncKind::Mutex => "pthread_mutex_unlock",
                    SyncKind::ReadWriteLock => "pthread_rwlock_unlock",
                    SyncKind::Condition | SyncKind::Barrier => return None,
                };
                Some(Released::InMemory(function, object.clone()))
            }
            RawKind::Returned { call: Call::SemGet { .. }, result: Ok(id) } => {
                Some(Released::InSet(i32::try_from(*id).ok()?, number))
            }
            RawKind::Returned { call: Call::SemOp { id, .. }, .. } => Some(Released::InSet(*id, number)),
            _ => None,
        }
    }

    /// Changes what a thread masks: at once, since a signal that waits for it would be taken before any call of its own.
    fn set_mask(&self, tid: Tid, change: impl FnOnce(u64) -> u64) -> Fallible<Made> {
        let changed = ptrace::masked(tid).and_then(|masked| ptrace::mask(tid, change(masked)));
        changed.map_err(|errno| failed("set the signal mask of", tid, errno))?;
        Ok(Made::Done)
    }

    /// Where a thread is about to sleep until a signal comes, this one can.
    fn let_through(&mut self, tid: Tid, signal: Signal) -> Fallible<Made> {
        let Some(call) = self.tracee(tid).and_then(|tracee| tracee.call) else { return Ok(Made::NotYet) };
        match call.sys {
            Sys::Pause => self.set_mask(tid, |masked| masked & !bit(signal)),
            Sys::RtSigsuspend => {
                let set = memory::read_u64(tid, call.args[0]).unwrap_or_default() & !bit(signal);
                // Where its set cannot be written to, the run goes on as it is and says so.
                let _ = memory::write(tid, call.args[0], &set.to_ne_bytes());
                Ok(Made::Done)
            }
            _ => Ok(Made::NotYet),
        }
    }

    /// Makes a thread do a call of ours next.
    fn lend(&mut self, tid: Tid, number: i64, args: impl Fn(&Registers) -> [u64; 6]) -> Fallible<Made> {
        let kept = self.own_registers(tid)?;
        let Some(lent) = kept.lent_to(tid, number, args(&kept)) else { return Ok(Made::NotYet) };
        self.go_on_lent(tid, lent, Lent { kept, returns: None })
    }

    /// The same, with something in memory that an argument points to.
    fn lend_with(&mut self, tid: Tid, number: i64, bytes: &[u8], args: impl Fn(u64) -> [u64; 6]) -> Fallible<Made> {
        let place = |registers: &Registers| registers.below_stack(bytes.len() as u64);
        let made = self.lend(tid, number, |registers| args(place(registers)))?;
        if let (Made::Done, Some(lent)) = (&made, self.tracee(tid).and_then(|tracee| tracee.lent.as_ref())) {
            // Without its stack the call fails, and mends nothing.
            let _ = memory::write(tid, place(&lent.kept), bytes);
        }
        Ok(made)
    }

    /// Makes a thread call a function of libc's for an object.
    fn call_function(&mut self, tid: Tid, name: &str, object: &SyncObject) -> Fallible<Made> {
        let Some((function, back)) = self.functions.callable(tid, name) else { return Ok(Made::NotYet) };
        let Some(addr) = address_of(tid, object) else { return Ok(Made::Done) };
        let kept = self.own_registers(tid)?;
        let lent = kept.calling(function, addr);
        if memory::write(tid, lent.stack(), &back.to_ne_bytes()).is_err() {
            return Ok(Made::Done);
        }
        self.functions.leave_trap(tid);
        self.go_on_lent(tid, lent, Lent { kept, returns: Some(back) })
    }

    fn go_on_lent(&mut self, tid: Tid, mut registers: Registers, lent: Lent) -> Fallible<Made> {
        ptrace::set_registers(tid, &mut registers).map_err(|errno| failed("set the registers of", tid, errno))?;
        self.set(tid, State::Ready, Resume::Next(None));
        if let Some(tracee) = self.tracee(tid) {
            tracee.lent = Some(lent);
            tracee.call = None;
            tracee.before = false;
        }
        Ok(Made::Done)
    }

    /// A thread's registers where it stands in its own code: before a call, it has still to make it.
    fn own_registers(&mut self, tid: Tid) -> Fallible<Registers> {
        let mut registers = ptrace::registers(tid).map_err(|errno| failed("read the registers of", tid, errno))?;
        let Some(standing) = self.tracee(tid).map(|tracee| &mut tracee.standing) else { return Ok(registers) };
        if !standing.is_before_call() {
            return Ok(registers.settled());
        }
        if let Some(args) = standing.take_args() {
            registers.set_raw_args(args);
        }
        registers.make_again();
        Ok(registers)
    }

    /// The call that just came back may have been one of ours: the thread stands again where it stood.
    pub(super) fn give_back(&mut self, tid: Tid) -> Fallible<()> {
        self.give_back_at(tid, None).map(drop)
    }

    /// The same for a function that came back to `addr`; whether it was one of ours.
    pub(super) fn give_back_at(&mut self, tid: Tid, addr: Option<u64>) -> Fallible<bool> {
        let lent = self.tracee(tid).and_then(|tracee| tracee.lent.take_if(|lent| lent.returns == addr));
        let Some(Lent { mut kept, .. }) = lent else { return Ok(false) };
        ptrace::set_registers(tid, &mut kept).map_err(|errno| failed("set the registers of", tid, errno))?;
        Ok(true)
    }
}

/// What is given back.
enum Released {
    /// By this function of libc's.
    InMemory(&'static str, SyncObject),
    /// A set of System V semaphores, and which of them.
    InSet(i32, u16),
}

/// A signal in the kernel's set of signals.
fn bit(signal: Signal) -> u64 {
    1 << (signal.number() - 1)
}

/// Where an object lies in a process.
fn address_of(tid: Tid, object: &SyncObject) -> Option<u64> {
    let Some(RawFile { dev, ino, .. }) = object.file else { return Some(object.offset) };
    decode::files::mappings(tid).into_iter().find_map(|mapping| {
        let inside = object.offset.checked_sub(mapping.start)?;
        let holds = mapping.shared && (mapping.file.dev, mapping.file.ino) == (dev, ino);
        (holds && inside < mapping.to - mapping.from).then_some(mapping.from + inside)
    })
}

/// What the event made, where it made something with ends.
fn file_of(event: &RawEvent) -> Option<&RawFile> {
    match &event.kind {
        RawKind::Returned { call: Call::Pipe { file, .. } | Call::Open { file, .. }, .. } => file.as_ref(),
        _ => None,
    }
}
