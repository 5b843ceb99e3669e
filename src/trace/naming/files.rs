//! Calls about descriptors and names: what is made, opened, closed, unlinked, mapped.

use super::Namer;
use super::descriptors::{FileId, OpenFile, Slot};
use super::objects::{self, Objects, Spawn};
use super::processes::Entered;
use crate::model::Signal;
use crate::trace::canonical::{EventId, LifeId, ObjectId, ObjectKind, ThreadId, Verb};
use crate::trace::raw::{Call, Fd, FileKind, RawFile, SysvFamily};

impl Namer {
    /// An open file description on an object's end or ends.
    pub(super) fn open_ends(
        &mut self,
        about: ObjectId,
        reads: Option<ObjectId>,
        writes: Option<ObjectId>,
        inherited: bool,
    ) -> FileId {
        if let Some(reads) = reads {
            self.objects[reads].readers += 1;
        }
        if let Some(writes) = writes {
            self.objects[writes].writers += 1;
        }
        self.files.open(OpenFile { about, reads, writes, inherited })
    }

    /// An open file description on what a raw file says.
    pub(super) fn open_file(&mut self, raw: &RawFile, creator: Option<LifeId>, inherited: bool) -> FileId {
        if raw.kind == FileKind::Socket {
            let (writes, reads) = match self.objects.socket(raw) {
                Some(ends) => ends,
                None => {
                    // Its other end is not known, so both of its directions are one object.
                    let object = self.objects.add_ordinal(ObjectKind::Socket, creator, "socket");
                    self.objects[object].outside = true;
                    self.objects.identify_socket(raw, object, object);
                    (object, object)
                }
            };
            return self.open_ends(writes, Some(reads), Some(writes), inherited);
        }
        let object = self.objects.of_file(raw, creator);
        if raw.write {
            self.objects[object].written = true;
        }
        self.open_ends(object, raw.read.then_some(object), raw.write.then_some(object), inherited)
    }

    /// Puts a descriptor into the thread's table; what stood there is closed (dup2).
    pub(super) fn put(&mut self, thread: ThreadId, fd: Fd, slot: Slot) {
        let table = self.processes[self.life_of(thread).index()].table;
        if let Some(old) = self.files.put(table, fd, slot) {
            self.drop_slot(thread, old, false);
        }
    }

    /// The descriptor of a thread.
    pub(super) fn slot(&self, thread: ThreadId, fd: Fd) -> Option<Slot> {
        self.files.slot(self.processes[self.life_of(thread).index()].table, fd)
    }

    /// The open file description that a call of a thread is about.
    pub(super) fn file_of(&self, thread: ThreadId, fd: Fd) -> Option<FileId> {
        let this = &self.threads[thread.index()];
        let sleeps = this.entered.as_ref().and_then(|entered| entered.file);
        let began_with = this.began_with.or(sleeps).filter(|(number, _)| *number == fd);
        began_with.map(|(_, file)| file).or_else(|| self.slot(thread, fd).map(|slot| slot.file))
    }

    /// The same; one that nobody opened is a stranger's.
    pub(super) fn file_at(&mut self, thread: ThreadId, fd: Fd) -> FileId {
        if let Some(file) = self.file_of(thread, fd) {
            return file;
        }
        let object = self.objects.add_ordinal(ObjectKind::Other, None, "unknown");
        self.objects[object].outside = true;
        let file = self.open_ends(object, Some(object), Some(object), true);
        self.put(thread, fd, Slot { file, cloexec: false, since: None });
        file
    }

