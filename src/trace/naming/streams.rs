//! Bytes and units on their way: which write a read got its bytes from, which release an acquire took.

use std::collections::{BTreeMap, VecDeque};

use crate::trace::canonical::{EventId, ThreadId};

/// How far past the front of a stream an interleaved writer's bytes are looked for.
const INTERLEAVED: usize = 8;

/// The bytes of a stream that were written and not yet read, by write.
#[derive(Debug, Default)]
pub(super) struct Stream {
    chunks: VecDeque<Chunk>,
    /// The latest event of each thread that closed a write end.
    write_closers: BTreeMap<ThreadId, EventId>,
    /// The same for read ends.
    read_closers: BTreeMap<ThreadId, EventId>,
}

#[derive(Debug)]
struct Chunk {
    write: EventId,
    /// How many bytes of it were read.
    read: u64,
    len: u64,
    /// The write has not returned: what stands behind it may overtake its rest.
    waits: bool,
}

impl Stream {
    /// A write put `len` bytes in, or wants to.
    pub(super) fn write(&mut self, write: EventId, len: u64, waits: bool) {
        if len > 0 {
            self.chunks.push_back(Chunk { write, read: 0, len, waits });
        }
    }

    /// A write that waited came back with `len` bytes written.
    pub(super) fn wrote(&mut self, write: EventId, len: u64) {
        let Ok(at) = self.chunks.binary_search_by_key(&write, |chunk| chunk.write) else { return };
        let chunk = &mut self.chunks[at];
        chunk.waits = false;
        chunk.len = len;
        if chunk.read >= len {
            self.chunks.remove(at);
        }
    }

    /// How many bytes of a write that waits were read, and how many of other writes stand in the stream.
    pub(super) fn progress(&self, write: EventId) -> Option<(u64, u64)> {
        let at = self.chunks.binary_search_by_key(&write, |chunk| chunk.write).ok()?;
        let others = self.chunks.iter().filter(|chunk| !chunk.waits).map(|chunk| chunk.len - chunk.read).sum();
        Some((self.chunks[at].read, others))
    }

    /// `len` bytes came out: the writes that they are of. Bytes are compared where both sides are known, so that two
    /// writes larger than PIPE_BUF may interleave; where nothing fits (bytes may be exchanged on the way) they are
    /// taken in order, unless the stream has strangers among its writers.
    pub(super) fn read<'a>(
        &mut self,
        bytes: &[u8],
        len: u64,
        strangers: bool,
        content: impl Fn(EventId) -> &'a [u8],
    ) -> Vec<EventId> {
        let mut writes = Vec::new();
        let (mut at, mut rest) = (0, len);
        while rest > 0 && !self.chunks.is_empty() {
            let wanted = bytes.get(at as usize..).unwrap_or_default();
            let fits = |chunk: &Chunk| {
                let n = rest.min(chunk.len - chunk.read) as usize;
                let there = content(chunk.write).get(chunk.read as usize..).unwrap_or_default();
                let n = n.min(there.len()).min(wanted.len());
                let same = there[..n].iter().zip(&wanted[..n]).take_while(|(a, b)| a == b).count();
                (same == n, same as u64)
            };
            let (all, same) = fits(&self.chunks[0]);
            let mut from = 0;
            let mut take = rest.min(self.chunks[0].len - self.chunks[0].read);
            if !all {
                let overtakes = self.chunks[0].waits || self.chunks.get(1).is_some_and(|chunk| chunk.waits);
                let other = (1..self.chunks.len().min(INTERLEAVED))
                    .find(|other| overtakes && same == 0 && fits(&self.chunks[*other]).0);
                match other {
                    Some(other) => {
                        from = other;
                        take = rest.min(self.chunks[other].len - self.chunks[other].read);
                    }
                    None if overtakes && same > 0 => take = same,
                    None if strangers => return writes,
                    None => {}
                }
            }
            let chunk = &mut self.chunks[from];
            chunk.read += take;
            writes.push(chunk.write);
            if chunk.read >= chunk.len {
                self.chunks.remove(from);
            }
            at += take;
            rest -= take;
        }
        writes
    }

    /// What a reader would get next: writes and their bytes, `len` bytes at most.
    pub(super) fn peek<'a>(&self, len: u64, content: impl Fn(EventId) -> &'a [u8]) -> (Vec<EventId>, Vec<u8>) {
        let (mut writes, mut bytes, mut rest) = (Vec::new(), Vec::new(), len);
        for chunk in &self.chunks {
            if rest == 0 {
                break;
            }
            let n = rest.min(chunk.len - chunk.read);
            writes.push(chunk.write);
            let there = content(chunk.write).get(chunk.read as usize..).unwrap_or_default();
            bytes.extend_from_slice(&there[..there.len().min(n as usize)]);
            rest -= n;
        }
        (writes, bytes)
    }

    /// A descriptor of an end was closed by this event.
    pub(super) fn closed(&mut self, thread: ThreadId, event: EventId, write: bool) {
        if write { &mut self.write_closers } else { &mut self.read_closers }.insert(thread, event);
    }

    /// The events without which an end would still be open: for each thread the last of its closings.
    pub(super) fn closers(&self, write: bool) -> Vec<EventId> {
        if write { &self.write_closers } else { &self.read_closers }.values().copied().collect()
    }
}

/// What a semaphore or an eventfd counts, with where each unit comes from; the oldest go first.
#[derive(Debug, Default)]
pub(super) struct Units {
    there: VecDeque<(EventId, u64)>,
    /// Who took some since it was zero or was set, each thread's last.
    takers: BTreeMap<ThreadId, EventId>,
    /// Those who did until it came to zero the last time.
    emptied_by: Vec<EventId>,
}

impl Units {
    /// Units came in.
    pub(super) fn add(&mut self, event: EventId, units: u64) {
        if units > 0 {
            self.there.push_back((event, units));
        }
    }

    /// The counter was set.
    pub(super) fn set(&mut self, event: EventId, units: u64) {
        self.there.clear();
        self.takers.clear();
        self.add(event, units);
        if units == 0 {
            self.emptied_by = vec![event];
        }
    }

    /// Units went out: the events that they came from. Who took them is told next ([`Units::taken_by`]).
    pub(super) fn take(&mut self, mut units: u64) -> Vec<EventId> {
        let mut from = Vec::new();
        while units > 0
            && let Some((event, there)) = self.there.front_mut()
        {
            from.push(*event);
            let n = units.min(*there);
            *there -= n;
            units -= n;
            if *there == 0 {
                self.there.pop_front();
            }
        }
        from
    }

    /// The units that went out last were taken by this event.
    pub(super) fn taken_by(&mut self, thread: ThreadId, event: EventId) {
        self.takers.insert(thread, event);
        if self.there.is_empty() {
            self.emptied_by = std::mem::take(&mut self.takers).into_values().collect();
        }
    }

    /// What brought it to zero the last time: all who took from it since it was zero before, or was set. Whoever waits
    /// for zero comes after all of them.
    pub(super) fn emptied_by(&self) -> &[EventId] {
        &self.emptied_by
    }

    /// A release turned out to be none.
    pub(super) fn forget(&mut self, event: EventId) {
        self.there.retain(|(from, _)| *from != event);
    }

    /// All units went out.
    pub(super) fn take_all(&mut self) -> Vec<EventId> {
        self.there.drain(..).map(|(event, _)| event).collect()
    }

    /// How many there are.
    pub(super) fn total(&self) -> u64 {
        self.there.iter().map(|(_, units)| units).sum()
    }
}
