//! Who takes the next step.

use crate::model::ScheduleSeed;
use crate::model::seed::split_mix;
use crate::sys::arch::Sys;

/// A seeded choice among those that may go on.
#[derive(Debug)]
pub(super) struct Schedule {
    /// None is in order.
    walk: Option<u64>,
    last: Option<u32>,
}

/// One that may go on, in order of creation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    /// Its place in the order of creation.
    pub(super) order: u32,
    /// Others go first.
    pub(super) demoted: bool,
    /// It is about to do something that others can see: a place where a switch matters.
    pub(super) decides: bool,
}

impl Schedule {
    pub(super) fn new(seed: ScheduleSeed) -> Self {
        // Seeds that lie side by side must not give walks that begin alike.
        let walk = (seed.0 != 0).then(|| split_mix(u64::from(seed.0)));
        Self { walk, last: None }
    }

    /// The one to go on; none where there is none.
    ///
    /// In order, the one that ran goes on while it can, then the first by creation. A random walk chooses evenly
    /// wherever the one that ran is about to do something that others can see.
    pub(super) fn choose(&mut self, candidates: &[Candidate]) -> Option<u32> {
        let last = candidates.iter().find(|candidate| Some(candidate.order) == self.last);
        if let Some(last) = last.filter(|last| !last.decides && !last.demoted) {
            return Some(last.order);
        }
        let eager: Vec<u32> = candidates.iter().filter(|c| !c.demoted).map(|c| c.order).collect();
        let chosen = if eager.is_empty() {
            // All of them poll: in turn, so that none starves.
            let next = candidates.iter().find(|c| Some(c.order) > self.last).or(candidates.first());
            next.map(|c| c.order)
        } else if let Some(state) = &mut self.walk {
            *state = split_mix(*state);
            Some(eager[(*state % eager.len() as u64) as usize])
        } else {
            eager.iter().copied().find(|order| Some(*order) == self.last).or(eager.first().copied())
        };
        self.last = chosen;
        chosen
    }
}

impl Schedule {
    /// One of two ways; always the same one in order.
    pub(super) fn coin(&mut self) -> bool {
        let Some(state) = &mut self.walk else { return false };
        *state = split_mix(*state);
        *state & 1 == 1
    }
}

/// Whether a signal that comes just before the call, and not in it, makes a difference: the call waits.
pub(super) fn waits(sys: Sys) -> bool {
    let opens = [Sys::Openat, Sys::Close, Sys::Fcntl, Sys::Ioctl, Sys::Execve, Sys::Execveat, Sys::RestartSyscall];
    may_sleep(sys) && !opens.contains(&sys)
}

/// Whether another process can notice when this call is made.
pub(super) fn others_can_see(sys: Sys) -> bool {
    !matches!(
        sys,
        Sys::Openat
            | Sys::Openat2
            | Sys::Close
            | Sys::CloseRange
            | Sys::Mmap
            | Sys::Fcntl
            | Sys::Ioctl
            | Sys::Dup
            | Sys::Dup3
            | Sys::RtSigprocmask
            | Sys::Getrandom
            | Sys::Chdir
            | Sys::Fchdir
            | Sys::Ftruncate
    )
}

/// Whether the call may sleep; others return at once.
pub(super) fn may_sleep(sys: Sys) -> bool {
    matches!(
        sys,
        Sys::Read
            | Sys::Readv
            | Sys::Pread
            | Sys::Preadv
            | Sys::Recvfrom
            | Sys::Recvmsg
            | Sys::Recvmmsg
            | Sys::Write
            | Sys::Writev
            | Sys::Pwrite
            | Sys::Pwritev
            | Sys::Sendto
            | Sys::Sendmsg
            | Sys::Sendmmsg
            | Sys::Splice
            | Sys::Tee
            | Sys::Vmsplice
            | Sys::Sendfile
            | Sys::CopyFileRange
            | Sys::Openat
            | Sys::Openat2
            | Sys::Close
            | Sys::Fcntl
            | Sys::Ioctl
            | Sys::Flock
            | Sys::Connect
            | Sys::Accept
            | Sys::Poll
            | Sys::Ppoll
            | Sys::Select
            | Sys::Pselect6
            | Sys::EpollWait
            | Sys::Msgsnd
            | Sys::Msgrcv
            | Sys::Semtimedop
            | Sys::MqTimedsend
            | Sys::MqTimedreceive
            | Sys::RtSigtimedwait
            | Sys::RtSigsuspend
            | Sys::Pause
            | Sys::Wait4
            | Sys::Waitid
            | Sys::Futex
            | Sys::FutexWaitv
            | Sys::Nanosleep
            | Sys::ClockNanosleep
            | Sys::RestartSyscall
            | Sys::Execve
            | Sys::Execveat
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(orders: &[u32]) -> Vec<Candidate> {
        orders.iter().map(|order| Candidate { order: *order, demoted: false, decides: true }).collect()
    }

    #[test]
    fn in_order_goes_on_with_the_same_one_while_it_can() {
        let mut schedule = Schedule::new(ScheduleSeed(0));
        assert_eq!(schedule.choose(&candidates(&[1, 2, 3])), Some(1));
        assert_eq!(schedule.choose(&candidates(&[2, 3])), Some(2));
        assert_eq!(schedule.choose(&candidates(&[1, 2, 3])), Some(2));
        assert_eq!(schedule.choose(&[]), None);
    }

    #[test]
    fn those_that_poll_wait_for_the_others_and_then_take_turns() {
        let mut schedule = Schedule::new(ScheduleSeed(0));
        let mut all = candidates(&[1, 2, 3]);
        all[0].demoted = true;
        assert_eq!(schedule.choose(&all), Some(2));
        all.iter_mut().for_each(|c| c.demoted = true);
        assert_eq!([schedule.choose(&all), schedule.choose(&all), schedule.choose(&all)], [Some(3), Some(1), Some(2)]);
    }

    #[test]
    fn one_that_polls_stands_back_at_once() {
        let mut schedule = Schedule::new(ScheduleSeed(0));
        let mut all = candidates(&[1, 2]);
        assert_eq!(schedule.choose(&all), Some(1));
        // It stands between two calls, as after a sched_yield that was answered without being made.
        (all[0].demoted, all[0].decides) = (true, false);
        assert_eq!(schedule.choose(&all), Some(2));
    }

    #[test]
    fn a_walk_repeats_under_its_seed_and_visits_all() {
        let walk = |seed: u32| -> Vec<_> {
            let mut schedule = Schedule::new(ScheduleSeed(seed));
            (0..64).map(|_| schedule.choose(&candidates(&[1, 2, 3]))).collect()
        };
        assert_eq!(walk(5), walk(5));
        assert_ne!(walk(5), walk(6));
        for order in 1..=3 {
            assert!(walk(7).contains(&Some(order)));
        }
    }
}
