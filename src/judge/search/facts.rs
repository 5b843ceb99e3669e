//! What is looked up in a trace again and again, gathered once.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use crate::trace::{EventId, LifeId, LifeKind, ObjectId, ObjectKind, Order, ThreadId, Trace, Verb};

/// In or out of an object, as its user sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Way {
    /// Written, sent.
    In,
    /// Read, received.
    Out,
}

/// A trace with its order and an index.
pub(super) struct Facts<'a> {
    pub(super) trace: &'a Trace,
    pub(super) order: Order,
    /// The event by which each life was forked.
    pub(super) forked: Vec<Option<EventId>>,
    /// The events by which each life was reaped; more than one is a fault of the trace.
    pub(super) reaped: Vec<Vec<EventId>>,
    /// Each life's end; of several (a fault of the trace) all.
    pub(super) ends: Vec<Vec<EventId>>,
    /// The first and the last thing that each life did.
    pub(super) span: Vec<Option<(EventId, EventId)>>,
    /// Events that carried bytes of a stream.
    pub(super) bytes: BTreeMap<(ObjectId, Way), Vec<EventId>>,
    /// Events that carried a message.
    pub(super) messages: BTreeMap<(ObjectId, Way), Vec<EventId>>,
    /// Accesses to shared memory, by object and whether they store; those of peers left out.
    pub(super) accesses: BTreeMap<(ObjectId, bool), Vec<EventId>>,
    /// Acquires and releases, by object and whether they release.
    pub(super) syncs: BTreeMap<(ObjectId, bool), Vec<EventId>>,
    /// All other events, the accesses being so many.
    pub(super) others: Vec<EventId>,
    /// These by thread.
    others_of: HashMap<ThreadId, Vec<EventId>>,
    streams: RefCell<HashMap<Vec<EventId>, Rc<Stream>>>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(trace: &'a Trace) -> Self {
        let mut facts = Self {
            trace,
            order: Order::of(trace),
            forked: vec![None; trace.lives.len()],
            reaped: vec![Vec::new(); trace.lives.len()],
            ends: vec![Vec::new(); trace.lives.len()],
            span: vec![None; trace.lives.len()],
            bytes: BTreeMap::new(),
            messages: BTreeMap::new(),
            accesses: BTreeMap::new(),
            syncs: BTreeMap::new(),
            others: Vec::new(),
            others_of: HashMap::new(),
            streams: RefCell::default(),
        };
        for (id, event) in trace.iter() {
            facts.span[event.life.index()].get_or_insert((id, id)).1 = id;
            match &event.verb {
                Verb::Store { object, .. } | Verb::Load { object, .. } => {
                    if trace.life(event.life).kind == LifeKind::Learner {
                        let stores = matches!(event.verb, Verb::Store { .. });
                        facts.accesses.entry((*object, stores)).or_default().push(id);
                    }
                    continue;
                }
                _ => {
                    facts.others.push(id);
                    facts.others_of.entry(event.thread).or_default().push(id);
                }
            }
            match &event.verb {
                Verb::Fork { child } => facts.forked[child.index()] = Some(id),
                Verb::Reaped { child, .. } => facts.reaped[child.index()].push(id),
                Verb::Exit { .. } | Verb::Killed { .. } => facts.ends[event.life.index()].push(id),
                Verb::Write { object, bytes } if !bytes.is_empty() => {
                    facts.bytes.entry((*object, Way::In)).or_default().push(id);
                }
                Verb::Read { object, bytes } if !bytes.is_empty() => {
                    facts.bytes.entry((*object, Way::Out)).or_default().push(id);
                }
                Verb::Acquire { object } => facts.syncs.entry((*object, false)).or_default().push(id),
                Verb::Release { object } => facts.syncs.entry((*object, true)).or_default().push(id),
                Verb::Send { object, .. } => facts.messages.entry((*object, Way::In)).or_default().push(id),
                Verb::Receive { object, .. } => facts.messages.entry((*object, Way::Out)).or_default().push(id),
                _ => {}
            }
        }
        facts
    }

    /// How many events other than accesses a thread had before this one.
    pub(super) fn stretch(&self, thread: ThreadId, event: EventId) -> usize {
        self.others_of.get(&thread).map_or(0, |others| others.partition_point(|other| *other < event))
    }

    pub(super) fn is_learner(&self, life: LifeId) -> bool {
        self.trace.life(life).kind == LifeKind::Learner
    }

    /// The learner's lives, in order of creation.
    pub(super) fn learners(&self) -> impl Iterator<Item = LifeId> + '_ {
        (0..self.trace.lives.len() as u32).map(LifeId).filter(|life| self.is_learner(*life))
    }

    /// How many candidates that cannot be right are tried where none can: fewer in a long run, whose trial is dear.
    pub(super) fn few(&self) -> usize {
        (15_000 / self.trace.events.len().max(1)).clamp(1, 3)
    }

    /// Whether `below` descends from `above`, by what way ever.
    pub(super) fn descends(&self, below: LifeId, above: LifeId) -> bool {
        self.ancestors(below).any(|life| life == above)
    }

    /// The parent, its parent, and so on.
    pub(super) fn ancestors(&self, life: LifeId) -> impl Iterator<Item = LifeId> + '_ {
        // A trace from a file may claim that a life is its own ancestor: no more steps than lives.
        std::iter::successors(self.trace.life(life).parent, |above| self.trace.life(*above).parent)
            .take(self.trace.lives.len())
    }

    pub(super) fn life_of(&self, event: EventId) -> LifeId {
        self.trace.event(event).life
    }

    /// The first object of a kind: of the standard streams there is one each.
    pub(super) fn object_of_kind(&self, kind: ObjectKind) -> Option<ObjectId> {
        self.trace.objects.iter().position(|object| object.kind == kind).map(|index| ObjectId(index as u32))
    }

    /// The bytes of these events in a row.
    pub(super) fn stream(&self, events: Vec<EventId>) -> Rc<Stream> {
        if let Some(stream) = self.streams.borrow().get(&events) {
            return Rc::clone(stream);
        }
        let mut stream = Stream::default();
        for event in &events {
            if let Verb::Write { bytes, .. } | Verb::Read { bytes, .. } = &self.trace.event(*event).verb {
                stream.marks.push((stream.bytes.len(), *event));
                stream.bytes.extend_from_slice(&bytes.0);
            }
        }
        let stream = Rc::new(stream);
        self.streams.borrow_mut().insert(events, Rc::clone(&stream));
        stream
    }

    /// The signal in whose handler an event happened.
    pub(super) fn handler_of(&self, event: EventId) -> Option<crate::model::Signal> {
        match self.trace.event(self.trace.event(event).handler?).verb {
            Verb::Take { signal } => Some(signal),
            _ => None,
        }
    }
}

/// A byte string with the events that carried it.
#[derive(Debug, Default)]
pub(super) struct Stream {
    pub(super) bytes: Vec<u8>,
    /// Where each event's bytes begin.
    marks: Vec<(usize, EventId)>,
}

impl Stream {
    /// Bytes without events.
    #[cfg(test)]
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), marks: Vec::new() }
    }

    /// The event that carried the byte at `at`; past the end, the last.
    pub(super) fn event_at(&self, at: usize) -> Option<EventId> {
        let after = self.marks.partition_point(|(start, _)| *start <= at);
        self.marks.get(after.saturating_sub(1)).map(|(_, event)| *event)
    }
}
