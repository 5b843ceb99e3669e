//! Bytes that move: reads, writes, and what passes inside the kernel.

use super::Namer;
use super::processes::Entered;
use crate::trace::Bytes;
use crate::trace::canonical::{Event, EventId, ObjectId, ObjectKind, ThreadId, Verb};
use crate::trace::raw::{Call, Fd, RawFile};

/// What a pipe holds (pipe(7), "Pipe capacity").
const PIPE_CAPACITY: u64 = 65_536;

fn written(events: &[Event], event: EventId) -> &[u8] {
    match &events[event.index()].verb {
        Verb::Write { bytes, .. } => &bytes.0,
        _ => &[],
    }
}

impl Namer {
    /// A write began, or is done: the event stands where it began.
    pub(super) fn write(&mut self, thread: ThreadId, fd: Fd, bytes: &[u8], len: u64, waits: bool) -> Option<EventId> {
        let file = self.file_at(thread, fd);
        let open = self.files.file(file);
        let object = open.writes.unwrap_or(open.about);
        if len == 0 || self.objects[object].untold && self.objects[object].takes.is_none() {
            return None;
        }
        Some(self.write_to(thread, object, bytes, len, waits))
    }

    fn write_to(&mut self, thread: ThreadId, object: ObjectId, bytes: &[u8], len: u64, waits: bool) -> EventId {
        let event = self.emit(thread, Verb::Write { object, bytes: Bytes::from(bytes) }, Vec::new());
        let thing = &mut self.objects[object];
        thing.last_write = Some(event);
        thing.written = true;
        // What Command's child reports when its exec fails: an errno and this mark.
        thing.spawn.carried |= !(bytes.len() == 8 && bytes.ends_with(b"NOEX"));
        match thing.kind {
            ObjectKind::Eventfd => {
                let units = bytes.try_into().map_or(1, u64::from_ne_bytes);
                thing.units.add(event, units);
            }
            _ if is_stream(thing.kind) => thing.stream.write(event, len, waits),
            _ => {}
        }
        event
    }

    /// A write came back with `len` bytes written.
    pub(super) fn wrote(&mut self, thread: ThreadId, fd: Fd, bytes: &Bytes, len: u64, entered: Option<Entered>) {
        let len = if bytes.is_empty() { len } else { len.min(bytes.len() as u64) };
        match entered.and_then(|entered| entered.event) {
            Some(event) => self.cut_write(event, len),
            None => {
                self.write(thread, fd, &bytes.0[..bytes.len().min(len as usize)], len, false);
            }
        }
    }

    /// A write that waited is now known to have written this much.
    pub(super) fn cut_write(&mut self, event: EventId, len: u64) {
        let Verb::Write { object, bytes } = &mut self.events[event.index()].verb else { return };
        bytes.0.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        self.objects[*object].stream.wrote(event, len);
        if len == 0 {
            self.left_out[event.index()] = true;
        }
    }

    /// Writes that the run's end cut short: what was read of them, and what fits in a pipe beside the rest.
    pub(super) fn cut_unfinished_writes(&mut self) {
        for index in 0..self.threads.len() {
            let Some(event) = self.threads[index].entered.as_ref().and_then(|entered| entered.event) else { continue };
            let Verb::Write { object, bytes } = &self.events[event.index()].verb else { continue };
            let (object, len) = (*object, bytes.len() as u64);
            let Some((read, others)) = self.objects[object].stream.progress(event) else { continue };
            let fits = match self.objects[object].kind {
                ObjectKind::Pipe | ObjectKind::Fifo => PIPE_CAPACITY.saturating_sub(others),
                _ => 0,
            };
            // A write of a page's room or less is all or nothing (pipe(7), PIPE_BUF).
            let fits = if len <= 4096 && fits < len { 0 } else { fits };
            self.cut_write(event, (read + fits).min(len));
        }
    }

