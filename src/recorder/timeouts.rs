//! Calls that wait with an end: their time-outs run on the virtual clock.
//!
//! # Theory of operation
//!
//! A call that names a time-out goes into the kernel without one: its argument is rewritten for the length of the call,
//! and the recorder keeps the deadline. When nothing else can run and it is the nearest, the sleeping tracee is
//! interrupted (PTRACE_INTERRUPT). The call comes back to its exit stop as one that a signal interrupted, and there gets
//! the result that its time-out gives, its own arguments and, for select(2), the time that was left. No stop of its own
//! follows the interrupt: a trap that is taken clears it (kernel/signal.c, ptrace_stop).
//!
//! A zero time-out is a poll and goes as it is. What the kernel would reject (a negative time, nanoseconds past a second,
//! a bad address) goes as it is too, and is rejected.

use std::time::Duration;

use super::clock::Clock;
use super::engine::{Engine, Fallible, failed};
use super::stops::{self, ERESTART_RESTARTBLOCK, ERESTARTNOHAND, ERESTARTSYS, is_restart};
use super::tracee::State;
use crate::sys::arch::{Invocation, Sys};
use crate::sys::{memory, ptrace};
use crate::trace::raw::Tid;

/// What a signal that has a handler, or stops or ends the process, makes of a call that is never restarted (signal(7)).
///
/// A signal that is ignored does nothing to a sleeper, unless it is traced: then the kernel wakes it so that the tracer
/// sees the signal (kernel/signal.c, sig_ignored), and semop(2), epoll_wait(2) and sigtimedwait(2) come back. Such a
/// call is made again.
const EINTR: i64 = -(libc::EINTR as i64);

/// When a call ends by itself, and how that looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deadline {
    /// On the virtual clock.
    pub(super) until: Duration,
    /// What the call returns then.
    result: i64,
    /// The argument that says so, and what says that there is no end instead; none where none has to be changed.
    argument: Option<(usize, u64)>,
    /// Where the call writes the time that was left.
    left: Option<(u64, Unit)>,
    /// A handled signal ends the call even with SA_RESTART, as the kernel has it for calls with an end (signal(7)).
    never_restarted: bool,
}

impl Deadline {
    /// That of a sleep, which is held at its entry: in the kernel it is only for a signal to end it.
    pub(super) fn of_sleep(until: Duration, left: Option<(u64, Unit)>) -> Self {
        Self { until, result: 0, argument: None, left, never_restarted: false }
    }

    /// That of a call whose time-out is no argument of it.
    pub(super) fn of_option(until: Duration, errno: i32) -> Self {
        Self { until, result: -i64::from(errno), argument: None, left: None, never_restarted: true }
    }

    /// Whether the call writes how much time was left.
    pub(super) fn tells_what_is_left(self) -> bool {
        self.left.is_some()
    }
}

/// What stands after the seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Micros,
    Nanos,
}

/// A time in a tracee's memory (timespec(3type), timeval(3type)); none where the kernel would reject it.
pub(super) fn time_at(tid: Tid, addr: u64, unit: Unit) -> Option<Duration> {
    let seconds = u64::try_from(memory::read_u64(tid, addr)? as i64).ok()?;
    let small = u32::try_from(memory::read_u64(tid, addr + 8)? as i64).ok()?;
    match unit {
        Unit::Nanos => (small < 1_000_000_000).then(|| Duration::new(seconds, small)),
        Unit::Micros => (small < 1_000_000).then(|| Duration::new(seconds, small * 1000)),
    }
}

/// The bytes of a time.
pub(super) fn bytes_of(time: Duration, unit: Unit) -> Vec<u8> {
    let small = match unit {
        Unit::Nanos => time.subsec_nanos(),
        Unit::Micros => time.subsec_micros(),
    };
    [i64::try_from(time.as_secs()).unwrap_or(i64::MAX).to_ne_bytes(), i64::from(small).to_ne_bytes()].concat()
}

