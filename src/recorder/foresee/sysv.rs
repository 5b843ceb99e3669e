//! System V semaphores and message queues: semop(2), msgop(2), semctl(2), msgctl(2).
//!
//! In the box alone, where all who can reach them are tracees, and where the owner may use them. What is asked about a set
//! that only the kernel can answer (how many wait there) takes it out of the model.

use super::super::engine::{Engine, Fallible};
use super::super::kernel::{Message, Operation, Outcome, Receives, Sends, Wanted};
use super::super::timeouts::{Unit, time_at};
use super::super::tracee::Tracee;
use super::{Ask, Way};
use crate::sys::arch::{Invocation, Sys};
use crate::sys::memory;
use crate::trace::raw::{Call, Tid};

/// Most operations of one call, and most bytes of a message: more is rejected by the kernel (SEMOPM in semop(2), MSGMAX in
/// msgop(2)).
const MOST_OPERATIONS: u64 = 500;
const LONGEST: u64 = 8192;

/// Bytes of one operation (struct sembuf), and of a message's type before its text (struct msgbuf).
const OPERATION: usize = 6;
const KIND: u64 = 8;

/// The owner's read and write permission (semget(2)).
const USABLE: u64 = 0o600;

impl Engine<'_> {
    pub(super) fn foresee_operations(&mut self, tid: Tid, call: &Invocation) -> Way {
        let [id, addr, count, limit, ..] = call.args;
        let id = id as i32;
        let Some(operations) = operations(tid, addr, count) else { return Way::Enter };
        let time = (limit != 0).then(|| time_at(tid, limit, Unit::Nanos));
        if time == Some(None) {
            return Way::Enter;
        }
        match self.kernel.semaphores.ask(tid, id, &operations) {
            Outcome::Unknown => Way::Enter,
            // Semtimedop with no time at all is a look.
            Outcome::Waits if time.flatten().is_some_and(|time| time.is_zero()) => {
                self.told_and_granted(tid, call, -i64::from(libc::EAGAIN), None)
            }
            Outcome::Waits => self.hold(tid, call, Ask::Operate(id, operations)),
            Outcome::Fails(errno) => self.told_and_granted(tid, call, -i64::from(errno as i32), None),
            Outcome::Done => {
                self.kernel.semaphores.operate(tid, id, &operations);
                self.told_and_granted(tid, call, 0, None)
            }
        }
    }

    pub(super) fn foresee_send(&mut self, tid: Tid, call: &Invocation) -> Way {
        let id = call.args[0] as i32;
        let Some(message) = sent(tid, call) else { return Way::Enter };
        let nowait = call.args[3] as i32 & libc::IPC_NOWAIT != 0;
        match self.kernel.messages.ask_send(id, message.bytes.len(), nowait) {
            Sends::Unknown => Way::Enter,
            Sends::Waits => self.hold(tid, call, Ask::Send(id, message)),
            Sends::Fails(errno) => self.told_and_granted(tid, call, -i64::from(errno as i32), None),
            Sends::Fits => {
                self.kernel.messages.send(id, message);
                self.told_and_granted(tid, call, 0, None)
            }
        }
    }

    pub(super) fn foresee_receive(&mut self, tid: Tid, call: &Invocation) -> Way {
        let id = call.args[0] as i32;
        let Some(wanted) = wanted(call) else {
            // A copy by number (MSG_COPY), or what the kernel rejects.
            self.abandon_id(Sys::Msgrcv, id);
            return Way::Enter;
        };
        match self.kernel.messages.ask_receive(id, wanted) {
            Receives::Unknown => Way::Enter,
            Receives::Waits => self.hold(tid, call, Ask::Receive(id, wanted)),
            Receives::Fails(errno) => self.told_and_granted(tid, call, -i64::from(errno as i32), None),
            Receives::Takes(place) => {
                let Some(message) = self.kernel.messages.take(id, place, wanted.room) else { return Way::Enter };
                let (got, puts) = received(call, &message);
                if !fits(tid, &puts) {
                    self.abandon_id(Sys::Msgrcv, id);
                    return Way::Enter;
                }
                self.told_and_granted(tid, call, got, Some(&message))
            }
        }
    }

    /// What takes an object out of the model is seen before it is made: those that wait have to meet it in the kernel.
    pub(super) fn foresee_control(&mut self, call: &Invocation) -> Fallible<Way> {
        let [id, b, c, ..] = call.args;
        /// How many wait for more than there is, and for zero (linux/sem.h).
        const GETNCNT: i32 = 14;
        const GETZCNT: i32 = 15;
        let (command, asks) = if call.sys == Sys::Semctl { (c as i32, true) } else { (b as i32, false) };
        let takes_out = match command {
            libc::IPC_RMID | libc::IPC_SET => true,
            GETNCNT | GETZCNT => asks,
            _ => false,
        };
        if takes_out {
            let held = self.told_to_wait(|_, tracee| waits_for(tracee, call.sys, id as i32));
            self.enter_all(&held)?;
            self.abandon_id(call.sys, id as i32);
        }
        Ok(Way::Enter)
    }

    /// The System V object that such a call is about is not modelled any more.
    pub(super) fn abandon_id(&mut self, sys: Sys, id: i32) {
        self.kernel.changed = true;
        match sys {
            Sys::Semtimedop | Sys::Semctl => self.kernel.semaphores.abandon(id),
            _ => self.kernel.messages.abandon(id),
        }
    }

    /// A call on System V objects came back that had not been foreseen.
    pub(super) fn note_sysv(&mut self, tid: Tid, call: &Invocation, decoded: &Call, result: i64) {
        let known = self.options.boxed && !self.options.strangers;
        let usable = |flags: u64| known && flags & USABLE == USABLE;
        match decoded {
            Call::SemGet { count, .. } => self.kernel.semaphores.got(result as i32, *count, usable(call.args[2])),
            Call::MsgGet { .. } => self.kernel.messages.got(result as i32, usable(call.args[1])),
            Call::SemSet { id, values } => self.kernel.semaphores.set(*id, values),
            Call::SemOp { id, .. } => {
                let operations = operations(tid, call.args[1], call.args[2]).unwrap_or_default();
                if self.kernel.semaphores.operate(tid, *id, &operations) != Outcome::Done {
                    self.abandon_id(call.sys, *id);
                }
            }
            Call::MsgSend { id, .. } | Call::MsgReceive { id, .. } => self.abandon_id(call.sys, *id),
            _ => {}
        }
    }
}

