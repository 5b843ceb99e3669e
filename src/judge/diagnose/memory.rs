//! M: shared memory.

use std::collections::BTreeSet;

use super::pipes::twins;
use super::{Cause, Effect, Scene};
use crate::judge::ProblemKind;
use crate::judge::check::Source;
use crate::model::peer::Scalar;
use crate::model::{Code, Signal};
use crate::trace::{Event, EventId, LifeId, ObjectId, ObjectKind, Verb};

/// What a peer says that has opened an object without bytes.
const EMPTY: &str = "an object of 0 bytes";

pub(super) fn causes(scene: &Scene<'_>) -> Vec<Cause> {
    let mut causes: Vec<Cause> = not_shared(scene).into_iter().collect();
    if !scene.trouble() {
        return causes;
    }
    causes.extend(private_mapping(scene));
    causes.extend(no_size(scene));
    causes.extend(mapped_after_the_fork(scene));
    causes
}

fn is_object(kind: ObjectKind) -> bool {
    matches!(kind, ObjectKind::Shm | ObjectKind::SysvShm | ObjectKind::Memfd)
}

/// M001: a shared object was mapped privately, and only so.
fn private_mapping(scene: &Scene<'_>) -> Option<Cause> {
    let maps = |wanted: bool| {
        scene.events().filter_map(move |(id, event)| match event.verb {
            Verb::Map { object, shared } if shared == wanted => Some((id, event.life, object)),
            _ => None,
        })
    };
    let (at, life, object) = maps(false).find(|(_, life, object)| {
        is_object(scene.trace().object(*object).kind) && !maps(true).any(|(_, l, o)| (l, o) == (*life, *object))
    })?;
    let (who, name) = (scene.who(life), scene.name(object));
    let cause = Cause::new(
        Code::M001,
        scene.memory(),
        at,
        format!("the mapping of {name} is private: stores stay in one process"),
    )
    .hangs()
    .explains(scene.after(at))
    .label(scene, at, "")
    .expected(format!("{who} maps {name} with MAP_SHARED"))
    .saw(format!("{who} maps {name} with MAP_PRIVATE"))
    .why("the first store to a private page makes a copy of it,")
    .why("which no other process sees.");
    Some(cause)
}

/// M002: an object was used that nobody had given a size.
fn no_size(scene: &Scene<'_>) -> Option<Cause> {
    let sized = |of: ObjectId| {
        scene.trace().events.iter().any(|event| match event.verb {
            Verb::Resize { object, len } => object == of && len > 0,
            Verb::Store { object, .. } | Verb::Load { object, .. } => object == of,
            _ => false,
        })
    };
    let empty_map = |life: LifeId, before: EventId| {
        scene.trace().of(life).take_while(|(id, _)| *id < before).find_map(|(_, event)| match event.verb {
            Verb::Map { object, .. } if is_object(scene.trace().object(object).kind) && !sized(object) => Some(object),
            _ => None,
        })
    };
    let killed = scene.events().find_map(|(id, event)| match event.verb {
        Verb::Killed { signal: Signal::BUS } => Some((id, event.life, empty_map(event.life, id)?)),
        _ => None,
    });
    let Some((at, life, object)) = killed else { return found_empty(scene) };
    let (who, name) = (scene.who(life), scene.name(object));
    let made = scene.events().find(|(_, e)| matches!(e.verb, Verb::Create { object: o } if o == object));
    let cause = Cause::new(Code::M002, scene.memory(), at, format!("the shared object {name} has no size"))
        .effect(Effect::Stops)
        .explains(scene.after(at))
        .label(scene, at, "")
        .label_if(scene, made.map(|(made, _)| made), "made here, with 0 bytes")
        .expected(format!("{who} gives {name} a size with ftruncate, then uses it"))
        .saw(format!("{who} is killed by SIGBUS: {name} has 0 bytes"))
        .why("a new object has no bytes.")
        .why("mmap sets addresses aside; the bytes behind them are the object's.");
    Some(cause)
}

