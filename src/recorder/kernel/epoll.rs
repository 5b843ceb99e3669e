//! Epoll instances over modelled objects (epoll(7), fs/eventpoll.c).
//!
//! An instance keeps a list of what may be ready. Something comes to its end when the object that it is about wakes those
//! who poll it, for an event that was asked for, and leaves it when a wait looks at it: for good where it is not ready
//! after all or is edge-triggered, and for the list's end where it is level-triggered. So which events a wait gives, in
//! which order, and what is told twice of an edge, follows from the order of wake-ups alone; each object tells its own
//! ([`Kernel::wake`]), those that change nothing too.
//!
//! Not known are EPOLLEXCLUSIVE, instances in other instances, and an instance that is itself polled.

use std::collections::VecDeque;

use super::{Description, Kernel, Object, ObjectId};
use crate::trace::descriptors::FileId;
use crate::trace::raw::{Fd, Tid};

/// Bits of an interest that are no events (EP_PRIVATE_BITS).
const PRIVATE: u32 = (libc::EPOLLWAKEUP | libc::EPOLLONESHOT | libc::EPOLLET | libc::EPOLLEXCLUSIVE) as u32;
/// Events that are always asked for.
const ALWAYS: u32 = (libc::EPOLLERR | libc::EPOLLHUP) as u32;

/// Who is woken: those that poll an object wait in queues of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pollers {
    /// Who has it open for reading.
    Readers,
    /// Who has it open for writing.
    Writers,
    /// Who has this side of it.
    Side(usize),
    /// All.
    All,
}

impl Pollers {
    fn has(self, description: &Description) -> bool {
        match self {
            Self::Readers => description.read,
            Self::Writers => description.write,
            Self::Side(side) => description.side == side,
            Self::All => true,
        }
    }
}

/// What epoll_wait(2) gives: events, and the word that goes with them.
pub(crate) type Event = (u32, u64);

/// An instance.
#[derive(Debug, Default)]
pub(crate) struct Epoll {
    /// In the order in which they were added.
    interests: Vec<Interest>,
    /// What may be ready, by place of addition.
    list: VecDeque<u64>,
    added: u64,
}

#[derive(Debug, Clone, Copy)]
struct Interest {
    place: u64,
    fd: Fd,
    file: FileId,
    events: u32,
    word: u64,
}

impl Epoll {
    /// It may be ready.
    fn list(&mut self, place: u64) {
        if !self.list.contains(&place) {
            self.list.push_back(place);
        }
    }

    fn forget(&mut self, gone: impl Fn(&Interest) -> bool) {
        self.interests.retain(|interest| !gone(interest));
        let Self { interests, list, .. } = self;
        list.retain(|place| interests.iter().any(|interest| interest.place == *place));
    }

    fn is_about(&self, is: impl Fn(FileId) -> bool) -> bool {
        self.interests.iter().any(|interest| is(interest.file))
    }

    fn interest(&mut self, place: u64) -> Option<&mut Interest> {
        self.interests.iter_mut().find(|interest| interest.place == place)
    }
}

impl Kernel {
    /// An epoll instance was made (epoll_create(2)).
    pub(in crate::recorder) fn new_epoll(&mut self) -> ObjectId {
        let epoll = self.new_object(Object::Epoll(Epoll::default()));
        self.epolls.push(epoll);
        epoll
    }

    fn epoll(&mut self, object: ObjectId) -> Option<&mut Epoll> {
        let Some(Object::Epoll(epoll)) = &mut self.objects[object.0] else { return None };
        Some(epoll)
    }

    /// The epoll instance that a descriptor leads to.
    pub(in crate::recorder) fn epoll_of(&self, tid: Tid, fd: Fd) -> Option<ObjectId> {
        let object = self.object_of(tid, fd)?;
        matches!(self.object(object), Some(Object::Epoll(_))).then_some(object)
    }

    /// epoll_ctl(2) succeeded: `event` is what it was given.
    pub(in crate::recorder) fn controlled(&mut self, tid: Tid, at: Fd, operation: i32, fd: Fd, event: Option<Event>) {
        self.changed = true;
        let Some(epoll) = self.epoll_of(tid, at) else {
            // Of an instance that is not known nobody hears when what it is about is woken, and nobody has to.
            return;
        };
        let about = self
            .description(tid, fd)
            .filter(|(_, description)| !matches!(self.object(description.object), Some(Object::Epoll(_)) | None));
        let Some((file, description)) = about else {
            if let Some(other) = self.epoll_of(tid, fd) {
                self.abandon(other);
            }
            return self.abandon(epoll);
        };
        let Some(known) = self.epoll(epoll) else { return };
        let same = |interest: &Interest| (interest.fd, interest.file) == (fd, file);
        let (events, word) = event.unwrap_or_default();
        let asked = events | ALWAYS;
        let place = match operation {
            libc::EPOLL_CTL_ADD => {
                known.added += 1;
                known.interests.push(Interest { place: known.added, fd, file, events: asked, word });
                Some(known.added)
            }
            libc::EPOLL_CTL_MOD => known.interests.iter_mut().find(|interest| same(interest)).map(|interest| {
                (interest.events, interest.word) = (asked, word);
                interest.place
            }),
            _ => return known.forget(same),
        };
        match (place, self.ready_now(&description, asked as i16)) {
            (Some(place), Some(ready)) if events & libc::EPOLLEXCLUSIVE as u32 == 0 => {
                if let Some(epoll) = self.epoll(epoll).filter(|_| ready != 0) {
                    epoll.list(place);
                }
            }
            _ => self.abandon(epoll),
        }
    }

