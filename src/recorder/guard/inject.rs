//! System calls that the recorder makes a stopped tracee do, to change what it has mapped.
//!
//! The thread's registers and mask are kept, the call is made at an instruction that makes calls, and everything is put
//! back. At the entry of a call the injected one takes its place, and the thread is brought to the same entry again.

use nix::errno::Errno;

use super::super::engine::{Engine, Fallible, failed};
use crate::model::Signal;
use crate::sys::arch::Registers;
use crate::sys::ptrace;
use crate::sys::wait::{Status, Stop, wait};
use crate::trace::raw::Tid;

/// What kind of stop a thread is in, as far as it matters for what can be done there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum At {
    /// Before a call that has not begun.
    Entry,
    /// Anywhere else.
    #[default]
    Elsewhere,
}

/// The thread was killed meanwhile: what wait told, or nothing yet.
pub(super) enum Lost {
    /// It ended, or is about to.
    Ended(Status),
    /// A call of ours failed.
    Failed(Errno),
}

impl From<Errno> for Lost {
    fn from(errno: Errno) -> Self {
        Self::Failed(errno)
    }
}

/// A thread while it makes our calls.
pub(super) struct Session {
    tid: Tid,
    kept: Registers,
    mask: u64,
    at: At,
    /// Where calls are made.
    instruction: u64,
    /// It still stands where it was found.
    untouched: bool,
    /// Signals that cannot be masked and came meanwhile.
    signals: Vec<Signal>,
}

impl Session {
    fn begin(tid: Tid, at: At, instruction: u64) -> Result<Self, Lost> {
        let kept = ptrace::registers(tid)?;
        let mask = ptrace::masked(tid)?;
        ptrace::mask(tid, u64::MAX)?;
        Ok(Self { tid, kept, mask, at, instruction, untouched: true, signals: Vec::new() })
    }

    /// Makes one call: its result, or an errno below zero.
    pub(super) fn call(&mut self, number: i64, args: [u64; 6]) -> Result<i64, Lost> {
        let mut registers = self.kept;
        let instead = std::mem::take(&mut self.untouched) && self.at == At::Entry;
        if instead {
            registers.replace_call(number, args);
        } else {
            registers.go_and_call(self.instruction, number, args);
        }
        ptrace::set_registers(self.tid, &mut registers)?;
        if !instead {
            self.until(Stop::Call)?;
        }
        self.until(Stop::Call)?;
        Ok(ptrace::registers(self.tid)?.result())
    }

    /// Where the thread's stack ends, as far as it may use it: memory below is free to write.
    pub(super) fn below_stack(&self, len: u64) -> u64 {
        self.kept.below_stack(len)
    }

    /// Goes on with stops at calls until this stop comes. A call of ours that the filter stops is let through.
    fn until(&mut self, stop: Stop) -> Result<(), Lost> {
        ptrace::cont_to_exit(self.tid, None)?;
        self.take(stop)
    }

    fn take(&mut self, wanted: Stop) -> Result<(), Lost> {
        loop {
            match wait(Some(self.tid), true) {
                Ok(Some((_, Status::Stopped(stop)))) if stop == wanted => return Ok(()),
                Ok(Some((_, status @ (Status::Exited(_) | Status::Killed(_) | Status::Stopped(Stop::Exit))))) => {
                    return Err(Lost::Ended(status));
                }
                Ok(Some((_, Status::Stopped(stop)))) => {
                    if let Stop::Signal(signal) = stop {
                        self.signals.push(signal);
                    }
                    ptrace::cont_to_exit(self.tid, None)?;
                }
                Ok(None) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn end(mut self) -> Result<(), Lost> {
        if !self.untouched {
            let mut kept = self.kept;
            if self.at == At::Entry {
                kept.make_again();
                ptrace::set_registers(self.tid, &mut kept)?;
                ptrace::cont(self.tid, None)?;
                self.take(Stop::Seccomp)?;
            } else {
                kept = kept.settled();
                ptrace::set_registers(self.tid, &mut kept)?;
            }
        }
        ptrace::mask(self.tid, self.mask)?;
        for signal in self.signals {
            let _ = crate::sys::process::kill(self.tid, signal);
        }
        Ok(())
    }
}

impl Engine<'_> {
    /// Lets a stopped thread make calls for us; none where it was killed meanwhile, which is then taken in.
    pub(super) fn inject<T>(
        &mut self,
        tid: Tid,
        work: impl FnOnce(&mut Session) -> Result<T, Lost>,
    ) -> Fallible<Option<T>> {
        let Some(tracee) = self.tracee(tid) else { return Ok(None) };
        let (at, tgid) = (tracee.standing.at, tracee.tgid);
        let Some(instruction) = self.guard.space(tgid).and_then(|space| space.call_instruction) else {
            return Ok(None);
        };
        let done = Session::begin(tid, at, instruction).and_then(|mut session| {
            let result = work(&mut session)?;
            session.end()?;
            Ok(result)
        });
        match done {
            Ok(result) => Ok(Some(result)),
            Err(Lost::Ended(status)) => {
                self.handle(tid, status)?;
                Ok(None)
            }
            // Killed while it was stopped: its end is told by wait.
            Err(Lost::Failed(Errno::ESRCH)) => Ok(None),
            Err(Lost::Failed(errno)) => Err(failed("make calls in", tid, errno)),
        }
    }
}
