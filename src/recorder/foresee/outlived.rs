//! Calls that outlive their descriptors: another thread closes one on which a call waits, or puts something else in its
//! place (close(2), NOTES; dup(2)), or makes what it waits for O_NONBLOCK.
//!
//! In the kernel a call has the open file description that it began with, to its end, and one that sleeps is not woken by
//! a flag that is set. A held call is not there yet and would begin with what is new, so it goes in first: it sleeps on
//! what it waits for, which is the kernel's from then on. One that has been woken and did not go on yet goes in too; it was
//! told that it waits.
//!
//! A poll goes in like the others, and the kernel looks up its descriptors again each time that it is woken (do_pollfd in
//! fs/select.c).

use std::ops::RangeInclusive;

use super::super::engine::{Engine, Fallible};
use super::super::tracee::{State, Tracee};
use super::Ask;
use crate::sys::arch::{Invocation, Sys};
use crate::sys::memory;
use crate::trace::raw::{Call, Fd, Tid};

impl Engine<'_> {
    /// What a call is about to do to descriptors is done after the calls that wait on them have begun in the kernel.
    pub(super) fn let_in_before(&mut self, tid: Tid, call: &Invocation) -> Fallible<()> {
        let [a, b, c, ..] = call.args;
        let fd = a as Fd;
        let same = |engine: &Self, other: &Tracee, its: Fd| {
            let polls = matches!(other.ask, Some(Ask::Poll(_) | Ask::Epoll(_)));
            !polls && engine.kernel.same_description((tid, fd), (other.tid, its))
        };
        match call.sys {
            Sys::Close | Sys::Dup3 | Sys::CloseRange if !self.kernel.shares_files(tid) => Ok(()),
            Sys::Close => self.let_in_all(tid, |engine, other, its| engine.loses(tid, other, its, fd..=fd)),
            Sys::Dup3 if a as Fd != b as Fd => {
                self.let_in_all(tid, |engine, other, its| engine.loses(tid, other, its, b as Fd..=b as Fd))
            }
            Sys::CloseRange if c as u32 & (libc::CLOSE_RANGE_UNSHARE | libc::CLOSE_RANGE_CLOEXEC) == 0 => {
                self.let_in_all(tid, |engine, other, its| engine.loses(tid, other, its, numbers(a as u32, b as u32)))
            }
            Sys::Fcntl if b as i32 == libc::F_SETFL && c as i32 & libc::O_NONBLOCK != 0 => self.let_in_all(tid, same),
            Sys::Ioctl if b == libc::FIONBIO && memory::read_u32(tid, c) != Some(0) => self.let_in_all(tid, same),
            // The flags come first (struct mq_attr).
            Sys::MqGetsetattr if memory::read_u64(tid, b).is_some_and(|flags| flags as i32 & libc::O_NONBLOCK != 0) => {
                self.let_in_all(tid, same)
            }
            _ => Ok(()),
        }
    }

    /// Whether a thread loses a descriptor of its own, one of these, by what another thread does.
    fn loses(&self, tid: Tid, other: &Tracee, its: Fd, which: RangeInclusive<Fd>) -> bool {
        which.contains(&its) && self.kernel.same_files(tid, other.tid)
    }

    /// Lets those go in that wait on such a descriptor.
    fn let_in_all(&mut self, tid: Tid, concerns: impl Fn(&Self, &Tracee, Fd) -> bool) -> Fallible<()> {
        let all =
            self.told_to_wait(|engine, it| it.tid != tid && waited_on(it).iter().any(|fd| concerns(engine, it, *fd)));
        for order in &all {
            // What it finds when it is woken cannot be said of the instance any more.
            let instance = self.tracees.get(order).and_then(|it| Some((it.tid, it.ask.as_ref()?)));
            if let Some((tid, Ask::Epoll(instance))) = instance {
                let instance = *instance;
                self.leave_to_the_kernel(tid, &[instance]);
            }
        }
        self.enter_all(&all)
    }

    /// Whether a thread's call is about something else than what its descriptor leads to now. It left the model when the
    /// call slept on it.
    pub(super) fn outlives(&mut self, tid: Tid) -> bool {
        self.tracee(tid).is_some_and(|tracee| tracee.outlives)
    }

    /// A call closed descriptors, or put others in their places: calls that sleep on them are about something else than
    /// what stands there now.
    pub(super) fn note_outlived(&mut self, tid: Tid, decoded: &Call, result: i64) {
        if result < 0 && !matches!(decoded, Call::Close { .. }) || !self.kernel.shares_files(tid) {
            return;
        }
        let lost = match decoded {
            Call::Close { fd } => *fd..=*fd,
            Call::Dup { fd, .. } if i64::from(*fd) != result => result as Fd..=result as Fd,
            Call::CloseRange { first, last, cloexec: false, unshare: false } => numbers(*first, *last),
            _ => return,
        };
        let Self { tracees, kernel, .. } = self;
        let sleeps = |it: &&mut Tracee| matches!(it.state, State::Asleep { .. }) && it.tid != tid;
        for tracee in tracees.values_mut().filter(sleeps).filter(|it| kernel.same_files(tid, it.tid)) {
            tracee.outlives |= waited_on(tracee).iter().any(|fd| lost.contains(fd));
        }
    }
}

/// The descriptors that a waiting call is about.
fn waited_on(tracee: &Tracee) -> Vec<Fd> {
    match (&tracee.ask, tracee.call) {
        (Some(Ask::Poll(about)), _) => about.iter().map(|(fd, _)| *fd).collect(),
        (_, Some(call)) if is_about_one(call.sys) => vec![call.args[0] as Fd],
        _ => Vec::new(),
    }
}

/// Whether a call waits on the descriptor that is its first argument.
fn is_about_one(sys: Sys) -> bool {
    matches!(
        sys,
        Sys::Read
            | Sys::Readv
            | Sys::Recvfrom
            | Sys::Recvmsg
            | Sys::Write
            | Sys::Writev
            | Sys::Sendto
            | Sys::Sendmsg
            | Sys::MqTimedsend
            | Sys::MqTimedreceive
            | Sys::EpollWait
            | Sys::Accept
            | Sys::Connect
    )
}

fn numbers(first: u32, last: u32) -> RangeInclusive<Fd> {
    let number = |fd: u32| Fd::try_from(fd).unwrap_or(Fd::MAX);
    number(first)..=number(last)
}
