//! M003, M004, M008: accesses to shared memory that nothing puts in order.
//!
//! A race is a suspicion: it says what may happen, not what did. It is an error only where the run went visibly wrong in
//! a way that it can have caused, and nothing surer explains that (`acquit`); else it is advice and costs nothing. A run
//! is told one of the three codes: a lost update says more than a race, and so does a reader that never waited.

use std::collections::BTreeSet;

use super::steps::Step;
use super::words::held;
use super::{Cause, Scene};
use crate::judge::ProblemKind;
use crate::judge::finding::Columns;
use crate::judge::races::{LostUpdate, Race};
use crate::model::{Code, Invariant};
use crate::trace::{Bytes, Event, EventId, LifeId, ObjectId, ObjectKind, ThreadId, Verb};

pub(super) fn causes(scene: &Scene<'_>) -> Vec<Cause> {
    if !scene.holds(Invariant::Race) {
        return Vec::new();
    }
    let found = scene.races();
    let harmful = found.lost.iter().find(|lost| !may_cause(scene, lost.load).is_empty());
    if let Some(lost) = harmful.or_else(|| found.lost.iter().find(|lost| is_unordered(scene, lost))) {
        return vec![lost_update(scene, *lost)];
    }
    let harmful = found.races.iter().find(|race| !may_cause(scene, race.first).is_empty());
    let Some(race) = harmful.or(found.races.first()) else { return Vec::new() };
    let others = found.races.len() - 1;
    vec![match too_early(scene, race) {
        Some((load, store)) => reader_too_early(scene, race, load, store),
        None => data_race(scene, race, others),
    }]
}

/// Whether a lost update is a race besides. One that is not (a lock that is given back between load and store) shows
/// only where it does harm: there may be a reason for it.
fn is_unordered(scene: &Scene<'_>, lost: &LostUpdate) -> bool {
    let plain = |event: EventId| {
        !matches!(scene.trace().event(event).verb, Verb::Store { atomic: true, .. } | Verb::Load { atomic: true, .. })
    };
    let races = |a: EventId, b: EventId| scene.order().concurrent(a, b) && (plain(a) || plain(b));
    races(lost.load, lost.lost) || races(lost.lost, lost.store)
}

/// The symptoms that wrong values from this event on can have caused.
///
/// A program that came to its end did what is no matter of values: it made and removed, forked and waited. Where it did
/// not, or crashed, anything may follow.
fn may_cause(scene: &Scene<'_>, from: EventId) -> BTreeSet<usize> {
    let crashed = scene.learner().any(|(life, _)| scene.crashed(life));
    let ended = scene.came_to_its_end() && !crashed;
    scene.those(|symptom| {
        let late = symptom.problem.event.is_none_or(|event| event >= from);
        let step = symptom.problem.step.as_deref().map(Step::parse);
        let of_memory = step.is_some_and(|step| matches!(step.verb, "store" | "load" | "expect" | "look"));
        let of_values = step.is_none_or(|step| step.carries_bytes() || step.verb == "exit");
        match &symptom.problem.kind {
            ProblemKind::Missing => of_memory || of_values || !ended,
            ProblemKind::WrongOrder { .. } => late && of_memory,
            ProblemKind::Forbidden => late && step.is_some_and(|step| step.verb == "always:"),
            ProblemKind::Surplus | ProblemKind::WrongData { .. } => late && (of_memory || of_values || !ended),
        }
    })
}

fn event<'a>(scene: &Scene<'a>, id: EventId) -> &'a Event {
    scene.trace().event(id)
}

/// What a role is called in a column or a label: without an article.
fn bare(who: &str) -> String {
    who.strip_prefix("the ").unwrap_or(who).to_owned()
}

fn bytes<'a>(scene: &Scene<'a>, id: EventId) -> &'a [u8] {
    match &event(scene, id).verb {
        Verb::Store { bytes, .. } | Verb::Load { bytes, .. } => &bytes.0,
        _ => &[],
    }
}

/// `stores 7`, `loads 6`.
fn does(scene: &Scene<'_>, id: EventId) -> String {
    let verb = if is_store(scene, id) { "stores" } else { "loads" };
    format!("{verb} {}", held(bytes(scene, id)))
}

fn is_store(scene: &Scene<'_>, id: EventId) -> bool {
    matches!(event(scene, id).verb, Verb::Store { .. })
}

fn number(bytes: &[u8]) -> Option<i128> {
    held(bytes).parse().ok()
}

/// `the parent`, `the child`; of two threads of one process `one thread of the program`, `another`.
fn both(scene: &Scene<'_>, a: EventId, b: EventId) -> (String, String) {
    let (a, b) = (event(scene, a).life, event(scene, b).life);
    match a == b {
        true => (format!("one thread of {}", scene.who(a)), "another".to_owned()),
        false => (scene.who(a), scene.who(b)),
    }
}