/// The deadline of a call that is about to be made; none where it has no end, or is only a poll.
pub(super) fn deadline_of(tid: Tid, call: &Invocation, clock: &Clock) -> Option<Deadline> {
    use libc::{EAGAIN, ETIMEDOUT};
    let [_, b, c, d, e, _] = call.args;
    let none: u64 = 0;
    let for_ever = u64::from(u32::MAX);
    let (argument, result, time): (_, i32, Duration) = match call.sys {
        Sys::Poll => ((2, for_ever), 0, millis(c)?),
        Sys::EpollWait if e == 0 => ((3, for_ever), 0, millis(d)?),
        Sys::EpollWait => ((3, none), 0, relative(tid, e, Unit::Nanos)?),
        Sys::Ppoll => ((2, none), 0, relative(tid, c, Unit::Nanos)?),
        Sys::Select => ((4, none), 0, relative(tid, e, Unit::Micros)?),
        Sys::Pselect6 => ((4, none), 0, relative(tid, e, Unit::Nanos)?),
        Sys::Semtimedop => ((3, none), EAGAIN, relative(tid, d, Unit::Nanos)?),
        Sys::RtSigtimedwait => ((2, none), EAGAIN, relative(tid, c, Unit::Nanos)?),
        Sys::Futex if b as i32 & libc::FUTEX_CMD_MASK == libc::FUTEX_WAIT => {
            ((3, none), ETIMEDOUT, relative(tid, d, Unit::Nanos)?)
        }
        _ => {
            let (index, addr, of) = absolute(call)?;
            let until = clock.at(of, time_at(tid, addr, Unit::Nanos)?);
            let result = -i64::from(ETIMEDOUT);
            let never_restarted = call.sys == Sys::Futex;
            return Some(Deadline { until, result, argument: Some((index, none)), left: None, never_restarted });
        }
    };
    let left = match call.sys {
        Sys::Ppoll => Some((c, Unit::Nanos)),
        Sys::Select => Some((e, Unit::Micros)),
        Sys::Pselect6 => Some((e, Unit::Nanos)),
        _ => None,
    };
    let never_restarted = call.sys == Sys::Futex;
    let until = clock.after(time);
    Some(Deadline { until, result: -i64::from(result), argument: Some(argument), left, never_restarted })
}

/// A number of milliseconds; below zero is no end.
fn millis(arg: u64) -> Option<Duration> {
    u64::try_from(arg as i32).ok().filter(|millis| *millis > 0).map(Duration::from_millis)
}

fn relative(tid: Tid, addr: u64, unit: Unit) -> Option<Duration> {
    time_at(tid, addr, unit).filter(|time| addr != 0 && !time.is_zero())
}

/// Where the absolute time-out of a call stands, and on which clock it is.
fn absolute(call: &Invocation) -> Option<(usize, u64, libc::clockid_t)> {
    const FUTEX_LOCK_PI2: i32 = 13;
    let [_, b, _, d, e, _] = call.args;
    let (index, addr, clock) = match call.sys {
        Sys::MqTimedsend | Sys::MqTimedreceive => (4, e, libc::CLOCK_REALTIME),
        Sys::FutexWaitv => (3, d, e as libc::clockid_t),
        Sys::Futex => {
            let real = b as i32 & libc::FUTEX_CLOCK_REALTIME != 0;
            let clock = match b as i32 & libc::FUTEX_CMD_MASK {
                libc::FUTEX_LOCK_PI => libc::CLOCK_REALTIME,
                libc::FUTEX_WAIT_BITSET | libc::FUTEX_WAIT_REQUEUE_PI | FUTEX_LOCK_PI2 if real => libc::CLOCK_REALTIME,
                libc::FUTEX_WAIT_BITSET | libc::FUTEX_WAIT_REQUEUE_PI | FUTEX_LOCK_PI2 => libc::CLOCK_MONOTONIC,
                _ => return None,
            };
            (3, d, clock)
        }
        _ => return None,
    };
    (addr != 0).then_some((index, addr, clock))
}

/// The sets of select(2), which an interrupted call leaves as they were and one whose time has come empties.
fn clear_sets(tid: Tid, call: &Invocation) {
    let [count, sets @ .., _, _] = call.args;
    if !matches!(call.sys, Sys::Select | Sys::Pselect6) {
        return;
    }
    // Whole words, of as many descriptors as a set can have (FD_SETSIZE).
    let words = (count as usize).min(libc::FD_SETSIZE).div_ceil(64);
    for addr in sets.into_iter().filter(|addr| *addr != 0) {
        // Where it cannot be written, the kernel could not either.
        let _ = memory::write(tid, addr, &vec![0; 8 * words]);
    }
}

