//! Held calls that go on because of what another did: a semaphore was released, a message came, room came free.
//!
//! # Theory of operation
//!
//! In the kernel it is the one that releases who hands over (update_queue in ipc/sem.c, pipelined_send in ipc/msg.c and
//! ipc/mqueue.c): when its call returns, those that waited have what they waited for, the first come first, and nobody
//! who comes later can take it from them. Held callers are not in the kernel, so this is done here, at the same moment: the
//! call that hands over keeps its exit stop, and before anybody is chosen to go on those that the model has granted their
//! calls go in, one after the other, to their exit stops. The kernel finds nobody asleep, and does for each what the
//! model said. They are told as returned in the order of their creation, as others are whom one step woke.

use std::collections::{BTreeMap, BTreeSet};

use nix::errno::Errno;

use super::super::engine::{Engine, Fallible, failed};
use super::super::kernel::{Message, ObjectId, Outcome, WaitingForSet, WaitingInQueue, Woken};
use super::super::tracee::{Resume, State, Tracee};
use super::super::{RecorderError, decode, stops};
use super::queues::taken;
use super::sysv::{fits, received};
use super::{Ask, Audit, Then, Way};
use crate::sys::arch::{Invocation, Sys};
use crate::sys::ptrace;
use crate::sys::wait::{Status, Stop, wait};
use crate::trace::Bytes;
use crate::trace::raw::{Call, Tid};

/// What came of a call that waited.
#[derive(Debug)]
enum Came {
    /// It returns this.
    Result(i64),
    Message(Message),
    /// It is made once more when it is its turn: others wait for the same.
    Again,
}

impl Came {
    fn failed(errno: Errno) -> Self {
        Self::Result(-i64::from(errno as i32))
    }
}

/// What a call that receives gives for a message, and what it writes where.
fn given(call: &Invocation, message: &Message) -> (i64, Vec<(u64, Vec<u8>)>) {
    if call.sys == Sys::Msgrcv { received(call, message) } else { taken(call, message) }
}

