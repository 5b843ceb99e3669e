//! Timers on the virtual clock: alarm(2), setitimer(2) with ITIMER_REAL, timer_create(2) and timerfd_create(2).
//!
//! The recorder answers the calls that arm and read them; the kernel's own timers are made, so that numbers and
//! descriptors are true, and never armed. When the time comes, a signal is sent as the kernel would send it, or the
//! kernel's timerfd is made to expire through a descriptor of our own: who polls it sees it, and dispositions, masks and
//! pending signals stay the kernel's.
//!
//! Timers of CPU time (ITIMER_VIRTUAL, ITIMER_PROF, the clocks of processes and threads) stay the kernel's, in real time:
//! a process that sleeps uses none, so they wake nobody.

use std::os::fd::OwnedFd;
use std::time::Duration;

use super::engine::{Engine, Fallible, failed};
use super::foresee::spread;
use super::kernel::ObjectId;
use super::timeouts::{Unit, bytes_of, time_at};
use super::timer_list::{Tells, Timer, TimerId};
use super::{decode, proc};
use crate::model::Signal;
use crate::sys::arch::{Invocation, Sys};
use crate::sys::{memory, ptrace, queue, timer_descriptor};
use crate::trace::raw::{Fd, Tid};

/// What a timer of alarm(2) or setitimer(2) is called in the signals that we send: no number of timer_create(2).
const INTERVAL: i32 = i32::MIN;

/// The clocks that are virtual for timers (timer_create(2), timerfd_create(2)); others are of CPU time, and the kernel's.
const CLOCKS: [libc::clockid_t; 4] =
    [libc::CLOCK_REALTIME, libc::CLOCK_MONOTONIC, libc::CLOCK_BOOTTIME, libc::CLOCK_REALTIME_ALARM];

/// A time and an interval, as itimerval and itimerspec have them the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Setting {
    value: Duration,
    interval: Duration,
}

fn setting_at(tid: Tid, addr: u64, unit: Unit) -> Option<Setting> {
    Some(Setting { interval: time_at(tid, addr, unit)?, value: time_at(tid, addr + 16, unit)? })
}

/// A timerfd that was armed.
#[derive(Debug)]
pub(super) struct TimerDescriptor {
    /// Our own descriptor of it.
    own: OwnedFd,
    /// What the model has of it, if it does.
    object: Option<ObjectId>,
}

