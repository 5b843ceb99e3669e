//! A model of the kernel's objects: who has which of them open, what is in it, and whether a call would wait.
//!
//! The calls themselves go into the kernel, which does the work; the model only has to say beforehand what will come of
//! them. An object is modelled for all processes or for none: as soon as something happens to it that the model does not
//! know (a copy sent to a stranger, splice(2), O_ASYNC …), it leaves the model for good ([`Kernel::abandon`]) and its
//! calls take the generic path.
//!
//! Each kind of object has a file of its own, which says what would come of calls on it; here are the descriptors that
//! lead to them, and `asked` goes from the one to the other.
//!
//! Architecture invariant: pure state. It is told what happened and asked what would; it touches no process.

mod asked;
mod children;
mod counter;
mod epoll;
mod messages;
mod pipe;
mod queue;
mod semaphores;
mod signals;
mod socket;
mod stream;
mod timer;

use std::collections::{BTreeMap, HashMap};

use nix::errno::Errno;

pub(super) use children::Children;
use counter::Counter;
pub(super) use counter::number;
use epoll::{Epoll, Pollers};
pub(super) use messages::{Message, Messages, Receives, Sends, Waiting as WaitingInQueue, Wanted, Woken};
pub(super) use pipe::{PAGE, Pipe};
pub(super) use queue::Queue;
pub(super) use semaphores::{Operation, Outcome, Semaphores, Waiting as WaitingForSet};
use signals::Signals;
use socket::Socket;
pub(super) use socket::{LetsIn, Name};
use stream::Stream;
use timer::Timer;

use crate::trace::descriptors::{FileId, Files, Slot, TableId};
use crate::trace::raw::{Fd, Tid};

/// A modelled object, by its place among all that ever were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ObjectId(usize);

/// What open file descriptions lead to.
#[derive(Debug)]
pub(super) enum Object {
    /// A pipe or FIFO.
    Pipe(Pipe),
    /// A POSIX message queue.
    Queue(Queue),
    /// An eventfd.
    Counter(Counter),
    /// An epoll instance.
    Epoll(Epoll),
    /// A socket that is not connected.
    Socket(Socket),
    /// Two sockets that are connected.
    Stream(Stream),
    /// A timerfd.
    Timer(Timer),
    /// A signalfd.
    Signals(Signals),
}

/// An open file description of a modelled object (open(2)).
#[derive(Debug, Clone, Copy)]
struct Description {
    object: ObjectId,
    /// Which side of an object that has two.
    side: usize,
    read: bool,
    write: bool,
    /// O_NONBLOCK.
    nonblocking: bool,
    /// A FIFO that nobody had open for writing: how often somebody had by then. It has no end to tell before the next.
    quiet_since: Option<u32>,
}

/// What would come of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Only the kernel knows.
    Unknown,
    /// It would wait.
    Waits,
    /// It fails at once.
    Fails(Errno),
    /// It takes this many bytes out of the object; none is the end.
    Reads(usize),
    /// It puts this many bytes into the object.
    Writes(usize),
    /// It puts this many bytes into the object, and then waits to put in the rest.
    Part(usize),
}

/// The modelled objects of a run, and the descriptors that lead to them. Other descriptors are not in the tables.
#[derive(Debug, Default)]
pub(super) struct Kernel {
    files: Files<Description, ()>,
    tables: BTreeMap<Tid, TableId>,
    /// None where it left the model.
    objects: Vec<Option<Object>>,
    /// Those that stat(2) tells apart.
    by_identity: HashMap<(u64, u64), ObjectId>,
    /// The epoll instances among them.
    epolls: Vec<ObjectId>,
    /// Signals that were pending for a thread when it was looked at.
    pending: HashMap<Tid, u64>,
    /// What sockets were bound to, of those too that are not modelled.
    names: HashMap<Name, ObjectId>,
    pub(super) children: Children,
    /// System V semaphores, to which no descriptors lead.
    pub(super) semaphores: Semaphores,
    /// System V message queues, likewise.
    pub(super) messages: Messages,
    /// A call that would have waited may not wait any more.
    pub(super) changed: bool,
}

