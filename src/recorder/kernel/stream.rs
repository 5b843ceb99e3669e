//! Two connected sockets of AF_UNIX that are a stream, a pair or by a name (unix(7), net/unix/af_unix.c).
//!
//! How much a side may send before it waits is counted in the kernel's own memory, which differs from version to version:
//! here it is known between two bounds, and what lies between them is the kernel's to say.

use std::collections::VecDeque;
use std::fmt;

use nix::errno::Errno;

use super::{Answer, Description};

/// A write of more bytes than this may become several pieces, in sizes of the kernel's own.
const PIECE: usize = 32_000;

/// What there is beside the bytes of a piece, at least and at most (truesize of a struct sk_buff).
const LEAST: usize = 256;
const MOST: usize = 2048;

/// Room to send, as poll(2) tells it.
pub(super) const WRITABLE: i16 = libc::POLLOUT | libc::POLLWRNORM | libc::POLLWRBAND;
/// There are bytes to read; with what those are told of who wait for urgent ones.
pub(super) const ARRIVED: i16 = libc::POLLIN | libc::POLLPRI | libc::POLLRDNORM | libc::POLLRDBAND;

/// A connected pair of sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stream {
    sides: [Side; 2],
    /// SO_SNDBUF in socket(7).
    buffer: usize,
}

#[derive(Clone, Default, PartialEq, Eq)]
struct Side {
    /// What came and was not read yet; and of each piece of it how many bytes it had, and how many are left.
    bytes: VecDeque<u8>,
    pieces: VecDeque<(usize, usize)>,
    /// Nothing more is going to come; nothing more can be sent (shutdown(2)).
    ended: bool,
    mute: bool,
    /// The other side went and had not read all: said once.
    reset: bool,
    closed: bool,
}

impl fmt::Debug for Side {
    /// Without its bytes, which may be many.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, pieces, ended, mute, reset, closed } = self;
        let (len, count) = (bytes.len(), pieces.len());
        write!(f, "{len} bytes in {count}, ended {ended}, mute {mute}, reset {reset}, closed {closed}")
    }
}

impl Side {
    fn take(&mut self, len: usize) -> usize {
        let mut left = len.min(self.bytes.len());
        let mut whole = 0;
        self.bytes.drain(..left);
        while let Some((_, rest)) = self.pieces.front_mut().filter(|_| left > 0) {
            let part = left.min(*rest);
            *rest -= part;
            left -= part;
            if *rest == 0 {
                self.pieces.pop_front();
                whole += 1;
            }
        }
        whole
    }
}

impl Stream {
    /// A pair that was just made; `buffer` is SO_SNDBUF of its sides.
    pub(super) fn new(buffer: usize) -> Self {
        Self { sides: Default::default(), buffer }
    }

    /// What a side's bytes that were not read yet take of its buffer, at least and at most.
    fn sent(&self, side: usize) -> (usize, usize) {
        let pieces = &self.sides[1 - side].pieces;
        pieces.iter().fold((0, 0), |(least, most), (size, _)| (least + size + LEAST, most + 2 * size + MOST))
    }

    /// Whether poll(2) says that there is room to send: three quarters of the buffer are free (unix_writable). None where
    /// only the kernel knows.
    pub(super) fn writable(&self, side: usize) -> Option<bool> {
        let (least, most) = self.sent(side);
        if 4 * (most + 1) <= self.buffer {
            return Some(true);
        }
        (4 * least > self.buffer).then_some(false)
    }

    /// What would come of a read of `room` bytes.
    pub(super) fn read(&self, description: &Description, room: usize) -> Answer {
        let side = &self.sides[description.side];
        let got = side.bytes.len().min(room);
        match () {
            () if got > 0 || room == 0 => Answer::Reads(got),
            () if side.reset => Answer::Fails(Errno::ECONNRESET),
            () if side.ended => Answer::Reads(0),
            () if description.nonblocking => Answer::Fails(Errno::EAGAIN),
            () => Answer::Waits,
        }
    }

    /// What would come of a write of `len` bytes.
    pub(super) fn write(&self, description: &Description, len: usize) -> Answer {
        let (least, most) = self.sent(description.side);
        match () {
            () if self.sides[description.side].mute => Answer::Fails(Errno::EPIPE),
            () if len == 0 => Answer::Writes(0),
            () if self.is_one_piece(len) && most < self.buffer => Answer::Writes(len),
            () if least < self.buffer => Answer::Unknown,
            () if description.nonblocking => Answer::Fails(Errno::EAGAIN),
            () => Answer::Waits,
        }
    }

    /// Whether a write of so many bytes goes over as one piece.
    pub(super) fn is_one_piece(&self, len: usize) -> bool {
        len <= PIECE.min((self.buffer / 2).saturating_sub(64))
    }

    /// Which of these events poll(2) would say (unix_poll); none where only the kernel knows.
    pub(super) fn ready(&self, description: &Description, events: i16) -> Option<i16> {
        let side = &self.sides[description.side];
        let mut ready = 0;
        let mut is = |true_now: bool, bits: i16| ready |= if true_now { bits } else { 0 };
        is(side.reset, libc::POLLERR);
        is(side.ended && side.mute, libc::POLLHUP);
        is(side.ended, libc::POLLRDHUP | libc::POLLIN | libc::POLLRDNORM);
        is(!side.bytes.is_empty(), libc::POLLIN | libc::POLLRDNORM);
        if events & WRITABLE != 0 {
            is(self.writable(description.side)?, WRITABLE);
        }
        Some(ready & events)
    }