impl Engine<'_> {
    /// A call is about to be made: it keeps the deadline that it had if it is made again after an interruption that
    /// nobody handled.
    pub(super) fn note_deadline(&mut self, tid: Tid, call: &Invocation, again: bool) {
        if !self.options.boxed {
            return;
        }
        let kept = self.tracee(tid).and_then(|tracee| tracee.deadline).filter(|_| again);
        let deadline = kept.or_else(|| deadline_of(tid, call, &self.clock)).or_else(|| self.socket_deadline(tid, call));
        if let Some(tracee) = self.tracee(tid) {
            tracee.deadline = deadline;
        }
    }

    /// The tracee goes into its call: what is to be different for the call's length is put into its registers.
    pub(super) fn rewrite_arguments(&mut self, tid: Tid) -> Fallible<()> {
        self.writes_the_rest(tid);
        let Some(tracee) = self.tracee(tid) else { return Ok(()) };
        let deadline = tracee.deadline.and_then(|deadline| deadline.argument);
        let changes: Vec<(usize, u64)> = tracee.changes.drain(..).chain(deadline).collect();
        if changes.is_empty() || !tracee.rewritten.is_empty() {
            return Ok(());
        }
        let error = |errno| failed("set the registers of", tid, errno);
        let mut registers = ptrace::registers(tid).map_err(error)?;
        // One that goes on in a call of restart_syscall(2) has no arguments there.
        if registers.invocation().is_some_and(|call| call.sys == Sys::RestartSyscall) {
            return Ok(());
        }
        for (index, value) in changes {
            tracee.rewritten.push((index, registers.arg(index)));
            registers.set_arg(index, value);
        }
        ptrace::set_registers(tid, &mut registers).map_err(error)
    }

    /// A call came back: its registers become what the program expects, and its result that of its time-out where it
    /// was that. The result.
    pub(super) fn after_call(&mut self, tid: Tid, result: i64) -> Fallible<i64> {
        let now = self.clock.now();
        let came = result;
        let Some(tracee) = self.tracee(tid) else { return Ok(came) };
        let result = match came {
            EINTR if !tracee.expired && !stops::signal_waits(tid) => ERESTARTNOHAND,
            other => other,
        };
        let rewritten = std::mem::take(&mut tracee.rewritten);
        let expired = std::mem::take(&mut tracee.expired);
        if rewritten.is_empty() && tracee.deadline.is_none() && result == came {
            return Ok(result);
        }
        let interrupted = is_restart(result) || result == EINTR;
        let deadline = tracee.deadline;
        let end = match deadline {
            Some(deadline) if expired && interrupted => deadline.result,
            Some(deadline) if deadline.never_restarted && result == ERESTARTSYS => ERESTARTNOHAND,
            // The recorder lets the call be made again with its own arguments; restart_syscall(2) knows them not.
            Some(Deadline { argument: Some(_), .. }) if result == ERESTART_RESTARTBLOCK => ERESTARTNOHAND,
            _ => result,
        };
        if let Some((deadline, (addr, unit))) = deadline.and_then(|deadline| Some((deadline, deadline.left?)))
            && (deadline.argument.is_some() || interrupted)
        {
            // The kernel fails silently here too (fs/select.c, poll_select_finish).
            let _ = memory::write(tid, addr, &bytes_of(deadline.until.saturating_sub(now), unit));
        }
        if let Some(call) = tracee.call.filter(|_| expired && interrupted) {
            clear_sets(tid, &call);
        }
        if !is_restart(end) {
            tracee.deadline = None;
        }
        if end != came || !rewritten.is_empty() {
            let error = |errno| failed("set the registers of", tid, errno);
            let mut registers = ptrace::registers(tid).map_err(error)?;
            rewritten.into_iter().for_each(|(index, value)| registers.set_arg(index, value));
            registers.set_result(end);
            ptrace::set_registers(tid, &mut registers).map_err(error)?;
        }
        Ok(end)
    }

    /// The time of a call has come: it returns.
    pub(super) fn time_out(&mut self, tid: Tid) -> Fallible<()> {
        let held = self.tracee(tid).is_some_and(|tracee| tracee.state == State::Held);
        if held && !self.enter_expired(tid)? {
            return Ok(());
        }
        let Some(tracee) = self.tracee(tid) else { return Ok(()) };
        tracee.expired = true;
        match ptrace::interrupt(tid) {
            Ok(()) | Err(nix::errno::Errno::ESRCH) => self.settle(),
            Err(errno) => Err(failed("interrupt", tid, errno)),
        }
    }
}
