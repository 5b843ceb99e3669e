//! The clock of the box: it stands still while processes run, and jumps to the next end of a sleep, of a time-out or of a
//! timer when nothing else can run. `sleep(3600)` costs nothing.
//!
//! A sleeper is held at the entry of its call. Where the scenario's sleepers are early, each is one of the candidates of
//! the schedule and may wake at any step, in any order of its own: a sleep orders nothing. Time-outs and timers keep to
//! the clock even then, because they guard against what never comes: a sleeper wakes early only while none of them would
//! have ended before it, so no time-out ends in a run while somebody could still go on.
//!
//! All clocks start at fixed times, so that what a program prints of them is the same in each run.

use std::collections::HashMap;
use std::time::Duration;

use super::engine::{Engine, Fallible};
use super::timeouts::{Deadline, Unit};
use super::timer_list::TimerId;
use super::tracee::{Resume, State};
use super::{Sleepers, decode, stops};
use crate::sys::arch::{Invocation, Registers, Sys};
use crate::sys::memory;
use crate::trace::raw::{Call, RawKind, Tid};

/// Each reading moves the clock by this much, so that `while start.elapsed() < d {}` comes to its end.
const READING: Duration = Duration::from_micros(50);

/// How often the clock may jump before a run counts as endless. A program may well sleep in a loop until a clock says so,
/// and whether it will come to an end nobody can tell; at 0.1 ms each these jumps are over long before the wall time is.
pub(super) const MOST_JUMPS: u64 = 4_000;
/// How often the clock jumps before the world counts as idle, where nothing but time goes on.
pub(super) const JUMPS_UNTIL_IDLE: u64 = 200;

/// What the clocks show at a run's start (clock_gettime(2)): 2026-01-01 00:00:00 UTC, and an hour after the start of the
/// machine. Other clocks are of CPU time, and the kernel's.
const CLOCKS: [(libc::clockid_t, Duration); 9] = [
    (libc::CLOCK_REALTIME, EPOCH),
    (libc::CLOCK_REALTIME_COARSE, EPOCH),
    (libc::CLOCK_REALTIME_ALARM, EPOCH),
    (libc::CLOCK_TAI, Duration::from_secs(EPOCH.as_secs() + 37)),
    (libc::CLOCK_MONOTONIC, UP),
    (libc::CLOCK_MONOTONIC_RAW, UP),
    (libc::CLOCK_MONOTONIC_COARSE, UP),
    (libc::CLOCK_BOOTTIME, UP),
    (libc::CLOCK_BOOTTIME_ALARM, UP),
];
const EPOCH: Duration = Duration::from_secs(1_767_225_600);
const UP: Duration = Duration::from_secs(3600);

/// Virtual time since the run's start, and what each clock showed then.
#[derive(Debug)]
pub(super) struct Clock {
    now: Duration,
    started: HashMap<libc::clockid_t, Duration>,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self { now: Duration::ZERO, started: CLOCKS.into_iter().collect() }
    }

    /// Virtual time since the run's start.
    pub(super) fn now(&self) -> Duration {
        self.now
    }

    /// Nothing else can run before this time.
    pub(super) fn jump(&mut self, until: Duration) {
        self.now = self.now.max(until);
    }

    /// When a sleep of this length ends.
    pub(super) fn after(&self, length: Duration) -> Duration {
        self.now.saturating_add(length)
    }

    /// When this clock shows that time.
    pub(super) fn at(&self, id: libc::clockid_t, time: Duration) -> Duration {
        time.saturating_sub(self.started.get(&id).copied().unwrap_or_default())
    }

    /// What a clock shows, which moves it; none where the clock is the kernel's.
    fn read(&mut self, id: libc::clockid_t) -> Option<Duration> {
        let started = self.started.get(&id)?;
        self.now += READING;
        Some(*started + self.now)
    }
}

/// What time brings. At one moment timers come first, then time-outs, then sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Coming {
    Timer(TimerId),
    TimeOut(u32, Tid),
    Sleep(u32, Tid),
}