    /// What a read of so many bytes gets, without taking it.
    pub(super) fn peek(&self, side: usize, room: usize) -> Vec<u8> {
        self.sides[side].bytes.iter().take(room).copied().collect()
    }

    /// A read took so many bytes. Whether the other side is told that there may be room.
    pub(super) fn take(&mut self, side: usize, len: usize) -> bool {
        self.sides[side].take(len) > 0
    }

    /// A read said that the other side went.
    pub(super) fn said_reset(&mut self, side: usize) {
        self.sides[side].reset = false;
    }

    /// A side sent these bytes as one piece.
    pub(super) fn put(&mut self, side: usize, bytes: &[u8]) {
        let other = &mut self.sides[1 - side];
        other.bytes.extend(bytes);
        other.pieces.push_back((bytes.len(), bytes.len()));
    }

    /// shutdown(2) of a side: for reading, for writing.
    pub(super) fn shut(&mut self, side: usize, (read, write): (bool, bool)) {
        let own = &mut self.sides[side];
        own.ended |= read;
        own.mute |= write;
        let other = &mut self.sides[1 - side];
        other.mute |= read;
        other.ended |= write;
    }

    /// A side has no descriptors any more, or nobody has accepted it, and nobody will. Whether the other has some.
    pub(super) fn released(&mut self, side: usize, unaccepted: bool) -> bool {
        let unread = std::mem::take(&mut self.sides[side]);
        self.sides[side].closed = true;
        let other = &mut self.sides[1 - side];
        (other.ended, other.mute) = (true, true);
        other.reset |= unaccepted || !unread.bytes.is_empty();
        !other.closed
    }
}

#[cfg(test)]
mod tests {
    use super::super::Kernel;
    use super::*;

    const BUFFER: usize = 212_992;

    /// Process 1 with a pair at 3 and 4.
    fn pair() -> Kernel {
        let mut kernel = Kernel::default();
        kernel.new_stream(1, (3, 4), BUFFER, false, false);
        kernel
    }

    #[test]
    fn each_side_reads_what_the_other_sent() {
        let mut kernel = pair();
        assert_eq!((kernel.read(1, 3, 9), kernel.read(1, 4, 9)), (Answer::Waits, Answer::Waits));
        assert_eq!(kernel.write(1, 3, 5, 0), Answer::Writes(5));
        kernel.put_in(1, 3, b"kettl");
        kernel.put_in(1, 3, b"e");
        assert_eq!((kernel.read(1, 3, 9), kernel.read(1, 4, 9)), (Answer::Waits, Answer::Reads(6)));
        assert_eq!(kernel.peek(1, 4, 9), b"kettle");
        kernel.take(1, 4, 6);
        assert_eq!(kernel.read(1, 4, 9), Answer::Waits);
    }

    #[test]
    fn a_side_that_goes_ends_the_other_and_what_it_left_unread_is_told_once() {
        let mut kernel = pair();
        kernel.put_in(1, 3, b"unread");
        kernel.put_in(1, 4, b"last");
        kernel.close(1, 4);
        assert_eq!(kernel.write(1, 3, 1, 0), Answer::Fails(Errno::EPIPE));
        let all = libc::POLLIN | libc::POLLHUP | libc::POLLERR | libc::POLLOUT;
        assert_eq!(kernel.ready(1, 3, all), Some(all));
        assert_eq!(kernel.read(1, 3, 9), Answer::Reads(4));
        kernel.take(1, 3, 4);
        assert_eq!(kernel.read(1, 3, 9), Answer::Fails(Errno::ECONNRESET));
        kernel.not_read(1, 3, Errno::ECONNRESET);
        assert_eq!(kernel.read(1, 3, 9), Answer::Reads(0));
    }

    #[test]
    fn a_direction_is_shut_for_both() {
        let mut kernel = pair();
        kernel.put_in(1, 3, b"x");
        kernel.shut(1, 3, (false, true));
        assert_eq!(
            (kernel.write(1, 3, 1, 0), kernel.write(1, 4, 1, 0)),
            (Answer::Fails(Errno::EPIPE), Answer::Writes(1))
        );
        assert_eq!(kernel.read(1, 4, 9), Answer::Reads(1));
        kernel.take(1, 4, 1);
        assert_eq!((kernel.read(1, 4, 9), kernel.read(1, 3, 9)), (Answer::Reads(0), Answer::Waits));
        assert_eq!(kernel.ready(1, 4, libc::POLLRDHUP | libc::POLLHUP), Some(libc::POLLRDHUP));
    }

    #[test]
    fn how_much_may_be_sent_is_known_between_bounds() {
        let mut kernel = pair();
        let piece = vec![b'x'; 10_000];
        let answers: Vec<Answer> = (0..30)
            .map(|_| {
                let answer = kernel.write(1, 3, piece.len(), 0);
                kernel.put_in(1, 3, &piece);
                answer
            })
            .collect();
        assert_eq!((answers[9], answers[15], answers[25]), (Answer::Writes(10_000), Answer::Unknown, Answer::Waits));
        assert_eq!(kernel.ready(1, 3, libc::POLLOUT), Some(0));
        assert_eq!(kernel.write(1, 4, PIECE + 1, 0), Answer::Unknown);
    }
}
