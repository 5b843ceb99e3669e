//! What a timerfd has counted (timerfd_create(2), fs/timerfd.c). When it expires is not known here: somebody who keeps the
//! clock says so.

use nix::errno::Errno;

use super::{Answer, Description, Kernel, Object, ObjectId, Pollers};

/// What is read: a number of this many bytes.
const WIDTH: usize = 8;

/// A timer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Timer {
    /// Expirations that nobody has read.
    expirations: u64,
}

impl Timer {
    /// What would come of a read into `room` bytes.
    pub(super) fn read(self, description: &Description, room: usize) -> Answer {
        match self.expirations {
            _ if room < WIDTH => Answer::Fails(Errno::EINVAL),
            0 if description.nonblocking => Answer::Fails(Errno::EAGAIN),
            0 => Answer::Waits,
            _ => Answer::Reads(WIDTH),
        }
    }

    /// What poll(2) would say, all events asked for.
    pub(super) fn ready(self) -> i16 {
        if self.expirations > 0 { libc::POLLIN } else { 0 }
    }

    /// What a read gets.
    pub(super) fn peek(self) -> Vec<u8> {
        self.expirations.to_ne_bytes().to_vec()
    }

    /// A read took all.
    pub(super) fn take(&mut self) {
        self.expirations = 0;
    }
}

impl Kernel {
    /// A timerfd was made; it is not armed.
    pub(in crate::recorder) fn new_timer(&mut self) -> ObjectId {
        self.new_object(Object::Timer(Timer::default()))
    }

    fn timer(&mut self, object: ObjectId) -> Option<&mut Timer> {
        let Some(Object::Timer(timer)) = &mut self.objects[object.0] else { return None };
        Some(timer)
    }

    /// It was armed or disarmed: what it had counted is gone.
    pub(in crate::recorder) fn armed(&mut self, object: ObjectId) {
        if let Some(timer) = self.timer(object) {
            timer.take();
            self.changed = true;
        }
    }

    /// It expired so often. Whether that wakes anybody is the clock's to say too: one that has expired is not started anew
    /// before it is read or looked at (timerfd_read_iter, do_timerfd_gettime).
    pub(in crate::recorder) fn expired(&mut self, object: ObjectId, times: u64, wakes: bool) {
        let Some(timer) = self.timer(object) else { return };
        timer.expirations += times;
        if wakes {
            self.wake(object, Pollers::All, libc::POLLIN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::number;
    use super::*;

    #[test]
    fn a_read_takes_all_expirations_and_arming_forgets_them() {
        let mut kernel = Kernel::default();
        let timer = kernel.new_timer();
        kernel.open(1, 3, timer, (true, true), false, false);
        assert_eq!(kernel.read(1, 3, 8), Answer::Waits);
        assert_eq!(kernel.ready(1, 3, libc::POLLIN | libc::POLLOUT), Some(0));
        kernel.expired(timer, 1, true);
        kernel.expired(timer, 2, false);
        assert_eq!(kernel.read(1, 3, 7), Answer::Fails(Errno::EINVAL));
        assert_eq!(kernel.read(1, 3, 16), Answer::Reads(8));
        assert_eq!(kernel.ready(1, 3, libc::POLLIN | libc::POLLOUT), Some(libc::POLLIN));
        assert_eq!(number(&kernel.peek(1, 3, 8)), 3);
        kernel.take(1, 3, 8);
        kernel.set_nonblocking(1, 3, true);
        assert_eq!(kernel.read(1, 3, 8), Answer::Fails(Errno::EAGAIN));
        kernel.expired(timer, 1, true);
        kernel.armed(timer);
        assert_eq!(kernel.read(1, 3, 8), Answer::Fails(Errno::EAGAIN));
        assert_eq!(kernel.write(1, 3, 8, 1), Answer::Unknown);
    }

    #[test]
    fn an_instance_hears_of_expirations_that_wake() {
        const EDGE: u32 = (libc::EPOLLIN | libc::EPOLLET) as u32;
        let mut kernel = Kernel::default();
        let (epoll, timer) = (kernel.new_epoll(), kernel.new_timer());
        kernel.open(1, 9, epoll, (true, true), false, false);
        kernel.open(1, 3, timer, (true, true), false, false);
        kernel.controlled(1, 9, libc::EPOLL_CTL_ADD, 3, Some((EDGE, 7)));
        let mut finds = |wakes: bool| {
            kernel.expired(timer, 1, wakes);
            kernel.collect(1, 9, 8)
        };
        let edge = Some(vec![(libc::EPOLLIN as u32, 7)]);
        assert_eq!((finds(true), finds(false), finds(true)), (edge.clone(), Some(Vec::new()), edge));
    }
}
