//! The buffer of a pipe or FIFO, page by page, as Linux keeps it (pipe(7), fs/pipe.c).
//!
//! A pipe has room for a number of pages, sixteen unless told otherwise. A write first fills up the last page, where the
//! part of it that is no whole page fits there, and puts the rest into pages of its own: 3,000-byte writes fill a pipe
//! with 48,000 bytes and not with 65,536.

use std::collections::VecDeque;
use std::fmt;

use nix::errno::Errno;

use super::{Answer, Description};

/// A page of this machine's (getconf PAGESIZE); a slot of a pipe holds one.
pub(crate) const PAGE: usize = 4096;

/// A pipe's buffer, and how many open file descriptions lead to each end.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Pipe {
    slots: VecDeque<Slot>,
    bytes: VecDeque<u8>,
    capacity: usize,
    pub(crate) readers: u32,
    pub(crate) writers: u32,
    /// How often it was opened for writing.
    pub(crate) opened_for_writing: u32,
}

/// A page with bytes in it: where they end in the page, and how many are left to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    end: usize,
    left: usize,
}

impl fmt::Debug for Pipe {
    /// Without its bytes, which may be many.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { slots, bytes, capacity, readers, writers, .. } = self;
        let (len, full) = (bytes.len(), slots.len());
        write!(f, "a pipe with {len} bytes in {full} of {capacity} pages, {readers} readers, {writers} writers")
    }
}

impl Pipe {
    /// An empty pipe of so many bytes (F_GETPIPE_SZ in fcntl(2)), with nobody at its ends.
    pub(crate) fn new(size: usize) -> Self {
        Self {
            slots: VecDeque::new(),
            bytes: VecDeque::new(),
            capacity: size / PAGE,
            readers: 0,
            writers: 0,
            opened_for_writing: 0,
        }
    }

    /// F_SETPIPE_SZ succeeded: `size` is its result.
    pub(crate) fn resize(&mut self, size: usize) {
        self.capacity = size / PAGE;
    }

    /// How many bytes are in it.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// How many bytes of a write of `len` go in at once.
    pub(crate) fn room_for(&self, len: usize) -> usize {
        let merged = self.merges(len);
        merged + (len - merged).min(self.free_slots() * PAGE)
    }

    /// How many slots hold nothing.
    pub(crate) fn free_slots(&self) -> usize {
        self.capacity.saturating_sub(self.slots.len())
    }

    /// How many bytes of a write of `len` go into the last page.
    fn merges(&self, len: usize) -> usize {
        let part = len % PAGE;
        self.slots.back().filter(|last| last.end + part <= PAGE).map_or(0, |_| part)
    }