impl Engine<'_> {
    /// A clock is read. False where the kernel is to answer.
    pub(super) fn read_clock(&mut self, tid: Tid, call: &Invocation, registers: Registers) -> Fallible<bool> {
        if !self.options.boxed {
            return Ok(false);
        }
        let [a, b, ..] = call.args;
        let id = if call.sys == Sys::ClockGettime { a as libc::clockid_t } else { libc::CLOCK_REALTIME };
        let Some(time) = self.clock.read(id) else { return Ok(false) };
        let (seconds, nanos) = (time.as_secs() as i64, i64::from(time.subsec_nanos()));
        let pair = |small: i64| [seconds.to_ne_bytes(), small.to_ne_bytes()].concat();
        let (addr, bytes, result) = match call.sys {
            Sys::ClockGettime => (b, pair(nanos), 0),
            Sys::Gettimeofday => (a, pair(nanos / 1000), 0),
            _ => (a, seconds.to_ne_bytes().to_vec(), seconds),
        };
        let written = addr == 0 || memory::write(tid, addr, &bytes).is_ok();
        self.skip(tid, registers, if written { result } else { -i64::from(libc::EFAULT) })?;
        Ok(true)
    }

    /// A sleep begins, or goes on after an interruption that nobody handled: it is held until its time comes.
    pub(super) fn before_sleep(&mut self, tid: Tid, call: Invocation, again: bool) {
        let decoded = decode::call(tid, &call, None);
        let [a, b, c, d, ..] = call.args;
        let length = decode::timespec(tid, if call.sys == Sys::Nanosleep { a } else { c });
        let absolute = call.sys == Sys::ClockNanosleep && b as i32 & libc::TIMER_ABSTIME != 0;
        let until = if absolute { self.clock.at(a as libc::clockid_t, length) } else { self.clock.after(length) };
        let rest = if call.sys == Sys::Nanosleep { b } else { d };
        let left = (rest != 0 && !absolute).then_some((rest, Unit::Nanos));
        let Some(tracee) = self.tracee(tid) else { return };
        let deadline = tracee.deadline.filter(|_| again).unwrap_or(Deadline::of_sleep(until, left));
        tracee.deadline = Some(deadline);
        tracee.call = Some(call);
        tracee.state = State::Sleep(deadline.until);
        if !std::mem::replace(&mut tracee.entered, true) {
            self.tell(tid, RawKind::Entered { call: decoded });
        }
    }

    /// What time brings until then, with its moment: ends of sleeps, of time-outs, of timers that somebody would hear.
    fn coming(&self, by: Duration) -> impl Iterator<Item = (Duration, Coming)> {
        let waits = self.tracees.iter().filter_map(|(order, tracee)| match tracee.state {
            State::Sleep(until) => Some((until, Coming::Sleep(*order, tracee.tid))),
            State::Asleep { .. } | State::Held => Some((tracee.deadline?.until, Coming::TimeOut(*order, tracee.tid))),
            _ => None,
        });
        // To ask who hears a timer takes a look at its process: only for those that matter.
        let armed = self.timers.armed().filter(move |(at, ..)| *at <= by);
        let heard = |(at, id, timer)| self.would_be_heard(id, timer).then_some((at, Coming::Timer(id)));
        waits.filter(move |(at, _)| *at <= by).chain(armed.filter_map(heard))
    }

    /// Whether anything waits for time to pass, in the box.
    pub(super) fn time_brings_something(&self) -> bool {
        self.options.boxed && self.coming(Duration::MAX).next().is_some()
    }

    /// Lets happen what is due by now; in the box only, elsewhere time is real.
    pub(super) fn let_due(&mut self) -> Fallible<()> {
        if !self.options.boxed {
            return Ok(());
        }
        let now = self.clock.now();
        while let Some((_, coming)) = self.coming(now).min() {
            self.bring(coming)?;
        }
        // Those that nobody hears are counted.
        let unheard: Vec<TimerId> = self.timers.armed().filter(|(at, ..)| *at <= now).map(|(_, id, _)| id).collect();
        unheard.into_iter().try_for_each(|id| self.go_off(id))
    }

    /// Nothing else can run: time passes until the next thing that it brings; whether there was one.
    pub(super) fn advance(&mut self) -> Fallible<bool> {
        let boxed = self.options.boxed;
        // Outside of the box time is the kernel's: a sleeper goes into its call, and nothing else is for us to bring.
        let ours = self.coming(Duration::MAX).filter(|(_, coming)| boxed || matches!(coming, Coming::Sleep(..)));
        let Some((at, coming)) = ours.min() else { return Ok(false) };
        self.clock.jump(at);
        self.jumps += 1;
        self.check_time();
        match coming {
            Coming::Sleep(_, tid) if !boxed => self.set(tid, State::Ready, Resume::Exit),
            _ => self.bring(coming)?,
        }
        Ok(true)
    }

    fn bring(&mut self, coming: Coming) -> Fallible<()> {
        match coming {
            Coming::Timer(id) => self.go_off(id),
            Coming::TimeOut(_, tid) => self.time_out(tid),
            Coming::Sleep(_, tid) => {
                self.wake(tid);
                Ok(())
            }
        }
    }

    /// The sleepers that may wake now although others could go on, in order of creation.
    ///
    /// One that woke early and sleeps again waits until another has made a step: a loop that polls by sleeping would else
    /// hold up those that it waits for.
    pub(super) fn early_sleepers(&self) -> Vec<u32> {
        if self.options.sleepers == Sleepers::OnTime || !self.options.boxed {
            return Vec::new();
        }
        let sleeping = self.tracees.values().filter_map(|tracee| match tracee.state {
            State::Sleep(until) => Some(until),
            _ => None,
        });
        let Some(last) = sleeping.max() else { return Vec::new() };
        let kept = |(at, coming): (Duration, Coming)| (!matches!(coming, Coming::Sleep(..))).then_some(at);
        let first_end = self.coming(last).filter_map(kept).min().unwrap_or(Duration::MAX);
        let sleeps = self.tracees.iter().filter(|(_, tracee)| match tracee.state {
            State::Sleep(until) => until <= first_end && tracee.woke_early != Some(self.turns - tracee.turns),
            _ => false,
        });
        sleeps.map(|(order, _)| *order).collect()
    }

    /// The schedule chose a sleeper: its time has come before everybody else's.
    pub(super) fn wake_early(&mut self, order: u32) {
        let turns = self.turns;
        let Some(tracee) = self.tracees.get_mut(&order) else { return };
        let State::Sleep(until) = tracee.state else { return };
        tracee.woke_early = Some(turns - tracee.turns);
        let tid = tracee.tid;
        self.clock.jump(until);
        self.wake(tid);
    }

    /// The time of a sleep has passed, although no real time has.
    fn wake(&mut self, tid: Tid) {
        let call = self.tracee(tid).and_then(|tracee| tracee.call.take());
        if let Some(tracee) = self.tracee(tid) {
            tracee.entered = false;
            tracee.deadline = None;
        }
        let millis = match call.map(|call| decode::call(tid, &call, None)) {
            Some(Call::Sleep { millis }) => millis,
            _ => 0,
        };
        self.steps += 1;
        self.note_poll(tid, false);
        self.tell(tid, RawKind::Returned { call: Call::Sleep { millis }, result: Ok(0) });
        self.answer(tid, 0);
    }

    /// A signal that a held sleeper would take ends its sleep: it goes into the kernel, which sees to that.
    pub(super) fn interrupt_sleepers(&mut self) {
        let held: Vec<Tid> = self
            .tracees
            .values()
            .filter(|tracee| matches!(tracee.state, State::Sleep(_)) && stops::signal_waits(tracee.tid))
            .map(|tracee| tracee.tid)
            .collect();
        for tid in held {
            self.set(tid, State::Ready, Resume::Exit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_jumps_forward_only_and_readings_move_it() {
        let mut clock = Clock::new();
        let first = clock.read(libc::CLOCK_MONOTONIC).expect("a clock");
        clock.jump(clock.after(Duration::from_secs(3600)));
        clock.jump(Duration::ZERO);
        let second = clock.read(libc::CLOCK_MONOTONIC).expect("a clock");
        assert_eq!(second - first, Duration::from_secs(3600) + READING);
        assert_eq!(clock.at(libc::CLOCK_MONOTONIC, second), clock.now());
        assert_eq!(clock.read(libc::CLOCK_PROCESS_CPUTIME_ID), None);
    }
}
