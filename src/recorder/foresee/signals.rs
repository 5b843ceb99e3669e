//! Reads of signalfd(2): held while no signal is pending that the descriptor takes; the kernel says which it gives.

use super::super::engine::Engine;
use super::super::kernel::Kernel;
use super::super::proc;
use super::super::tracee::Tracee;
use super::{Ask, Way};
use crate::sys::arch::Invocation;
use crate::trace::raw::{Fd, Tid};

impl Ask {
    /// Whether signals that are pending for this thread are among what is waited for.
    pub(super) fn is_about_signals(&self, kernel: &Kernel, tid: Tid) -> bool {
        match self {
            Self::Signals(_) => true,
            Self::Poll(about) => about.iter().any(|(fd, _)| kernel.is_of_signals(tid, *fd)),
            _ => false,
        }
    }
}

impl Engine<'_> {
    /// A read of a descriptor of signals.
    pub(super) fn foresee_signals(&mut self, tid: Tid, call: &Invocation) -> Way {
        let fd = call.args[0] as Fd;
        self.look_at_signals(tid);
        let waits =
            self.kernel.has_signal(tid, fd) == Some(false) && self.kernel.is_nonblocking(tid, fd) == Some(false);
        if waits { self.hold(tid, call, Ask::Signals(fd)) } else { Way::Enter }
    }

    /// Looks which signals are pending for a thread.
    pub(super) fn look_at_signals(&mut self, tid: Tid) {
        let status = proc::text(tid, "status");
        let set = |field: &str| {
            let bits = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
            bits.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0)
        };
        self.kernel.pends(tid, set("SigPnd") | set("ShdPnd"));
    }

    /// The same for all whose held calls are about signals, where some were sent since the last time.
    pub(super) fn look_at_waiters(&mut self) {
        if self.looked_at_signals.replace(self.signals) == Some(self.signals) {
            return;
        }
        let kernel = &self.kernel;
        let about = |it: &&Tracee| it.ask.as_ref().is_some_and(|ask| ask.is_about_signals(kernel, it.tid));
        let waiting: Vec<Tid> = self.tracees.values().filter(about).map(|it| it.tid).collect();
        waiting.into_iter().for_each(|tid| self.look_at_signals(tid));
    }
}
