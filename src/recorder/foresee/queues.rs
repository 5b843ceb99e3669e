//! POSIX message queues: mq_send(3), mq_receive(3), mq_notify(3), by their descriptors.
//!
//! A queue that somebody wants to be told of (mq_notify) is the kernel's: it tells only where nobody waits there.

use super::super::engine::{Engine, Fallible};
use super::super::kernel::{Answer, Message};
use super::super::timeouts::{Unit, time_at};
use super::sysv::fits;
use super::{Ask, Way};
use crate::sys::arch::Invocation;
use crate::sys::{descriptor, memory};
use crate::trace::raw::{Fd, RawFile, Tid};

/// Priorities are below this (MQ_PRIO_MAX on Linux, mq_overview(7)).
const PRIORITIES: u64 = 32_768;

impl Engine<'_> {
    pub(super) fn foresee_mq_send(&mut self, tid: Tid, call: &Invocation) -> Way {
        let [fd, addr, len, priority, limit, _] = call.args;
        let fd = fd as Fd;
        let priority = u64::from(priority as u32);
        if priority >= PRIORITIES || !is_limit(tid, limit) {
            return Way::Enter;
        }
        match self.kernel.send(tid, fd, usize::try_from(len).unwrap_or(usize::MAX)) {
            Answer::Fails(errno) => self.told_and_granted(tid, call, -i64::from(errno as i32), None),
            answer @ (Answer::Waits | Answer::Writes(_)) => {
                let bytes = memory::read_vec(tid, addr, len as usize);
                if bytes.len() as u64 != len {
                    return Way::Enter;
                }
                let message = Message { kind: priority as i64, bytes };
                if answer == Answer::Waits {
                    return self.hold_at_queue(tid, call, Ask::MqSend(fd, message));
                }
                self.put_in_queue(tid, fd, message);
                self.told_and_granted(tid, call, 0, None)
            }
            _ => Way::Enter,
        }
    }

    pub(super) fn foresee_mq_receive(&mut self, tid: Tid, call: &Invocation) -> Way {
        let [fd, _, room, _, limit, _] = call.args;
        let (fd, room) = (fd as Fd, usize::try_from(room).unwrap_or(usize::MAX));
        if !is_limit(tid, limit) {
            return Way::Enter;
        }
        match self.kernel.receive(tid, fd, room) {
            Answer::Waits => self.hold_at_queue(tid, call, Ask::MqReceive(fd, room)),
            Answer::Fails(errno) => self.told_and_granted(tid, call, -i64::from(errno as i32), None),
            Answer::Reads(_) => {
                let first = self.kernel.queue_of(tid, fd).and_then(|queue| queue.first().cloned());
                let Some(first) = first.filter(|message| fits(tid, &taken(call, message).1)) else {
                    return self.leave_to_the_kernel(tid, &[fd]);
                };
                self.kernel.queue_of(tid, fd).and_then(|queue| queue.receive());
                self.kernel.wake_pollers(tid, fd);
                self.told_and_granted(tid, call, first.bytes.len() as i64, Some(&first))
            }
            _ => Way::Enter,
        }
    }

    /// Holds a call, but not where an epoll instance is about the queue: what is handed over to one that waits wakes
    /// nobody who polls (pipelined_send in ipc/mqueue.c), and the kernel would not find the held one waiting.
    fn hold_at_queue(&mut self, tid: Tid, call: &Invocation, ask: Ask) -> Way {
        let fd = call.args[0] as Fd;
        if self.kernel.is_watched(tid, fd) { self.leave_to_the_kernel(tid, &[fd]) } else { self.hold(tid, call, ask) }
    }

    /// From now on it matters who waits there, and the kernel has to know: they go in, and the queue is not modelled any
    /// more.
    pub(super) fn leave_queue(&mut self, tid: Tid, fd: Fd) -> Fallible<Way> {
        if self.kernel.queue_of(tid, fd).is_none() {
            return Ok(Way::Enter);
        }
        let waiting = self.waiting_at_queue(tid, fd);
        self.enter_all(&waiting)?;
        Ok(self.leave_to_the_kernel(tid, &[fd]))
    }

    /// Who waits at the queue that a descriptor leads to.
    pub(super) fn waiting_at_queue(&self, tid: Tid, fd: Fd) -> Vec<u32> {
        let Some(object) = self.kernel.object_of(tid, fd) else { return Vec::new() };
        self.told_to_wait(|engine, tracee| engine.awaited_queue(tracee) == Some(object))
    }

    pub(super) fn put_in_queue(&mut self, tid: Tid, fd: Fd, message: Message) {
        if let Some(queue) = self.kernel.queue_of(tid, fd) {
            queue.send(message);
        }
        self.kernel.wake_pollers(tid, fd);
    }

    /// A queue was opened, with these flags (mq_open(3)), or by its path.
    pub(super) fn note_queue_opened(&mut self, tid: Tid, fd: Fd, flags: i32, file: &RawFile, cloexec: bool) {
        self.kernel.close(tid, fd);
        if !self.options.boxed || self.options.strangers {
            return;
        }
        let tgid = self.tracee(tid).map_or(tid, |tracee| tracee.tgid);
        let attributes = descriptor::queue_attributes(tgid, fd).ok();
        let Some(queue) = self.kernel.posix_queue((file.dev, file.ino), attributes) else { return };
        let access = flags & libc::O_ACCMODE;
        let ends = (access != libc::O_WRONLY, access != libc::O_RDONLY);
        self.kernel.open(tid, fd, queue, ends, flags & libc::O_NONBLOCK != 0, cloexec);
    }
}

/// Whether the kernel accepts what a call says of when it ends; none is fine.
fn is_limit(tid: Tid, limit: u64) -> bool {
    limit == 0 || time_at(tid, limit, Unit::Nanos).is_some()
}

/// What mq_receive(3) gives for a message, and what it writes where.
pub(super) fn taken(call: &Invocation, message: &Message) -> (i64, Vec<(u64, Vec<u8>)>) {
    let [_, addr, _, priority, ..] = call.args;
    let mut puts = vec![(addr, message.bytes.clone())];
    if priority != 0 {
        puts.push((priority, (message.kind as u32).to_ne_bytes().to_vec()));
    }
    (message.bytes.len() as i64, puts)
}
