//! Until everything is still: the one that was resumed has stopped or sleeps, and so have all that it woke.

use std::io::Read;

use nix::errno::Errno;

use super::decode;
use super::engine::{Engine, Fallible, failed};
use super::schedule::may_sleep;
use super::tracee::{State, Tracee};
use crate::sys::wait::{Status, Stop, wait};
use crate::trace::raw::{RawKind, Tid};

impl Engine<'_> {
    /// Until the tracee that was resumed has stopped, sleeps, or is gone. `sleeps`: it may well be asleep soon, and is
    /// looked at again and again; one that sleeps all the same is found at the next tick.
    pub(super) fn follow(&mut self, tid: Tid, sleeps: bool) -> Fallible<()> {
        let process = self.tracee(tid).map(|tracee| tracee.tgid);
        loop {
            let running = self.tracee(tid).is_some_and(|tracee| tracee.state == State::Running);
            if !running {
                return Ok(());
            }
            if sleeps {
                nix::sched::sched_yield().ok();
            }
            match wait(None, !sleeps) {
                Ok(Some((stopped, status))) => self.take_in(stopped, status, process)?,
                Ok(None) => self.look_whether_asleep(tid),
                Err(Errno::EINTR) => {
                    self.on_tick(tid)?;
                    if self.tracee(tid).is_some_and(|it| it.call.is_some_and(|call| may_sleep(call.sys))) {
                        self.look_whether_asleep(tid);
                    }
                }
                Err(Errno::ECHILD) => {
                    self.forget(tid);
                    return Ok(());
                }
                Err(errno) => return Err(failed("wait for", tid, errno)),
            }
        }
    }

    fn look_whether_asleep(&mut self, tid: Tid) {
        let Some(tracee) = self.tracee(tid) else { return };
        if !tracee.sleeps(b"S") {
            return;
        }
        let Some(call) = tracee.call else { return };
        let timed = decode::may_time_out(tid, &call);
        self.sleeps_unforeseen(tid, &call);
        let tracee = self.tracee(tid).expect("it was there");
        tracee.state = State::Asleep { timed };
        tracee.proves = false;
        if !std::mem::replace(&mut tracee.entered, true) {
            self.tell(tid, RawKind::Entered { call: decode::call(tid, &call, None) });
        }
    }

    /// Until every tracee is stopped, held or asleep.
    pub(super) fn settle(&mut self) -> Fallible<()> {
        if self.all_stopped() {
            return Ok(());
        }
        loop {
            self.drain();
            loop {
                match wait(None, false) {
                    Ok(Some((tid, status))) => self.take_in(tid, status, None)?,
                    Ok(None) | Err(Errno::ECHILD | Errno::EINTR) => break,
                    Err(errno) => return Err(failed("wait for", 0, errno)),
                }
            }
            // Twice, where one that was still running at the first look could wake one that had been looked at.
            let asleep = |tracee: &&Tracee| matches!(tracee.state, State::Asleep { .. } | State::Exiting);
            let looks = if self.tracees.values().filter(asleep).count() > 1 { 2 } else { 1 };
            if (0..looks).all(|_| self.tracees.values().all(|tracee| self.is_still(tracee))) {
                // One that stood in a stop when it was looked at may stand in its next one: its end, or the end of a
                // group-stop.
                if self.deaths
                    && let Ok(Some((tid, status))) = wait(None, false)
                {
                    self.take_in(tid, status, None)?;
                    continue;
                }
                if self.woken.is_empty() {
                    self.deaths = false;
                    return Ok(());
                }
                self.woken.sort_by_key(|(tid, status)| (is_exit(*status), self.order_of.get(tid).copied()));
                // One that ends is gone before the next one may end: who waits for both meets them in this order.
                let until =
                    self.woken.iter().position(|(_, status)| is_exit(*status)).map_or(self.woken.len(), |at| at + 1);
                for (tid, status) in self.woken.drain(..until).collect::<Vec<_>>() {
                    self.handle(tid, status)?;
                }
                continue;
            }
            // Of one that ends wait is going to tell.
            if self.tracees.values().any(|tracee| self.ends(tracee)) {
                match wait(None, true) {
                    Ok(Some((tid, status))) => self.take_in(tid, status, None)?,
                    Ok(None) | Err(Errno::ECHILD | Errno::EINTR) => {}
                    Err(errno) => return Err(failed("wait for", 0, errno)),
                }
            } else {
                nix::sched::sched_yield().ok();
            }
        }
    }

    /// Whether a thread is on its way out with nobody to wait for.
    fn ends(&self, tracee: &Tracee) -> bool {
        tracee.state == State::Exiting && !self.is_still(tracee) && !self.has_other_threads(tracee)
    }

    fn has_other_threads(&self, tracee: &Tracee) -> bool {
        self.tracees.values().any(|other| other.tgid == tracee.tgid && other.tid != tracee.tid)
    }

    /// Whether every tracee is where the recorder left it: nobody sleeps in the kernel whom a step could have woken.
    fn all_stopped(&self) -> bool {
        let left = |tracee: &Tracee| {
            matches!(tracee.state, State::Ready | State::Held | State::When(_) | State::Sleep(_) | State::Stopped)
        };
        !self.deaths && !self.undrained && self.woken.is_empty() && self.tracees.values().all(left)
    }

    /// Takes in what wait told, but of a tracee that was asleep or is about to end later: which of several that one step
    /// woke or ended is told of first, and whether before the one that did it, is the machine's chance. The other threads
    /// of the process that runs must end at once: its exec waits for that.
    fn take_in(&mut self, tid: Tid, status: Status, running: Option<Tid>) -> Fallible<()> {
        let later = self.tracee(tid).is_some_and(|tracee| {
            let own_thread = is_exit(status) && Some(tracee.tgid) == running;
            !own_thread && (is_exit(status) || matches!(tracee.state, State::Asleep { .. } | State::Stopped))
        });
        if later {
            self.woken.push((tid, status));
            return Ok(());
        }
        self.handle(tid, status)
    }

    fn is_still(&self, tracee: &Tracee) -> bool {
        if self.woken.iter().any(|(tid, _)| *tid == tracee.tid) {
            return true;
        }
        match tracee.state {
            State::Asleep { .. } => tracee.sleeps(b"S"),
            State::Vfork => tracee.sleeps(b"DS"),
            // A first thread that ended waits for the others of its process.
            State::Exiting => {
                // The first process of a pid namespace waits for all the others there (pid_namespaces(7)).
                tracee.tid == tracee.tgid && self.has_other_threads(tracee) && tracee.letter() == b'Z'
                    || tracee.letter() == b'S'
            }
            State::Running => false,
            State::Ready | State::Held | State::When(_) | State::Sleep(_) | State::Stopped => {
                !self.deaths || matches!(tracee.letter(), b't' | b'T')
            }
        }
    }

    /// Empties the pipes that the program's output goes to.
    pub(super) fn drain(&mut self) {
        self.undrained = false;
        let mut buffer = [0; 4096];
        for drain in &mut self.drains {
            while let Ok(got @ 1..) = drain.read(&mut buffer) {
                self.drained += got as u64;
            }
        }
        let Some(limits) = self.options.limits else { return };
        if self.drained > limits.output_kib * 1024 {
            self.hit("output", format!("{} KiB", limits.output_kib), None);
        }
    }
}

/// Whether a thread is about to end.
fn is_exit(status: Status) -> bool {
    status == Status::Stopped(Stop::Exit)
}
