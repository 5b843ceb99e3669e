//! Messages of queues for the atoms that ask for them.

use std::collections::BTreeMap;

use super::assign::{Assignment, FreeMessages};
use super::facts::Way;
use super::plan::Ask;
use super::text;
use crate::model::Value;
use crate::trace::{EventId, LifeId, ObjectId, Verb};

impl<'a> Assignment<'a> {
    /// Hands the messages of queues out, each process's by itself.
    pub(super) fn messages(&mut self, free: &FreeMessages) {
        let mut asked = BTreeMap::<(ObjectId, Way, LifeId), Vec<usize>>::new();
        for (index, atom) in self.atoms() {
            let Ask::Message(way, ..) = &atom.ask else { continue };
            match (atom.object.as_ref().and_then(|(_, object)| *object), self.plan.life(atom)) {
                (Some(object), Some(life)) => asked.entry((object, *way, life)).or_default().push(index),
                _ => self.missing(index, None),
            }
        }
        let mut there = BTreeMap::new();
        for ((object, way), events) in &self.facts.messages {
            if self.strict_objects().contains(object) {
                for (life, events) in self.by_principal(events) {
                    there.insert((*object, *way, life), events);
                    asked.entry((*object, *way, life)).or_default();
                }
            }
        }
        for (key, atoms) in asked {
            let mut events = there.remove(&key).unwrap_or_default();
            let strict = |event: &EventId| {
                let (bytes, _) = self.message(*event);
                free.get(&key.0).is_none_or(|items| items.iter().any(|item| text::carries(bytes, item)))
            };
            events.retain(strict);
            self.mailbox(atoms, events);
        }
    }

    fn message(&self, event: EventId) -> (&'a [u8], i64) {
        match &self.facts.trace.event(event).verb {
            Verb::Send { bytes, priority, .. } | Verb::Receive { bytes, priority, .. } => (&bytes.0, *priority),
            _ => (&[], 0),
        }
    }

    /// One process's messages one way on one queue.
    fn mailbox(&mut self, mut atoms: Vec<usize>, mut events: Vec<EventId>) {
        for with_priority in [true, false] {
            let mut left = Vec::new();
            for index in atoms {
                let Ask::Message(_, wanted, priority) = &self.plan.atoms[index].ask else { continue };
                let fits = |event: &EventId| {
                    let (bytes, has) = self.message(*event);
                    wanted.iter().any(|value| text::carries(bytes, value))
                        && (!with_priority || priority.is_none_or(|priority| priority == has))
                };
                let Some(place) = events.iter().position(fits) else {
                    left.push(index);
                    continue;
                };
                let event = events.remove(place);
                self.give(index, (event, event));
                if !with_priority {
                    self.other_message(index, event);
                }
            }
            atoms = left;
        }
        for index in atoms {
            if self.plan.atoms[index].optional {
                continue;
            }
            if events.is_empty() {
                self.missing(index, None);
                continue;
            }
            let event = events.remove(0);
            self.give(index, (event, event));
            self.other_message(index, event);
        }
        events.into_iter().for_each(|event| self.surplus(event));
    }

    /// A message came with other bytes, or with another priority.
    fn other_message(&mut self, index: usize, event: EventId) {
        let Ask::Message(_, wanted, priority) = &self.plan.atoms[index].ask else { return };
        let (bytes, has) = self.message(event);
        let value = wanted.first().map(Value::bytes).unwrap_or_default();
        let (expected, saw) = if wanted.iter().any(|value| text::carries(bytes, value)) {
            let priority = priority.unwrap_or_default();
            (format!("priority {priority}").into_bytes(), format!("priority {has}").into_bytes())
        } else {
            (value, bytes.to_vec())
        };
        self.wrong(index, expected, saw, event);
    }
}