impl Kernel {
    /// A thread's descriptor table.
    fn table(&mut self, tid: Tid) -> TableId {
        let files = &mut self.files;
        *self.tables.entry(tid).or_insert_with(|| files.new_table())
    }

    fn description(&self, tid: Tid, fd: Fd) -> Option<(FileId, Description)> {
        let slot = self.files.slot(*self.tables.get(&tid)?, fd)?;
        let description = *self.files.file(slot.file);
        self.object(description.object).is_some().then_some((slot.file, description))
    }

    /// Whether others have a thread's descriptors too (CLONE_FILES in clone(2)).
    pub(super) fn shares_files(&self, tid: Tid) -> bool {
        self.tables.get(&tid).is_some_and(|table| self.files.users(*table) > 1)
    }

    /// Whether these two have the same descriptors.
    pub(super) fn same_files(&self, one: Tid, other: Tid) -> bool {
        self.tables.get(&one).is_some_and(|table| self.tables.get(&other) == Some(table))
    }

    /// Whether two descriptors are of one open file description that leads, or led, to something modelled.
    pub(super) fn same_description(&self, one: (Tid, Fd), other: (Tid, Fd)) -> bool {
        let file = |(tid, fd)| Some(self.files.slot(*self.tables.get(&tid)?, fd)?.file);
        file(one).is_some_and(|found| file(other) == Some(found))
    }

    /// An object; none where it has left the model.
    pub(super) fn object(&self, object: ObjectId) -> Option<&Object> {
        self.objects[object.0].as_ref()
    }

    /// The modelled object that a descriptor leads to.
    pub(super) fn object_of(&self, tid: Tid, fd: Fd) -> Option<ObjectId> {
        self.description(tid, fd).map(|(_, description)| description.object)
    }

    /// The modelled object with this identity.
    pub(super) fn object_at(&self, identity: (u64, u64)) -> Option<ObjectId> {
        self.by_identity.get(&identity).copied().filter(|object| self.object(*object).is_some())
    }

    /// A modelled POSIX queue.
    pub(super) fn queue(&mut self, object: ObjectId) -> Option<&mut Queue> {
        let Some(Object::Queue(queue)) = &mut self.objects[object.0] else { return None };
        Some(queue)
    }

    fn pipe(&mut self, object: ObjectId) -> Option<&mut Pipe> {
        let Some(Object::Pipe(pipe)) = &mut self.objects[object.0] else { return None };
        Some(pipe)
    }

    /// A thread was made (fork(2), clone(2)).
    pub(super) fn forked(&mut self, parent: Tid, child: Tid, shares_files: bool) {
        let table = self.table(parent);
        let table = if shares_files { self.files.share(table) } else { self.files.copy(table, |()| ()) };
        self.tables.insert(child, table);
    }

    /// A thread is gone, and its descriptors with it where nobody shares them.
    pub(super) fn gone(&mut self, tid: Tid) {
        self.changed = true;
        self.semaphores.gone(tid);
        self.pending.remove(&tid);
        let Some(table) = self.tables.remove(&tid) else { return };
        for slot in self.files.leave(table) {
            self.release(slot);
        }
    }

    /// Another program: the table is the process's own, without what was close-on-exec (execve(2)). `former` is the
    /// thread that called.
    pub(super) fn exec(&mut self, tid: Tid, former: Tid) {
        self.changed = true;
        if former != tid
            && let Some(table) = self.tables.remove(&former)
        {
            self.gone(tid);
            self.tables.insert(tid, table);
        }
        self.semaphores.exec(tid, former);
        let table = self.table(tid);
        let table = self.files.unshare(table);
        self.tables.insert(tid, table);
        for fd in self.files.cloexec(table) {
            self.close(tid, fd);
        }
    }

