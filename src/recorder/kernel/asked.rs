//! What would come of a call on a descriptor, and what calls did: what moved, and who is woken by it.

use nix::errno::Errno;

use super::{Answer, Description, Kernel, Object, ObjectId, Pollers, Queue, number, stream};
use crate::trace::raw::{Fd, Tid};

/// There are bytes to read.
const READABLE: i16 = libc::POLLIN | libc::POLLRDNORM;
/// There is room to write.
const WRITABLE: i16 = libc::POLLOUT | libc::POLLWRNORM;

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
            Object::Counter(counter) => counter.read(&description, room),
            Object::Stream(stream) => stream.read(&description, room),
            Object::Timer(timer) => timer.read(&description, room),
            Object::Epoll(_) | Object::Signals(_) | Object::Socket(_) => Answer::Unknown,
        }
    }

    /// What would come of a write of `len` bytes (write(2)); `value` is what they begin with, as a number, where it
    /// matters to the object ([`Kernel::counts`]).
    pub(in crate::recorder) fn write(&self, tid: Tid, fd: Fd, len: usize, value: u64) -> Answer {
        let Some((description, object)) = self.behind(tid, fd).filter(|(description, _)| description.write) else {
            return Answer::Unknown;
        };
        match object {
            Object::Pipe(pipe) => pipe.write(&description, len),
            Object::Counter(counter) => counter.write(&description, len, value),
            Object::Stream(stream) => stream.write(&description, len),
            _ => Answer::Unknown,
        }
    }

    /// Whether a descriptor leads to a counter: what is written to it is a number.
    pub(in crate::recorder) fn counts(&self, tid: Tid, fd: Fd) -> bool {
        matches!(self.behind(tid, fd), Some((_, Object::Counter(_))))
    }

    /// The timer that a descriptor leads to.
    pub(in crate::recorder) fn timer_of(&self, tid: Tid, fd: Fd) -> Option<ObjectId> {
        let (description, object) = self.behind(tid, fd)?;
        matches!(object, Object::Timer(_)).then_some(description.object)
    }

    /// Which of these events poll(2) would say of a descriptor; none where only the kernel knows.
    pub(in crate::recorder) fn ready(&self, tid: Tid, fd: Fd, events: i16) -> Option<i16> {
        match self.has_signal(tid, fd) {
            Some(has) => Some(if has { libc::POLLIN & events } else { 0 }),
            None => self.ready_now(&self.description(tid, fd)?.1, events),
        }
    }

    pub(super) fn ready_now(&self, description: &Description, events: i16) -> Option<i16> {
        match self.object(description.object)? {
            Object::Pipe(pipe) => Some(pipe.ready(description) & events),
            Object::Counter(counter) => Some(counter.ready() & events),
            Object::Socket(socket) => Some(socket.ready() & events),
            Object::Stream(stream) => stream.ready(description, events),
            Object::Queue(queue) => Some(queue.ready() & events),
            Object::Timer(timer) => Some(timer.ready() & events),
            Object::Epoll(_) | Object::Signals(_) => None,
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
        about.iter().any(|(fd, events)| self.ready(tid, *fd, *events) != Some(0))
    }

    /// What a read of so many bytes gets, as the answer said, without taking it.
    pub(in crate::recorder) fn peek(&self, tid: Tid, fd: Fd, room: usize) -> Vec<u8> {
        match self.behind(tid, fd) {
            Some((_, Object::Pipe(pipe))) => pipe.peek(room),
            Some((_, Object::Counter(counter))) => counter.peek(),
            Some((description, Object::Stream(stream))) => stream.peek(description.side, room),
            Some((_, Object::Timer(timer))) => timer.peek(),
            _ => Vec::new(),
        }
    }

    /// A read took so many bytes.
    pub(in crate::recorder) fn take(&mut self, tid: Tid, fd: Fd, len: usize) {
        let Some((_, Description { object, side, .. })) = self.description(tid, fd).filter(|_| len > 0) else { return };
        self.changed = true;
        match &mut self.objects[object.0] {
            Some(Object::Pipe(pipe)) => {
                if pipe.take(len) {
                    self.wake(object, Pollers::Writers, WRITABLE);
                }
            }
            Some(Object::Counter(counter)) => {
                counter.take();
                self.wake(object, Pollers::All, libc::POLLOUT);
            }
            Some(Object::Stream(stream)) => {
                let other = 1 - side;
                match stream.take(side, len).then(|| stream.writable(other)) {
                    Some(Some(true)) => self.wake(object, Pollers::Side(other), stream::WRITABLE),
                    // Whether who polls it is woken, the kernel alone knows.
                    Some(None) => self.abandon_instances(object),
                    Some(Some(false)) | None => {}
                }
            }
            Some(Object::Timer(timer)) => timer.take(),
            Some(Object::Queue(_) | Object::Epoll(_) | Object::Signals(_) | Object::Socket(_)) | None => {}
        }
    }

    /// A write put in the first of these bytes, as many as the answer said; how many that are.
    pub(in crate::recorder) fn put_in(&mut self, tid: Tid, fd: Fd, bytes: &[u8]) -> usize {
        let Some((_, Description { object, side, .. })) = self.description(tid, fd) else { return 0 };
        self.changed = true;
        match &mut self.objects[object.0] {
            Some(Object::Pipe(pipe)) => {
                let put = pipe.put(bytes);
                if !bytes.is_empty() {
                    self.wake(object, Pollers::Readers, READABLE);
                }
                put
            }
            Some(Object::Counter(counter)) => {
                counter.put(number(bytes));
                self.wake(object, Pollers::All, libc::POLLIN);
                bytes.len().min(size_of::<u64>())
            }
            Some(Object::Stream(stream)) => {
                if !bytes.is_empty() {
                    stream.put(side, bytes);
                    self.wake(object, Pollers::Side(1 - side), stream::ARRIVED);
                }
                bytes.len()
            }
            _ => 0,
        }
    }

    /// Whether a write of so many bytes that was not foreseen put in what is known: each of the object's own pieces.
    pub(in crate::recorder) fn knows_written(&self, tid: Tid, fd: Fd, len: usize, count: usize) -> bool {
        match self.behind(tid, fd) {
            Some((_, Object::Pipe(pipe))) => pipe.room_for(len) == count,
            Some((_, Object::Counter(_))) => true,
            Some((_, Object::Stream(stream))) => len == count && stream.is_one_piece(len),
            _ => false,
        }
    }

    /// A read failed: what it says of a socket is said once.
    pub(in crate::recorder) fn not_read(&mut self, tid: Tid, fd: Fd, errno: Errno) {
        if let Some((_, Description { object, side, .. })) = self.description(tid, fd)
            && let Some(Object::Stream(stream)) = &mut self.objects[object.0]
            && errno == Errno::ECONNRESET
        {
            stream.said_reset(side);
        }
    }

    /// shutdown(2) succeeded: for reading, for writing.
    pub(in crate::recorder) fn shut(&mut self, tid: Tid, fd: Fd, ways: (bool, bool)) {
        if let Some((_, Description { object, side, .. })) = self.description(tid, fd)
            && let Some(Object::Stream(stream)) = &mut self.objects[object.0]
        {
            stream.shut(side, ways);
            self.wake(object, Pollers::All, 0);
        }
    }

    /// Whether a descriptor leads to a socket that is connected.
    pub(in crate::recorder) fn is_socket(&self, tid: Tid, fd: Fd) -> bool {
        matches!(self.behind(tid, fd), Some((_, Object::Stream(_))))
    }

    /// A write failed. Of one to a pipe those who poll for reading are told all the same (fs/pipe.c, pipe_write: "Epoll
    /// nonsensically wants a wakeup").
    pub(in crate::recorder) fn not_written(&mut self, tid: Tid, fd: Fd, errno: Errno) {
        if let Some((Description { object, .. }, Object::Pipe(_))) = self.behind(tid, fd)
            && matches!(errno, Errno::EAGAIN | Errno::EPIPE)
        {
            self.wake(object, Pollers::Readers, READABLE);
        }
    }

    /// F_SETPIPE_SZ succeeded: `size` is its result.
    pub(in crate::recorder) fn resize(&mut self, tid: Tid, fd: Fd, size: usize) {
        if let Some(object) = self.object_of(tid, fd)
            && let Some(pipe) = self.pipe(object)
        {
            pipe.resize(size);
            self.wake(object, Pollers::Writers, 0);
        }
    }
}
