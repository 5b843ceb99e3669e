//! Shared memory: who stored last in each byte.

use std::collections::BTreeMap;

use super::Namer;
use crate::trace::Bytes;
use crate::trace::canonical::{EventId, ThreadId, Verb};
use crate::trace::raw::{Access, RawFile};

/// For each byte that was changed the event that did it last, as stretches from start to end.
#[derive(Debug, Default)]
pub(super) struct Stores(BTreeMap<u64, (u64, EventId)>);

impl Stores {
    /// A store changed the bytes from `start` to before `end`.
    pub(super) fn store(&mut self, start: u64, end: u64, event: EventId) {
        if start >= end {
            return;
        }
        // The stretch that begins before this one may reach into it, or beyond it.
        if let Some((&before, &(before_end, owner))) = self.0.range(..start).next_back()
            && before_end > start
        {
            self.0.insert(before, (start, owner));
            if before_end > end {
                self.0.insert(end, (before_end, owner));
            }
        }
        let covered: Vec<u64> = self.0.range(start..end).map(|(at, _)| *at).collect();
        for at in covered {
            if let Some((its_end, owner)) = self.0.remove(&at)
                && its_end > end
            {
                self.0.insert(end, (its_end, owner));
            }
        }
        self.0.insert(start, (end, event));
    }

    /// The stores that a load of these bytes saw.
    pub(super) fn load(&self, start: u64, end: u64) -> Vec<EventId> {
        let before = self.0.range(..start).next_back().filter(|(_, (its_end, _))| *its_end > start);
        let mut seen: Vec<EventId> =
            before.into_iter().chain(self.0.range(start..end.max(start))).map(|(_, (_, event))| *event).collect();
        seen.sort_unstable();
        seen.dedup();
        seen
    }
}

impl Namer {
    /// Memory changed under a thread.
    pub(super) fn stored(
        &mut self,
        thread: ThreadId,
        file: &RawFile,
        offset: u64,
        bytes: &Bytes,
        access: Option<&Access>,
    ) {
        let object = self.objects.of_file(file, None);
        let atomic = access.is_some_and(|access| access.atomic);
        let pointer = access.is_some_and(|access| access.pointer);
        let before = access.and_then(|access| access.before.clone());
        let event = self.emit(
            thread,
            Verb::Store { object, offset, bytes: bytes.clone(), atomic, before, pointer },
            Vec::new(),
        );
        let thing = &mut self.objects[object];
        thing.written = true;
        thing.stores.store(offset, offset.saturating_add(bytes.len() as u64), event);
    }

    /// Memory was looked at. What a plain load saw is data flow, which orders nothing; an atomic load comes after the
    /// atomic store that it saw.
    pub(super) fn loaded(
        &mut self,
        thread: ThreadId,
        file: &RawFile,
        offset: u64,
        bytes: &Bytes,
        access: Option<&Access>,
    ) {
        let object = self.objects.of_file(file, None);
        let atomic = access.is_some_and(|access| access.atomic);
        let seen = self.objects[object].stores.load(offset, offset.saturating_add(bytes.len() as u64));
        let orders =
            |event: &EventId| atomic && matches!(self.events[event.index()].verb, Verb::Store { atomic: true, .. });
        let (causes, seen): (Vec<EventId>, Vec<EventId>) = seen.into_iter().partition(orders);
        let event = self.emit(thread, Verb::Load { object, offset, bytes: bytes.clone(), atomic }, causes);
        self.events[event.index()].reads_from = seen;
    }
}