impl Engine<'_> {
    /// Whether timers of this clock expire by ours.
    pub(super) fn is_our_clock(&self, clock: libc::clockid_t) -> bool {
        self.options.boxed && CLOCKS.contains(&clock)
    }

    /// A call about timers, at its entry. False where the kernel is to answer.
    pub(super) fn timer_call(&mut self, tid: Tid, call: &Invocation) -> Fallible<bool> {
        if !self.options.boxed {
            return Ok(false);
        }
        let Some(process) = self.tracee(tid).map(|tracee| tracee.tgid) else { return Ok(false) };
        let [a, b, c, d, ..] = call.args;
        let result = match call.sys {
            Sys::Alarm => Some(self.alarm(process, Duration::from_secs(u64::from(a as u32)))),
            Sys::Setitimer if a as i32 == libc::ITIMER_REAL => self.set_interval(tid, process, b, c),
            Sys::Getitimer if a as i32 == libc::ITIMER_REAL => {
                self.ensure_interval(process);
                Some(self.show(tid, TimerId::Interval(process), b, Unit::Micros))
            }
            Sys::TimerSettime => self.set_timer(tid, TimerId::Posix(process, a as i32), (b as i32, c, d)),
            Sys::TimerGettime => {
                let id = TimerId::Posix(process, a as i32);
                self.timers.get(id).is_some().then(|| self.show(tid, id, b, Unit::Nanos))
            }
            Sys::TimerGetoverrun => {
                let timer = self.timers.get(TimerId::Posix(process, a as i32));
                timer.map(|timer| i64::try_from(timer.overrun).unwrap_or(i64::MAX).min(i64::from(i32::MAX)))
            }
            Sys::TimerDelete => {
                self.timers.remove(TimerId::Posix(process, a as i32));
                None
            }
            Sys::TimerfdSettime => {
                let id = self.descriptor(tid, a as Fd, true);
                id.and_then(|id| self.set_timer(tid, id, (b as i32, c, d)))
            }
            Sys::TimerfdGettime => {
                let id = self.descriptor(tid, a as Fd, true);
                let shown = id.map(|id| self.show(tid, id, b, Unit::Nanos));
                if let Some(timer) = id.and_then(|id| self.timers.get_mut(id)) {
                    timer.looked_at();
                }
                shown
            }
            Sys::Read | Sys::Readv => self.read_descriptor(tid, call),
            _ => None,
        };
        let Some(result) = result else { return Ok(false) };
        self.returned(tid, call, result)?;
        let registers = ptrace::registers(tid).map_err(|errno| failed("read the registers of", tid, errno))?;
        self.skip(tid, registers, result)?;
        Ok(true)
    }

    /// A timer was made, or a descriptor read: what the recorder has to know of it.
    pub(super) fn note_timer(&mut self, tid: Tid, call: &Invocation, result: i64) {
        // What a read had nowhere to put is gone all the same (fs/timerfd.c, timerfd_read_iter).
        let heard = result == 8 || result == -i64::from(libc::EFAULT);
        match call.sys {
            _ if !self.options.boxed => {}
            Sys::TimerCreate if result >= 0 => self.note_created(tid, call),
            Sys::Read | Sys::Readv if heard && !self.timer_descriptors.is_empty() => {
                let timer = self.descriptor(tid, call.args[0] as Fd, false);
                if let Some(timer) = timer.and_then(|id| self.timers.get_mut(id)) {
                    timer.hear();
                }
            }
            _ => {}
        }
    }

    /// timer_create(2) came back: the kernel gave it its number.
    fn note_created(&mut self, tid: Tid, call: &Invocation) {
        let [clock, event, place, ..] = call.args;
        let clock = clock as libc::clockid_t;
        let (Some(process), Some(number)) = (self.tracee(tid).map(|t| t.tgid), memory::read_u32(tid, place)) else {
            return;
        };
        if !self.is_our_clock(clock) {
            return;
        }
        // struct sigevent of 64-bit Linux (asm-generic/siginfo.h): value at 0, signal at 8, way at 12, thread at 16.
        let half = |offset: u64| memory::read_u32(tid, event + offset).unwrap_or(0) as i32;
        let tells = if event == 0 {
            Signal::from_number(libc::SIGALRM).map(|signal| (signal, None, u64::from(number)))
        } else if half(12) == libc::SIGEV_NONE {
            None
        } else {
            let thread = (half(12) == libc::SIGEV_THREAD_ID).then(|| self.outer(process, half(16)));
            let value = memory::read_u64(tid, event).unwrap_or(0);
            Signal::from_number(half(8)).map(|signal| (signal, thread, value))
        };
        let tells = tells.map_or(Tells::Nobody, |(signal, thread, value)| Tells::Signal { signal, thread, value });
        self.timers.add(TimerId::Posix(process, number as i32), Timer::new(tells, clock));
    }

    /// The thread of a process that it knows by this number.
    fn outer(&self, process: Tid, inner: i32) -> Tid {
        let mut threads = self.tracees.values().filter(|tracee| tracee.tgid == process);
        threads.find(|tracee| tracee.inner == inner).map_or(process, |tracee| tracee.tid)
    }

    fn ensure_interval(&mut self, process: Tid) {
        let id = TimerId::Interval(process);
        if self.timers.get(id).is_none()
            && let Some(signal) = Signal::from_number(libc::SIGALRM)
        {
            let tells = Tells::Signal { signal, thread: None, value: 0 };
            self.timers.add(id, Timer::new(tells, libc::CLOCK_REALTIME));
        }
    }

    /// alarm(2): the seconds that were left of the former one.
    fn alarm(&mut self, process: Tid, time: Duration) -> i64 {
        self.ensure_interval(process);
        let id = TimerId::Interval(process);
        let now = self.clock.now();
        let left = self.timers.get(id).map_or(Duration::ZERO, |timer| timer.left(now).0);
        let at = (!time.is_zero()).then(|| self.clock.after(time));
        self.timers.arm(id, at, Duration::ZERO);
        // Rounded to the nearest second, and never 0 while one is armed (kernel/time/itimer.c, alarm_setitimer).
        let seconds = left.as_secs() + u64::from(left.subsec_millis() >= 500);
        i64::try_from(if left.is_zero() { 0 } else { seconds.max(1) }).unwrap_or(i64::MAX)
    }

    /// setitimer(2) of real time.
    fn set_interval(&mut self, tid: Tid, process: Tid, new: u64, old: u64) -> Option<i64> {
        self.ensure_interval(process);
        let id = TimerId::Interval(process);
        let none = Setting { value: Duration::ZERO, interval: Duration::ZERO };
        let setting = if new == 0 { none } else { setting_at(tid, new, Unit::Micros)? };
        let shown = if old == 0 { 0 } else { self.show(tid, id, old, Unit::Micros) };
        let at = (!setting.value.is_zero()).then(|| self.clock.after(setting.value));
        self.timers.arm(id, at, setting.interval);
        Some(shown)
    }

    /// timer_settime(2), timerfd_settime(2): flags, the new setting, a place for the old one.
    fn set_timer(&mut self, tid: Tid, id: TimerId, (flags, new, old): (i32, u64, u64)) -> Option<i64> {
        let clock = self.timers.get(id)?.clock;
        let known =
            libc::TIMER_ABSTIME | if matches!(id, TimerId::Descriptor(_)) { libc::TFD_TIMER_CANCEL_ON_SET } else { 0 };
        let setting = setting_at(tid, new, Unit::Nanos).filter(|_| flags & !known == 0)?;
        let shown = if old == 0 { 0 } else { self.show(tid, id, old, Unit::Nanos) };
        let at = if flags & libc::TIMER_ABSTIME != 0 {
            self.clock.at(clock, setting.value)
        } else {
            self.clock.after(setting.value)
        };
        self.timers.arm(id, (!setting.value.is_zero()).then_some(at), setting.interval);
        if let TimerId::Descriptor(index) = id {
            // What it had counted is gone.
            let descriptor = &self.timer_descriptors[index];
            let _ = timer_descriptor::disarm(&descriptor.own);
            if let Some(object) = descriptor.object {
                self.kernel.armed(object);
            }
        }
        Some(shown)
    }

    /// Writes what is left of a timer, and its interval.
    fn show(&self, tid: Tid, id: TimerId, addr: u64, unit: Unit) -> i64 {
        let (value, interval) = self.timers.get(id).map(|timer| timer.left(self.clock.now())).unwrap_or_default();
        let bytes = [bytes_of(interval, unit), bytes_of(value, unit)].concat();
        if memory::write(tid, addr, &bytes).is_ok() { 0 } else { -i64::from(libc::EFAULT) }
    }

    /// The timer behind a descriptor; one that is not known yet is taken in where `add` says so.
    fn descriptor(&mut self, tid: Tid, fd: Fd, add: bool) -> Option<TimerId> {
        if !decode::files::link(format!("/proc/{tid}/fd/{fd}")).contains("[timerfd]") {
            return None;
        }
        let object = self.kernel.timer_of(tid, fd);
        let known = self.timer_descriptors.iter().position(|it| match object {
            Some(_) => it.object == object,
            None => timer_descriptor::is_same(&it.own, tid, fd) == Ok(true),
        });
        if let Some(index) = known {
            return Some(TimerId::Descriptor(index)).filter(|id| self.timers.get(*id).is_some());
        }
        if !add {
            return None;
        }
        let process = self.tracee(tid)?.tgid;
        let info = proc::text(tid, &format!("fdinfo/{fd}"));
        let clock = info.lines().find_map(|line| line.strip_prefix("clockid:")?.trim().parse().ok())?;
        let own: OwnedFd = timer_descriptor::duplicate(process, fd).ok()?;
        self.timer_descriptors.push(TimerDescriptor { own, object });
        let id = TimerId::Descriptor(self.timer_descriptors.len() - 1);
        self.timers.add(id, Timer::new(Tells::Reader, clock));
        Some(id)
    }

    /// A timerfd that expired several times is about to be read: the kernel's own has counted one of them.
    fn read_descriptor(&mut self, tid: Tid, call: &Invocation) -> Option<i64> {
        let [fd, addr, len, ..] = call.args;
        if self.timer_descriptors.is_empty() || self.kernel.timer_of(tid, fd as Fd).is_some() {
            return None;
        }
        let id = self.descriptor(tid, fd as Fd, false)?;
        let parts = if call.sys == Sys::Readv { decode::vectors(tid, addr, len) } else { vec![(addr, len)] };
        let len = parts.iter().fold(0u64, |sum, (_, len)| sum.saturating_add(*len));
        if len < 8 || self.timers.get(id)?.unheard < 2 {
            return None;
        }
        let count = self.hear(id);
        Some(if spread(tid, &parts, &count.to_ne_bytes()) { 8 } else { -i64::from(libc::EFAULT) })
    }

    /// A timerfd's count is read by us instead of the kernel, which has counted one at most.
    fn hear(&mut self, id: TimerId) -> u64 {
        if let TimerId::Descriptor(index) = id {
            let _ = timer_descriptor::disarm(&self.timer_descriptors[index].own);
        }
        self.timers.get_mut(id).map_or(0, Timer::hear)
    }

    /// A read of a modelled timerfd takes what it counted. Where that is more than the kernel's own has, it is taken away
    /// from that too: whether it was.
    pub(super) fn hear_modelled(&mut self, tid: Tid, fd: Fd) -> bool {
        let object = self.kernel.timer_of(tid, fd);
        let index = self.timer_descriptors.iter().position(|it| it.object.is_some() && it.object == object);
        let Some(id) = index.map(TimerId::Descriptor) else { return false };
        let Some(timer) = self.timers.get_mut(id) else { return false };
        if timer.unheard < 2 {
            timer.hear();
            return false;
        }
        self.hear(id);
        true
    }

    /// Whether a timer that goes off now changes anything for anybody: its signal is neither ignored nor pending already,
    /// its descriptor not readable already.
    pub(super) fn would_be_heard(&self, id: TimerId, timer: &Timer) -> bool {
        match (id, timer.tells) {
            (TimerId::Interval(process) | TimerId::Posix(process, _), Tells::Signal { signal, thread, .. }) => {
                let set = |field: &str| decode::status_signals(thread.unwrap_or(process), field).contains(&signal);
                !(set("SigIgn") || set("SigPnd") || thread.is_none() && set("ShdPnd"))
            }
            _ => timer.wakes(),
        }
    }

    /// A timer's time has come.
    pub(super) fn go_off(&mut self, id: TimerId) -> Fallible<()> {
        let now = self.clock.now();
        let Some(timer) = self.timers.get(id).copied() else { return Ok(()) };
        let heard = self.would_be_heard(id, &timer);
        let times = self.timers.expire(id, now);
        if times == 0 {
            return Ok(());
        }
        if let Some(timer) = self.timers.get_mut(id) {
            // Of a signal's expirations the first is the signal, the others are its overruns (timer_getoverrun(2)).
            let counted = matches!(timer.tells, Tells::Reader) || !heard;
            timer.unheard = if counted { timer.unheard + times } else { times - 1 };
        }
        if let TimerId::Descriptor(index) = id
            && let Some(object) = self.timer_descriptors[index].object
        {
            self.kernel.expired(object, times, heard);
        }
        if !heard {
            return Ok(());
        }
        match (id, timer.tells) {
            (TimerId::Interval(process) | TimerId::Posix(process, _), Tells::Signal { signal, thread, value }) => {
                let number = if let TimerId::Posix(_, number) = id { number } else { INTERVAL };
                let info = queue::TimerInfo { id: number, overrun: 0, value };
                // One that is gone meanwhile misses nothing; a full queue loses the signal, as the kernel would.
                let _ = queue::send_timer_signal(process, thread, signal, info);
                self.deaths = true;
                self.signals += 1;
                self.settle()?;
                self.interrupt_sleepers();
                self.interrupt_held()?;
            }
            (TimerId::Descriptor(index), _) => {
                let _ = timer_descriptor::expire(&self.timer_descriptors[index].own);
                self.settle()?;
            }
            _ => {}
        }
        Ok(())
    }

    /// A signal of a timer is about to be delivered: it tells what the kernel's own would tell.
    pub(super) fn amend_timer_signal(&mut self, tid: Tid) {
        let Ok(Some(info)) = queue::timer_of(tid) else { return };
        let Some(process) = self.tracee(tid).map(|tracee| tracee.tgid) else { return };
        if info.id == INTERVAL {
            let _ = queue::from_kernel(tid);
            return;
        }
        if let Some(timer) = self.timers.get_mut(TimerId::Posix(process, info.id)) {
            timer.overrun = std::mem::take(&mut timer.unheard);
            let _ = queue::set_overrun(tid, i32::try_from(timer.overrun).unwrap_or(i32::MAX));
        }
    }
}