    /// A descriptor was closed by a call: told, for each end that it was.
    pub(super) fn drop_slot(&mut self, thread: ThreadId, slot: Slot, by_exec: bool) {
        let (open, gone) = self.let_go(slot);
        if open.inherited && !self.is_standard(open.about) {
            return;
        }
        if by_exec {
            self.closed_by_exec(open.about);
        }
        if let Some(object) = open.writes {
            let last = gone && self.objects[object].writers == 0;
            let event = self.emit(thread, Verb::Close { object, write: true, last }, Vec::new());
            self.objects[object].stream.closed(thread, event, true);
            if open.reads == Some(object) {
                self.objects[object].stream.closed(thread, event, false);
            }
        }
        if let Some(object) = open.reads.filter(|reads| open.writes != Some(*reads)) {
            let last = gone && self.objects[object].readers == 0;
            let event = self.emit(thread, Verb::Close { object, write: false, last }, Vec::new());
            self.objects[object].stream.closed(thread, event, false);
        }
    }

    /// A descriptor went with its process: not told, but readers may see the end by it.
    pub(super) fn drop_ends(&mut self, thread: ThreadId, slot: Slot, by: Option<EventId>) {
        let (open, _) = self.let_go(slot);
        let Some(by) = by else { return };
        if let Some(object) = open.writes {
            self.objects[object].stream.closed(thread, by, true);
        }
        if let Some(object) = open.reads {
            self.objects[object].stream.closed(thread, by, false);
        }
    }

    fn let_go(&mut self, slot: Slot) -> (OpenFile, bool) {
        let gone = self.files.release(slot.file);
        let open = self.files.file(slot.file).clone();
        if gone {
            if let Some(object) = open.reads {
                self.objects[object].readers = self.objects[object].readers.saturating_sub(1);
            }
            if let Some(object) = open.writes {
                self.objects[object].writers = self.objects[object].writers.saturating_sub(1);
            }
        }
        (open, gone)
    }

    fn is_standard(&self, object: ObjectId) -> bool {
        matches!(self.objects[object].kind, ObjectKind::Stdin | ObjectKind::Stdout | ObjectKind::Stderr)
    }

    /// close.
    pub(super) fn close(&mut self, thread: ThreadId, fd: Fd) {
        let table = self.processes[self.life_of(thread).index()].table;
        if let Some(slot) = self.files.take(table, fd) {
            self.drop_slot(thread, slot, false);
        }
    }

    /// close_range.
    pub(super) fn close_range(&mut self, thread: ThreadId, first: u32, last: u32, cloexec: bool, unshare: bool) {
        let life = self.life_of(thread);
        if unshare {
            self.processes[life.index()].table = self.files.unshare(self.processes[life.index()].table);
        }
        let table = self.processes[life.index()].table;
        let bound = |n: u32| Fd::try_from(n).unwrap_or(Fd::MAX);
        for fd in self.files.range(table, bound(first), bound(last)) {
            if cloexec {
                self.set_cloexec(thread, fd, true);
            } else {
                self.close(thread, fd);
            }
        }
    }

    /// fcntl F_SETFD.
    pub(super) fn set_cloexec(&mut self, thread: ThreadId, fd: Fd, on: bool) {
        let table = self.processes[self.life_of(thread).index()].table;
        if let Some(slot) = self.files.slot_mut(table, fd) {
            slot.cloexec = on;
        }
    }

    /// dup and its like.
    pub(super) fn dup(&mut self, thread: ThreadId, fd: Fd, new: Fd, cloexec: bool) {
        if fd == new {
            return;
        }
        let file = self.file_at(thread, fd);
        let since = self.slot(thread, fd).and_then(|slot| slot.since);
        self.put(thread, new, Slot { file, cloexec, since });
    }

    /// pipe.
    pub(super) fn pipe(&mut self, thread: ThreadId, (read, write): (Fd, Fd), raw: Option<&RawFile>, cloexec: bool) {
        let object = self.objects.add_ordinal(ObjectKind::Pipe, Some(self.life_of(thread)), "pipe");
        if let Some(raw) = raw {
            self.objects.identify(raw, object);
        }
        let since = Some(self.emit(thread, Verb::Create { object }, Vec::new()));
        let file = self.open_ends(object, Some(object), None, false);
        self.put(thread, read, Slot { file, cloexec, since });
        let file = self.open_ends(object, None, Some(object), false);
        self.put(thread, write, Slot { file, cloexec, since });
    }

