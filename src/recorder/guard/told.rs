//! Accesses that were made, told as events: each for itself, or those of one function of libc's as one.

use super::super::engine::Engine;
use super::super::proc;
use super::images::Class;
use super::standing::{Code, Pending, Place, Run, Stretches};
use crate::sys::memory;
use crate::trace::Bytes;
use crate::trace::raw::{Access, RawFile, RawKind, Tid};

/// So many loads in a row that see nothing new are a wait by looking again and again: others go first.
const SPIN: u32 = 8;

impl Engine<'_> {
    pub(super) fn loaded(&mut self, tid: Tid, code: &Code, pending: &Pending, place: &Place, bytes: Vec<u8>) {
        let Some(tracee) = self.tracee(tid) else { return };
        let spins = tracee.standing.looks_again((place.touch, bytes.clone())) >= SPIN;
        if self.takes_as_one(tid, code, pending, place, &bytes, false) {
            return;
        }
        if spins {
            self.note_poll(tid, true);
        } else if self.tracee(tid).is_some_and(|tracee| tracee.standing.again == 0) {
            self.note_poll(tid, false);
        }
        if pending.silent || self.is_libcs_own(code, place) {
            return;
        }
        let access = Some(Access { atomic: is_atomic(code), before: None, pointer: false });
        let (file, offset) = (place.mapping.file.clone(), place.offset());
        self.tell(tid, RawKind::Loaded { file, offset, bytes: Bytes(bytes), access });
    }

    pub(super) fn stored(
        &mut self,
        tid: Tid,
        code: &Code,
        pending: &Pending,
        place: &Place,
        before: Vec<u8>,
        bytes: Vec<u8>,
    ) {
        self.shadows.stored_by_access(&place.mapping.file, place.offset(), &bytes);
        if before != bytes
            && let Some(tracee) = self.tracee(tid)
        {
            tracee.standing.seen.clear();
            tracee.standing.again = 0;
            self.note_poll(tid, false);
        }
        if self.takes_as_one(tid, code, pending, place, &before, true) {
            return;
        }
        if pending.silent || self.is_libcs_own(code, place) {
            return;
        }
        let pointer = is_pointer(tid, &bytes);
        let access = Some(Access { atomic: is_atomic(code), before: Some(Bytes(before)), pointer });
        let (file, offset) = (place.mapping.file.clone(), place.offset());
        self.tell(tid, RawKind::Stored { file, offset, bytes: Bytes(bytes), access });
    }

    /// Whether it is libc that works on one of its locks or semaphores, by a function that nobody waits in
    /// (pthread_mutex_consistent, what a jump out of sem_wait leaves to be done).
    pub(super) fn is_libcs_own(&self, code: &Code, place: &Place) -> bool {
        is_atomic(code) && self.functions.is_in_object(place.mapping.identity(), place.offset())
    }

    /// Whether the access belongs to a run of accesses that are told as one.
    pub(super) fn takes_as_one(
        &mut self,
        tid: Tid,
        code: &Code,
        pending: &Pending,
        place: &Place,
        bytes: &[u8],
        store: bool,
    ) -> bool {
        if !code.class.is_one() || code.instruction.is_locked() || pending.silent {
            return false;
        }
        let Some(tracee) = self.tracee(tid) else { return false };
        let (stack, first) = (pending.registers.stack(), pending.registers.instruction());
        let run = tracee.standing.run.get_or_insert_with(|| Run {
            stack,
            caller: memory::read_u64(tid, stack),
            first,
            text: code.class == Class::Text,
            ..Run::default()
        });
        let stretches = if store { &mut run.stored } else { &mut run.loaded };
        stretches.push((place.mapping.file.clone(), place.offset(), bytes.to_vec()));
        true
    }

    /// A function of libc's has come back, or is interrupted: its accesses are told.
    pub(super) fn end_run(&mut self, tid: Tid) {
        let Some(tracee) = self.tracee(tid) else { return };
        let tgid = tracee.tgid;
        let Some(run) = tracee.standing.run.take() else { return };
        for (file, offset, mut bytes) in joined(run.loaded) {
            if run.text
                && let Some(end) = bytes.iter().position(|byte| *byte == 0)
            {
                bytes.truncate(end + 1);
            }
            let access = Some(Access { atomic: false, before: None, pointer: false });
            self.tell(tid, RawKind::Loaded { file, offset, bytes: Bytes(bytes), access });
        }
        for (file, offset, before) in joined(run.stored) {
            let place = self.guard.space(tgid).and_then(|space| space.open_offset(&file, offset));
            let now = place.map(|place| memory::read_vec(tid, place, before.len())).unwrap_or_default();
            let access = Some(Access { atomic: false, before: Some(Bytes(before)), pointer: false });
            self.tell(tid, RawKind::Stored { file, offset, bytes: Bytes(now), access });
        }
    }
}

