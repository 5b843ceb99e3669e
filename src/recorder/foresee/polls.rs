//! poll(2), ppoll(2), select(2) and pselect(2) over modelled objects alone.
//!
//! Held while nothing is ready; told as returned where something is, or where the call does not wait. One that names a
//! time-out is held too, in the box: when the time comes it goes into the kernel, has to sleep there, and is interrupted
//! like every other ([`super::super::timeouts`]). One that changes the mask of signals for its length is the kernel's.

use super::super::decode;
use super::super::engine::Engine;
use super::super::timeouts::{Unit, time_at};
use super::{Ask, Way};
use crate::sys::arch::{Invocation, Sys};
use crate::sys::memory;
use crate::trace::raw::{Fd, Tid};

/// Most descriptors that are looked at; calls with more are the kernel's.
const MOST: u64 = 64;

/// What counts for each set of select(2): POLLIN_SET, POLLOUT_SET and POLLEX_SET (fs/select.c).
const SETS: [i16; 3] = [
    libc::POLLIN | libc::POLLRDNORM | libc::POLLRDBAND | libc::POLLHUP | libc::POLLERR,
    libc::POLLOUT | libc::POLLWRNORM | libc::POLLWRBAND | libc::POLLERR,
    libc::POLLPRI,
];

/// When a call ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Never,
    AtOnce,
    Later,
}

impl Engine<'_> {
    pub(super) fn foresee_poll(&mut self, tid: Tid, call: &Invocation) -> Way {
        let [a, b, ..] = call.args;
        let Some(end) = end_of(tid, call).filter(|_| !changes_mask(tid, call)) else { return Way::Enter };
        let sets = matches!(call.sys, Sys::Select | Sys::Pselect6);
        let Some(asked) = (if sets { selected(tid, call) } else { polled(tid, a, b) }) else { return Way::Enter };
        if asked.iter().any(|(fd, ..)| self.kernel.is_of_signals(tid, *fd)) {
            self.look_at_signals(tid);
        }
        let about: Vec<(Fd, i16)> = asked.iter().map(|(fd, mask, _)| (*fd, *mask)).filter(|(fd, _)| *fd >= 0).collect();
        if about.is_empty() || about.iter().any(|(fd, events)| self.kernel.ready(tid, *fd, *events).is_none()) {
            // To poll an epoll instance looks through its list.
            let instances: Vec<Fd> =
                about.iter().map(|(fd, _)| *fd).filter(|fd| self.kernel.epoll_of(tid, *fd).is_some()).collect();
            self.leave_to_the_kernel(tid, &instances);
            return Way::Enter;
        }
        let waits = !self.kernel.any_ready(tid, &about);
        let deadline = self.tracee(tid).and_then(|tracee| tracee.deadline);
        match end {
            End::Later if waits && deadline.is_none() => return Way::Enter,
            End::Never | End::Later if waits => return self.hold(tid, call, Ask::Poll(about)),
            _ => {}
        }
        let found = |(fd, mask, _): &(Fd, i16, usize)| self.kernel.ready(tid, *fd, *mask).unwrap_or(0);
        let (count, gives) = if sets {
            let mut bits = [0u64; SETS.len()];
            for entry in asked.iter().filter(|entry| found(entry) != 0) {
                bits[entry.2] |= 1 << entry.0;
            }
            let count: u32 = bits.iter().map(|set| set.count_ones()).sum();
            let place = |set: usize| call.args[1 + set];
            let given = (0..SETS.len()).filter(|set| a > 0 && place(*set) != 0);
            (count as usize, given.map(|set| (place(set), bits[set].to_ne_bytes().to_vec())).collect::<Vec<_>>())
        } else {
            let results: Vec<i16> = asked.iter().map(found).collect();
            let place = |index: usize| a + 8 * index as u64 + 6;
            let gives = results.iter().enumerate().map(|(index, bits)| (place(index), bits.to_ne_bytes().to_vec()));
            (results.iter().filter(|bits| **bits != 0).count(), gives.collect())
        };
        // What it writes into is what it is asked by, so nothing is put there beforehand: only that it could be.
        if gives.iter().any(|(addr, bytes)| !memory::fill(tid, *addr, &memory::read_vec(tid, *addr, bytes.len()))) {
            return Way::Enter;
        }
        let decoded = decode::call(tid, call, Some(count as i64));
        self.told(tid, call, decoded, count as i64, gives)
    }
}

/// When the call ends by itself; none where the kernel rejects what it says of that.
fn end_of(tid: Tid, call: &Invocation) -> Option<End> {
    let (addr, unit) = match call.sys {
        Sys::Poll => {
            return Some(match call.args[2] as i32 {
                0 => End::AtOnce,
                1.. => End::Later,
                _ => End::Never,
            });
        }
        Sys::Ppoll => (call.args[2], Unit::Nanos),
        Sys::Select => (call.args[4], Unit::Micros),
        _ => (call.args[4], Unit::Nanos),
    };
    if addr == 0 {
        return Some(End::Never);
    }
    time_at(tid, addr, unit).map(|time| if time.is_zero() { End::AtOnce } else { End::Later })
}

/// Whether other signals are masked for the length of the call than before.
fn changes_mask(tid: Tid, call: &Invocation) -> bool {
    match call.sys {
        Sys::Ppoll => call.args[3] != 0,
        // The mask's address is the first word of what the last argument points to (select(2), NOTES).
        Sys::Pselect6 => call.args[5] != 0 && memory::read_u64(tid, call.args[5]) != Some(0),
        _ => false,
    }
}

/// The descriptors of poll(2), with what counts for each.
fn polled(tid: Tid, addr: u64, count: u64) -> Option<Vec<(Fd, i16, usize)>> {
    let one = |at: u64| {
        let events = memory::read_u32(tid, at + 4)? as i16;
        Some((memory::read_u32(tid, at)? as Fd, events | libc::POLLERR | libc::POLLHUP, 0))
    };
    if count > MOST { None } else { (0..count).map(|index| one(addr + 8 * index)).collect() }
}

/// The descriptors of select(2), with what counts for each and the set that it is in; none with more than a word of them.
fn selected(tid: Tid, call: &Invocation) -> Option<Vec<(Fd, i16, usize)>> {
    let count = u32::try_from(call.args[0] as i32).ok().filter(|count| u64::from(*count) <= MOST)?;
    let mut asked = Vec::new();
    for (set, mask) in SETS.into_iter().enumerate() {
        let addr = call.args[1 + set];
        let bits = if addr == 0 || count == 0 { 0 } else { memory::read_u64(tid, addr)? };
        asked.extend((0..count).filter(|fd| bits >> fd & 1 == 1).map(|fd| (fd as Fd, mask, set)));
    }
    Some(asked)
}
