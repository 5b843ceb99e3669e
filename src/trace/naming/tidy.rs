//! The end of naming: what turned out not to matter goes, and what stays gets its final numbers.

use std::collections::{BTreeSet, HashMap};

use super::Namer;
use super::objects::{Naming, Thing};
use crate::trace::canonical::{EventId, Holder, LifeId, Object, ObjectId, ObjectKind, RunEnd, Trace, Wait};

impl Namer {
    /// The trace without what does not matter, and of `began`, which stands beside the events, what stays.
    pub(super) fn tidy(mut self, mut end: RunEnd, mut began: Vec<u32>) -> (Trace, Vec<u32>) {
        let hidden: Vec<bool> = self.objects.iter().map(|(_, thing)| self.is_hidden(thing)).collect();
        for (event, left_out) in self.events.iter().zip(&mut self.left_out) {
            *left_out |= event.verb.object().is_some_and(|object| hidden[object.index()]);
        }
        let stand_ins = self.stand_ins();
        let mut left_out = self.left_out.iter();
        began.retain(|_| left_out.next() == Some(&false));
        let renumbered = |event: EventId| stand_ins[event.index()];

        let mut order = Numbers::default();
        let mut events = Vec::with_capacity(self.events.len());
        // Causes of an event that is left out are those of the next one in its thread.
        let mut carried: HashMap<u32, Vec<EventId>> = HashMap::new();
        for (mut event, left_out) in std::mem::take(&mut self.events).into_iter().zip(&self.left_out) {
            if *left_out {
                if !event.causes.is_empty() {
                    carried.entry(event.thread.0).or_default().append(&mut event.causes);
                }
                continue;
            }
            if let Some(mut causes) = carried.remove(&event.thread.0) {
                event.causes.append(&mut causes);
            }
            let id = EventId(events.len() as u32);
            for list in [&mut event.causes, &mut event.reads_from] {
                *list = list.iter().filter_map(|cause| renumbered(*cause)).filter(|cause| *cause < id).collect();
                list.sort_unstable();
                list.dedup();
            }
            event.handler = event.handler.filter(|take| !self.left_out[take.index()]).and_then(renumbered);
            if let Some(object) = event.verb.object_mut() {
                *object = order.of(*object);
            }
            events.push(event);
        }
        for life in &mut self.lives {
            life.ended = life.ended.and_then(renumbered);
            life.reaped = life.reaped.and_then(renumbered);
        }
        if let RunEnd::Deadlock { waits } | RunEnd::AllBlocked { waits } = &mut end {
            for Wait { object, holders, .. } in waits {
                *object = object.map(|object| order.of(object));
                for Holder { since, .. } in holders {
                    *since = since.and_then(renumbered);
                }
            }
        }
        let objects = self.final_objects(&order.used);
        (Trace { lives: self.lives, objects, events, end }, began)
    }

    /// Whether nothing about an object is told.
    fn is_hidden(&self, thing: &Thing) -> bool {
        let pair = [Some(thing.spawn), thing.spawn.twin.map(|twin| self.objects[twin].spawn)];
        let spawn = thing.spawn.cloexec
            && thing.spawn.closed_by_exec
            && pair.into_iter().flatten().all(|direction| !direction.carried);
        thing.untold || thing.kind == ObjectKind::File && !thing.written || spawn
    }

    /// For each event its final number; for one that is left out that of the last one before it in its thread.
    fn stand_ins(&self) -> Vec<Option<EventId>> {
        let mut kept = 0;
        let mut last: Vec<Option<EventId>> = vec![None; self.threads.len()];
        self.events
            .iter()
            .zip(&self.left_out)
            .map(|(event, left_out)| {
                if !left_out {
                    last[event.thread.index()] = Some(EventId(kept));
                    kept += 1;
                }
                last[event.thread.index()]
            })
            .collect()
    }

    /// The objects that stay, under their final names.
    fn final_objects(&mut self, used: &[ObjectId]) -> Vec<Object> {
        let wanted: BTreeSet<ObjectId> = used
            .iter()
            .flat_map(|id| match self.objects[*id].naming {
                Naming::Within(base) => [Some(*id), Some(base)],
                _ => [Some(*id), None],
            })
            .flatten()
            .collect();
        let mut ordinals: HashMap<(Option<LifeId>, &'static str), u32> = HashMap::new();
        for id in wanted {
            let creator = self.objects[id].creator;
            if let Naming::Ordinal(word, number) = &mut self.objects[id].naming {
                let count = ordinals.entry((creator, *word)).or_default();
                *count += 1;
                *number = *count;
            }
        }
        let mut taken: HashMap<(ObjectKind, String), u32> = HashMap::new();
        used.iter()
            .map(|id| {
                let mut name = self.name_of(*id);
                let thing = &self.objects[*id];
                // A name that was given again after it was removed.
                let count = taken.entry((thing.kind, name.clone())).or_default();
                *count += 1;
                if *count > 1 {
                    name = format!("{name}#{count}");
                }
                Object { name, kind: thing.kind, creator: thing.creator, left_behind: thing.left_behind }
            })
            .collect()
    }
}

/// Objects by the order in which events name them.
#[derive(Debug, Default)]
struct Numbers {
    used: Vec<ObjectId>,
    new: HashMap<ObjectId, ObjectId>,
}

impl Numbers {
    fn of(&mut self, old: ObjectId) -> ObjectId {
        *self.new.entry(old).or_insert_with(|| {
            self.used.push(old);
            ObjectId(self.used.len() as u32 - 1)
        })
    }
}