/// M002, seen by the other side: it has opened the object and found no bytes in it.
fn found_empty(scene: &Scene<'_>) -> Option<Cause> {
    let (at, peer) = scene.trace().iter().find_map(|(id, event)| match &event.verb {
        Verb::Step { instead: Some(instead), .. } if instead == EMPTY => Some((id, event.life)),
        _ => None,
    })?;
    let (_, event) = scene.events().find(|(_, event)| match event.verb {
        Verb::Create { object } => is_object(scene.trace().object(object).kind),
        _ => false,
    })?;
    let (object, life) = (event.verb.object()?, event.life);
    let resized = |event: &Event| matches!(event.verb, Verb::Resize { object: o, .. } if o == object);
    if scene.trace().iter().any(|(id, event)| id < at && resized(event)) {
        return None;
    }
    let (who, whose, name) = (scene.who(life), scene.who(peer), scene.name(object));
    let cause = Cause::new(Code::M002, scene.memory(), at, format!("the shared object {name} has no size"))
        .hangs()
        .explains(scene.after(at))
        .expected(format!("{who} gives {name} a size with ftruncate, then uses it"))
        .saw(format!("{whose} opens {name} and finds 0 bytes"))
        .why("a new object has no bytes until ftruncate gives it some.");
    Some(cause)
}

/// M010: parent and child each made an anonymous shared mapping after the fork.
fn mapped_after_the_fork(scene: &Scene<'_>) -> Option<Cause> {
    let (ours, theirs) = twins(scene, |kind| kind == ObjectKind::SharedMapping)?;
    let (whose, who) = (scene.who(scene.trace().event(ours).life), scene.who(scene.trace().event(theirs).life));
    let first = ours.min(theirs);
    let message = "the memory is mapped after the fork: each process has a mapping of its own";
    let cause = Cause::new(Code::M010, scene.memory(), first, message)
        .hangs()
        .explains(scene.after(first))
        .label(scene, ours, format!("{whose} makes its own here"))
        .label(scene, theirs, format!("{who} makes its own here"))
        .expected(format!("one mapping, which {whose} and {who} both have"))
        .saw(format!("{whose} makes a mapping, {who} makes another"))
        .why("memory without a name is inherited: first mmap, then fork.");
    Some(cause)
}

/// M009: a semaphore or lock that two processes use was made for the threads of one (pshared 0). Where nobody has to
/// wait it goes well all the same, by luck of the schedule.
fn not_shared(scene: &Scene<'_>) -> Option<Cause> {
    let used = |of: ObjectId| {
        scene.events().filter(move |(_, event)| match event.verb {
            Verb::Acquire { object } | Verb::Release { object } => object == of,
            _ => false,
        })
    };
    let waits = |of: ObjectId| scene.waits().iter().filter(move |wait| wait.object == Some(of)).map(|wait| wait.life);
    let (at, event, object) = scene.events().find_map(|(id, event)| match event.verb {
        Verb::Init { object, shared: false, .. } => {
            let mut users = used(object).map(|(_, event)| event.life).chain(waits(object));
            let first = users.next()?;
            users.any(|other| other != first).then_some((id, event, object))
        }
        _ => None,
    })?;
    let (who, name) = (scene.who(event.life), scene.name(object));
    let semaphore = scene.trace().object(object).kind == ObjectKind::Semaphore;
    let (what, how) = if semaphore {
        ("semaphore", "sem_init's second argument, pshared, is 1")
    } else {
        ("lock", "its attributes have PTHREAD_PROCESS_SHARED")
    };
    let other = used(object).find(|(_, used)| used.life != event.life).map(|(id, _)| id);
    let stuck = scene.waits().iter().any(|wait| wait.object == Some(object));
    let mut cause = Cause::new(
        Code::M009,
        scene.memory(),
        at,
        format!("the {what} {name} is not made to be shared between processes"),
    )
    .label(scene, at, "")
    .label_if(scene, other, "another process uses it here")
    .expected(format!("{who} makes {name} for several processes: {how}"))
    .saw(format!("{who} makes {name} for the threads of one process, and two processes use it"))
    .why("the kernel looks for who waits at an address of one process alone,")
    .why("so whoever waits in another process is never woken.");
    if stuck {
        cause = cause.effect(Effect::Stops).explains(scene.unfinished()).proved(scene.proved());
    }
    Some(cause)
}

