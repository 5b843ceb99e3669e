//! Calls on modelled objects: what will come of them is known before they are made ([`super::kernel`]).
//!
//! A call that would wait is held at its entry until the model says that it need not; one that would not is told as
//! returned and then made, which costs one stop where every other call costs two and a look at who sleeps. Some of them
//! keep their exit stop all the same, as an *audit*: what the kernel says is compared with what was told. A disagreement
//! is our fault and ends the run.
//!
//! A run ends as blocked only after the kernel has agreed: calls that are held go in then, and have to sleep.

mod audit;
mod epolls;
mod granted;
pub(super) mod held;
mod named;
mod noted;
mod outlived;
mod pieces;
mod polls;
mod queues;
mod signals;
mod sockets;
mod sysv;
mod transfers;

use std::num::NonZeroU64;

pub(super) use audit::{Audit, Then};
pub(super) use pieces::Split;
pub(super) use transfers::spread;

use super::decode;
use super::engine::{Engine, Fallible};
use super::kernel::{Message, ObjectId, Operation, Wanted};
use crate::sys::arch::{Invocation, Sys};
use crate::trace::raw::{Call, Fd, InnerPid, RawKind, Tid};

/// One foreseen call in so many is audited where nothing else is asked for; every one where debug assertions are on, so
/// that tests check the model.
pub const AUDITS: NonZeroU64 = NonZeroU64::new(if cfg!(debug_assertions) { 1 } else { 64 }).expect("neither is 0");

/// How a step into a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Into the kernel, to the call's exit.
    Enter,
    /// Not at all: the call is held.
    Held,
    /// It has been told as returned: to the next stop.
    Told,
    /// The same, by way of the call's exit.
    Audited,
    /// Into the kernel with a part of what it is to write, to the call's exit: it does not sleep there.
    Piece,
}

/// What a held call waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ask {
    /// Bytes, so many at most.
    Read(Fd, usize),
    /// Room for so many bytes, which begin with this number where it matters.
    Write(Fd, usize, u64),
    /// A signal that this descriptor takes.
    Signals(Fd),
    /// This child, or any.
    Wait(Option<InnerPid>),
    /// One of these events of one of these descriptors (poll(2)).
    Poll(Vec<(Fd, i16)>),
    /// That these operations on a System V set can be made.
    Operate(i32, Vec<Operation>),
    /// Room for a message in a System V queue.
    Send(i32, Message),
    /// A message of a System V queue.
    Receive(i32, Wanted),
    /// Room for a message in a POSIX queue.
    MqSend(Fd, Message),
    /// A message of a POSIX queue, with so much room.
    MqReceive(Fd, usize),
    /// Something that this epoll instance is about.
    Epoll(Fd),
    /// A connection to accept.
    Accept(Fd),
    /// A place among those that are going to be accepted there.
    Connect(ObjectId),
}