    /// Puts in the first bytes of a write, as many as [`Pipe::room_for`] it; how many that are.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> usize {
        let taken = self.room_for(bytes.len());
        let merged = self.merges(bytes.len()).min(taken);
        if let Some(last) = self.slots.back_mut().filter(|_| merged > 0) {
            last.end += merged;
            last.left += merged;
        }
        let mut left = taken - merged;
        while left > 0 {
            let part = left.min(PAGE);
            self.slots.push_back(Slot { end: part, left: part });
            left -= part;
        }
        self.bytes.extend(&bytes[..taken]);
        taken
    }

    /// An open file description came to lead to it. Whether it was the first of its side: who polls for reading is woken
    /// then (fs/pipe.c, wake_up_partner).
    pub(super) fn opened(&mut self, description: &Description) -> bool {
        let first = description.read && self.readers == 0 || description.write && self.writers == 0;
        self.readers += u32::from(description.read);
        self.writers += u32::from(description.write);
        self.opened_for_writing += u32::from(description.write);
        first
    }

    /// An open file description went.
    pub(super) fn released(&mut self, description: &Description) {
        self.readers -= u32::from(description.read);
        self.writers -= u32::from(description.write);
    }

    /// What would come of a read of `room` bytes (pipe(7)).
    pub(super) fn read(&self, description: &Description, room: usize) -> Answer {
        let got = self.len().min(room);
        if got > 0 || room == 0 || self.writers == 0 {
            Answer::Reads(got)
        } else if description.nonblocking {
            Answer::Fails(Errno::EAGAIN)
        } else {
            Answer::Waits
        }
    }

    /// What would come of a write of `len` bytes (pipe(7)).
    pub(super) fn write(&self, description: &Description, len: usize) -> Answer {
        if len == 0 {
            return Answer::Writes(0);
        }
        if self.readers == 0 {
            return Answer::Fails(Errno::EPIPE);
        }
        let room = self.room_for(len);
        match (description.nonblocking, room) {
            (_, room) if room == len => Answer::Writes(len),
            (true, 0) => Answer::Fails(Errno::EAGAIN),
            (true, room) => Answer::Writes(room),
            // Up to PIPE_BUF bytes, which is a page, go in at once or not at all.
            (false, room) if len > PAGE && room > 0 => Answer::Part(room),
            (false, _) => Answer::Waits,
        }
    }

    /// What poll(2) would say, all events asked for (fs/pipe.c, pipe_poll).
    pub(super) fn ready(&self, description: &Description) -> i16 {
        let ended = self.writers == 0 && description.quiet_since != Some(self.opened_for_writing);
        let mut events = 0;
        let mut is = |true_now: bool, bits: i16| events |= if true_now { bits } else { 0 };
        is(description.read && self.len() > 0, libc::POLLIN | libc::POLLRDNORM);
        is(description.read && ended, libc::POLLHUP);
        is(description.write && self.free_slots() > 0, libc::POLLOUT | libc::POLLWRNORM);
        is(description.write && self.readers == 0, libc::POLLERR);
        events
    }

    /// What a read of so many bytes gets, without taking it.
    pub(crate) fn peek(&self, room: usize) -> Vec<u8> {
        self.bytes.iter().take(room).copied().collect()
    }

    /// Takes so many bytes out. Whether it made room where there was none: who polls for writing is woken then.
    pub(crate) fn take(&mut self, len: usize) -> bool {
        let mut left = len.min(self.bytes.len());
        let mut made_room = false;
        self.bytes.drain(..left);
        while left > 0 {
            let full = self.free_slots() == 0;
            let Some(first) = self.slots.front_mut() else { break };
            let part = first.left.min(left);
            first.left -= part;
            left -= part;
            if first.left == 0 {
                made_room |= full;
                self.slots.pop_front();
            }
        }
        made_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 16 * PAGE;

    /// How many bytes go in by writes of this length until one would wait.
    fn check_full(len: usize, expected: usize) {
        let mut pipe = Pipe::new(SIZE);
        let bytes = vec![b'x'; len];
        while pipe.room_for(len) == len {
            assert_eq!(pipe.put(&bytes), len);
        }
        // The one that waits puts in what it can, if it is more than PIPE_BUF.
        if len > PAGE {
            pipe.put(&bytes);
        }
        assert_eq!(pipe.len(), expected, "writes of {len}");
    }

    #[test]
    fn writes_fill_pages_and_not_bytes() {
        check_full(1, 65_536);
        check_full(3_000, 48_000);
        check_full(4_096, 65_536);
        check_full(2_048, 65_536);
        check_full(2_049, 16 * 2_049);
        check_full(4_097, 45_066);
        check_full(65_536, 65_536);
    }

    #[test]
    fn reads_take_across_pages_and_free_only_whole_ones() {
        let mut pipe = Pipe::new(SIZE);
        for _ in 0..16 {
            pipe.put(&[b'x'; 3_000]);
        }
        assert_eq!(pipe.room_for(3_000), 0);
        pipe.take(2_999);
        // One byte of the first page is left.
        assert_eq!(pipe.room_for(3_000), 0);
        pipe.take(1);
        assert_eq!(pipe.room_for(3_000), 3_000);
        assert_eq!(pipe.peek(1 << 20).len(), 45_000);
    }

    #[test]
    fn a_page_that_was_read_from_its_start_has_no_more_room() {
        let mut pipe = Pipe::new(PAGE);
        pipe.put(&[b'x'; 4_000]);
        pipe.take(3_999);
        assert_eq!(pipe.room_for(96), 96);
        assert_eq!(pipe.room_for(97), 0);
        pipe.take(1);
        assert_eq!(pipe.room_for(97), 97);
    }

    #[test]
    fn a_size_of_its_own() {
        let mut pipe = Pipe::new(SIZE);
        pipe.resize(PAGE);
        assert_eq!(pipe.room_for(5_000), 4_096);
        pipe.put(&[b'x'; 4_096]);
        assert_eq!(pipe.room_for(1), 0);
        pipe.resize(2 * PAGE);
        assert_eq!(pipe.room_for(1), 1);
    }
}