    /// A read came back with bytes.
    pub(super) fn read(&mut self, thread: ThreadId, fd: Fd, bytes: &Bytes, descriptors: &[(Fd, RawFile)]) {
        let file = self.file_at(thread, fd);
        let open = self.files.file(file);
        let object = open.reads.unwrap_or(open.about);
        if self.takes(object).is_some() {
            self.signalfd_read(thread, &bytes.0);
        } else if !self.objects[object].untold && !bytes.is_empty() {
            self.read_from(thread, object, bytes.clone(), bytes.len() as u64);
        }
        let since = self.threads[thread.index()].last;
        for (fd, raw) in descriptors {
            let file = self.open_file(raw, None, false);
            self.put(thread, *fd, super::descriptors::Slot { file, cloexec: false, since });
        }
    }

    fn read_from(&mut self, thread: ThreadId, object: ObjectId, bytes: Bytes, len: u64) -> EventId {
        let (mut causes, mut reads_from) = (Vec::new(), Vec::new());
        let (thing, events) = (&mut self.objects[object], &self.events);
        match thing.kind {
            ObjectKind::Eventfd => {
                let value = bytes.0.as_slice().try_into().map_or(1, u64::from_ne_bytes);
                // EFD_SEMAPHORE gives one unit at a time, else the whole counter goes.
                let one = value == 1 && thing.units.total() > 1;
                causes = if one { thing.units.take(1) } else { thing.units.take_all() };
            }
            kind if is_stream(kind) => {
                causes = thing.stream.read(&bytes.0, len, thing.outside, |write| written(events, write));
            }
            // Reading a file waits for nobody: data flow, which orders nothing.
            ObjectKind::File => reads_from.extend(thing.last_write),
            _ => {}
        }
        self.note_received(thread, object, &bytes);
        let event = self.emit(thread, Verb::Read { object, bytes }, causes);
        self.events[event.index()].reads_from = reads_from;
        event
    }

    /// A read of something came back with nothing: the end, and whoever closed the other end made it.
    pub(super) fn read_end(&mut self, thread: ThreadId, fd: Fd) {
        let file = self.file_at(thread, fd);
        let open = self.files.file(file);
        let object = open.reads.unwrap_or(open.about);
        let thing = &self.objects[object];
        if thing.untold || thing.takes.is_some() {
            return;
        }
        let causes = if is_stream(thing.kind) { thing.stream.closers(true) } else { Vec::new() };
        self.emit(thread, Verb::End { object }, causes);
    }

    /// splice, tee, sendfile, copy_file_range.
    pub(super) fn moved(&mut self, thread: ThreadId, call: &Call, len: u64) {
        let Call::Move { from, to, keeps, bytes } = call else { return };
        if len == 0 {
            self.read_end(thread, *from);
            return;
        }
        let file = self.file_at(thread, *from);
        let open = self.files.file(file);
        let source = open.reads.unwrap_or(open.about);
        let events = &self.events;
        let (writes, there) = self.objects[source].stream.peek(len, |write| written(events, write));
        let bytes = if bytes.is_empty() && there.len() as u64 == len { Bytes(there) } else { bytes.clone() };
        let mut causes = Vec::new();
        if *keeps {
            causes = writes;
        } else if !self.objects[source].untold {
            self.read_from(thread, source, bytes.clone(), len);
        }
        self.threads[thread.index()].incoming.extend(causes);
        self.write(thread, *to, &bytes.0, len, false);
    }

    /// The causes of EPIPE: whoever closed the read ends.
    pub(super) fn broken_by(&self, object: ObjectId) -> Vec<EventId> {
        self.objects[object].stream.closers(false)
    }
}

/// Whether bytes leave it in the order in which they came.
pub(super) fn is_stream(kind: ObjectKind) -> bool {
    kind.is_channel() || matches!(kind, ObjectKind::Stdin | ObjectKind::Stdout | ObjectKind::Stderr)
}