pub(super) fn is_atomic(code: &Code) -> bool {
    code.class == Class::Atomic || code.instruction.is_locked()
}

/// Whether these bytes are an address in the private memory of the process.
fn is_pointer(tid: Tid, bytes: &[u8]) -> bool {
    /// Below it nothing is mapped (vm.mmap_min_addr), above no program is.
    const USER: std::ops::Range<u64> = 0x1_0000..1 << 47;
    let Ok(value) = bytes.try_into().map(u64::from_ne_bytes) else { return false };
    if !USER.contains(&value) {
        return false;
    }
    let maps = proc::text(tid, "maps");
    maps.lines().any(|line| {
        let mut fields = line.split_whitespace();
        let range = fields.next().and_then(|range| range.split_once('-'));
        let number = |hex| u64::from_str_radix(hex, 16).unwrap_or(0);
        range.is_some_and(|(from, to)| (number(from)..number(to)).contains(&value))
            && fields.next().is_some_and(|rights| rights.ends_with('p'))
    })
}

/// Stretches that touch or overlap as one; of a byte that stands in several the first counts.
fn joined(stretches: Stretches) -> Stretches {
    let mut all: Vec<(RawFile, u64, Vec<u8>)> = Vec::new();
    let mut sorted: Vec<_> = stretches.into_iter().enumerate().collect();
    sorted.sort_by_key(|(index, (file, offset, _))| ((file.dev, file.ino), *offset, *index));
    // By offset the later one in time may come first: byte by byte the earliest wins.
    let mut owner: Vec<usize> = Vec::new();
    for (index, (file, offset, bytes)) in sorted {
        match all.last_mut() {
            Some((last, start, joined))
                if (last.dev, last.ino) == (file.dev, file.ino) && offset <= *start + joined.len() as u64 =>
            {
                let from = (offset - *start) as usize;
                for (at, byte) in (from..).zip(bytes) {
                    if at >= joined.len() {
                        joined.push(byte);
                        owner.push(index);
                    } else if index < owner[at] {
                        joined[at] = byte;
                        owner[at] = index;
                    }
                }
            }
            _ => {
                owner = vec![index; bytes.len()];
                all.push((file, offset, bytes));
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::raw::FileKind;

    #[test]
    fn stretches_join_where_they_touch_and_the_first_look_counts() {
        let file = RawFile { kind: FileKind::Memory, path: String::new(), dev: 1, ino: 7, read: true, write: true };
        let stretch = |offset: u64, text: &str| (file.clone(), offset, text.as_bytes().to_vec());
        let check = |stretches: Stretches, expected: &[(u64, &str)]| {
            let joined = joined(stretches);
            let shown: Vec<_> =
                joined.iter().map(|(_, at, b)| (*at, std::str::from_utf8(b).expect("a text"))).collect();
            assert_eq!(shown, expected);
        };
        check(vec![stretch(0, "abcd"), stretch(4, "efgh")], &[(0, "abcdefgh")]);
        check(vec![stretch(4, "efgh"), stretch(0, "abcd")], &[(0, "abcdefgh")]);
        check(vec![stretch(0, "abcd"), stretch(2, "XXef")], &[(0, "abcdef")]);
        check(vec![stretch(2, "cdef"), stretch(0, "abXX")], &[(0, "abcdef")]);
        check(vec![stretch(0, "ab"), stretch(8, "cd")], &[(0, "ab"), (8, "cd")]);
    }
}