    /// An object was made.
    fn new_object(&mut self, object: Object) -> ObjectId {
        self.objects.push(Some(object));
        ObjectId(self.objects.len() - 1)
    }

    /// A pipe was made (pipe(2)).
    pub(super) fn new_pipe(&mut self, identity: (u64, u64), size: usize) -> ObjectId {
        let pipe = self.new_object(Object::Pipe(Pipe::new(size)));
        self.by_identity.insert(identity, pipe);
        pipe
    }

    /// The FIFO with this identity (fifo(7)), of which one that was opened just now says that it holds so many bytes; none
    /// where it left the model. One that is met for the first time is empty: all who open it are seen.
    pub(super) fn fifo(&mut self, identity: (u64, u64), size: usize) -> Option<ObjectId> {
        if !self.by_identity.contains_key(&identity) {
            return Some(self.new_pipe(identity, size));
        }
        let fifo = self.object_at(identity)?;
        // What it could hold went with the last that had it open.
        self.pipe(fifo)?.resize(size);
        Some(fifo)
    }

    /// The queue with this identity, of which one that was opened just now says what it holds at most, how long its messages
    /// are at most, and how many are in it; none where it left the model. One that is met for the first time is new, or
    /// was filled in a way that nobody knows here.
    pub(super) fn posix_queue(&mut self, identity: (u64, u64), attributes: Option<[usize; 3]>) -> Option<ObjectId> {
        if !self.by_identity.contains_key(&identity) {
            let known = attributes.filter(|[_, _, messages]| *messages == 0);
            self.objects.push(known.map(|[most, longest, _]| Object::Queue(Queue::new(most, longest))));
            self.by_identity.insert(identity, ObjectId(self.objects.len() - 1));
        }
        self.object_at(identity)
    }

    /// An eventfd was made (eventfd(2)).
    pub(super) fn new_counter(&mut self, count: u32, semaphore: bool) -> ObjectId {
        self.new_object(Object::Counter(Counter::new(count, semaphore)))
    }

    /// A socket pair was made (socketpair(2)); `buffer` is SO_SNDBUF of its sides.
    pub(super) fn new_stream(&mut self, tid: Tid, ends: (Fd, Fd), buffer: usize, nonblocking: bool, cloexec: bool) {
        let stream = self.new_object(Object::Stream(Stream::new(buffer)));
        for (side, fd) in [ends.0, ends.1].into_iter().enumerate() {
            self.open(tid, fd, stream, (true, true), nonblocking, cloexec);
            if let Some((file, _)) = self.description(tid, fd) {
                self.files.file_mut(file).side = side;
            }
        }
    }

    /// A descriptor was opened on an object, for reading and for writing or one of these.
    pub(super) fn open(
        &mut self,
        tid: Tid,
        fd: Fd,
        object: ObjectId,
        (read, write): (bool, bool),
        nonblocking: bool,
        cloexec: bool,
    ) {
        let description = Description { object, side: 0, read, write, nonblocking, quiet_since: None };
        match &mut self.objects[object.0] {
            Some(Object::Pipe(pipe)) => {
                if pipe.opened(&description) {
                    self.wake(object, Pollers::Readers, 0);
                }
            }
            Some(_) => {}
            None => return,
        }
        let file = self.files.open(description);
        self.put(tid, fd, Slot { file, cloexec, since: () });
    }

    /// A FIFO was opened for reading without waiting for a writer (open(2), O_NONBLOCK).
    pub(super) fn opened_without_waiting(&mut self, tid: Tid, fd: Fd) {
        let Some((file, description)) = self.description(tid, fd) else { return };
        let Some(pipe) = self.pipe(description.object) else { return };
        let quiet = (pipe.writers == 0).then_some(pipe.opened_for_writing);
        self.files.file_mut(file).quiet_since = quiet;
    }

    fn put(&mut self, tid: Tid, fd: Fd, slot: Slot<()>) {
        self.changed = true;
        let table = self.table(tid);
        if let Some(old) = self.files.put(table, fd, slot) {
            self.release(old);
        }
    }

