//! The counter behind an eventfd (eventfd(2), fs/eventfd.c).

use nix::errno::Errno;

use super::{Answer, Description};

/// What is read and written: a number of this many bytes.
pub(crate) const WIDTH: usize = 8;

/// A counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counter {
    count: u64,
    /// EFD_SEMAPHORE: a read takes 1 and not all.
    semaphore: bool,
}

impl Counter {
    pub(super) fn new(count: u32, semaphore: bool) -> Self {
        Self { count: u64::from(count), semaphore }
    }

    /// What a read gives and takes, where it does not wait.
    fn given(self) -> u64 {
        if self.semaphore { self.count.min(1) } else { self.count }
    }

    /// What would come of a read into `room` bytes.
    pub(super) fn read(self, description: &Description, room: usize) -> Answer {
        match self.count {
            _ if room < WIDTH => Answer::Fails(Errno::EINVAL),
            0 if description.nonblocking => Answer::Fails(Errno::EAGAIN),
            0 => Answer::Waits,
            _ => Answer::Reads(WIDTH),
        }
    }

    /// What would come of a write of `len` bytes that begin with this number. One of more than the number's goes through
    /// or not, as the kernel's version has it.
    pub(super) fn write(self, description: &Description, len: usize, value: u64) -> Answer {
        if len < WIDTH || len == WIDTH && value == u64::MAX {
            return Answer::Fails(Errno::EINVAL);
        }
        // The largest that it may hold is the largest number but one.
        match self.count.checked_add(value) {
            _ if len > WIDTH => Answer::Unknown,
            Some(sum) if sum < u64::MAX => Answer::Writes(WIDTH),
            _ if description.nonblocking => Answer::Fails(Errno::EAGAIN),
            _ => Answer::Waits,
        }
    }

    /// What poll(2) would say, all events asked for.
    pub(super) fn ready(self) -> i16 {
        let readable = if self.count > 0 { libc::POLLIN } else { 0 };
        let writable = if self.count < u64::MAX - 1 { libc::POLLOUT } else { 0 };
        readable | writable
    }

    /// What a read gets.
    pub(super) fn peek(self) -> Vec<u8> {
        self.given().to_ne_bytes().to_vec()
    }

    /// A read took what it gets.
    pub(super) fn take(&mut self) {
        self.count -= self.given();
    }

    /// A write added what it says.
    pub(super) fn put(&mut self, value: u64) {
        self.count = self.count.saturating_add(value);
    }
}

/// The number that a write to a counter begins with; 0 where there are not as many bytes.
pub(crate) fn number(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |first| u64::from_ne_bytes(*first))
}

#[cfg(test)]
mod tests {
    use super::super::{Kernel, ObjectId};
    use super::*;

    fn description(nonblocking: bool) -> Description {
        Description { object: ObjectId(0), side: 0, read: true, write: true, nonblocking, quiet_since: None }
    }

    #[test]
    fn a_read_takes_all_and_of_a_semaphore_one() {
        let mut all = Counter::new(3, false);
        assert_eq!(all.read(&description(false), 7), Answer::Fails(Errno::EINVAL));
        assert_eq!(all.read(&description(false), 9), Answer::Reads(WIDTH));
        assert_eq!(number(&all.peek()), 3);
        all.take();
        assert_eq!(all.read(&description(false), WIDTH), Answer::Waits);
        assert_eq!(all.read(&description(true), WIDTH), Answer::Fails(Errno::EAGAIN));
        let mut semaphore = Counter::new(2, true);
        assert_eq!(number(&semaphore.peek()), 1);
        semaphore.take();
        semaphore.take();
        assert_eq!(semaphore.read(&description(false), WIDTH), Answer::Waits);
    }

    #[test]
    fn a_write_waits_where_the_number_would_be_too_large() {
        let mut counter = Counter::new(1, false);
        let write = |counter: Counter, value| counter.write(&description(false), WIDTH, value);
        assert_eq!(write(counter, u64::MAX), Answer::Fails(Errno::EINVAL));
        assert_eq!(write(counter, u64::MAX - 1), Answer::Waits);
        assert_eq!(counter.write(&description(true), WIDTH, u64::MAX - 1), Answer::Fails(Errno::EAGAIN));
        assert_eq!(write(counter, u64::MAX - 2), Answer::Writes(WIDTH));
        assert_eq!(counter.write(&description(false), 7, 1), Answer::Fails(Errno::EINVAL));
        assert_eq!(counter.write(&description(false), 9, 1), Answer::Unknown);
        counter.put(u64::MAX - 2);
        assert_eq!(counter.ready(), libc::POLLIN);
        assert_eq!((write(counter, 0), write(counter, 1)), (Answer::Writes(WIDTH), Answer::Waits));
        counter.take();
        assert_eq!(counter.ready(), libc::POLLOUT);
    }

    #[test]
    fn descriptors_that_share_it_see_the_same() {
        let mut kernel = Kernel::default();
        let counter = kernel.new_counter(0, false);
        kernel.open(1, 3, counter, (true, true), false, false);
        kernel.forked(1, 2, false);
        assert_eq!(kernel.read(2, 3, WIDTH), Answer::Waits);
        kernel.put_in(1, 3, &5u64.to_ne_bytes());
        assert_eq!(kernel.peek(2, 3, WIDTH), 5u64.to_ne_bytes());
        kernel.take(2, 3, WIDTH);
        kernel.set_nonblocking(1, 3, true);
        assert_eq!(kernel.read(2, 3, WIDTH), Answer::Fails(Errno::EAGAIN));
    }
}
