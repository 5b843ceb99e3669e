//! M011: semaphores and locks.

use super::{Cause, Effect, Scene};
use crate::model::Code;
use crate::trace::{EventId, LifeId, ObjectId, ObjectKind, Verb, Wait};

pub(super) fn causes(scene: &Scene<'_>) -> Vec<Cause> {
    let mut causes = Vec::new();
    causes.extend(waits_with_the_lock(scene));
    causes.extend(super::races::pointer(scene));
    causes
}

/// The learner's processes that acquired an object more often than they released it, with the event that took it.
///
/// A semaphore is held like a lock only where who takes it is who gives it back: where some process released it that
/// had not taken it, taking it is waiting for something.
pub(super) fn held_by(scene: &Scene<'_>, wanted: ObjectId) -> Vec<(LifeId, EventId)> {
    let mut holders: Vec<(LifeId, Vec<EventId>)> = Vec::new();
    for (id, event) in scene.trace().iter() {
        let slot = holders.iter().position(|(life, _)| *life == event.life);
        match event.verb {
            Verb::Acquire { object } if object == wanted => match slot {
                Some(slot) => holders[slot].1.push(id),
                None => holders.push((event.life, vec![id])),
            },
            Verb::Release { object } if object == wanted => match slot.and_then(|slot| holders[slot].1.pop()) {
                Some(_) => {}
                None => return Vec::new(),
            },
            _ => {}
        }
    }
    let held = holders.into_iter().filter_map(|(life, taken)| Some((life, *taken.last()?)));
    let held: Vec<(LifeId, EventId)> = held.collect();
    // A counter that several are inside of, or one several times, is room and no lock.
    let room = scene.trace().object(wanted).kind == ObjectKind::Semaphore
        && super::races::first_value(scene, wanted).is_some_and(|value| value != 1);
    if room { Vec::new() } else { held }
}

/// M011: who waits for room holds what the one that makes room needs.
fn waits_with_the_lock(scene: &Scene<'_>) -> Option<Cause> {
    let acquires = || scene.waits().iter().filter(|w| matches!(w.call.as_str(), "acquire" | "futex"));
    let with_object = || acquires().filter_map(|wait| Some((wait, wait.object?)));
    let (inside, room, outside, lock, taken) = with_object().find_map(|(outside, lock)| {
        let (holder, taken) = held_by(scene, lock).into_iter().find(|(life, _)| *life != outside.life)?;
        let (inside, room): (&Wait, ObjectId) = with_object().find(|(wait, _)| wait.life == holder)?;
        // Two locks in two orders have no room in them: there each holds what the other wants.
        let crossed = held_by(scene, room).iter().any(|(life, _)| *life == outside.life);
        let counts = scene.trace().object(room).kind == ObjectKind::Semaphore;
        (room != lock && !crossed && counts).then_some((inside, room, outside, lock, taken))
    })?;
    let (who, whose) = (scene.who(inside.life), scene.who(outside.life));
    let (room, lock) = (scene.name(room), scene.name(lock));
    let cause = Cause::at_the_end(Code::M011, scene.clean(), format!("{who} waits for room while it holds the lock"))
        .effect(Effect::Stops)
        .explains(scene.unfinished())
        .proved(scene.proved())
        .label(scene, inside, format!("{who} is stuck here"))
        .label(scene, taken, format!("{who} has taken {lock} here"))
        .label(scene, outside, format!("{whose} is stuck here"))
        .expected(format!("{who} acquires {room} first, then {lock}"))
        .saw(format!("{who} holds {lock} and waits for {room}; {whose} waits for {lock}"))
        .why(format!("only {whose} could release {room}, and it cannot get in."));
    let mut cause = super::waits::with_graph(scene, cause);
    // It has never released it yet, so that the run alone does not tell that it would.
    let bare = |who: &str| who.strip_prefix("the ").unwrap_or(who).to_owned();
    for edge in cause.finding.waits.iter_mut().filter(|edge| edge.on == room && edge.whom.is_empty()) {
        edge.because = format!("at 0, only {} can release it", bare(&whose));
        edge.whom = vec![bare(&whose)];
    }
    Some(cause)
}
