//! Sync order: what must have come before what, by causes alone.
//!
//! Vector clocks (Mattern 1989), one snapshot for each stretch of a thread between two causes from outside, so that a
//! trace with few exchanges needs little memory.

use super::canonical::{Clock, EventId, Trace, Verb};

/// The partial order of a trace's events: program order of each thread, and causes.
#[derive(Debug, Clone)]
pub struct Order {
    /// For each event its thread and its place in that thread, from 1.
    places: Vec<(u32, Clock)>,
    /// For each event the snapshot that holds for it.
    snapshot_of: Vec<u32>,
    /// For each thread how much of it is known; a thread that is past the end of the list is unknown.
    snapshots: Vec<Vec<Clock>>,
}

impl Order {
    /// Computes the order of a trace.
    ///
    /// Causes must stand before their effects; a cause that does not is left out.
    pub fn of(trace: &Trace) -> Self {
        let mut order = Self {
            places: Vec::with_capacity(trace.events.len()),
            snapshot_of: Vec::with_capacity(trace.events.len()),
            snapshots: vec![Vec::new()],
        };
        // The snapshot and the length so far of each thread; a new thread or life starts from its maker's event.
        let mut current: Vec<(u32, Clock)> = Vec::new();
        let mut born: Vec<Option<EventId>> = Vec::new();
        let mut first_thread_of: Vec<Option<EventId>> = vec![None; trace.lives.len()];
        for (id, event) in trace.iter() {
            let thread = event.thread.index();
            if current.len() <= thread {
                current.resize(thread + 1, (0, 0));
                born.resize(thread + 1, None);
            }
            let mut joins: Vec<EventId> = event.causes.iter().copied().filter(|cause| *cause < id).collect();
            if current[thread].1 == 0 {
                joins.extend(born[thread].take());
                joins.extend(first_thread_of.get_mut(event.life.index()).and_then(Option::take));
            }
            let (mut snapshot, place) = (current[thread].0, current[thread].1 + 1);
            if let Some(joined) = order.join(snapshot, thread, &joins) {
                order.snapshots.push(joined);
                snapshot = (order.snapshots.len() - 1) as u32;
            }
            current[thread] = (snapshot, place);
            order.places.push((thread as u32, place));
            order.snapshot_of.push(snapshot);
            match event.verb {
                Verb::Thread { child } => {
                    if born.len() <= child.index() {
                        born.resize(child.index() + 1, None);
                        current.resize(child.index() + 1, (0, 0));
                    }
                    born[child.index()] = Some(id);
                }
                Verb::Fork { child } => {
                    if let Some(slot) = first_thread_of.get_mut(child.index()) {
                        *slot = Some(id);
                    }
                }
                _ => {}
            }
        }
        order
    }

    /// The snapshot with all that `joins` know, or none where it knew that already.
    fn join(&self, snapshot: u32, own: usize, joins: &[EventId]) -> Option<Vec<Clock>> {
        let mut joined: Option<Vec<Clock>> = None;
        for cause in joins {
            let (thread, place) = self.places[cause.index()];
            let theirs = &self.snapshots[self.snapshot_of[cause.index()] as usize];
            let known = joined.as_ref().unwrap_or(&self.snapshots[snapshot as usize]);
            let new = |thread: usize, place: Clock| thread != own && known.get(thread).copied().unwrap_or(0) < place;
            if !new(thread as usize, place) && !theirs.iter().enumerate().any(|(t, p)| new(t, *p)) {
                continue;
            }
            let mut merged = known.clone();
            merged.resize(merged.len().max(theirs.len()).max(thread as usize + 1), 0);
            for (t, p) in theirs.iter().enumerate() {
                merged[t] = merged[t].max(*p);
            }
            merged[thread as usize] = merged[thread as usize].max(place);
            joined = Some(merged);
        }
        joined
    }

    /// Whether `a` is `b` or must have come before it.
    ///
    /// # Panics
    /// Where an id is of another trace.
    pub fn le(&self, a: EventId, b: EventId) -> bool {
        let (thread, place) = self.place(a);
        place <= self.known(b, thread)
    }

    /// An event's thread, by its number, and its place in that thread, from 1.
    ///
    /// # Panics
    /// Where the id is of another trace.
    pub fn place(&self, event: EventId) -> (u32, Clock) {
        self.places[event.index()]
    }

    /// How much of a thread must have come before an event, or is it.
    ///
    /// # Panics
    /// Where the id is of another trace.
    pub fn known(&self, event: EventId, thread: u32) -> Clock {
        match self.places[event.index()] {
            (own, place) if own == thread => place,
            _ => {
                let known = &self.snapshots[self.snapshot_of[event.index()] as usize];
                known.get(thread as usize).copied().unwrap_or(0)
            }
        }
    }

    /// Whether neither must have come before the other.
    ///
    /// # Panics
    /// Where an id is of another trace.
    pub fn concurrent(&self, a: EventId, b: EventId) -> bool {
        !self.le(a, b) && !self.le(b, a)
    }
}
