//! Descriptors of signals (signalfd(2), fs/signalfd.c): which signals one takes, and which are pending for whom.
//!
//! What is readable is not the descriptor's: it is pending for the thread that reads or polls, or for its process. Only the
//! kernel keeps all of that, so threads are looked at ([`Kernel::pends`]), and what a read gives is the kernel's to say.
//! An epoll instance hears of signals by the process that asked for them; one that is about them is not known.

use super::{Kernel, Object, ObjectId};
use crate::trace::raw::{Fd, Tid};

/// A descriptor's signals, the first at bit 0 (sigset_t).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signals {
    mask: u64,
}

impl Kernel {
    /// A signalfd was made.
    pub(in crate::recorder) fn new_signals(&mut self, mask: u64) -> ObjectId {
        self.new_object(Object::Signals(Signals { mask }))
    }

    /// It takes other signals from now on.
    pub(in crate::recorder) fn takes(&mut self, tid: Tid, fd: Fd, taken: u64) {
        self.changed = true;
        if let Some(object) = self.object_of(tid, fd)
            && let Some(Object::Signals(signals)) = &mut self.objects[object.0]
        {
            signals.mask = taken;
        }
    }

    /// A thread was looked at: these are pending for it, or for its process.
    pub(in crate::recorder) fn pends(&mut self, tid: Tid, pending: u64) {
        self.changed |= self.pending.insert(tid, pending) != Some(pending);
    }

    /// Whether a descriptor is one of signals.
    pub(in crate::recorder) fn is_of_signals(&self, tid: Tid, fd: Fd) -> bool {
        self.mask(tid, fd).is_some()
    }

    /// Whether a signalfd has a signal for a thread, as that was looked at last; none where it is no such descriptor.
    pub(in crate::recorder) fn has_signal(&self, tid: Tid, fd: Fd) -> Option<bool> {
        Some(self.mask(tid, fd)? & self.pending.get(&tid).unwrap_or(&0) != 0)
    }

    fn mask(&self, tid: Tid, fd: Fd) -> Option<u64> {
        match self.object(self.object_of(tid, fd)?) {
            Some(Object::Signals(signals)) => Some(signals.mask),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_finds_its_own_signals() {
        let mut kernel = Kernel::default();
        let signals = kernel.new_signals(0b110);
        kernel.open(1, 3, signals, (true, true), false, false);
        kernel.forked(1, 2, false);
        kernel.pends(1, 0b001);
        assert_eq!(kernel.has_signal(1, 3), Some(false));
        kernel.pends(1, 0b011);
        assert_eq!((kernel.has_signal(1, 3), kernel.has_signal(2, 3)), (Some(true), Some(false)));
        assert_eq!((kernel.ready(1, 3, libc::POLLIN), kernel.ready(2, 3, libc::POLLIN)), (Some(libc::POLLIN), Some(0)));
        kernel.takes(2, 3, 0b100);
        assert_eq!(kernel.has_signal(1, 3), Some(false));
        assert_eq!(kernel.has_signal(1, 4), None);
    }

    #[test]
    fn an_instance_about_signals_is_unknown() {
        let mut kernel = Kernel::default();
        let (epoll, signals) = (kernel.new_epoll(), kernel.new_signals(1));
        kernel.open(1, 9, epoll, (true, true), false, false);
        kernel.open(1, 3, signals, (true, true), false, false);
        kernel.controlled(1, 9, libc::EPOLL_CTL_ADD, 3, Some((libc::EPOLLIN as u32, 0)));
        assert_eq!(kernel.finds(1, 9), None);
        assert_eq!(kernel.has_signal(1, 3), Some(false));
    }
}
