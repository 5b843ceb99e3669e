//! What would mend a run, to be tried in a replay: who did not do what, and from when on it could.
//!
//! A repair is a guess. Whether it helps the replay says, and nothing is told of one that does not.

use super::Scene;
use super::locks::held_by;
use super::waits::masked;
use crate::judge::{End, Mend, Repair};
use crate::model::Signal;
use crate::trace::{EventId, Holder, LifeId, ObjectId, ObjectKind, Verb, Wait};

/// Closing what a holder still has open: once it has it, has used it as it had to, and has given it to its children.
pub(super) fn closed_in_time(
    scene: &Scene<'_>,
    (holder, who): (&Holder, String),
    object: ObjectId,
    (end, made): (End, Option<EventId>),
) -> Option<Repair> {
    let since = holder.since?;
    // What was opened for both ways is closed for both, and that is another program.
    if matches!(scene.trace().event(since).verb, Verb::Open { read: true, write: true, .. }) {
        return None;
    }
    let last = scene.trace().of(holder.life).filter(|(id, event)| {
        let uses = match (&event.verb, end) {
            (Verb::Write { object: of, .. }, End::Write) | (Verb::Read { object: of, .. }, End::Read) => *of == object,
            (Verb::Fork { .. }, _) => true,
            _ => false,
        };
        *id > since && uses
    });
    let after = last.map(|(id, _)| id).last().unwrap_or(since);
    Some(Repair { life: holder.life, who, after, mend: Mend::Close { end, made: made? } })
}

/// Letting a signal wait until the process that it killed has a handler for it.
pub(super) fn held_until_handled(scene: &Scene<'_>, life: LifeId, signal: Signal) -> Option<Repair> {
    let after = scene.fork_of(life).or_else(|| scene.trace().of(life).next().map(|(id, _)| id))?;
    Some(Repair { life, who: scene.who(life), after, mend: Mend::Hold { signal } })
}

/// What would wake a process that is stuck.
pub(super) fn of_wait(scene: &Scene<'_>, wait: &Wait) -> Option<Repair> {
    let who = || scene.who(wait.life);
    match (wait.call.as_str(), wait.object) {
        ("sigsuspend" | "pause", _) => {
            let after = last_deed(scene, wait.life)?;
            let mend = Mend::LetThrough { signal: masked(scene, wait.life)? };
            Some(Repair { life: wait.life, who: who(), after, mend })
        }
        // It has filled a pipe that only it could empty.
        ("write", Some(object)) => match wait.holders.as_slice() {
            [holder] if holder.life == wait.life => {
                let made = scene.made(object).or(holder.since);
                closed_in_time(scene, (holder, who()), object, (End::Read, made))
            }
            _ => None,
        },
        ("acquire", Some(object)) => match held_by(scene, object)[..] {
            [] => posted(scene, wait, object),
            [holder] => given_back(scene, wait, object, holder),
            _ => None,
        },
        _ => None,
    }
}

/// Giving a lock back when its holder has done what it does, where that one does not wait for a lock itself: locks taken
/// in two orders are not mended by that.
fn given_back(scene: &Scene<'_>, wait: &Wait, lock: ObjectId, (holder, taken): (LifeId, EventId)) -> Option<Repair> {
    let waits = scene.waits().iter().any(|other| {
        other.life == holder && other.call == "acquire" && (holder != wait.life || other.object != Some(lock))
    });
    let after = last_deed(scene, holder).filter(|after| !waits && *after >= taken)?;
    let name = scene.name(lock).to_owned();
    let mend = Mend::Release { name, word: "released".to_owned(), of: taken, number: 0 };
    Some(Repair { life: holder, who: scene.who(holder), after, mend })
}

/// Posting a semaphore that nobody is left to post: by another process that has to do with shared memory or semaphores,
/// when it has done what it does; where all wait for this one, by the process that made it.
fn posted(scene: &Scene<'_>, wait: &Wait, semaphore: ObjectId) -> Option<Repair> {
    if scene.trace().object(semaphore).kind != ObjectKind::Semaphore {
        return None;
    }
    let (of, number) = told_of(scene, semaphore)?;
    let all_wait = |life| scene.waits().iter().any(|other| other.life == life && other.object == Some(semaphore));
    let takes_part = |life| {
        let verbs = |verb: &Verb| {
            matches!(verb, Verb::Store { .. } | Verb::Load { .. } | Verb::Acquire { .. } | Verb::Release { .. })
        };
        scene.trace().of(life).any(|(_, event)| verbs(&event.verb))
    };
    let others = || scene.learner().map(|(life, _)| life).filter(|life| *life != wait.life && !all_wait(*life));
    let other = others().find(|life| takes_part(*life)).or_else(|| others().next());
    let (life, after) = match other {
        Some(life) => (life, last_deed(scene, life)?),
        None => (scene.trace().event(of).life, of),
    };
    let mend = Mend::Release { name: scene.name(semaphore).to_owned(), word: "posted".to_owned(), of, number };
    Some(Repair { life, who: scene.who(life), after: after.max(of), mend })
}

/// An event that says which semaphore it is, or which set and which of it.
fn told_of(scene: &Scene<'_>, semaphore: ObjectId) -> Option<(EventId, u16)> {
    let name = &scene.trace().object(semaphore).name;
    let (set, number) = match name.strip_suffix(']').and_then(|name| name.rsplit_once('[')) {
        Some((set, number)) => {
            let first = format!("{set}[0]");
            let of_set = scene.trace().objects.iter().position(|object| object.name == first);
            (of_set.map_or(semaphore, |index| ObjectId(index as u32)), number.parse().ok()?)
        }
        None => (semaphore, 0),
    };
    let first = |wanted: &dyn Fn(&Verb) -> bool| scene.events().find(|(_, event)| wanted(&event.verb));
    let init = first(&|verb| matches!(verb, Verb::Init { object, .. } if *object == semaphore));
    let used =
        || first(&|verb| matches!(verb, Verb::Acquire { object } | Verb::Release { object } if *object == semaphore));
    let made = || first(&|verb| matches!(verb, Verb::Create { object } | Verb::Open { object, .. } if *object == set));
    let (event, _) = init.or_else(used).or_else(made)?;
    Some((event, number))
}

/// What a process did last before it ended or came to a stop.
fn last_deed(scene: &Scene<'_>, life: LifeId) -> Option<EventId> {
    let ends = |verb: &Verb| matches!(verb, Verb::Exit { .. } | Verb::Killed { .. } | Verb::Holds { .. });
    scene.trace().of(life).filter(|(_, event)| !ends(&event.verb)).map(|(id, _)| id).last()
}
