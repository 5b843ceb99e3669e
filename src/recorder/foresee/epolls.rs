//! epoll_wait(2) and epoll_pwait2(2) over modelled objects alone, as poll(2) is ([`super::polls`]).

use super::super::decode;
use super::super::engine::Engine;
use super::polls::End;
use super::{Ask, Way};
use crate::sys::arch::Invocation;
use crate::sys::memory;
use crate::trace::raw::{Fd, Tid};

/// Bytes of an event: a word of events, and eight bytes at its end (struct epoll_event, packed on some processors).
const EVENT: usize = size_of::<libc::epoll_event>();
const WORD: usize = size_of::<u64>();

/// Most events that are looked at in one call.
const MOST: u64 = 1024;

impl Engine<'_> {
    pub(super) fn foresee_epoll(&mut self, tid: Tid, call: &Invocation) -> Way {
        let [fd, place, most, millis, _, mask] = call.args;
        let fd = fd as Fd;
        let end = match millis as i32 {
            0 => End::AtOnce,
            1.. => End::Later,
            _ => End::Never,
        };
        let deadline = self.tracee(tid).and_then(|tracee| tracee.deadline);
        let Some(finds) = self.kernel.finds(tid, fd) else { return self.leave_to_the_kernel(tid, &[fd]) };
        if mask != 0 {
            return self.leave_to_the_kernel(tid, &[fd]);
        }
        if !(1..=MOST).contains(&most) || end == End::Later && !finds && deadline.is_none() {
            return Way::Enter;
        }
        if !finds && end != End::AtOnce {
            let way = self.hold(tid, call, Ask::Epoll(fd));
            if way == Way::Enter {
                self.kernel.collect(tid, fd, most as usize);
            }
            return way;
        }
        let events = self.kernel.collect(tid, fd, most as usize).unwrap_or_default();
        let mut bytes = Vec::new();
        for (events, word) in &events {
            bytes.extend(events.to_ne_bytes());
            bytes.resize(bytes.len().next_multiple_of(EVENT) - WORD, 0);
            bytes.extend(word.to_ne_bytes());
        }
        if !memory::fill(tid, place, &memory::read_vec(tid, place, bytes.len())) {
            return self.leave_to_the_kernel(tid, &[fd]);
        }
        let count = events.len() as i64;
        let decoded = decode::call(tid, call, Some(count));
        self.told(tid, call, decoded, count, vec![(place, bytes)])
    }

    /// A wait that was not foreseen looked through its instance's list and found so much.
    pub(super) fn note_collected(&mut self, tid: Tid, call: &Invocation, count: usize) {
        let [fd, _, most, ..] = call.args;
        let known = self.kernel.collect(tid, fd as Fd, most as usize);
        if known.is_some_and(|events| events.len() != count) {
            self.leave_to_the_kernel(tid, &[fd as Fd]);
        }
    }
}

/// The event at an address: what is asked for, and the word that goes with it.
pub(super) fn event_at(tid: Tid, addr: u64) -> Option<(u32, u64)> {
    Some((memory::read_u32(tid, addr)?, memory::read_u64(tid, addr + (EVENT - WORD) as u64)?))
}
