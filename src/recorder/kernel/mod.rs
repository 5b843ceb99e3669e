//! A model of the kernel's objects: who has which pipe open, what is in it, and whether a call would wait.
//!
//! The calls themselves go into the kernel, which does the work; the model only has to say beforehand what will come of
//! them. An object is modelled for all processes or for none: as soon as something happens to it that the model does not
//! know (a copy sent to a stranger, splice(2), O_ASYNC …), it leaves the model for good ([`Kernel::abandon`]) and its
//! calls take the generic path.
//!
//! Architecture invariant: pure state. It is told what happened and asked what would; it touches no process.

mod children;
mod pipe;

use std::collections::{BTreeMap, HashMap};

use nix::errno::Errno;

pub(super) use children::Children;
pub(super) use pipe::{PAGE, Pipe};

use crate::trace::descriptors::{FileId, Files, Slot, TableId};
use crate::trace::raw::{Fd, Tid};

/// A modelled pipe, by its place among all that ever were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct PipeId(usize);

/// An open file description of a modelled object (open(2)).
#[derive(Debug, Clone, Copy)]
struct Description {
    pipe: PipeId,
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
    /// It takes this many bytes from the pipe; none is the end.
    Reads(PipeId, usize),
    /// It puts this many bytes into the pipe.
    Writes(PipeId, usize),
    /// It puts this many bytes into the pipe, and then waits to put in the rest.
    Part(PipeId, usize),
}

