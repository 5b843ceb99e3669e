//! The timers that processes have armed, on the virtual clock: when each goes off next, and how often it did unheard.
//!
//! Pure: no process is asked. What a timer's end means is in [`super::timers`].

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::Signal;
use crate::trace::raw::Tid;

/// Which timer. In the order in which those go off that go off at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TimerId {
    /// A process's one timer of alarm(2) and setitimer(2) with ITIMER_REAL.
    Interval(Tid),
    /// A process's timer of timer_create(2), by its number there.
    Posix(Tid, i32),
    /// A timerfd, by its place in the recorder's own list.
    Descriptor(usize),
}

impl TimerId {
    /// The process that it belongs to and ends with.
    fn process(self) -> Option<Tid> {
        match self {
            Self::Interval(process) | Self::Posix(process, _) => Some(process),
            Self::Descriptor(_) => None,
        }
    }
}

/// What a timer tells when it goes off (sigevent(3type)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tells {
    /// Nothing: it is only looked at (SIGEV_NONE).
    Nobody,
    /// A signal to its process, or to one thread of it.
    Signal {
        /// Which.
        signal: Signal,
        /// SIGEV_THREAD_ID.
        thread: Option<Tid>,
        /// sival_ptr.
        value: u64,
    },
    /// Whoever reads the descriptor.
    Reader,
}

/// A timer, armed or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timer {
    /// What it tells.
    pub(super) tells: Tells,
    /// The clock that its absolute times are of.
    pub(super) clock: libc::clockid_t,
    /// When it goes off next.
    at: Option<Duration>,
    /// How long after that it goes off again; zero is never.
    interval: Duration,
    /// How often it went off since it was last heard: a timerfd's count, a signal's overruns.
    pub(super) unheard: u64,
    /// A timerfd that has expired is started anew when it is looked at, and wakes again (fs/timerfd.c).
    restarted: bool,
    /// The overruns that its last delivered signal told.
    pub(super) overrun: u64,
}

impl Timer {
    /// One that is not armed.
    pub(super) fn new(tells: Tells, clock: libc::clockid_t) -> Self {
        Self { tells, clock, at: None, interval: Duration::ZERO, unheard: 0, restarted: false, overrun: 0 }
    }

    /// How often it has expired since this was asked last.
    pub(super) fn hear(&mut self) -> u64 {
        self.restarted = false;
        std::mem::take(&mut self.unheard)
    }

    /// timerfd_gettime(2).
    pub(super) fn looked_at(&mut self) {
        self.restarted = self.unheard > 0 && !self.interval.is_zero();
    }

    /// Whether whoever waits for its descriptor is woken by its next expiration.
    pub(super) fn wakes(&self) -> bool {
        self.unheard == 0 || self.restarted
    }

