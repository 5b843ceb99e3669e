//! Stream sockets of AF_UNIX until they are connected: bound to a name, listening (unix(7), listen(2), net/unix/af_unix.c).
//!
//! A connection is a [`Stream`] as soon as connect(2) returns: its far side has bytes and room, but no descriptor until it is
//! accepted. Who waits to accept or to connect is not known here, as for [`super::Semaphores`]: the kernel wakes them one
//! by one, the first come first ([`Kernel::lets_in`]).

use std::collections::VecDeque;

use super::{Kernel, Object, ObjectId, Pollers, Stream, stream};
use crate::trace::raw::{Fd, Tid};

/// How many connections may wait to be accepted whatever the machine's own limit is (net.core.somaxconn in listen(2)): with
/// more than these, only the kernel knows.
const SURE: usize = 128;

/// What a socket is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Name {
    /// A file: stat(2).
    File(u64, u64),
    /// An abstract name, with its first byte.
    Abstract(Vec<u8>),
}

/// A socket that is not connected.
#[derive(Debug, Default)]
pub(crate) struct Socket {
    name: Option<Name>,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    Listens {
        backlog: usize,
        /// Connections that nobody has accepted; some may have left the model.
        waiting: VecDeque<ObjectId>,
    },
    /// It has no descriptors any more.
    Closed,
}

/// Whom a listening socket lets go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LetsIn {
    /// So many that accept, and so many that connect.
    Some { accepts: usize, connects: usize },
    /// It is closed: those that connect look for another of that name.
    Closed,
    /// Only the kernel knows.
    Unknown,
}

impl Socket {
    /// Which events poll(2) would say of all that there are (unix_poll).
    pub(super) fn ready(&self) -> i16 {
        match &self.state {
            State::Listens { waiting, .. } if !waiting.is_empty() => libc::POLLIN | libc::POLLRDNORM,
            State::Listens { .. } => 0,
            State::Idle | State::Closed => libc::POLLHUP | stream::WRITABLE,
        }
    }

    fn waiting(&mut self) -> Option<&mut VecDeque<ObjectId>> {
        let State::Listens { waiting, .. } = &mut self.state else { return None };
        Some(waiting)
    }
}

impl Kernel {
    /// A socket was made (socket(2)).
    pub(in crate::recorder) fn new_socket(&mut self) -> ObjectId {
        self.new_object(Object::Socket(Socket::default()))
    }

    fn socket(&mut self, object: ObjectId) -> Option<&mut Socket> {
        let Some(Object::Socket(socket)) = &mut self.objects[object.0] else { return None };
        Some(socket)
    }

    /// The socket that a descriptor leads to, where it is not connected.
    pub(in crate::recorder) fn unconnected(&self, tid: Tid, fd: Fd) -> Option<ObjectId> {
        let object = self.object_of(tid, fd)?;
        matches!(self.object(object), Some(Object::Socket(_))).then_some(object)
    }

    /// The socket of this name, which may have left the model.
    pub(in crate::recorder) fn named(&self, name: &Name) -> Option<ObjectId> {
        self.names.get(name).copied()
    }

    /// bind(2) succeeded, perhaps on a socket that is not modelled.
    pub(in crate::recorder) fn bound(&mut self, tid: Tid, fd: Fd, name: Name) {
        let object = self.unconnected(tid, fd);
        if let Some(socket) = object.and_then(|object| self.socket(object)) {
            socket.name = Some(name.clone());
        }
        let object = object.unwrap_or_else(|| self.nothing());
        self.names.insert(name, object);
    }

    /// An object that is not modelled.
    fn nothing(&mut self) -> ObjectId {
        self.objects.push(None);
        ObjectId(self.objects.len() - 1)
    }

    /// listen(2) succeeded.
    pub(in crate::recorder) fn listens(&mut self, tid: Tid, fd: Fd, asked: i32) {
        self.changed = true;
        let Some(object) = self.unconnected(tid, fd) else { return };
        let Some(socket) = self.socket(object) else { return };
        // Below zero is as many as there may be (__sys_listen in net/socket.c).
        let most = usize::try_from(asked).unwrap_or(usize::MAX);
        match &mut socket.state {
            State::Listens { backlog, .. } => *backlog = most,
            state => *state = State::Listens { backlog: most, waiting: VecDeque::new() },
        }
    }

    /// Whom a socket lets go on, of those that wait for it.
    pub(in crate::recorder) fn lets_in(&self, object: ObjectId) -> LetsIn {
        let Some(Object::Socket(socket)) = self.object(object) else { return LetsIn::Unknown };
        match &socket.state {
            State::Closed => LetsIn::Closed,
            State::Listens { backlog, waiting } if *backlog <= SURE || waiting.len() <= SURE => {
                // One more than was asked for (unix_recvq_full).
                let room = backlog.saturating_add(1).saturating_sub(waiting.len());
                LetsIn::Some { accepts: waiting.len(), connects: room }
            }
            State::Listens { .. } | State::Idle => LetsIn::Unknown,
        }
    }