    /// Who polls the object is woken for these events; for whatever it may be where none is named.
    pub(super) fn wake(&mut self, object: ObjectId, whom: Pollers, events: i16) {
        self.changed = true;
        for at in 0..self.epolls.len() {
            let Some(Object::Epoll(epoll)) = &mut self.objects[self.epolls[at].0] else { continue };
            // Who came last is woken first (add_wait_queue in kernel/sched/wait.c).
            let woken = epoll.interests.iter().rev().filter(|interest| {
                let description = self.files.file(interest.file);
                let asked = interest.events & !PRIVATE;
                (description.object == object && whom.has(description) && asked != 0)
                    && (events == 0 || asked & u32::from(events as u16) != 0)
            });
            let woken: Vec<u64> = woken.map(|interest| interest.place).collect();
            woken.into_iter().for_each(|place| epoll.list(place));
        }
    }

    /// Who polls the queue that a descriptor leads to is woken, whatever for (ipc/mqueue.c).
    pub(in crate::recorder) fn wake_pollers(&mut self, tid: Tid, fd: Fd) {
        if let Some(object) = self.object_of(tid, fd) {
            self.wake(object, Pollers::All, 0);
        }
    }

    /// Whether an instance is about what a descriptor leads to.
    pub(in crate::recorder) fn is_watched(&self, tid: Tid, fd: Fd) -> bool {
        let Some(object) = self.object_of(tid, fd) else { return false };
        self.epolls.iter().any(|epoll| match &self.objects[epoll.0] {
            Some(Object::Epoll(known)) => known.is_about(|file| self.files.file(file).object == object),
            _ => false,
        })
    }

    /// The open file description is nobody's any more.
    pub(super) fn forget_interests(&mut self, file: FileId) {
        for at in 0..self.epolls.len() {
            if let Some(Object::Epoll(epoll)) = &mut self.objects[self.epolls[at].0] {
                epoll.forget(|interest| interest.file == file);
            }
        }
    }

    /// The object is not known any more, and so neither is an instance that is about it.
    pub(super) fn abandon_instances(&mut self, object: ObjectId) {
        for at in 0..self.epolls.len() {
            let epoll = self.epolls[at];
            let Some(Object::Epoll(known)) = &self.objects[epoll.0] else { continue };
            if known.is_about(|file| self.files.file(file).object == object) {
                self.objects[epoll.0] = None;
            }
        }
        let Self { epolls, objects, .. } = self;
        epolls.retain(|epoll| objects[epoll.0].is_some());
    }

    /// What one of an instance's interests would give, which may be nothing; none where only the kernel knows.
    fn gives(&self, epoll: &Epoll, place: u64) -> Option<u32> {
        let interest = epoll.interests.iter().find(|interest| interest.place == place)?;
        let asked = (interest.events & !PRIVATE) as i16;
        self.ready_now(self.files.file(interest.file), asked).map(|ready| u32::from(ready as u16))
    }

    /// Whether epoll_wait(2) finds something; none where only the kernel knows.
    pub(in crate::recorder) fn finds(&self, tid: Tid, at: Fd) -> Option<bool> {
        let Some(Object::Epoll(epoll)) = self.object(self.epoll_of(tid, at)?) else { return None };
        let gives: Option<Vec<u32>> = epoll.list.iter().map(|place| self.gives(epoll, *place)).collect();
        gives.map(|gives| gives.iter().any(|events| *events != 0))
    }