impl Engine<'_> {
    /// A call on what several may wait for is told as returned. Where others go on because of it, it keeps its exit stop:
    /// they go in when it has been made.
    pub(super) fn told_and_granted(&mut self, tid: Tid, call: &Invocation, result: i64, got: Option<&Message>) -> Way {
        let audited = self.audits();
        let mut decoded = decode::call(tid, call, Some(result));
        match (&mut decoded, got) {
            (Call::MsgReceive { kind, bytes, .. }, Some(message)) => {
                (*kind, *bytes) = (message.kind, Bytes(message.bytes.clone()));
            }
            (Call::MqReceive { priority, bytes, .. }, Some(message)) => {
                let asked = call.args[3] != 0;
                (*priority, *bytes) = (if asked { message.kind as u32 } else { 0 }, Bytes(message.bytes.clone()));
            }
            _ => {}
        }
        let way = self.tell_foreseen(tid, decoded, result);
        let read = got.map_or_else(Vec::new, |message| given(call, message).1);
        if self.grant() {
            self.audit_and(tid, Audit { call: *call, result, read, then: Then::Stays })
        } else if audited || self.needs_its_exit(tid) {
            self.audit_later(tid, call, result, read)
        } else {
            way
        }
    }

    /// Grants those that need not wait any more their calls; whether there were any.
    fn grant(&mut self) -> bool {
        let Self { tracees, kernel, .. } = self;
        let waits = |tracee: &&Tracee| tracee.state == State::Held && tracee.granted.is_none();
        let tracees: &BTreeMap<u32, Tracee> = tracees;
        let mut held: Vec<&Tracee> = tracees.values().filter(waits).collect();
        held.sort_by_key(|tracee| tracee.line);
        let mut came: Vec<(Tid, Came)> = Vec::new();

        let sets = held.iter().filter_map(|tracee| match &tracee.ask {
            Some(Ask::Operate(id, operations)) => Some(WaitingForSet { tid: tracee.tid, id: *id, operations }),
            _ => None,
        });
        let waiting: Vec<WaitingForSet<'_>> = sets.collect();
        for (place, outcome) in kernel.semaphores.wake(&waiting) {
            let result = if let Outcome::Fails(errno) = outcome { Came::failed(errno) } else { Came::Result(0) };
            came.push((waiting[place].tid, result));
        }

        let queues = held.iter().filter_map(|tracee| match &tracee.ask {
            Some(Ask::Send(id, message)) => Some((tracee.tid, WaitingInQueue::Send(*id, message))),
            Some(Ask::Receive(id, wanted)) => Some((tracee.tid, WaitingInQueue::Receive(*id, *wanted))),
            _ => None,
        });
        let (who, waiting): (Vec<Tid>, Vec<WaitingInQueue<'_>>) = queues.unzip();
        came.extend(kernel.messages.wake(&waiting).into_iter().map(|(place, woken)| match woken {
            Woken::Sent => (who[place], Came::Result(0)),
            Woken::Received(message) => (who[place], Came::Message(message)),
            Woken::Failed(errno) => (who[place], Came::failed(errno)),
            Woken::Races => (who[place], Came::Again),
        }));

        let posix = held.iter().filter_map(|tracee| {
            let (fd, message) = match &tracee.ask {
                Some(Ask::MqSend(fd, message)) => (*fd, Some(message)),
                Some(Ask::MqReceive(fd, _)) => (*fd, None),
                _ => return None,
            };
            Some((kernel.object_of(tracee.tid, fd)?, tracee.tid, message))
        });
        let waiting: Vec<(ObjectId, Tid, Option<&Message>)> = posix.collect();
        let objects: BTreeSet<ObjectId> = waiting.iter().map(|(object, ..)| *object).collect();
        for object in objects {
            let here = || waiting.iter().filter(|(other, ..)| *other == object);
            let (who, messages): (Vec<Tid>, Vec<_>) = here().map(|(_, tid, message)| (*tid, *message)).unzip();
            let woken = kernel.queue(object).map(|queue| queue.wake(&messages)).unwrap_or_default();
            kernel.changed |= !woken.is_empty();
            came.extend(woken.into_iter().map(|(place, got)| (who[place], got.map_or(Came::Result(0), Came::Message))));
        }

        came.into_iter().fold(false, |any, (tid, came)| self.promise(tid, &came) || any)
    }

    /// The place of one more whose call is granted.
    pub(super) fn next_granted(&self) -> u32 {
        self.tracees.values().filter_map(|tracee| tracee.granted).max().map_or(0, |last| last + 1)
    }

    /// A held call has been granted this, which the kernel is going to confirm. Whether it has.
    fn promise(&mut self, tid: Tid, came: &Came) -> bool {
        let place = self.next_granted();
        let Some(tracee) = self.tracee(tid) else { return false };
        let Some(call) = tracee.call else { return false };
        let (result, read) = match came {
            Came::Again => {
                (tracee.state, tracee.resume) = (State::Ready, Resume::Exit);
                return false;
            }
            Came::Result(result) => (*result, Vec::new()),
            // A message that cannot be written is lost (store_msg in ipc/msg.c and ipc/mqueue.c).
            Came::Message(message) => match given(&call, message) {
                (_, read) if !fits(tid, &read) => (-i64::from(libc::EFAULT), Vec::new()),
                given => given,
            },
        };
        tracee.granted = Some(place);
        tracee.audit = Some(Audit { call, result, read, then: Then::IsTold });
        true
    }

    /// Those whose calls were granted make them, before anybody is chosen to go on.
    pub(crate) fn hand_over(&mut self) -> Fallible<()> {
        loop {
            self.grant();
            self.grant_by_sockets();
            let granted = |(order, tracee): (&u32, &Tracee)| {
                tracee.granted.filter(|_| tracee.state == State::Held).map(|place| (place, *order, tracee.tid))
            };
            let mut granted: Vec<(u32, u32, Tid)> = self.tracees.iter().filter_map(granted).collect();
            if granted.is_empty() {
                return Ok(());
            }
            granted.sort_unstable();
            for (.., tid) in granted {
                self.let_in(tid)?;
            }
            self.settle()?;
        }
    }

    /// Lets a granted call in, to its exit stop, which is taken in later.
    fn let_in(&mut self, tid: Tid) -> Fallible<()> {
        self.rewrite_arguments(tid).or_else(stops::killed_meanwhile)?;
        self.set(tid, State::Asleep { timed: false }, Resume::Exit);
        match ptrace::cont_to_exit(tid, None) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(errno) => return Err(failed("continue", tid, errno)),
        }
        loop {
            match wait(Some(tid), true) {
                Ok(Some((tid, status))) => {
                    if status != Status::Stopped(Stop::Call) {
                        self.never_made(tid);
                    }
                    self.woken.push((tid, status));
                    return Ok(());
                }
                Ok(None) | Err(Errno::EINTR) => self.check_granted(tid)?,
                Err(Errno::ECHILD) => {
                    self.never_made(tid);
                    self.forget(tid);
                    return Ok(());
                }
                Err(errno) => return Err(failed("wait for", tid, errno)),
            }
        }
    }

    /// It was killed before it could make its call: what the model has given it is nobody's knows what.
    fn never_made(&mut self, tid: Tid) {
        let Some(tracee) = self.tracee(tid) else { return };
        (tracee.audit, tracee.granted) = (None, None);
        let Some(call) = tracee.call else { return };
        self.leaves_the_model(tid, &call);
    }

    /// A call that was granted does not sleep.
    fn check_granted(&mut self, tid: Tid) -> Fallible<()> {
        let Some(tracee) = self.tracee(tid).filter(|tracee| tracee.sleeps(b"S")) else { return Ok(()) };
        let (call, believed) = (format!("{:?}", tracee.call), format!("{:?}", tracee.audit));
        Err(RecorderError::Model { call, object: format!("thread {tid}"), believed, kernel: "it sleeps".to_owned() })
    }

    /// Those of whom it was told that they wait, and whose calls are such: who came first stands first. Held ones, and those
    /// who have been woken and did not go on yet.
    pub(super) fn told_to_wait(&self, is: impl Fn(&Self, &Tracee) -> bool) -> Vec<u32> {
        let woken = |it: &Tracee| it.state == State::Ready && it.resume == Resume::Exit && it.entered;
        let waits = |it: &Tracee| it.state == State::Held || woken(it);
        let waiting = self.tracees.iter().filter(|(_, tracee)| waits(tracee) && is(self, tracee));
        let mut waiting: Vec<((i64, u64), u32)> = waiting.map(|(order, tracee)| (tracee.line, *order)).collect();
        waiting.sort_unstable();
        waiting.into_iter().map(|(_, order)| order).collect()
    }

    /// The kernel is to know who waits: their calls go in. Those that are held have to sleep there.
    pub(super) fn enter_all(&mut self, waiting: &[u32]) -> Fallible<()> {
        for order in waiting {
            let Some(tracee) = self.tracees.get_mut(order) else { continue };
            if tracee.state == State::Ready && tracee.entered {
                tracee.enters = true;
                self.step(*order)?;
            } else {
                self.enter(*order, |_| true)?;
            }
        }
        Ok(())
    }

    /// The POSIX queue that a held call is about.
    pub(super) fn awaited_queue(&self, tracee: &Tracee) -> Option<ObjectId> {
        match tracee.ask {
            Some(Ask::MqSend(fd, _) | Ask::MqReceive(fd, _)) => self.kernel.object_of(tracee.tid, fd),
            _ => None,
        }
    }
}