    /// Whether accept(2) on a descriptor would wait; none where only the kernel knows.
    pub(in crate::recorder) fn waits_to_accept(&self, tid: Tid, fd: Fd) -> Option<bool> {
        let (_, description) = self.description(tid, fd)?;
        let LetsIn::Some { accepts, .. } = self.lets_in(description.object) else { return None };
        Some(accepts == 0 && !description.nonblocking)
    }

    /// Whether a descriptor was told not to wait (O_NONBLOCK); none where that is not known.
    pub(in crate::recorder) fn is_nonblocking(&self, tid: Tid, fd: Fd) -> Option<bool> {
        self.description(tid, fd).map(|(_, description)| description.nonblocking)
    }

    /// connect(2) succeeded: to this socket, none where nobody knows to which. `buffer` is SO_SNDBUF of the one that
    /// connected.
    pub(in crate::recorder) fn connected(&mut self, tid: Tid, fd: Fd, to: Option<ObjectId>, buffer: Option<usize>) {
        self.changed = true;
        let own = self.unconnected(tid, fd);
        let there = to.filter(|to| self.socket(*to).is_some_and(|socket| socket.waiting().is_some()));
        let stream = match (own, there, buffer) {
            (Some(_), Some(_), Some(buffer)) => self.new_object(Object::Stream(Stream::new(buffer))),
            _ => self.nothing(),
        };
        if let (Some(own), Some((file, _))) = (own, self.description(tid, fd)) {
            self.files.file_mut(file).object = stream;
            self.objects[own.0] = None;
            if self.object(stream).is_none() {
                self.abandon_instances(stream);
            }
        }
        match there {
            Some(there) => {
                self.socket(there).and_then(Socket::waiting).expect("it listens").push_back(stream);
                self.wake(there, Pollers::All, stream::ARRIVED);
            }
            // One that is known not to be modelled changes nothing here.
            None if to.is_some() => {}
            None => self.abandon_listening(),
        }
    }

    /// Some socket that listens got a connection, and nobody knows which.
    fn abandon_listening(&mut self) {
        for place in 0..self.objects.len() {
            if self.socket(ObjectId(place)).is_some_and(|socket| socket.waiting().is_some()) {
                self.abandon(ObjectId(place));
            }
        }
    }

    /// accept(2) on `fd` gave the descriptor `new`.
    pub(in crate::recorder) fn accepted(&mut self, tid: Tid, fd: Fd, new: Fd, nonblocking: bool, cloexec: bool) {
        self.close(tid, new);
        let Some(listening) = self.unconnected(tid, fd) else { return };
        self.changed = true;
        match self.socket(listening).and_then(Socket::waiting).map(VecDeque::pop_front) {
            Some(Some(stream)) => {
                self.open(tid, new, stream, (true, true), nonblocking, cloexec);
                if let Some((file, _)) = self.description(tid, new) {
                    self.files.file_mut(file).side = 1;
                }
            }
            _ => self.abandon(listening),
        }
    }

    /// The last descriptor of a socket was closed: connections that nobody has accepted are reset (unix_release_sock).
    pub(super) fn released_socket(&mut self, object: ObjectId) {
        let Some(socket) = self.socket(object) else { return };
        let Socket { name, state } = std::mem::replace(socket, Socket { name: None, state: State::Closed });
        if let Some(name) = name.filter(|name| self.names.get(name) == Some(&object)) {
            self.names.remove(&name);
        }
        let State::Listens { waiting, .. } = state else { return };
        for stream in waiting {
            self.released_side(stream, 1, true);
        }
    }

    /// A side of a stream has no descriptor any more.
    pub(super) fn released_side(&mut self, object: ObjectId, side: usize, unaccepted: bool) {
        let Some(Object::Stream(stream)) = &mut self.objects[object.0] else { return };
        if stream.released(side, unaccepted) {
            self.wake(object, Pollers::Side(1 - side), 0);
        } else {
            self.abandon(object);
        }
    }