    /// A descriptor was copied (dup(2)) to the number `to`, or something that is not modelled came to stand there.
    pub(super) fn dup(&mut self, tid: Tid, from: Option<Fd>, to: Fd, cloexec: bool) {
        if from == Some(to) {
            return;
        }
        let table = self.table(tid);
        match from.and_then(|from| self.files.slot(table, from)) {
            Some(slot) => self.put(tid, to, Slot { cloexec, ..slot }),
            None => self.close(tid, to),
        }
    }

    /// A descriptor was closed.
    pub(super) fn close(&mut self, tid: Tid, fd: Fd) {
        let table = self.table(tid);
        if let Some(slot) = self.files.take(table, fd) {
            self.release(slot);
        }
    }

    /// close_range(2).
    pub(super) fn close_range(&mut self, tid: Tid, range: (u32, u32), cloexec: bool, unshare: bool) {
        let mut table = self.table(tid);
        if unshare {
            table = self.files.unshare(table);
            self.tables.insert(tid, table);
        }
        let number = |fd: u32| Fd::try_from(fd).unwrap_or(Fd::MAX);
        for fd in self.files.range(table, number(range.0), number(range.1)) {
            if cloexec {
                self.set_cloexec(tid, fd, true);
            } else {
                self.close(tid, fd);
            }
        }
    }

    /// F_SETFD, FIOCLEX, FIONCLEX.
    pub(super) fn set_cloexec(&mut self, tid: Tid, fd: Fd, on: bool) {
        let table = self.table(tid);
        if let Some(slot) = self.files.slot_mut(table, fd) {
            slot.cloexec = on;
        }
    }

    /// O_NONBLOCK by F_SETFL or FIONBIO: of the open file description, so for all that share it.
    pub(super) fn set_nonblocking(&mut self, tid: Tid, fd: Fd, on: bool) {
        self.changed = true;
        if let Some((file, _)) = self.description(tid, fd) {
            self.files.file_mut(file).nonblocking = on;
        }
    }

    fn release(&mut self, slot: Slot<()>) {
        if !self.files.release(slot.file) {
            return;
        }
        self.changed = true;
        self.forget_interests(slot.file);
        let description = *self.files.file(slot.file);
        let object = description.object;
        match &mut self.objects[object.0] {
            Some(Object::Pipe(pipe)) => {
                pipe.released(&description);
                match (pipe.readers, pipe.writers) {
                    (0, 0) if pipe.len() > 0 => {
                        // Bytes that nobody can read any more, unless somebody waits in open(2) for another to open
                        // the FIFO.
                        self.abandon(object);
                    }
                    // The last of one side, or of those that are left (fs/pipe.c, pipe_release).
                    (0, 1..) | (1.., 0) => self.wake(object, Pollers::All, 0),
                    _ => {}
                }
            }
            Some(Object::Stream(_)) => self.released_side(object, description.side, false),
            Some(Object::Socket(_)) => self.released_socket(object),
            // Nothing leads to it any more.
            Some(Object::Counter(_) | Object::Epoll(_) | Object::Timer(_) | Object::Signals(_)) => self.abandon(object),
            // What is in it stays, for whoever opens it by its name (mq_overview(7)).
            Some(Object::Queue(_)) | None => {}
        }
    }

    /// The object is not modelled any more.
    pub(super) fn abandon(&mut self, object: ObjectId) {
        self.changed = true;
        let left = self.objects[object.0].take();
        self.abandon_instances(object);
        self.abandon_waiting(left);
    }

    /// Nothing is modelled any more of what there is.
    pub(super) fn abandon_all(&mut self) {
        self.changed = true;
        self.objects.iter_mut().for_each(|object| *object = None);
        self.semaphores.abandon_all();
        self.messages.abandon_all();
        self.epolls.clear();
    }
}

#[cfg(test)]
mod tests;