    /// What epoll_wait(2) gives, at most so many, as it looks through the list now; none where only the kernel knows.
    pub(in crate::recorder) fn collect(&mut self, tid: Tid, at: Fd, most: usize) -> Option<Vec<Event>> {
        let object = self.epoll_of(tid, at)?;
        self.finds(tid, at)?;
        let Some(Object::Epoll(mut epoll)) = self.objects[object.0].take() else { return None };
        let mut events = Vec::new();
        let mut again = VecDeque::new();
        while events.len() < most
            && let Some(place) = epoll.list.pop_front()
        {
            let Some(ready) = self.gives(&epoll, place).filter(|ready| *ready != 0) else { continue };
            let Some(interest) = epoll.interest(place) else { continue };
            events.push((ready, interest.word));
            if interest.events & libc::EPOLLONESHOT as u32 != 0 {
                interest.events &= PRIVATE;
            } else if interest.events & libc::EPOLLET as u32 == 0 {
                again.push_back(place);
            }
        }
        epoll.list.append(&mut again);
        self.objects[object.0] = Some(Object::Epoll(epoll));
        self.changed |= !events.is_empty();
        Some(events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IN: u32 = libc::EPOLLIN as u32;
    const OUT: u32 = libc::EPOLLOUT as u32;
    const EDGE: u32 = libc::EPOLLET as u32;
    const ONCE: u32 = libc::EPOLLONESHOT as u32;

    /// Process 1 with an instance at 9 and counters from 3 on, of which it is about these events.
    fn about(interests: &[u32]) -> Kernel {
        let mut kernel = Kernel::default();
        let epoll = kernel.new_epoll();
        kernel.open(1, 9, epoll, (true, true), false, false);
        for (fd, events) in (3..).zip(interests) {
            let counter = kernel.new_counter(0, false);
            kernel.open(1, fd, counter, (true, true), false, false);
            kernel.controlled(1, 9, libc::EPOLL_CTL_ADD, fd, Some((*events, fd as u64)));
        }
        kernel
    }

    fn add(kernel: &mut Kernel, fd: Fd) {
        kernel.put_in(1, fd, &1u64.to_ne_bytes());
    }

    #[track_caller]
    fn check(kernel: &mut Kernel, most: usize, expected: &[(u32, u64)]) {
        assert_eq!(kernel.finds(1, 9), Some(!expected.is_empty()));
        assert_eq!(kernel.collect(1, 9, most).expect("it is known"), expected);
    }

    #[test]
    fn a_level_is_told_while_it_is_there_each_in_its_turn() {
        let mut kernel = about(&[IN, IN, IN]);
        check(&mut kernel, 8, &[]);
        add(&mut kernel, 4);
        add(&mut kernel, 3);
        add(&mut kernel, 5);
        check(&mut kernel, 2, &[(IN, 4), (IN, 3)]);
        check(&mut kernel, 2, &[(IN, 5), (IN, 4)]);
        kernel.take(1, 3, 8);
        check(&mut kernel, 8, &[(IN, 5), (IN, 4)]);
        kernel.controlled(1, 9, libc::EPOLL_CTL_DEL, 5, None);
        check(&mut kernel, 8, &[(IN, 4)]);
    }

    #[test]
    fn an_edge_is_told_once_for_each_wake_up() {
        let mut kernel = about(&[IN | OUT | EDGE]);
        check(&mut kernel, 8, &[(OUT, 3)]);
        check(&mut kernel, 8, &[]);
        add(&mut kernel, 3);
        check(&mut kernel, 8, &[(IN | OUT, 3)]);
        add(&mut kernel, 3);
        check(&mut kernel, 8, &[(IN | OUT, 3)]);
        check(&mut kernel, 8, &[]);
        kernel.take(1, 3, 8);
        check(&mut kernel, 8, &[(OUT, 3)]);
    }

    #[test]
    fn one_shot_is_told_again_after_it_was_asked_for_again() {
        let mut kernel = about(&[IN | ONCE]);
        add(&mut kernel, 3);
        check(&mut kernel, 8, &[(IN, 3)]);
        add(&mut kernel, 3);
        check(&mut kernel, 8, &[]);
        kernel.controlled(1, 9, libc::EPOLL_CTL_MOD, 3, Some((IN | ONCE, 7)));
        check(&mut kernel, 8, &[(IN, 7)]);
    }

    #[test]
    fn a_description_is_forgotten_with_its_last_descriptor() {
        let mut kernel = about(&[IN]);
        add(&mut kernel, 3);
        kernel.dup(1, Some(3), 30, false);
        kernel.close(1, 3);
        check(&mut kernel, 8, &[(IN, 3)]);
        kernel.close(1, 30);
        check(&mut kernel, 8, &[]);
    }

    #[test]
    fn what_is_about_something_unknown_is_unknown() {
        let mut kernel = about(&[IN]);
        let counter = kernel.object_of(1, 3).expect("it is there");
        kernel.abandon(counter);
        assert_eq!(kernel.finds(1, 9), None);
        let mut kernel = about(&[IN]);
        kernel.controlled(1, 9, libc::EPOLL_CTL_ADD, 40, Some((IN, 0)));
        assert_eq!(kernel.finds(1, 9), None);
        let mut kernel = about(&[IN]);
        kernel.controlled(1, 9, libc::EPOLL_CTL_MOD, 3, Some((IN | libc::EPOLLEXCLUSIVE as u32, 0)));
        assert_eq!(kernel.finds(1, 9), None);
    }
}
