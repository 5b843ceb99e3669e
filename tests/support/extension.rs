//! The other runs that the causes of a run allow: its linear extensions.

use std::collections::{BTreeMap, BTreeSet};

use ipc_grade::trace::{Event, EventId, LifeId, ThreadId, Trace, Verb};

use super::Dice;

/// The trace with these events, each with its old id where it had one; what referred to an event refers to its last
/// copy, and to nothing where it is gone or would come later.
pub fn rebuilt(trace: &Trace, events: Vec<(Option<EventId>, Event)>) -> Trace {
    let mut new = BTreeMap::new();
    for (index, (old, _)) in events.iter().enumerate() {
        new.extend(old.iter().map(|old| (*old, EventId(index as u32))));
    }
    let mut trace = trace.clone();
    trace.events = events
        .into_iter()
        .enumerate()
        .map(|(index, (_, mut event))| {
            let earlier = |old: &EventId| new.get(old).copied().filter(|new| new.index() < index);
            event.causes = event.causes.iter().filter_map(earlier).collect();
            event.reads_from = event.reads_from.iter().filter_map(earlier).collect();
            event.handler = event.handler.as_ref().and_then(earlier);
            event
        })
        .collect();
    for life in &mut trace.lives {
        life.ended = life.ended.and_then(|old| new.get(&old).copied());
        life.reaped = life.reaped.and_then(|old| new.get(&old).copied());
    }
    trace
}

pub fn events(trace: &Trace) -> Vec<(Option<EventId>, Event)> {
    trace.iter().map(|(id, event)| (Some(id), event.clone())).collect()
}

/// What must come before each event: program order, causes, births, and the end of a process after all it did.
pub fn predecessors(trace: &Trace) -> Vec<BTreeSet<usize>> {
    let mut before: Vec<BTreeSet<usize>> = Vec::new();
    let mut last = BTreeMap::<ThreadId, usize>::new();
    let mut born_life = BTreeMap::<LifeId, usize>::new();
    let mut born_thread = BTreeMap::<ThreadId, usize>::new();
    for (id, event) in trace.iter() {
        let mut set: BTreeSet<usize> = event.causes.iter().chain(&event.reads_from).map(|it| it.index()).collect();
        match last.insert(event.thread, id.index()) {
            Some(previous) => drop(set.insert(previous)),
            None => {
                set.extend(born_life.get(&event.life));
                set.extend(born_thread.get(&event.thread));
            }
        }
        match event.verb {
            Verb::Fork { child } => drop(born_life.insert(child, id.index())),
            Verb::Thread { child } => drop(born_thread.insert(child, id.index())),
            Verb::Exit { .. } | Verb::Killed { .. } => {
                set.extend(
                    trace.iter().take(id.index()).filter(|(_, e)| e.life == event.life).map(|(id, _)| id.index()),
                );
            }
            _ => {}
        }
        before.push(set);
    }
    before
}

pub fn linear_extension(trace: &Trace, dice: &mut Dice) -> Trace {
    let before = predecessors(trace);
    let mut done = BTreeSet::new();
    let mut order = Vec::new();
    while order.len() < trace.events.len() {
        let free: Vec<usize> =
            (0..trace.events.len()).filter(|it| !done.contains(it) && before[*it].is_subset(&done)).collect();
        let next = dice.pick(&free).unwrap();
        done.insert(next);
        order.push(next);
    }
    rebuilt(trace, order.into_iter().map(|it| (Some(EventId(it as u32)), trace.events[it].clone())).collect())
}