/// The modelled objects of a run, and the descriptors that lead to them. Other descriptors are not in the tables.
#[derive(Debug, Default)]
pub(super) struct Kernel {
    files: Files<Description, ()>,
    tables: BTreeMap<Tid, TableId>,
    /// None where it left the model.
    pipes: Vec<Option<Pipe>>,
    by_identity: HashMap<(u64, u64), PipeId>,
    pub(super) children: Children,
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
        self.pipes[description.pipe.0].is_some().then_some((slot.file, description))
    }

    /// The modelled pipe that a descriptor leads to.
    pub(super) fn pipe_of(&self, tid: Tid, fd: Fd) -> Option<PipeId> {
        self.description(tid, fd).map(|(_, description)| description.pipe)
    }

    /// The pipe with this identity.
    pub(super) fn pipe_at(&self, identity: (u64, u64)) -> Option<PipeId> {
        self.by_identity.get(&identity).copied().filter(|pipe| self.pipes[pipe.0].is_some())
    }

    /// A modelled pipe.
    ///
    /// # Panics
    /// Where it has left the model: an answer about it is used before anything else happens.
    pub(super) fn pipe(&mut self, pipe: PipeId) -> &mut Pipe {
        self.pipes[pipe.0].as_mut().expect("answers are about modelled pipes")
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
        let table = self.table(tid);
        let table = self.files.unshare(table);
        self.tables.insert(tid, table);
        for fd in self.files.cloexec(table) {
            self.close(tid, fd);
        }
    }

    /// A pipe was made (pipe(2)).
    pub(super) fn new_pipe(&mut self, identity: (u64, u64), size: usize) -> PipeId {
        let pipe = PipeId(self.pipes.len());
        self.pipes.push(Some(Pipe::new(size)));
        self.by_identity.insert(identity, pipe);
        pipe
    }

    /// The FIFO with this identity (fifo(7)), of which one that was opened just now says that it holds so many bytes; none
    /// where it left the model. One that is met for the first time is empty: all who open it are seen.
    pub(super) fn fifo(&mut self, identity: (u64, u64), size: usize) -> Option<PipeId> {
        if !self.by_identity.contains_key(&identity) {
            return Some(self.new_pipe(identity, size));
        }
        let pipe = self.pipe_at(identity)?;
        // What it could hold went with the last that had it open.
        self.pipe(pipe).resize(size);
        Some(pipe)
    }

    /// A descriptor was opened on a pipe.
    pub(super) fn open(
        &mut self,
        tid: Tid,
        fd: Fd,
        pipe: PipeId,
        ends: (bool, bool),
        nonblocking: bool,
        cloexec: bool,
    ) {
        let Some(known) = self.pipes[pipe.0].as_mut() else { return };
        let (read, write) = ends;
        known.readers += u32::from(read);
        known.writers += u32::from(write);
        known.opened_for_writing += u32::from(write);
        let file = self.files.open(Description { pipe, read, write, nonblocking, quiet_since: None });
        self.put(tid, fd, Slot { file, cloexec, since: () });
    }

    /// A FIFO was opened for reading without waiting for a writer (open(2), O_NONBLOCK).
    pub(super) fn opened_without_waiting(&mut self, tid: Tid, fd: Fd) {
        let Some((file, description)) = self.description(tid, fd) else { return };
        let pipe = self.pipe(description.pipe);
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
        let description = *self.files.file(slot.file);
        let Some(pipe) = self.pipes[description.pipe.0].as_mut() else { return };
        pipe.readers -= u32::from(description.read);
        pipe.writers -= u32::from(description.write);
        if pipe.readers + pipe.writers == 0 && pipe.len() > 0 {
            // Bytes that nobody can read any more, unless somebody waits in open(2) for another to open the FIFO.
            self.pipes[description.pipe.0] = None;
        }
    }

    /// The pipe is not modelled any more.
    pub(super) fn abandon(&mut self, pipe: PipeId) {
        self.changed = true;
        self.pipes[pipe.0] = None;
    }

    /// Nothing is modelled any more of what there is.
    pub(super) fn abandon_all(&mut self) {
        self.changed = true;
        self.pipes.iter_mut().for_each(|pipe| *pipe = None);
    }

    /// What would come of a read of `room` bytes (read(2), pipe(7)).
    pub(super) fn read(&self, tid: Tid, fd: Fd, room: usize) -> Answer {
        let Some((_, description)) = self.description(tid, fd).filter(|(_, description)| description.read) else {
            return Answer::Unknown;
        };
        let Some(pipe) = &self.pipes[description.pipe.0] else { return Answer::Unknown };
        let got = pipe.len().min(room);
        if got > 0 || room == 0 || pipe.writers == 0 {
            Answer::Reads(description.pipe, got)
        } else if description.nonblocking {
            Answer::Fails(Errno::EAGAIN)
        } else {
            Answer::Waits
        }
    }

    /// What poll(2) would say of a descriptor, all events asked for (fs/pipe.c, pipe_poll); none where only the kernel
    /// knows.
    pub(super) fn ready(&self, tid: Tid, fd: Fd) -> Option<i16> {
        let (_, description) = self.description(tid, fd)?;
        let pipe = self.pipes[description.pipe.0].as_ref()?;
        let ended = pipe.writers == 0 && description.quiet_since != Some(pipe.opened_for_writing);
        let mut events = 0;
        let mut is = |true_now: bool, bits: i16| events |= if true_now { bits } else { 0 };
        is(description.read && pipe.len() > 0, libc::POLLIN | libc::POLLRDNORM);
        is(description.read && ended, libc::POLLHUP);
        is(description.write && pipe.free_slots() > 0, libc::POLLOUT | libc::POLLWRNORM);
        is(description.write && pipe.readers == 0, libc::POLLERR);
        Some(events)
    }

    /// Whether poll(2) for these events would not wait; so too where only the kernel knows.
    pub(super) fn any_ready(&self, tid: Tid, about: &[(Fd, i16)]) -> bool {
        about.iter().any(|(fd, events)| self.ready(tid, *fd).is_none_or(|ready| ready & events != 0))
    }

    /// What would come of a write of `len` bytes (write(2), pipe(7)).
    pub(super) fn write(&self, tid: Tid, fd: Fd, len: usize) -> Answer {
        let Some((_, description)) = self.description(tid, fd).filter(|(_, description)| description.write) else {
            return Answer::Unknown;
        };
        let id = description.pipe;
        let Some(pipe) = &self.pipes[id.0] else { return Answer::Unknown };
        if len == 0 {
            return Answer::Writes(id, 0);
        }
        if pipe.readers == 0 {
            return Answer::Fails(Errno::EPIPE);
        }
        let room = pipe.room_for(len);
        match (description.nonblocking, room) {
            (_, room) if room == len => Answer::Writes(id, len),
            (true, 0) => Answer::Fails(Errno::EAGAIN),
            (true, room) => Answer::Writes(id, room),
            // Up to PIPE_BUF bytes, which is a page, go in at once or not at all (pipe(7)).
            (false, room) if len > PAGE && room > 0 => Answer::Part(id, room),
            (false, _) => Answer::Waits,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 16 * PAGE;

    /// Process 1 with a pipe at 3 and 4.
    fn with_pipe() -> (Kernel, PipeId) {
        let mut kernel = Kernel::default();
        let pipe = kernel.new_pipe((1, 1), SIZE);
        kernel.open(1, 3, pipe, (true, false), false, false);
        kernel.open(1, 4, pipe, (false, true), false, true);
        (kernel, pipe)
    }

    fn fill(kernel: &mut Kernel, pipe: PipeId, len: usize) {
        assert_eq!(kernel.pipe(pipe).write(&vec![b'x'; len]), len);
    }

    #[test]
    fn a_read_waits_until_there_are_bytes_or_no_writers() {
        let (mut kernel, pipe) = with_pipe();
        kernel.forked(1, 2, false);
        assert_eq!(kernel.read(2, 3, 10), Answer::Waits);
        assert_eq!(kernel.read(2, 3, 0), Answer::Reads(pipe, 0));
        fill(&mut kernel, pipe, 7);
        assert_eq!(kernel.read(2, 3, 10), Answer::Reads(pipe, 7));
        assert_eq!(kernel.read(2, 3, 5), Answer::Reads(pipe, 5));
        kernel.pipe(pipe).take(7);
        kernel.close(1, 4);
        assert_eq!(kernel.read(2, 3, 10), Answer::Waits, "its own write end");
        kernel.close(2, 4);
        assert_eq!(kernel.read(2, 3, 10), Answer::Reads(pipe, 0));
    }

    #[test]
    fn ends_close_with_their_last_descriptor_process_or_exec() {
        let (mut kernel, pipe) = with_pipe();
        kernel.forked(1, 2, false);
        kernel.dup(2, Some(3), 9, false);
        kernel.close(2, 3);
        kernel.close(1, 3);
        assert_eq!(kernel.write(1, 4, 1), Answer::Writes(pipe, 1));
        kernel.gone(2);
        assert_eq!(kernel.write(1, 4, 1), Answer::Fails(Errno::EPIPE));
        kernel.exec(1, 1);
        assert_eq!(kernel.write(1, 4, 1), Answer::Unknown);
        assert_eq!(kernel.pipe(pipe).writers, 0);
    }

    #[test]
    fn a_shared_table_goes_with_its_last_user_and_exec_takes_a_copy() {
        let (mut kernel, pipe) = with_pipe();
        kernel.forked(1, 2, true);
        kernel.gone(1);
        assert_eq!((kernel.pipe(pipe).readers, kernel.pipe(pipe).writers), (1, 1));
        kernel.forked(2, 3, true);
        kernel.exec(3, 3);
        kernel.close(3, 3);
        assert_eq!((kernel.pipe(pipe).readers, kernel.pipe(pipe).writers), (1, 1));
        kernel.gone(2);
        assert_eq!((kernel.pipe(pipe).readers, kernel.pipe(pipe).writers), (0, 0));
    }

    #[test]
    fn a_thread_that_execs_takes_the_first_ones_place() {
        let (mut kernel, pipe) = with_pipe();
        kernel.forked(1, 2, true);
        kernel.exec(1, 2);
        assert_eq!(kernel.read(1, 3, 1), Answer::Reads(pipe, 0));
        assert_eq!(kernel.pipe_of(2, 3), None);
    }

    #[test]
    fn small_writes_wait_whole_and_large_ones_in_part() {
        let (mut kernel, pipe) = with_pipe();
        fill(&mut kernel, pipe, 15 * PAGE + 1);
        assert_eq!(kernel.write(1, 4, PAGE), Answer::Waits);
        assert_eq!(kernel.write(1, 4, PAGE - 1), Answer::Writes(pipe, PAGE - 1));
        kernel.pipe(pipe).take(2 * PAGE);
        assert_eq!(kernel.write(1, 4, 3 * PAGE), Answer::Part(pipe, 2 * PAGE));
        kernel.set_nonblocking(1, 4, true);
        assert_eq!(kernel.write(1, 4, 3 * PAGE), Answer::Writes(pipe, 2 * PAGE));
        fill(&mut kernel, pipe, 2 * PAGE);
        assert_eq!(kernel.write(1, 4, PAGE), Answer::Fails(Errno::EAGAIN));
    }

    #[test]
    fn what_left_the_model_is_nobodys_any_more() {
        let (mut kernel, pipe) = with_pipe();
        kernel.abandon(pipe);
        assert_eq!(kernel.read(1, 3, 1), Answer::Unknown);
        assert_eq!(kernel.pipe_at((1, 1)), None);
        // A number that it had may lead to something else later.
        let other = kernel.new_pipe((1, 1), SIZE);
        kernel.open(1, 3, other, (true, false), true, false);
        assert_eq!(kernel.read(1, 3, 1), Answer::Reads(other, 0));
    }

    #[test]
    fn a_fifo_is_opened_again_and_left_where_bytes_were_left_in_it() {
        let mut kernel = Kernel::default();
        let fifo = kernel.fifo((1, 2), SIZE).expect("it is new");
        kernel.open(1, 3, fifo, (false, true), false, false);
        assert_eq!(kernel.write(1, 3, 1), Answer::Fails(Errno::EPIPE));
        kernel.open(2, 3, fifo, (true, false), false, false);
        assert_eq!(kernel.write(1, 3, 1), Answer::Writes(fifo, 1));
        kernel.close(1, 3);
        assert_eq!(kernel.read(2, 3, 1), Answer::Reads(fifo, 0));
        kernel.close(2, 3);
        assert_eq!(kernel.fifo((1, 2), PAGE), Some(fifo));
        kernel.open(2, 4, fifo, (true, true), false, false);
        fill(&mut kernel, fifo, PAGE);
        assert_eq!(kernel.write(2, 4, 1), Answer::Waits);
        kernel.close(2, 4);
        assert_eq!(kernel.fifo((1, 2), SIZE), None);
    }

    #[test]
    fn ranges_close_or_are_marked() {
        let (mut kernel, pipe) = with_pipe();
        kernel.close_range(1, (4, u32::MAX), false, false);
        assert_eq!(kernel.pipe(pipe).writers, 0);
        kernel.close_range(1, (3, 3), true, false);
        kernel.exec(1, 1);
        assert_eq!(kernel.pipe_of(1, 3), None);
    }
}