    /// socketpair: two objects, one for each direction.
    pub(super) fn socket_pair(
        &mut self,
        thread: ThreadId,
        (left, right): (Fd, Fd),
        raw: Option<&(RawFile, RawFile)>,
        cloexec: bool,
    ) {
        let creator = Some(self.life_of(thread));
        let there = self.objects.add_ordinal(ObjectKind::Socket, creator, "socket");
        let back = self.objects.add_ordinal(ObjectKind::Socket, creator, "socket");
        for (object, twin) in [(there, back), (back, there)] {
            self.objects[object].spawn = Spawn { twin: Some(twin), cloexec, ..Spawn::default() };
        }
        if let Some((left, right)) = raw {
            self.objects.identify_socket(left, there, back);
            self.objects.identify_socket(right, back, there);
        }
        let since = Some(self.emit(thread, Verb::Create { object: there }, Vec::new()));
        self.emit(thread, Verb::Create { object: back }, Vec::new());
        let file = self.open_ends(there, Some(back), Some(there), false);
        self.put(thread, left, Slot { file, cloexec, since });
        let file = self.open_ends(back, Some(there), Some(back), false);
        self.put(thread, right, Slot { file, cloexec, since });
    }

    /// shutdown: the ends are closed for every descriptor of the socket.
    pub(super) fn shutdown(&mut self, thread: ThreadId, fd: Fd, read: bool, write: bool) {
        let Some(slot) = self.slot(thread, fd) else { return };
        if write && let Some(object) = self.files.file_mut(slot.file).writes.take() {
            let thing = &mut self.objects[object];
            thing.writers = thing.writers.saturating_sub(1);
            let last = thing.writers == 0;
            let event = self.emit(thread, Verb::Close { object, write: true, last }, Vec::new());
            self.objects[object].stream.closed(thread, event, true);
        }
        if read && let Some(object) = self.files.file_mut(slot.file).reads.take() {
            let thing = &mut self.objects[object];
            thing.readers = thing.readers.saturating_sub(1);
            let last = thing.readers == 0;
            let event = self.emit(thread, Verb::Close { object, write: false, last }, Vec::new());
            self.objects[object].stream.closed(thread, event, false);
        }
    }

    /// eventfd, signalfd, memfd_create, socket and their like.
    pub(super) fn new_descriptor(&mut self, thread: ThreadId, call: &Call, fd: Fd) {
        let Call::NewDescriptor { name, file, cloexec, signals } = call else { return };
        let known = self.slot(thread, fd).map(|slot| self.files.file(slot.file).about);
        if let Some(known) = known.filter(|known| self.objects[*known].takes.is_some()) {
            // A number that is open is no new descriptor's: this one takes other signals now (signalfd(2)).
            self.objects[known].takes = Some(signals.clone());
            return;
        }
        let creator = Some(self.life_of(thread));
        let (kind, word) = match name.as_str() {
            "eventfd" | "eventfd2" => (ObjectKind::Eventfd, "eventfd"),
            "memfd_create" => (ObjectKind::Memfd, "memfd"),
            "signalfd" | "signalfd4" => (ObjectKind::Other, "signalfd"),
            "socket" => (ObjectKind::Socket, "socket"),
            _ => (ObjectKind::Other, "other"),
        };
        let object = self.objects.add_ordinal(kind, creator, word);
        let thing = &mut self.objects[object];
        thing.outside = word == "socket" || word == "other";
        thing.untold = word == "other";
        if word == "signalfd" {
            thing.takes = Some(signals.clone());
        }
        if let Some(raw) = file {
            if kind == ObjectKind::Socket {
                self.objects.identify_socket(raw, object, object);
            } else {
                self.objects.identify(raw, object);
            }
        }
        let since = Some(self.emit(thread, Verb::Create { object }, Vec::new()));
        let file = self.open_ends(object, Some(object), Some(object), false);
        self.put(thread, fd, Slot { file, cloexec: *cloexec, since });
    }