/// M006: what other values than expected come to, where nothing better explains them.
pub(super) fn wrong_values(scene: &Scene<'_>, left: &BTreeSet<usize>) -> Vec<Cause> {
    let symptoms = left.iter().map(|index| &scene.symptoms[*index]).filter(|symptom| symptom.code == Code::M006);
    let mut causes: Vec<Cause> = Vec::new();
    for symptom in symptoms {
        let ProblemKind::WrongData { expected, saw, .. } = &symptom.problem.kind else { continue };
        let (expected, saw) = (String::from_utf8_lossy(expected), String::from_utf8_lossy(saw));
        let at = symptom.problem.event.unwrap_or(EventId(u32::MAX));
        let looker = symptom.problem.event.map(|event| scene.trace().event(event).life);
        let who = looker.map_or_else(|| "the grader".to_owned(), |life| scene.who(life));
        let (offset, scalar) = place(symptom.problem.step.as_deref().unwrap_or_default());
        let unit = scalar.map_or("number", Scalar::name);
        let message = format!("wrong value at offset {offset}: {who} finds {saw}");
        // A peer that meets another value stops there: what it was still to do is missing.
        let stopped = if symptom.source == Source::Peer { scene.after(at) } else { BTreeSet::new() };
        let mut cause = Cause::new(Code::M006, symptom.home.clone(), at, message)
            .explains(stopped)
            .expected(format!("{who} finds {expected} ({unit} at offset {offset})"))
            .saw(format!("{who} finds {saw}"));
        if let Some((scalar, wanted)) = scalar.zip(expected.parse::<i128>().ok()) {
            for line in clues(scene, at, offset, scalar, wanted, saw.parse().ok()) {
                cause = cause.why(line);
            }
        }
        let touched = symptom.problem.event.and_then(|event| last_touch(scene, event));
        cause = cause.label_if(scene, touched.map(|(event, _)| event), touched.map_or("", |(_, text)| text));
        if cause.finding.why.is_empty() {
            cause = cause.why("both sides must agree on every byte:").why("which value, how wide, at which offset.");
        }
        causes.push(cause);
    }
    causes
}

/// The learner's last store before somebody looked, or, where there is none, where the memory was mapped.
fn last_touch(scene: &Scene<'_>, looked: EventId) -> Option<(EventId, &'static str)> {
    let object = scene.trace().event(looked).verb.object();
    let before = || {
        scene.events().filter(|(id, event)| *id < looked && event.site.is_some()).map(|(id, event)| (id, &event.verb))
    };
    let store = before()
        .filter(|(_, verb)| matches!(verb, Verb::Store { object: o, .. } if object.is_none_or(|object| object == *o)));
    let map = before()
        .filter(|(_, verb)| matches!(verb, Verb::Map { object: o, .. } if object.is_none_or(|object| object == *o)));
    store
        .last()
        .map(|(id, _)| (id, "the last store before that"))
        .or_else(|| map.last().map(|(id, _)| (id, "mapped here")))
}

/// Offset and type of an `expect OFFSET TYPE VALUE`.
fn place(step: &str) -> (u64, Option<Scalar>) {
    let mut words = step.split_whitespace().skip(1);
    let offset = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    (offset, words.next().and_then(Scalar::named))
}

/// What the stores of the run say about a number that is not where it should be.
fn clues(
    scene: &Scene<'_>,
    looked: EventId,
    offset: u64,
    scalar: Scalar,
    wanted: i128,
    saw: Option<i128>,
) -> Vec<String> {
    let Some(bytes) = scalar.encode(wanted) else { return Vec::new() };
    let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
    if saw.is_some() && saw == scalar.decode(&reversed) {
        return vec!["these are the right bytes in the other order; memory has the machine's own order.".to_owned()];
    }
    let stores = scene.events().filter_map(|(id, event)| match &event.verb {
        Verb::Store { offset: from, bytes: stored, .. } => {
            let at = stored.0.windows(bytes.len()).position(|window| window == bytes)?;
            Some((id, from + at as u64))
        }
        _ => None,
    });
    for (id, place) in stores {
        if place != offset {
            return vec![format!("{wanted} was stored{} at offset {place}.", scene.line(id))];
        }
        if id > looked {
            return vec![format!("{wanted} was stored{} only after the look at it.", scene.line(id))];
        }
    }
    match saw {
        Some(0) => vec!["nothing had been stored there: a new object is all zeros.".to_owned()],
        _ => Vec::new(),
    }
}
