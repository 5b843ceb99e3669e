//! What is not of the run: time and strangers, who may wake a tracee when no tracee can.

use nix::errno::Errno;

use super::decode;
use super::engine::{Engine, Fallible, failed};
use super::tracee::{State, Tracee};
use crate::sys::arch::Sys;
use crate::sys::wait::wait;
use crate::trace::raw::FileKind;

impl Engine<'_> {
    /// Whether time or the outside world could wake somebody who is asleep.
    pub(super) fn may_still_wake(&mut self) -> bool {
        let boxed = self.options.boxed;
        // In the box time passes on our own clock, and nothing was left that it would bring.
        if boxed {
            return false;
        }
        if self.kernel_timers {
            return true;
        }
        self.tracees.values().any(|tracee| match tracee.state {
            State::Asleep { timed } => timed || !self.sleeps_inside(tracee),
            State::Stopped => true,
            _ => false,
        })
    }

    /// Whether what the tracee sleeps for is reachable only by tracees.
    fn sleeps_inside(&self, tracee: &Tracee) -> bool {
        let Some(call) = tracee.call else { return false };
        match call.sys {
            Sys::Wait4 | Sys::Waitid | Sys::Futex => true,
            Sys::Read | Sys::Readv | Sys::Write | Sys::Writev => {
                let file = decode::files::file(tracee.tid, call.args[0] as i32, None);
                file.kind == FileKind::Pipe && !self.inherited.contains(&(file.dev, file.ino))
            }
            _ => false,
        }
    }

    /// Everybody sleeps, and time or a stranger has to act.
    pub(super) fn wait_for_the_world(&mut self) -> Fallible<()> {
        match wait(None, true) {
            Ok(Some((tid, status))) => {
                self.handle(tid, status)?;
                self.settle()
            }
            Ok(None) => Ok(()),
            Err(Errno::EINTR) => {
                self.drain();
                self.check_wall();
                Ok(())
            }
            Err(errno) => Err(failed("wait for", 0, errno)),
        }
    }
}