    /// open or mq_open: makes or finds the object, and tells which.
    pub(super) fn opened(
        &mut self,
        thread: ThreadId,
        fd: Fd,
        (path, create, cloexec): (&str, bool, bool),
        (read, write): (bool, bool),
        raw: &RawFile,
        waited: Option<&Entered>,
    ) {
        if raw.kind == FileKind::Socket || raw.kind == FileKind::Pipe && self.objects.known(raw).is_none() {
            let file = self.open_file(raw, None, false);
            self.put(thread, fd, Slot { file, cloexec, since: None });
            return;
        }
        let by_path = matches!(raw.kind, FileKind::Regular | FileKind::Fifo | FileKind::Shm | FileKind::Queue);
        // An object that has lost all its names cannot be opened by one: the inode number was used again.
        let known = self.objects.known(raw).filter(|known| !by_path || self.objects[*known].links > 0);
        let known = known.or_else(|| self.keep_promise(path, raw));
        let made = known.is_none() && create;
        let creator = made.then_some(self.life_of(thread));
        let object = match known {
            Some(known) => known,
            None => {
                self.objects.forget(raw);
                self.objects.of_file(raw, creator)
            }
        };
        if by_path && self.objects.linked(path).is_none_or(|link| link.object != object || create && !link.made) {
            let since = self.index();
            self.objects.link(path, object, since, create);
        }
        self.objects[object].written |= write || made;
        let mut causes = Vec::new();
        if raw.kind == FileKind::Fifo && waited.is_some_and(|waited| matches!(waited.call, Call::Open { .. })) {
            // It slept until somebody opened the other end (fifo(7)).
            causes.extend(self.objects[object].opened[usize::from(read)].filter(|_| read != write));
        }
        let verb = if made { Verb::Create { object } } else { Verb::Open { object, read, write } };
        let event = self.emit(thread, verb, causes);
        if read {
            self.objects[object].opened[0] = Some(event);
        }
        if write {
            self.objects[object].opened[1] = Some(event);
        }
        let file = self.open_ends(object, read.then_some(object), write.then_some(object), false);
        self.put(thread, fd, Slot { file, cloexec, since: Some(event) });
    }

    /// A thread sleeps in open: only a FIFO makes it, even one of which nothing else is known yet (fifo(7)).
    pub(super) fn opening(&mut self, path: &str) {
        if self.objects.linked(path).is_some() {
            return;
        }
        let naming = objects::Naming::Fixed(self.objects.short(path));
        let object = self.objects.add(ObjectKind::Fifo, None, naming);
        (self.objects[object].outside, self.objects[object].promised) = (true, true);
        let since = self.index();
        self.objects.link(path, object, since, false);
    }

    /// The FIFO that somebody slept on is known now, unless it turns out to be none.
    fn keep_promise(&mut self, path: &str, raw: &RawFile) -> Option<ObjectId> {
        let object = self.objects.linked(path).map(|link| link.object).filter(|id| self.objects[*id].promised)?;
        self.objects[object].promised = false;
        if raw.kind != FileKind::Fifo {
            self.objects.unlink(path);
            return None;
        }
        self.objects.identify(raw, object);
        Some(object)
    }

    /// mkfifo.
    pub(super) fn made_fifo(&mut self, thread: ThreadId, path: &str, raw: Option<&RawFile>) {
        let raw = RawFile { kind: FileKind::Fifo, path: path.to_owned(), ..raw.cloned().unwrap_or(NO_FILE) };
        self.objects.forget(&raw);
        let object = self.objects.of_file(&raw, Some(self.life_of(thread)));
        let since = self.index();
        self.objects.link(path, object, since, true);
        self.emit(thread, Verb::Create { object }, Vec::new());
    }

