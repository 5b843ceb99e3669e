//! What would come of a call on a descriptor, and what calls moved.

use super::{Answer, Description, Kernel, Object, Queue};
use crate::trace::raw::{Fd, Tid};

impl Kernel {
    /// What a descriptor is open for, and the object that it leads to.
    fn behind(&self, tid: Tid, fd: Fd) -> Option<(Description, &Object)> {
        let (_, description) = self.description(tid, fd)?;
        Some((description, self.object(description.object)?))
    }

    /// What would come of a read of `room` bytes (read(2)).
    pub(in crate::recorder) fn read(&self, tid: Tid, fd: Fd, room: usize) -> Answer {
        let Some((description, object)) = self.behind(tid, fd).filter(|(description, _)| description.read) else {
            return Answer::Unknown;
        };
        match object {
            Object::Pipe(pipe) => pipe.read(&description, room),
            // A text about it (mq_overview(7)).
            Object::Queue(_) => Answer::Unknown,
        }
    }

    /// What would come of a write of `len` bytes (write(2)).
    pub(in crate::recorder) fn write(&self, tid: Tid, fd: Fd, len: usize) -> Answer {
        let Some((description, object)) = self.behind(tid, fd).filter(|(description, _)| description.write) else {
            return Answer::Unknown;
        };
        match object {
            Object::Pipe(pipe) => pipe.write(&description, len),
            Object::Queue(_) => Answer::Unknown,
        }
    }

    /// What poll(2) would say of a descriptor, all events asked for; none where only the kernel knows.
    pub(in crate::recorder) fn ready(&self, tid: Tid, fd: Fd) -> Option<i16> {
        let (description, object) = self.behind(tid, fd)?;
        match object {
            Object::Pipe(pipe) => Some(pipe.ready(&description)),
            Object::Queue(queue) => Some(queue.ready()),
        }
    }

    /// What would come of mq_send(3) with so many bytes.
    pub(in crate::recorder) fn send(&self, tid: Tid, fd: Fd, len: usize) -> Answer {
        match self.behind(tid, fd) {
            Some((description, Object::Queue(queue))) if description.write => {
                queue.ask_send(len, description.nonblocking)
            }
            _ => Answer::Unknown,
        }
    }

    /// What would come of mq_receive(3) with so much room.
    pub(in crate::recorder) fn receive(&self, tid: Tid, fd: Fd, room: usize) -> Answer {
        match self.behind(tid, fd) {
            Some((description, Object::Queue(queue))) if description.read => {
                queue.ask_receive(room, description.nonblocking)
            }
            _ => Answer::Unknown,
        }
    }

    /// The modelled queue that a descriptor leads to.
    pub(in crate::recorder) fn queue_of(&mut self, tid: Tid, fd: Fd) -> Option<&mut Queue> {
        let object = self.object_of(tid, fd)?;
        self.queue(object)
    }

    /// Whether poll(2) for these events would not wait; so too where only the kernel knows.
    pub(in crate::recorder) fn any_ready(&self, tid: Tid, about: &[(Fd, i16)]) -> bool {
        about.iter().any(|(fd, events)| self.ready(tid, *fd).is_none_or(|ready| ready & events != 0))
    }

    /// What a read of so many bytes gets, as the answer said, without taking it.
    pub(in crate::recorder) fn peek(&self, tid: Tid, fd: Fd, room: usize) -> Vec<u8> {
        match self.behind(tid, fd) {
            Some((_, Object::Pipe(pipe))) => pipe.peek(room),
            _ => Vec::new(),
        }
    }

    /// A read took so many bytes.
    pub(in crate::recorder) fn take(&mut self, tid: Tid, fd: Fd, len: usize) {
        if let Some(pipe) = self.pipe_of(tid, fd) {
            pipe.take(len);
            self.changed |= len > 0;
        }
    }

    /// A write put in the first of these bytes, as many as the answer said; how many that are.
    pub(in crate::recorder) fn put_in(&mut self, tid: Tid, fd: Fd, bytes: &[u8]) -> usize {
        self.changed = true;
        self.pipe_of(tid, fd).map_or(0, |pipe| pipe.put(bytes))
    }
}