impl Engine<'_> {
    /// Asks the model about a call that is about to be made, and tells of it where it is foreseen.
    pub(super) fn foresee(&mut self, tid: Tid, call: &Invocation) -> Fallible<Way> {
        let [a, b, c, ..] = call.args;
        let fd = a as Fd;
        self.let_in_before(tid, call)?;
        if self.faults.cuts(tid) {
            // Its count is put back at its exit, so it stops there.
            return Ok(self.leave_to_the_kernel(tid, &[fd]));
        }
        match call.sys {
            Sys::Read | Sys::Readv if self.kernel.is_of_signals(tid, fd) => Ok(self.foresee_signals(tid, call)),
            Sys::Read | Sys::Write if self.kernel.object_of(tid, fd).is_some() => {
                self.foresee_transfer(tid, call, &[(b, c)])
            }
            Sys::Readv | Sys::Writev if self.kernel.object_of(tid, fd).is_some() => {
                let parts = decode::vectors(tid, b, c);
                self.foresee_transfer(tid, call, &parts)
            }
            Sys::Poll | Sys::Ppoll | Sys::Select | Sys::Pselect6 => Ok(self.foresee_poll(tid, call)),
            Sys::EpollWait => Ok(self.foresee_epoll(tid, call)),
            Sys::Wait4 | Sys::Waitid => Ok(self.foresee_wait(tid, call)),
            Sys::Semtimedop => Ok(self.foresee_operations(tid, call)),
            Sys::Msgsnd => Ok(self.foresee_send(tid, call)),
            Sys::Msgrcv => Ok(self.foresee_receive(tid, call)),
            Sys::Semctl | Sys::Msgctl => self.foresee_control(call),
            Sys::MqTimedsend => Ok(self.foresee_mq_send(tid, call)),
            Sys::MqTimedreceive => Ok(self.foresee_mq_receive(tid, call)),
            Sys::MqNotify => self.leave_queue(tid, fd),
            Sys::Splice | Sys::CopyFileRange => Ok(self.leave_to_the_kernel(tid, &[fd, c as Fd])),
            Sys::Tee | Sys::Sendfile => Ok(self.leave_to_the_kernel(tid, &[fd, b as Fd])),
            Sys::Vmsplice | Sys::Pread | Sys::Pwrite | Sys::Preadv | Sys::Pwritev => {
                Ok(self.leave_to_the_kernel(tid, &[fd]))
            }
            Sys::Sendmsg | Sys::Sendmmsg => {
                let sent = decode::sent_descriptors(tid, call);
                self.leave_to_the_kernel(tid, &sent);
                self.foresee_message(tid, call)
            }
            Sys::Recvfrom | Sys::Sendto | Sys::Recvmsg => self.foresee_message(tid, call),
            // Options, and errors that are asked for and thereby gone.
            Sys::Setsockopt | Sys::Getsockopt if sockets::changes_nothing(call) => Ok(Way::Enter),
            Sys::Recvmmsg | Sys::Setsockopt | Sys::Getsockopt => Ok(self.leave_to_the_kernel(tid, &[fd])),
            Sys::Listen | Sys::Shutdown => self.foresee_listening(tid, call),
            Sys::Connect => Ok(self.foresee_connect(tid, call)),
            Sys::Unlinkat | Sys::Renameat2 => self.foresee_renaming(tid, call),
            Sys::Accept => Ok(self.foresee_accept(tid, call)),
            // Whether who polls a queue is woken depends on who waits there.
            Sys::EpollCtl if !self.waiting_at_queue(tid, c as Fd).is_empty() => self.leave_queue(tid, c as Fd),
            _ => Ok(Way::Enter),
        }
    }

    /// What these lead to is not modelled from now on.
    fn leave_to_the_kernel(&mut self, tid: Tid, descriptors: &[Fd]) -> Way {
        for fd in descriptors {
            if let Some(object) = self.kernel.object_of(tid, *fd) {
                self.kernel.abandon(object);
            }
        }
        Way::Enter
    }

    fn told(&mut self, tid: Tid, call: &Invocation, decoded: Call, result: i64, read: Vec<(u64, Vec<u8>)>) -> Way {
        let audited = self.audits() || self.needs_its_exit(tid);
        let way = self.tell_foreseen(tid, decoded, result);
        if audited { self.audit_later(tid, call, result, read) } else { way }
    }

    fn tell_foreseen(&mut self, tid: Tid, decoded: Call, result: i64) -> Way {
        self.steps += 1;
        let polled = matches!(decoded, Call::Poll { .. }) && result == 0;
        self.note_poll(tid, polled || result == -i64::from(libc::EAGAIN));
        if let Some(tracee) = self.tracee(tid) {
            tracee.call = None;
            tracee.entered = false;
            tracee.foreseen = true;
        }
        let result = if result < 0 { Err(-result as i32) } else { Ok(result) };
        self.tell(tid, RawKind::Returned { call: decoded, result });
        Way::Told
    }
}