    /// unlink and mq_unlink.
    pub(super) fn unlinked(&mut self, thread: ThreadId, path: &str) {
        if let Some(link) = self.objects.unlink(path) {
            let thing = &self.objects[link.object];
            // sem_open makes a semaphore under another name first (glibc, sem_open.c).
            if thing.kind == ObjectKind::Semaphore && thing.links > 0 {
                return;
            }
            self.emit(thread, Verb::Unlink { object: link.object }, Vec::new());
        }
    }

    /// rename and link: the object is called by its newest name.
    pub(super) fn renamed(&mut self, thread: ThreadId, from: &str, to: &str, keeps: bool) {
        let Some(link) = self.objects.linked(from) else { return };
        if !keeps {
            self.objects.unlink(from);
        }
        let since = self.index();
        self.objects.link(to, link.object, since, link.made);
        self.objects[link.object].naming = objects::Naming::Fixed(self.objects.short(to));
        if self.objects[link.object].kind == ObjectKind::Semaphore {
            return;
        }
        self.emit(thread, Verb::Call { name: if keeps { "link" } else { "rename" }.to_owned() }, Vec::new());
    }

    /// ftruncate.
    pub(super) fn truncated(&mut self, thread: ThreadId, fd: Fd, len: u64) {
        let file = self.file_at(thread, fd);
        let object = self.files.file(file).about;
        self.objects[object].written = true;
        self.emit(thread, Verb::Resize { object, len }, Vec::new());
    }

    /// mmap.
    pub(super) fn mapped(
        &mut self,
        thread: ThreadId,
        fd: Option<Fd>,
        shared: bool,
        write: bool,
        raw: Option<&RawFile>,
    ) {
        let by_fd = fd.and_then(|fd| self.slot(thread, fd)).map(|slot| self.files.file(slot.file).about);
        let known = by_fd.or_else(|| self.objects.known(raw?));
        let object = match (known, raw) {
            (Some(known), _) => known,
            (None, Some(raw)) if raw.kind != FileKind::Memory => self.objects.of_file(raw, None),
            (None, _) if !shared => return,
            (None, raw) => {
                let life = self.life_of(thread);
                let object = self.objects.add_ordinal(ObjectKind::SharedMapping, Some(life), "mapping");
                if let Some(raw) = raw {
                    self.objects.identify(raw, object);
                }
                self.emit(thread, Verb::Create { object }, Vec::new());
                object
            }
        };
        self.objects[object].written |= shared && write;
        self.emit(thread, Verb::Map { object, shared }, Vec::new());
    }

    /// shmat.
    pub(super) fn attached(&mut self, thread: ThreadId, id: i32, raw: Option<&RawFile>) {
        let object = self.of_id(SysvFamily::Shm, id);
        if let Some(raw) = raw {
            self.objects.identify(raw, object);
        }
        let event = self.emit(thread, Verb::Map { object, shared: true }, Vec::new());
        self.uses(thread, object, event);
    }

    /// IPC_RMID.
    pub(super) fn removed_id(&mut self, thread: ThreadId, family: SysvFamily, id: i32) {
        if let Some(object) = self.objects.remove_id(family, id) {
            self.emit(thread, Verb::Unlink { object }, Vec::new());
        }
    }

    /// accept gave a new descriptor.
    pub(super) fn accepted(&mut self, thread: ThreadId, fd: Fd, raw: &RawFile) {
        let creator = Some(self.life_of(thread));
        let file = self.open_file(raw, creator, false);
        let event = self.emit(thread, Verb::Create { object: self.files.file(file).about }, Vec::new());
        self.put(thread, fd, Slot { file, cloexec: false, since: Some(event) });
    }

    /// Where a path of a queue's name is kept.
    pub(super) fn queue_path(name: &str) -> String {
        Objects::queue_path(name)
    }

    /// The signals that a signalfd takes.
    pub(super) fn takes(&self, object: ObjectId) -> Option<&[Signal]> {
        self.objects[object].takes.as_deref()
    }
}

/// A file of which nothing is known.
const NO_FILE: RawFile =
    RawFile { kind: FileKind::Other, path: String::new(), dev: 0, ino: 0, read: false, write: false };
