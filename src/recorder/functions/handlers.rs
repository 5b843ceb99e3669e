//! Signal handlers: where one begins and ends, and what it calls that it must not (signal-safety(7)).

use super::space::Site;
use super::{Functions, single_step, word};
use crate::model::Signal;
use crate::recorder::engine::{Engine, Fallible};
use crate::recorder::tracee::Resume;
use crate::sys::ptrace;
use crate::sys::wait::{Status, Stop};
use crate::trace::raw::Tid;

/// A handler that runs.
#[derive(Debug, Clone)]
pub(super) struct Handler {
    /// Where its return address stands: the address of libc's call of rt_sigreturn.
    stack: u64,
    /// What stands there.
    returns: u64,
    /// It is libc's, by which it ends threads that are cancelled.
    own: bool,
    /// The call by it that was told last: what that calls for its part is not told.
    told: Option<(u64, u64)>,
}

impl Functions {
    /// A signal that has a handler is about to be delivered; `own`: libc's.
    pub(in crate::recorder) fn delivering(&mut self, tid: Tid, own: bool) {
        if let Some(calls) = self.threads.get_mut(&tid) {
            calls.delivering = Some(own);
        }
    }

    /// A handler has come to its end.
    pub(in crate::recorder) fn handler_returned(&mut self, tid: Tid) {
        let depth = self.threads.get(&tid).map_or(0, |calls| calls.handlers.len());
        self.leave_handlers(tid, depth.saturating_sub(1));
    }

    /// Of a thread's handlers so many are left.
    pub(super) fn leave_handlers(&mut self, tid: Tid, left: usize) {
        let Some(calls) = self.threads.get_mut(&tid) else { return };
        let gone = calls.handlers.len().saturating_sub(left) as u32;
        calls.handlers.truncate(left);
        let Some(space) = self.space_of(tid).filter(|_| gone > 0) else { return };
        space.handlers = space.handlers.saturating_sub(gone);
        if space.handlers == 0 {
            for (addr, _) in space.not_in_handlers.clone() {
                match space.sites.get_mut(&addr) {
                    // Some function returns just here.
                    Some(site) if site.returns || site.sync.is_some() => site.not_in_handlers = None,
                    Some(_) => space.unplant(tid, addr),
                    None => {}
                }
            }
        }
    }

    /// Drops handlers that siglongjmp left: the stack is wound back beyond their first frame, or their return address is
    /// overwritten.
    pub(super) fn leave_lost_handlers(&mut self, tid: Tid, stack: u64) {
        let Some(calls) = self.threads.get(&tid) else { return };
        let runs = |handler: &Handler| stack <= handler.stack && word(tid, handler.stack) == Some(handler.returns);
        let left = calls.handlers.iter().rposition(runs).map_or(0, |last| last + 1);
        if left < calls.handlers.len() {
            self.leave_handlers(tid, left);
        }
    }

    /// The name of a function, where a handler calls it that must not. What that function calls for its part (printf
    /// allocates) goes without saying.
    pub(super) fn called_in_handler(&mut self, tid: Tid, site: Site, stack: u64, caller: u64) -> Option<&'static str> {
        let handler = self.threads.get_mut(&tid)?.handlers.last_mut()?;
        let name = site.not_in_handlers.or(site.sync.filter(|sync| sync.is_unsafe()).map(|sync| sync.name))?;
        if handler.own {
            return None;
        }
        let inside = |(at, returns): (u64, u64)| stack < at && word(tid, at) == Some(returns);
        if handler.told.is_some_and(inside) {
            return None;
        }
        handler.told = Some((stack, caller));
        Some(name)
    }
}

impl Engine<'_> {
    /// Delivers a signal and stops at the first instruction of its handler; from here on what it calls is looked at.
    pub(super) fn bring_into_handler(&mut self, tid: Tid, own: bool) -> Fallible<bool> {
        let signal = match self.tracee(tid).map(|tracee| tracee.resume) {
            Some(Resume::Next(signal @ Some(_))) => signal,
            _ => return Ok(true),
        };
        match single_step(tid, signal)? {
            Some(Status::Stopped(Stop::Signal(Signal::TRAP))) => {}
            Some(other) => {
                self.handle(tid, other)?;
                return Ok(false);
            }
            None => return Ok(true),
        }
        if let Some(tracee) = self.tracee(tid) {
            tracee.resume = Resume::Next(None);
        }
        let Ok(registers) = ptrace::registers(tid) else { return Ok(true) };
        let stack = registers.stack();
        self.functions.leave_lost_handlers(tid, stack);
        let (Some(returns), Some(space)) = (word(tid, stack), self.functions.space_of(tid)) else { return Ok(true) };
        space.look_at_program(tid);
        space.handlers += 1;
        for (addr, name) in space.not_in_handlers.clone() {
            space.plant(tid, addr, |site| site.not_in_handlers = Some(name));
        }
        if let Some(calls) = self.functions.threads.get_mut(&tid) {
            calls.handlers.push(Handler { stack, returns, own, told: None });
        }
        Ok(true)
    }
}