/// Whether a held call is about the object that such a call is about.
fn waits_for(tracee: &Tracee, sys: Sys, id: i32) -> bool {
    match &tracee.ask {
        Some(Ask::Operate(other, _)) => sys == Sys::Semctl && *other == id,
        Some(Ask::Send(other, _) | Ask::Receive(other, _)) => sys == Sys::Msgctl && *other == id,
        _ => false,
    }
}

/// The operations of semop(2); none where the kernel rejects them.
fn operations(tid: Tid, addr: u64, count: u64) -> Option<Vec<Operation>> {
    let count = (1..=MOST_OPERATIONS).contains(&count).then_some(count as usize)?;
    let bytes = memory::read_vec(tid, addr, OPERATION * count);
    let half = |one: &[u8], at: usize| u16::from_ne_bytes([one[at], one[at + 1]]);
    let operation = |one: &[u8]| {
        let flags = i32::from(half(one, 4) as i16);
        let (nowait, undo) = (flags & libc::IPC_NOWAIT != 0, flags & libc::SEM_UNDO != 0);
        Operation { number: half(one, 0), change: half(one, 2) as i16, nowait, undo }
    };
    (bytes.len() == OPERATION * count).then(|| bytes.chunks_exact(OPERATION).map(operation).collect())
}

/// The message of msgsnd(2); none where the kernel rejects it.
fn sent(tid: Tid, call: &Invocation) -> Option<Message> {
    let [_, addr, len, ..] = call.args;
    let kind = memory::read_u64(tid, addr)? as i64;
    let bytes =
        if len <= LONGEST { memory::read_vec(tid, addr.wrapping_add(KIND), len as usize) } else { return None };
    (kind >= 1 && bytes.len() as u64 == len).then_some(Message { kind, bytes })
}

/// What msgrcv(2) asks for; none where it asks for more than that.
fn wanted(call: &Invocation) -> Option<Wanted> {
    let [_, _, room, kind, flags, _] = call.args;
    let flags = flags as i32;
    let is = |flag: i32| flags & flag != 0;
    let room = i64::try_from(room).ok().filter(|_| !is(libc::MSG_COPY))? as usize;
    Some(Wanted {
        kind: kind as i64,
        except: is(libc::MSG_EXCEPT),
        room,
        cuts: is(libc::MSG_NOERROR),
        nowait: is(libc::IPC_NOWAIT),
    })
}

/// What msgrcv(2) gives for a message, and what it writes where.
pub(super) fn received(call: &Invocation, message: &Message) -> (i64, Vec<(u64, Vec<u8>)>) {
    let addr = call.args[1];
    let puts = vec![(addr, message.kind.to_ne_bytes().to_vec()), (addr.wrapping_add(KIND), message.bytes.clone())];
    (message.bytes.len() as i64, puts)
}

/// Whether a thread's call can write this. What it writes into need not be kept: it writes there.
pub(super) fn fits(tid: Tid, puts: &[(u64, Vec<u8>)]) -> bool {
    let other = |bytes: &Vec<u8>| bytes.iter().map(|byte| !byte).collect::<Vec<u8>>();
    // Other bytes than those that it is to write: an audit must not find what was put there here.
    puts.iter().all(|(addr, bytes)| bytes.is_empty() || memory::fill(tid, *addr, &other(bytes)))
}