    /// How long until it goes off, and its interval; zero where it is not armed.
    pub(super) fn left(&self, now: Duration) -> (Duration, Duration) {
        let Some(at) = self.at else { return (Duration::ZERO, self.interval) };
        // One that tells nobody never goes off here: its time only passes.
        let left = at.saturating_sub(now);
        if !left.is_zero() || self.interval.is_zero() {
            return (left, self.interval);
        }
        let into = now.saturating_sub(at).as_nanos() % self.interval.as_nanos();
        (self.interval.saturating_sub(duration(into)), self.interval)
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct TimerList {
    timers: BTreeMap<TimerId, Timer>,
}

impl TimerList {
    /// Takes a timer in, or replaces it.
    pub(super) fn add(&mut self, id: TimerId, timer: Timer) {
        self.timers.insert(id, timer);
    }

    pub(super) fn get(&self, id: TimerId) -> Option<&Timer> {
        self.timers.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: TimerId) -> Option<&mut Timer> {
        self.timers.get_mut(&id)
    }

    pub(super) fn remove(&mut self, id: TimerId) {
        self.timers.remove(&id);
    }

    /// Arms a timer to go off then, and every so often afterwards; disarms it where there is no time.
    pub(super) fn arm(&mut self, id: TimerId, at: Option<Duration>, interval: Duration) {
        if let Some(timer) = self.timers.get_mut(&id) {
            (timer.at, timer.interval, timer.unheard, timer.restarted) = (at, interval, 0, false);
        }
    }

    /// Those that go off by themselves, with their times.
    pub(super) fn armed(&self) -> impl Iterator<Item = (Duration, TimerId, &Timer)> {
        let wakes = self.timers.iter().filter(|(_, timer)| timer.tells != Tells::Nobody);
        wakes.filter_map(|(id, timer)| Some((timer.at?, *id, timer)))
    }

    /// The time has come: how often it went off since then. It is armed again where it has an interval.
    pub(super) fn expire(&mut self, id: TimerId, now: Duration) -> u64 {
        let Some(timer) = self.timers.get_mut(&id) else { return 0 };
        let Some(late) = timer.at.and_then(|at| now.checked_sub(at)) else { return 0 };
        if timer.interval.is_zero() {
            timer.at = None;
            return 1;
        }
        timer.restarted = false;
        let times = late.as_nanos() / timer.interval.as_nanos() + 1;
        let (times, nanos) = (times as u64, timer.interval.as_nanos().saturating_mul(times));
        timer.at = timer.at.map(|at| at.saturating_add(duration(nanos)));
        times
    }

    /// The process runs another program: timers of timer_create are gone, that of alarm stays (execve(2)).
    pub(super) fn exec(&mut self, process: Tid) {
        self.timers.retain(|id, _| !matches!(id, TimerId::Posix(of, _) if *of == process));
    }

    /// The process is gone.
    pub(super) fn ended(&mut self, process: Tid) {
        self.timers.retain(|id, _| id.process() != Some(process));
    }
}

fn duration(nanos: u128) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    Duration::new(u64::try_from(nanos / SECOND).unwrap_or(u64::MAX), (nanos % SECOND) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const HOUR: Duration = Duration::from_secs(3600);

    fn alarm() -> Timer {
        let tells =
            Tells::Signal { signal: Signal::from_number(libc::SIGALRM).expect("a signal"), thread: None, value: 0 };
        Timer::new(tells, libc::CLOCK_REALTIME)
    }

    fn list(ids: &[TimerId]) -> TimerList {
        let mut list = TimerList::default();
        ids.iter().for_each(|id| list.add(*id, alarm()));
        list
    }

    fn next(list: &TimerList) -> Option<(Duration, TimerId)> {
        list.armed().map(|(at, id, _)| (at, id)).min()
    }

    #[test]
    fn the_nearest_goes_off_once_or_again_and_again() {
        let (once, again) = (TimerId::Interval(1), TimerId::Posix(1, 0));
        let mut list = list(&[once, again]);
        assert_eq!(next(&list), None);
        list.arm(once, Some(HOUR), Duration::ZERO);
        list.arm(again, Some(SECOND), 2 * SECOND);
        assert_eq!(next(&list), Some((SECOND, again)));
        assert_eq!(list.expire(again, SECOND), 1);
        assert_eq!(next(&list), Some((3 * SECOND, again)));
        assert_eq!(list.expire(again, 8 * SECOND), 3, "at 3, 5 and 7 seconds");
        assert_eq!(next(&list), Some((9 * SECOND, again)));
        assert_eq!(list.expire(once, HOUR), 1);
        assert_eq!(list.expire(once, HOUR), 0);
        assert_eq!(list.get(once).map(|timer| timer.left(HOUR)), Some((Duration::ZERO, Duration::ZERO)));
    }

    #[test]
    fn what_is_left_is_told_and_disarming_leaves_nothing() {
        let id = TimerId::Interval(1);
        let mut list = list(&[id]);
        list.arm(id, Some(10 * SECOND), Duration::ZERO);
        assert_eq!(list.get(id).map(|timer| timer.left(4 * SECOND)), Some((6 * SECOND, Duration::ZERO)));
        list.arm(id, None, Duration::ZERO);
        assert_eq!(list.get(id).map(|timer| timer.left(4 * SECOND)), Some((Duration::ZERO, Duration::ZERO)));
        assert_eq!(next(&list), None);
    }

    #[test]
    fn one_that_tells_nobody_wakes_nobody_and_its_time_passes() {
        let id = TimerId::Posix(1, 3);
        let mut list = TimerList::default();
        list.add(id, Timer::new(Tells::Nobody, libc::CLOCK_MONOTONIC));
        list.arm(id, Some(10 * SECOND), 4 * SECOND);
        assert_eq!(next(&list), None);
        assert_eq!(list.get(id).map(|timer| timer.left(9 * SECOND).0), Some(SECOND));
        assert_eq!(list.get(id).map(|timer| timer.left(15 * SECOND).0), Some(3 * SECOND));
        assert_eq!(list.get(id).map(|timer| timer.left(14 * SECOND).0), Some(4 * SECOND));
    }

    #[test]
    fn an_exec_keeps_the_alarm_and_an_end_keeps_nothing() {
        let ids = [TimerId::Interval(1), TimerId::Posix(1, 0), TimerId::Posix(2, 0), TimerId::Descriptor(0)];
        let mut list = list(&ids);
        ids.iter().for_each(|id| list.arm(*id, Some(SECOND), Duration::ZERO));
        let left = |list: &TimerList| list.armed().map(|(_, id, _)| id).collect::<Vec<_>>();
        list.exec(1);
        assert_eq!(left(&list), [ids[0], ids[2], ids[3]]);
        list.ended(1);
        assert_eq!(left(&list), [ids[2], ids[3]]);
    }

    #[test]
    fn a_timer_of_years_overflows_nothing() {
        let id = TimerId::Interval(1);
        let mut list = list(&[id]);
        list.arm(id, Some(Duration::MAX), Duration::MAX);
        assert_eq!(list.expire(id, SECOND), 0);
        assert_eq!(list.expire(id, Duration::MAX), 1);
    }
}