/// What the first of the explained symptoms asked for and what was seen instead.
fn visibly(scene: &Scene<'_>, explained: &BTreeSet<usize>) -> Option<(String, String)> {
    explained.iter().find_map(|index| match &scene.symptoms[*index].problem.kind {
        ProblemKind::WrongData { expected, saw, .. } if expected != saw => {
            let plain = |bytes: &[u8]| {
                let text = std::str::from_utf8(bytes).ok().map(str::trim_end);
                let simple = text.filter(|text| !text.is_empty() && !text.contains('\n') && text.len() < 60);
                simple.map_or_else(|| super::words::short(bytes), str::to_owned)
            };
            Some((plain(expected), plain(saw)))
        }
        _ => None,
    })
}

/// M004.
fn lost_update(scene: &Scene<'_>, lost: LostUpdate) -> Cause {
    let explained = may_cause(scene, lost.load);
    let (who, whose) = both(scene, lost.store, lost.lost);
    let name = scene.name(lost.object);
    let processes = event(scene, lost.store).life != event(scene, lost.lost).life;
    let message = match processes {
        true => "one process overwrote the other's update",
        false => "one thread overwrote the other's update",
    };
    let (expected, saw) = visibly(scene, &explained).unwrap_or_else(|| {
        let old = held(bytes(scene, lost.load));
        (
            format!("{who} adds to what {whose} has stored"),
            format!(
                "{whose} {}; then {who} {}, made from the {old} that it had loaded before",
                does(scene, lost.lost),
                does(scene, lost.store)
            ),
        )
    });
    let (third, other) = if processes { ("process", "The other process") } else { ("thread", "The other thread") };
    let mut cause = Cause::new(Code::M004, home(scene, &explained), lost.store, message)
        .suspicion()
        .explains(explained)
        .label(scene, lost.store, bare(&who))
        .label(scene, lost.lost, bare(&whose))
        .label(scene, lost.load, format!("{} has loaded the old value here", bare(&who)))
        .expected(expected)
        .saw(saw);
    cause.finding.columns = Some(picture(scene, lost, &who, &whose, name));
    // A cycle of waiting needs no wrong number.
    if !scene.came_to_its_end() && super::waits::cycle(scene).is_empty() {
        cause = cause.hangs();
    }
    if is_unordered(scene, &lost) {
        cause
            .why(format!("+= is load, add, store. {other} may run between"))
            .why("them. By hand you nearly always get the right number: that is luck.")
            .why(format!("make the three steps one (atomic), or admit one {third} at a time."))
    } else {
        cause
            .why("each access is safe, but the three steps load, add, store are not one:")
            .why("hold the lock from before the load until after the store.")
    }
}

/// The three accesses, with what stands in memory between them.
fn picture(scene: &Scene<'_>, lost: LostUpdate, who: &str, whose: &str, name: &str) -> Columns {
    let value = |id: EventId| held(bytes(scene, id));
    let thread = event(scene, lost.lost).thread;
    // Where the other one began.
    let look = scene.trace().iter().take(lost.lost.index()).filter(|(_, event)| event.thread == thread).filter_map(
        |(id, event)| match &event.verb {
            Verb::Load { object, offset, bytes: seen, .. }
                if (*object, *offset) == (lost.object, lost.offset) && seen.len() == bytes(scene, lost.lost).len() =>
            {
                Some(id)
            }
            _ => None,
        },
    );
    let look = look.last().filter(|look| value(*look) == value(lost.load));
    let gone = look.and_then(|look| Some((number(bytes(scene, look))?, number(bytes(scene, lost.lost))?)));
    let gone = match gone {
        Some((from, to)) if (to - from).unsigned_abs() < 1_000_000 => format!("<- {whose}'s {:+} is gone", to - from),
        _ => format!("<- what {whose} stored is gone"),
    };
    let row = |left: String, memory: String, right: String| vec![left, memory, right];
    let mut rows: Vec<(EventId, Vec<String>)> = vec![
        (lost.load, row(format!("load {}", value(lost.load)), value(lost.load), String::new())),
        (lost.lost, row(String::new(), value(lost.lost), format!("store {}", value(lost.lost)))),
        (lost.store, row(format!("store {}", value(lost.store)), value(lost.store), gone)),
    ];
    if let Some(look) = look {
        rows.push((look, row(String::new(), value(look), format!("load {}", value(look)))));
    }
    rows.sort_by_key(|(id, _)| *id);
    let heads = vec![bare(who), format!("{name} in memory"), bare(whose)];
    Columns { heads, rows: rows.into_iter().map(|(_, row)| row).collect() }
}

/// The check that a race costs: that of what it made wrong, else that of the memory.
fn home(scene: &Scene<'_>, explained: &BTreeSet<usize>) -> crate::model::CheckId {
    explained.first().map_or_else(|| scene.clean(), |index| scene.symptoms[*index].home.clone())
}