    /// What left the model together with a socket: the connections that wait there.
    pub(super) fn abandon_waiting(&mut self, left: Option<Object>) {
        if let Some(Object::Socket(Socket { state: State::Listens { waiting, .. }, .. })) = left {
            waiting.into_iter().for_each(|stream| self.abandon(stream));
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;

    use super::super::Answer;
    use super::*;

    const BUFFER: usize = 212_992;

    fn name() -> Name {
        Name::Abstract(b"\0here".to_vec())
    }

    fn socket(kernel: &mut Kernel, tid: Tid, fd: Fd) {
        let socket = kernel.new_socket();
        kernel.open(tid, fd, socket, (true, true), false, false);
    }

    /// Process 1 listens at 3.
    fn listening(backlog: i32) -> (Kernel, ObjectId) {
        let mut kernel = Kernel::default();
        socket(&mut kernel, 1, 3);
        kernel.bound(1, 3, name());
        kernel.listens(1, 3, backlog);
        let object = kernel.named(&name()).expect("it is bound");
        (kernel, object)
    }

    /// Process 2 connects at a descriptor.
    fn connect(kernel: &mut Kernel, fd: Fd) {
        socket(kernel, 2, fd);
        let to = kernel.named(&name());
        kernel.connected(2, fd, to, Some(BUFFER));
    }

    #[track_caller]
    fn check(kernel: &Kernel, object: ObjectId, accepts: usize, connects: usize) {
        assert_eq!(kernel.lets_in(object), LetsIn::Some { accepts, connects });
    }

    #[test]
    fn one_more_than_the_backlog_may_wait_to_be_accepted() {
        let (mut kernel, object) = listening(1);
        check(&kernel, object, 0, 2);
        assert_eq!((kernel.waits_to_accept(1, 3), kernel.ready(1, 3, libc::POLLIN)), (Some(true), Some(0)));
        connect(&mut kernel, 5);
        check(&kernel, object, 1, 1);
        connect(&mut kernel, 6);
        check(&kernel, object, 2, 0);
        assert_eq!((kernel.waits_to_accept(1, 3), kernel.ready(1, 3, libc::POLLIN)), (Some(false), Some(libc::POLLIN)));
        kernel.accepted(1, 3, 7, false, false);
        check(&kernel, object, 1, 1);
        kernel.listens(1, 3, -1);
        assert!(matches!(kernel.lets_in(object), LetsIn::Some { accepts: 1, connects: 2.. }));
    }

    #[test]
    fn what_is_sent_before_it_is_accepted_is_there_afterwards() {
        let (mut kernel, _) = listening(1);
        connect(&mut kernel, 5);
        kernel.put_in(2, 5, b"early");
        kernel.accepted(1, 3, 7, true, false);
        assert_eq!((kernel.read(1, 7, 9), kernel.read(2, 5, 9)), (Answer::Reads(5), Answer::Waits));
        kernel.take(1, 7, 5);
        assert_eq!(kernel.read(1, 7, 9), Answer::Fails(Errno::EAGAIN));
        kernel.put_in(1, 7, b"back");
        assert_eq!(kernel.peek(2, 5, 9), b"back");
        kernel.close(2, 5);
        assert_eq!(kernel.read(1, 7, 9), Answer::Fails(Errno::ECONNRESET));
    }

    #[test]
    fn connections_of_one_that_is_closed_are_reset() {
        let (mut kernel, object) = listening(1);
        connect(&mut kernel, 5);
        kernel.forked(1, 9, false);
        kernel.close(1, 3);
        check(&kernel, object, 1, 1);
        assert_eq!(kernel.read(2, 5, 9), Answer::Waits);
        kernel.gone(9);
        assert_eq!((kernel.lets_in(object), kernel.named(&name())), (LetsIn::Closed, None));
        assert_eq!(kernel.read(2, 5, 9), Answer::Fails(Errno::ECONNRESET));
        assert_eq!(kernel.write(2, 5, 1, 0), Answer::Fails(Errno::EPIPE));
    }

    #[test]
    fn with_one_that_listens_the_connections_that_wait_leave_the_model() {
        let (mut kernel, object) = listening(5);
        connect(&mut kernel, 5);
        kernel.accepted(1, 3, 7, false, false);
        connect(&mut kernel, 6);
        kernel.abandon(object);
        assert_eq!((kernel.read(2, 5, 9), kernel.read(2, 6, 9)), (Answer::Waits, Answer::Unknown));
        assert_eq!(kernel.named(&name()), Some(object));
        connect(&mut kernel, 8);
        assert_eq!(kernel.ready(2, 8, libc::POLLOUT), None);
    }

    #[test]
    fn one_that_is_not_modelled_takes_a_place_all_the_same() {
        let (mut kernel, object) = listening(0);
        kernel.connected(2, 5, Some(object), Some(BUFFER));
        check(&kernel, object, 1, 0);
        kernel.accepted(1, 3, 7, false, false);
        check(&kernel, object, 0, 1);
        assert_eq!(kernel.object_of(1, 7), None);
        socket(&mut kernel, 2, 6);
        kernel.connected(2, 6, None, Some(BUFFER));
        assert_eq!(kernel.lets_in(object), LetsIn::Unknown, "it may have been this one");
    }

    #[test]
    fn with_more_than_every_machine_allows_only_the_kernel_knows() {
        let (mut kernel, object) = listening(-1);
        (0..=SURE as Fd).for_each(|fd| connect(&mut kernel, 100 + fd));
        assert_eq!(kernel.lets_in(object), LetsIn::Unknown);
        assert_eq!(kernel.waits_to_accept(1, 3), None);
    }
}
