//! The clock of the box: it stands still while processes run, and jumps to the next end of a sleep when nothing else can
//! run. `sleep(3600)` costs nothing and orders nothing.
//!
//! Waits with a time-out and timers are still the kernel's, in real time. So the clock starts at the real one's time:
//! deadlines that a program computes from it are never behind the kernel's.

use std::collections::HashMap;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use super::engine::{Engine, Fallible};
use super::tracee::{Resume, State};
use super::{decode, stops};
use crate::sys::arch::{Invocation, Registers, Sys};
use crate::sys::memory;
use crate::trace::raw::{Call, RawKind, Tid};

/// Each reading moves the clock by this much, so that `while start.elapsed() < d {}` comes to its end.
const READING: Duration = Duration::from_micros(50);

/// The clocks that tell the time of day or since a start (clock_gettime(2)); others are about CPU time, and the kernel's.
const CLOCKS: [libc::clockid_t; 6] = [
    libc::CLOCK_REALTIME,
    libc::CLOCK_MONOTONIC,
    libc::CLOCK_MONOTONIC_RAW,
    libc::CLOCK_REALTIME_COARSE,
    libc::CLOCK_MONOTONIC_COARSE,
    libc::CLOCK_BOOTTIME,
];

/// Virtual time since the run's start, and what each clock showed then.
#[derive(Debug)]
pub(super) struct Clock {
    now: Duration,
    started: HashMap<libc::clockid_t, Duration>,
}

impl Clock {
    pub(super) fn new() -> Self {
        let read = |id: libc::clockid_t| Some((id, clock_gettime(ClockId::from_raw(id)).ok()?.into()));
        Self { now: Duration::ZERO, started: CLOCKS.into_iter().filter_map(read).collect() }
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

    /// A sleep begins: it waits until nothing else can run.
    pub(super) fn before_sleep(&mut self, tid: Tid, call: Invocation) {
        let decoded = decode::call(tid, &call, None);
        let [a, b, c, ..] = call.args;
        let length = decode::timespec(tid, if call.sys == Sys::Nanosleep { a } else { c });
        let absolute = call.sys == Sys::ClockNanosleep && b as i32 & libc::TIMER_ABSTIME != 0;
        let until = if absolute { self.clock.at(a as libc::clockid_t, length) } else { self.clock.after(length) };
        let Some(tracee) = self.tracee(tid) else { return };
        tracee.call = Some(call);
        tracee.state = State::Sleep(until);
        if !std::mem::replace(&mut tracee.entered, true) {
            self.tell(tid, RawKind::Entered { call: decoded });
        }
    }

    /// Lets the held sleeper with the nearest end go on; whether there was one.
    pub(super) fn wake_sleeper(&mut self) -> bool {
        let nearest = self
            .tracees
            .values()
            .filter_map(|tracee| match tracee.state {
                State::Sleep(until) => Some((until, tracee.tid)),
                _ => None,
            })
            .min_by_key(|(until, _)| *until);
        let Some((until, tid)) = nearest else { return false };
        self.clock.jump(until);
        self.check_time();
        if self.options.boxed {
            self.wake(tid);
        } else {
            self.set(tid, State::Ready, Resume::Exit);
        }
        true
    }

    /// The time of a sleep has passed, although no real time has.
    fn wake(&mut self, tid: Tid) {
        let call = self.tracee(tid).and_then(|tracee| tracee.call.take());
        if let Some(tracee) = self.tracee(tid) {
            tracee.entered = false;
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
