//! What a run may use, where the recorder counts it: calls, a process's own CPU time between two calls, time.

use std::time::Duration;

use nix::errno::Errno;

use super::clock::MOST_JUMPS;
use super::engine::{Engine, Fallible, POLLS_UNTIL_IDLE, failed};
use super::tracee::State;
use crate::sys::ptrace;
use crate::trace::raw::Tid;

/// All processes of a run together may compute for this many times what one may between two calls.
const TIMES_IN_ALL: u32 = 5;

impl Engine<'_> {
    /// A limit was hit; the run ends before the next step.
    pub(super) fn hit(&mut self, limit: &str, figure: String, tid: Option<Tid>) {
        self.limit.get_or_insert((limit.to_owned(), figure, tid));
    }

    pub(super) fn check_steps(&mut self) {
        let Some(limits) = self.options.limits else { return };
        if self.steps > limits.steps {
            self.hit("steps", format!("{} calls", limits.steps), None);
        }
        self.check_wall();
    }

    /// The virtual clock has its bound too: a program that waits for time again and again ends there, at once.
    pub(super) fn check_time(&mut self) {
        if self.options.limits.is_some() && self.jumps > MOST_JUMPS {
            self.hit("time", format!("{MOST_JUMPS} sleeps and time-outs"), None);
        }
    }

    /// Real time is the machine's and the grader's: what a program may use is counted in other ways, so a run that takes
    /// too long of it has no verdict.
    pub(super) fn check_wall(&mut self) {
        let Some(limits) = self.options.limits else { return };
        self.slow |= self.started.elapsed() > Duration::from_millis(limits.wall_ms);
    }

    /// Time has passed while a tracee runs: look at its budget.
    pub(super) fn on_tick(&mut self, tid: Tid) -> Fallible<()> {
        self.check_wall();
        self.check_foreseen(tid)?;
        self.refresh_held();
        let Some(limits) = self.options.limits else { return Ok(()) };
        if self.limit.is_some() || self.slow {
            return self.stop_running(tid);
        }
        self.check_memory(Some(tid));
        if self.limit.is_some() {
            return self.stop_running(tid);
        }
        let Some(cpu) = cpu_time(tid) else { return Ok(()) };
        let Some(tracee) = self.tracee(tid) else { return Ok(()) };
        let since = *tracee.computes_since.get_or_insert(cpu);
        let (yielded, outlasts) = (tracee.yielded, tracee.outlasts);
        let budget = Duration::from_millis(limits.cpu_ms);
        let used = cpu.saturating_sub(since);
        let counted = std::mem::replace(&mut tracee.computed, cpu);
        self.computed += cpu.saturating_sub(counted);
        if self.computed > budget * TIMES_IN_ALL {
            let most = limits.cpu_ms * u64::from(TIMES_IN_ALL);
            self.hit("cpu", format!("{most} ms in all"), Some(tid));
            return self.stop_running(tid);
        }
        if used > budget {
            self.hit("cpu", format!("{} ms", limits.cpu_ms), Some(tid));
            return self.stop_running(tid);
        }
        // Half of the budget without a call: it may wait for a value that another will store.
        let others = self.tracees.values().any(|other| {
            other.tid != tid && matches!(other.state, State::Ready | State::When(_) | State::Sleep(_)) && !other.demoted
        });
        if used > budget / 2 && others && !yielded {
            self.polls = self.polls.max(POLLS_UNTIL_IDLE + 1);
            if let Some(tracee) = self.tracee(tid) {
                tracee.demoted = true;
                tracee.yielded = true;
            }
            return self.stop_running(tid);
        }
        // Three quarters: it may wait for a timer's signal, and time passes only when nothing else can run.
        if used > budget * 3 / 4 && self.time_brings_something() && !outlasts {
            self.time_is_due = true;
            if let Some(tracee) = self.tracee(tid) {
                tracee.outlasts = true;
            }
            return self.stop_running(tid);
        }
        Ok(())
    }

    fn stop_running(&mut self, tid: Tid) -> Fallible<()> {
        match ptrace::interrupt(tid) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(errno) => Err(failed("interrupt", tid, errno)),
        }
    }
}

/// The CPU time of a process so far.
fn cpu_time(tid: Tid) -> Option<Duration> {
    let clock = nix::time::clock_getcpuclockid(nix::unistd::Pid::from_raw(tid)).ok()?;
    nix::time::clock_gettime(clock).ok().map(Duration::from)
}