/// M003.
fn data_race(scene: &Scene<'_>, race: &Race, others: usize) -> Cause {
    let explained = may_cause(scene, race.first);
    let (who, whose) = both(scene, race.first, race.second);
    let name = scene.name(race.object);
    let deed = |id: EventId| if is_store(scene, id) { "store" } else { "load" };
    let (one, other) = (deed(race.first), deed(race.second));
    let mut cause = Cause::new(
        Code::M003,
        home(scene, &explained),
        race.second,
        format!("data race: nothing orders {who}'s {one} and {whose}'s {other}"),
    )
    .suspicion()
    .label(scene, race.second, format!("{whose} {other}s here"))
    .label(scene, race.first, format!("{who} {one}s here"));
    cause = match visibly(scene, &explained) {
        Some((expected, saw)) => cause.expected(expected).saw(saw).why(format!(
            "{who} {}, {whose} {}, both at offset {} of {name}:",
            does(scene, race.first),
            does(scene, race.second),
            race.offset
        )),
        None => cause
            .expected(format!("one of the two waits for the other at offset {} of {name}", race.offset))
            .saw(format!("{who} {}, {whose} {} there", does(scene, race.first), does(scene, race.second))),
    };
    cause = cause.explains(explained).why("another time the two may come the other way round.");
    let let_in = waited_too_little(scene, race);
    if !let_in.is_empty() {
        // A release that comes before its store is the race's reason, and no second fault.
        let release = |step: &str| Step::parse(step).verb == "release";
        cause = cause.explains(scene.those(|symptom| {
            matches!(symptom.problem.kind, ProblemKind::WrongOrder { .. })
                && symptom.problem.step.as_deref().is_some_and(release)
        }));
    }
    for line in let_in {
        cause = cause.why(line);
    }
    match others {
        0 => cause,
        1 => cause.why("1 more pair of places is like this."),
        others => cause.why(format!("{others} more pairs of places are like this.")),
    }
}

/// Where a reader did wait, but the writer woke it before it had stored.
fn waited_too_little(scene: &Scene<'_>, race: &Race) -> Vec<String> {
    let Some((load, store)) = load_and_store(scene, race) else { return Vec::new() };
    let known = last_known(scene, event(scene, store).thread, load);
    let Some(Verb::Release { object }) = known.map(|id| &event(scene, id).verb) else { return Vec::new() };
    let (reader, writer) = both(scene, load, store);
    vec![
        format!("{writer} releases {} before it stores:", scene.name(*object)),
        format!("{reader} is let in too soon."),
    ]
}

/// The load and the store, where a race is between one of each.
fn load_and_store(scene: &Scene<'_>, race: &Race) -> Option<(EventId, EventId)> {
    match (is_store(scene, race.first), is_store(scene, race.second)) {
        (false, true) => Some((race.first, race.second)),
        (true, false) => Some((race.second, race.first)),
        _ => None,
    }
}

/// The last event of a thread that must have come before another event.
fn last_known(scene: &Scene<'_>, thread: ThreadId, before: EventId) -> Option<EventId> {
    let theirs = scene.trace().iter().take(before.index()).filter(|(_, event)| event.thread == thread);
    let theirs: Vec<EventId> = theirs.map(|(id, _)| id).collect();
    // In program order: what is known of a thread is its beginning.
    let known = theirs.partition_point(|id| scene.order().le(*id, before));
    theirs[..known].last().copied()
}

/// M008's facts: one only looks, the other's store is the first there, and nothing made the one wait for the other.
/// Gives the look and the store.
///
/// A reader that looks again and again does wait in its own way: that is a race on what it looks at, or a busy wait.
fn too_early(scene: &Scene<'_>, race: &Race) -> Option<(EventId, EventId)> {
    let (load, store) = load_and_store(scene, race)?;
    let (reader, writer) = (event(scene, load), event(scene, store));
    if reader.life == writer.life {
        return None;
    }
    let touches = |event: &Event| match &event.verb {
        Verb::Store { object, offset, bytes, .. } | Verb::Load { object, offset, bytes, .. } => {
            *object == race.object && *offset <= race.offset && race.offset < offset + bytes.len() as u64
        }
        _ => false,
    };
    let mut looked_otherwise = false;
    for (id, event) in scene.trace().iter().filter(|(_, event)| touches(event)) {
        let stores = matches!(event.verb, Verb::Store { .. });
        match (stores, event.life == reader.life) {
            (true, true) => return None,
            (true, false) if id < store => return None,
            // It looked before the store and after it.
            (false, true) if event.thread == reader.thread => {
                looked_otherwise |= (id < store) != (load < store) && !scene.order().le(store, id);
            }
            _ => {}
        }
    }
    let waited = last_known(scene, writer.thread, load)
        .is_some_and(|known| !matches!(event(scene, known).verb, Verb::Fork { .. } | Verb::Thread { .. }));
    // A process that forked the other knows of no event of it but its own fork.
    (!looked_otherwise && !waited).then_some((load, store))
}

