//! What a kernel never does: bytes read before they are written, a child collected before it has ended.
//!
//! A recorded run holds to this by itself. A trace from a file may not, and what it shows is then no run.

use std::collections::{BTreeMap, BTreeSet};

use super::assign::Assignment;
use super::facts::Way;
use crate::judge::matching::{Mark, Problem, ProblemKind};
use crate::trace::{EventId, ObjectId, Verb};

/// Notes each bound object's or role's first breach.
pub(super) fn check(assignment: &mut Assignment<'_>) {
    let facts = assignment.facts;
    let bound: BTreeSet<ObjectId> = assignment.objects.values().flatten().copied().collect();
    let mut breaches: Vec<(EventId, EventId)> = Vec::new();
    for object in bound {
        let key = |way| (object, way);
        for carried in [&facts.bytes, &facts.messages] {
            if let (Some(inward), Some(outward)) = (carried.get(&key(Way::In)), carried.get(&key(Way::Out))) {
                breaches.extend(from_nowhere(assignment, inward, outward));
            }
        }
    }
    for life in facts.learners().filter(|life| assignment.cast.is_bound(*life)) {
        let end = facts.ends[life.index()].first();
        let reaped = facts.reaped[life.index()].first();
        breaches.extend(end.zip(reaped).filter(|(end, reaped)| end > reaped).map(|(end, reaped)| (*end, *reaped)));
        let first = facts.span[life.index()].map(|(first, _)| first);
        breaches.extend(facts.forked[life.index()].zip(first).filter(|(forked, first)| forked > first));
    }
    for (first_event, event) in breaches {
        let verb = |event| format!("{:?}", facts.trace.event(event).verb);
        let life = facts.life_of(event);
        let name = verb(first_event).split([' ', '{']).next().unwrap_or_default().to_lowercase();
        assignment.cost += 1;
        assignment.marks.insert(event, Mark::Wrong);
        assignment.problems.push(Problem {
            kind: ProblemKind::WrongOrder { first: name, first_event },
            role: assignment.cast.role_of(life).cloned(),
            life: Some(life),
            step: None,
            line: 0,
            event: Some(event),
            object: facts.trace.event(event).verb.object(),
        });
    }
}

/// The first event that took out what nobody had put in: no cause, and less before it than is out after it.
fn from_nowhere(assignment: &Assignment<'_>, inward: &[EventId], outward: &[EventId]) -> Option<(EventId, EventId)> {
    let trace = assignment.facts.trace;
    let amount = |event: &EventId| match &trace.event(*event).verb {
        Verb::Write { bytes, .. } | Verb::Read { bytes, .. } => bytes.len(),
        _ => 1,
    };
    // Each put-in and taken-out thing at its time; in before out at one time cannot be.
    let mut changes = BTreeMap::new();
    changes.extend(inward.iter().map(|event| (*event, amount(event) as i64)));
    changes.extend(outward.iter().map(|event| (*event, -(amount(event) as i64))));
    let mut there = 0;
    for (event, change) in changes {
        there += change;
        if there < 0 && !trace.event(event).causes.iter().any(|cause| inward.contains(cause)) {
            return inward.iter().find(|put| **put > event).map(|put| (*put, event));
        }
    }
    None
}
