//! Audits: what the kernel says of a call, compared with what was told of it.

use super::super::RecorderError;
use super::super::engine::{Engine, Fallible};
use super::super::timeouts::Deadline;
use super::Way;
use crate::model::seed::split_mix;
use crate::sys::arch::Invocation;
use crate::sys::memory;
use crate::trace::raw::{Fd, Tid};

/// What a call was told to have given, until the kernel has said it too.
#[derive(Debug)]
pub(crate) struct Audit {
    pub(super) call: Invocation,
    pub(super) result: i64,
    /// Where bytes were to go, and which.
    pub(super) read: Vec<(u64, Vec<u8>)>,
    pub(crate) then: Then,
}

/// What an audited call's exit stop is there for, beside the audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// Nothing: the thread goes on at once.
    GoesOn,
    /// Something is put back there, or others go on before it does.
    Stays,
    /// It has still to be told that the call returned.
    IsTold,
}

impl Engine<'_> {
    /// Whether something that is changed for the length of the call has to be put back at its exit: bytes that were
    /// exchanged, pointers into guarded memory; or what it says of the time is the virtual clock's.
    pub(super) fn needs_its_exit(&mut self, tid: Tid) -> bool {
        self.tracee(tid).is_some_and(|tracee| {
            let tells_time = tracee.deadline.is_some_and(Deadline::tells_what_is_left);
            !tracee.exchanged.is_empty() || tracee.standing.has_moved_args() || tells_time
        })
    }

    /// Whether this one is audited.
    pub(super) fn audits(&mut self) -> bool {
        self.foreseen += 1;
        // Drawn, so that a program's own rhythm does not decide which of its calls are looked at.
        split_mix(self.foreseen).is_multiple_of(self.options.audits.get())
    }

    pub(super) fn audit_later(&mut self, tid: Tid, call: &Invocation, result: i64, read: Vec<(u64, Vec<u8>)>) -> Way {
        let then = if self.needs_its_exit(tid) { Then::Stays } else { Then::GoesOn };
        self.audit_and(tid, Audit { call: *call, result, read, then })
    }

    /// The call's exit stop is an audit, and perhaps more.
    pub(super) fn audit_and(&mut self, tid: Tid, audit: Audit) -> Way {
        if let Some(tracee) = self.tracee(tid) {
            tracee.audit = Some(audit);
        }
        Way::Audited
    }

    /// An audited call came back.
    pub(crate) fn audit(&mut self, tid: Tid, audit: Audit, result: i64) -> Fallible<()> {
        if audit.then != Then::IsTold {
            self.put_back(tid);
        }
        if result != audit.result {
            return Err(self.disagreement(tid, &audit.call, format!("{}", audit.result), format!("{result}")));
        }
        for (addr, believed) in audit.read {
            let got = memory::read_vec(tid, addr, believed.len());
            if got != believed {
                let (believed, got) = (believed.escape_ascii().to_string(), got.escape_ascii().to_string());
                return Err(self.disagreement(tid, &audit.call, believed, got));
            }
        }
        Ok(())
    }

    /// A call that was told as returned must not sleep.
    pub(crate) fn check_foreseen(&mut self, tid: Tid) -> Fallible<()> {
        let Some(tracee) = self.tracee(tid).filter(|tracee| tracee.foreseen) else { return Ok(()) };
        if !tracee.sleeps(b"S") {
            return Ok(());
        }
        Err(RecorderError::Model {
            call: "a call that was told as returned".to_owned(),
            object: format!("thread {tid}"),
            believed: "it returns".to_owned(),
            kernel: "it sleeps".to_owned(),
        })
    }

    /// The kernel did something else than the model said.
    pub(crate) fn disagreement(
        &mut self,
        tid: Tid,
        call: &Invocation,
        believed: String,
        kernel: String,
    ) -> RecorderError {
        let object = self.kernel.object_of(tid, call.args[0] as Fd).and_then(|object| self.kernel.object(object));
        let object = object.map_or_else(|| "nothing".to_owned(), |object| format!("{object:?}"));
        RecorderError::Model { call: format!("{call:?}"), object, believed, kernel }
    }
}