/// M008.
fn reader_too_early(scene: &Scene<'_>, race: &Race, load: EventId, store: EventId) -> Cause {
    let explained = may_cause(scene, race.first);
    let (reader, writer) = both(scene, load, store);
    let (name, offset) = (scene.name(race.object), race.offset);
    let early = load < store;
    let message = match early {
        true => format!("{reader} looks before {writer} is ready"),
        false => format!("nothing keeps {reader} from looking before {writer} is ready"),
    };
    let saw = match early {
        true => format!("{reader} {} there; only then {writer} {}", does(scene, load), does(scene, store)),
        false => format!("{writer} {}, then {reader} {}, by luck", does(scene, store), does(scene, load)),
    };
    let mut cause = Cause::new(Code::M008, home(scene, &explained), load, message)
        .suspicion()
        .explains(explained)
        .label(scene, load, format!("{reader} looks here"))
        .label(scene, store, format!("{writer} stores here"))
        .expected(format!("{reader} looks at offset {offset} of {name} after {writer}'s store"))
        .saw(saw);
    for line in why_not_waited(scene, load, &reader, &writer) {
        cause = cause.why(line);
    }
    cause
}

/// What the reader did instead of waiting.
fn why_not_waited(scene: &Scene<'_>, load: EventId, reader: &str, writer: &str) -> Vec<String> {
    let thread = event(scene, load).thread;
    let before = || scene.trace().iter().take(load.index()).filter(|(_, event)| event.thread == thread);
    let let_in = before().filter_map(|(_, event)| match event.verb {
        Verb::Acquire { object }
            if event.causes.is_empty() && scene.trace().object(object).kind == ObjectKind::Semaphore =>
        {
            Some(object)
        }
        _ => None,
    });
    if let Some(semaphore) = let_in.last() {
        let name = scene.name(semaphore);
        let first = first_value(scene, semaphore).filter(|value| *value > 0);
        let starts = first.map_or_else(|| "does not start at 0".to_owned(), |value| format!("starts at {value}"));
        return vec![format!("{name} {starts}, so the first to acquire it need not wait"), format!("for {writer}.")];
    }
    let slept = before().any(|(_, event)| matches!(&event.verb, Verb::Call { name } if name.contains("nanosleep")));
    match slept {
        true => vec![
            format!("{reader} only sleeps, and a sleep puts nothing in order:"),
            "the other may take longer.".to_owned(),
        ],
        false => {
            vec![format!("nothing makes {reader} wait for {writer}: no wait, no message,"), "no semaphore.".to_owned()]
        }
    }
}

/// The value that a semaphore was made with.
pub(super) fn first_value(scene: &Scene<'_>, semaphore: ObjectId) -> Option<u32> {
    scene.trace().events.iter().find_map(|event| match event.verb {
        Verb::Init { object, value, .. } if object == semaphore => Some(value),
        _ => None,
    })
}

/// M007: what is an address in one process is stored where others find it.
pub(super) fn pointer(scene: &Scene<'_>) -> Option<Cause> {
    let stored = scene.events().find_map(|(id, event)| match &event.verb {
        Verb::Store { object, offset, pointer: true, .. } => Some((id, event.life, *object, *offset)),
        _ => None,
    });
    let (at, life, object, offset): (EventId, LifeId, ObjectId, u64) = stored?;
    let (who, name) = (scene.who(life), scene.name(object));
    let length = bytes(scene, at).len() as u64;
    let user = scene.trace().iter().skip(at.index()).find(|(_, event)| {
        let sees = |from: u64, seen: &Bytes| from < offset + length && offset < from.saturating_add(seen.len() as u64);
        event.life != life
            && matches!(&event.verb, Verb::Load { object: o, offset: from, bytes, .. } if *o == object && sees(*from, bytes))
    });
    let explained = may_cause(scene, at);
    let mut cause =
        Cause::new(Code::M007, home(scene, &explained), at, format!("{who} stores a pointer in shared memory"))
            .suspicion()
            .explains(explained)
            .label(scene, at, "this is an address")
            .expected(format!("the data itself stands in {name}, or its offset from the start"))
            .saw(format!("{who} stores an address of its own memory at offset {offset} of {name}"))
            .why("an address means something in one process only: at the same address")
            .why("another has other bytes, or none. String, Vec, Box and &str hold one.");
    if let Some((id, event)) = user {
        cause = cause.label(scene, id, format!("{} takes it from here", scene.who(event.life)));
    }
    Some(cause)
}
