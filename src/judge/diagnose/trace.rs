//! T: the run differs from the expected one, and no cause explains it.

use std::collections::BTreeSet;

use super::steps::{Step, did, ends};
use super::words::{pair, plural, short};
use super::{Cause, Scene};
use crate::judge::check::{Source, Symptom};
use crate::judge::{Problem, ProblemKind, Severity, Witness};
use crate::model::{CheckKind, Code};
use crate::trace::{EventId, LifeId, ObjectId, Verb};

/// More orders that held by luck are the same advice over again.
const LUCK_TOLD: usize = 3;

/// A finding for each difference that is left, one a lane where a step is missing.
pub(super) fn differences(scene: &Scene<'_>, left: &BTreeSet<usize>) -> Vec<Cause> {
    let follow = &unborn(scene, left) | &(&after_a_crash(scene, left) | &after_a_peer_stopped(scene, left));
    let follow = &follow | &out_of_step(scene, &(left - &follow));
    let told: Vec<&Symptom> = left
        .iter()
        .filter(|index| !follow.contains(index))
        .map(|index| &scene.symptoms[*index])
        .filter(|symptom| symptom.code != Code::M006 && !told_already(scene, symptom))
        .collect();
    let mut causes: Vec<Cause> = Vec::new();
    let mut lanes: Vec<(&Symptom, usize)> = Vec::new();
    let mut texts: Vec<(&Symptom, usize)> = Vec::new();
    for symptom in told {
        match &symptom.problem.kind {
            ProblemKind::Missing | ProblemKind::Surplus => {
                let same = |other: &Symptom| {
                    other.problem.kind == symptom.problem.kind
                        && other.problem.role == symptom.problem.role
                        && other.problem.life == symptom.problem.life
                        && other.source == symptom.source
                };
                match lanes.iter_mut().find(|(other, _)| same(other)) {
                    Some((_, more)) => *more += 1,
                    None => lanes.push((symptom, 0)),
                }
            }
            ProblemKind::Forbidden => causes.push(forbidden(scene, symptom)),
            ProblemKind::WrongOrder { first, first_event } => {
                causes.push(wrong_order(scene, symptom, first, *first_event));
            }
            ProblemKind::WrongData { .. } => {
                match texts.iter_mut().find(|(other, _)| same_stream(scene, other, symptom)) {
                    Some((_, more)) => *more += 1,
                    None => texts.push((symptom, 0)),
                }
            }
        }
    }
    let texts = texts.iter().filter_map(|(symptom, more)| match &symptom.problem.kind {
        ProblemKind::WrongData { expected, saw, .. } => Some(wrong_texts(scene, symptom, expected, saw, *more)),
        _ => None,
    });
    // Where both are at one event, what is wrong in itself comes before where it stands.
    causes.splice(0..0, texts);
    causes.extend(lanes.iter().map(|(symptom, more)| match symptom.problem.kind {
        ProblemKind::Missing => missing(scene, symptom, *more),
        _ => surplus(scene, symptom, *more),
    }));
    causes.sort_by_key(|cause| cause.at);
    causes
}

/// T004: an order that held while nothing forced it, and a run in which it came the other way round. Without such a run
/// it is no finding, and where that run goes well otherwise it is advice.
///
/// That a value was seen while nothing put its store first is the luck that a race tells of: a run in which it goes wrong
/// makes an error of the race, and is no second finding.
pub(super) fn luck(scene: &Scene<'_>, mut race: Option<&mut Cause>) -> Vec<Cause> {
    let mut told: Vec<Cause> = Vec::new();
    for unforced in &scene.matching.unforced {
        let Some(witness) = &unforced.witness else { continue };
        let of_memory = Step::parse(&unforced.first).verb == "store" && Step::parse(&unforced.second).verb == "load";
        if let Some(race) = race.as_deref_mut().filter(|_| of_memory) {
            if let Witness::GoesWrong(message) = witness
                && !race.is_error()
            {
                race.finding.severity = Severity::Error;
                race.finding.why.push(format!("with the store held back: {message}."));
            }
            continue;
        }
        let by = |event: EventId, step: &str| {
            format!("{} {}", scene.who(scene.trace().event(event).life), Step::parse(step).predicate())
        };
        let (first, second) = (by(unforced.first_event, &unforced.first), by(unforced.second_event, &unforced.second));
        let check = scene.home(|kind| *kind == CheckKind::Trace);
        let cause =
            Cause::new(Code::T004, check, unforced.second_event, "right only by luck: nothing forced this order")
                .label(scene, unforced.second_event, "this comes after it by luck alone")
                .label(scene, unforced.first_event, "this has to come first")
                .expected(format!("{first}; only then {second}"))
                .saw("this order; with the first held back, the other one")
                .why("another time the two come the other way round by themselves.");
        let cause = match witness {
            Witness::GoesWell => cause.advice_unless(false),
            Witness::GoesWrong(message) => cause.why(format!("then: {message}.")),
        };
        if !told.iter().any(|other| other.finding.expected == cause.finding.expected) {
            told.push(cause);
        }
    }
    told.truncate(LUCK_TOLD);
    told
}

/// What follows from a process that was never made: all that it should have done, and that another did in its place.
fn unborn(scene: &Scene<'_>, left: &BTreeSet<usize>) -> BTreeSet<usize> {
    let forks = left.iter().filter_map(|index| {
        let problem = &scene.symptoms[*index].problem;
        let step = Step::parse(problem.step.as_deref()?);
        (problem.kind == ProblemKind::Missing && step.verb == "fork").then_some(step.rest)
    });
    let roles: BTreeSet<&str> = forks.collect();
    let theirs = |problem: &Problem| {
        let by_role = problem.role.as_ref().is_some_and(|role| roles.contains(role.as_str()));
        let step = problem.step.as_deref().map(Step::parse);
        let awaited = step.is_some_and(|step| {
            matches!(step.verb, "wait" | "reaped") && step.rest.split([' ', ',']).any(|word| roles.contains(word))
        });
        problem.kind == ProblemKind::Missing && (by_role || awaited)
    };
    let texts: Vec<Vec<u8>> = left
        .iter()
        .map(|index| &scene.symptoms[*index].problem)
        .filter(|problem| theirs(problem))
        .filter_map(|problem| Step::parse(problem.step.as_deref()?).text())
        .collect();
    let in_its_place = |problem: &Problem| match problem.event.map(|event| &scene.trace().event(event).verb) {
        Some(
            Verb::Write { bytes, .. }
            | Verb::Read { bytes, .. }
            | Verb::Send { bytes, .. }
            | Verb::Receive { bytes, .. },
        ) => problem.kind == ProblemKind::Surplus && texts.iter().any(|text| text.starts_with(&bytes.0)),
        _ => false,
    };
    let follows = |index: &&usize| {
        let symptom = &scene.symptoms[**index];
        theirs(&symptom.problem) || in_its_place(&symptom.problem)
    };
    left.iter().filter(follows).copied().collect()
}

/// What follows from a process that crashed: all that it did not come to, and what its parent then got from wait.
fn after_a_crash(scene: &Scene<'_>, left: &BTreeSet<usize>) -> BTreeSet<usize> {
    let told = |ended: EventId| left.iter().any(|index| scene.symptoms[*index].is_at(ended));
    let crashes = scene.learner().filter(|(id, life)| life.ended.is_some_and(told) && scene.crashed(*id));
    let crashed: BTreeSet<LifeId> = crashes.map(|(id, _)| id).collect();
    let follows = |index: &&usize| {
        let problem = &scene.symptoms[**index].problem;
        let reaped = match problem.event.map(|event| &scene.trace().event(event).verb) {
            Some(Verb::Reaped { child, .. }) => crashed.contains(child),
            _ => false,
        };
        reaped || problem.kind == ProblemKind::Missing && problem.life.is_some_and(|life| crashed.contains(&life))
    };
    left.iter().filter(follows).copied().collect()
}

/// What follows from wrong bytes that made a peer stop: what it would still have sent, and the end of a program that finds
/// its peer gone.
fn after_a_peer_stopped(scene: &Scene<'_>, left: &BTreeSet<usize>) -> BTreeSet<usize> {
    let spoilt = |object: Option<ObjectId>, before: EventId| {
        left.iter().map(|index| &scene.symptoms[*index]).any(|symptom| {
            let wrong = matches!(symptom.problem.kind, ProblemKind::WrongData { .. } | ProblemKind::Surplus);
            let earlier = symptom.problem.event.is_some_and(|event| event < before);
            symptom.source == Source::Trace && wrong && earlier && scene.object_of(&symptom.problem) == object
        })
    };
    let stopped = scene.symptoms.iter().filter(|symptom| symptom.source == Source::Peer).find_map(|symptom| {
        let (object, event) = (symptom.problem.object, symptom.problem.event?);
        (object.is_some() && spoilt(object, event)).then_some(event)
    });
    let Some(stopped) = stopped else { return BTreeSet::new() };
    let follows = |index: &&usize| {
        let problem = &scene.symptoms[**index].problem;
        let ended = problem.event.is_some_and(|event| event > stopped && ends_a_life(scene, event));
        problem.kind == ProblemKind::Missing || ended
    };
    left.iter().filter(follows).copied().collect()
}

fn ends_a_life(scene: &Scene<'_>, event: EventId) -> bool {
    matches!(scene.trace().event(event).verb, Verb::Exit { .. } | Verb::Killed { .. })
}

/// Orders in a lane of which a step is missing: a group without its last step ends too early, and means nothing.
fn out_of_step(scene: &Scene<'_>, left: &BTreeSet<usize>) -> BTreeSet<usize> {
    let of_trace = || left.iter().filter(|index| scene.symptoms[**index].source == Source::Trace);
    let problems = || of_trace().map(|index| (*index, &scene.symptoms[*index].problem));
    let missing = problems().filter(|(_, problem)| problem.kind == ProblemKind::Missing);
    let gaps: BTreeSet<Option<LifeId>> = missing.map(|(_, problem)| problem.life).collect();
    let out =
        |problem: &Problem| matches!(problem.kind, ProblemKind::WrongOrder { .. }) && gaps.contains(&problem.life);
    problems().filter(|(_, problem)| out(problem)).map(|(index, _)| index).collect()
}

/// What a peer or a check saw says nothing new where the expected trace has said it.
fn told_already(scene: &Scene<'_>, symptom: &Symptom) -> bool {
    let better = |other: &&Symptom| other.source < symptom.source;
    let mut others = scene.symptoms.iter().filter(better);
    match symptom.source {
        Source::Trace => false,
        Source::Peer => others.next().is_some(),
        Source::Check => others.any(|other| other.home == symptom.home || symptom.problem.kind == ProblemKind::Missing),
    }
}

fn start(scene: &Scene<'_>, symptom: &Symptom, message: String) -> Cause {
    let at = symptom.problem.event.unwrap_or(EventId(u32::MAX));
    let missing = symptom.problem.kind == ProblemKind::Missing;
    let place = symptom.problem.event.filter(|_| !missing);
    Cause::new(symptom.code, symptom.home.clone(), at, message).label_if(scene, place, "")
}

/// Where a step is missing: where its process is stuck or computes, else after what it had done before.
fn gap(scene: &Scene<'_>, symptom: &Symptom, cause: Cause) -> Cause {
    let stays = |life: &LifeId| scene.trace().life(*life).ended.is_none();
    let before = symptom.problem.event.filter(|event| scene.site(*event).is_some());
    match (symptom.problem.life, before) {
        (Some(life), _) if stays(&life) => cause.label_last(scene, Some(life)),
        (_, Some(before)) => cause.label(scene, before, "it is missing after this"),
        (life, None) => cause.label_last(scene, life),
    }
}

/// T001.
fn missing(scene: &Scene<'_>, symptom: &Symptom, more: usize) -> Cause {
    let step = Step::parse(symptom.problem.step.as_deref().unwrap_or_default());
    let count = |number: &str| match number {
        "1" => "one process".to_owned(),
        number => format!("{number} processes"),
    };
    let seen = symptom.saw.clone().unwrap_or_else(|| match step.verb {
        "fork" => count(&scene.learner().count().to_string()),
        _ => "nothing of the kind".to_owned(),
    });
    let cause = match (symptom.source, step.verb) {
        (Source::Check, "processes") => {
            start(scene, symptom, format!("{} where {} are asked for", count(&seen), step.rest))
                .expected(count(step.rest))
                .saw(count(&seen))
                .why("each process is made by a fork.")
        }
        (Source::Check, "separate") => {
            start(scene, symptom, format!("no child has {} where its parent keeps the old value", step.rest))
                .expected(format!("a child stores {} in its own copy of the variable", step.rest))
                .saw("no child's memory holds it at its end, at an address where the parent has the old value")
                .why("the memories are looked at, not what the program says about them.")
        }
        (Source::Check, "look") => {
            let who = format!("the {}", step.rest);
            start(scene, symptom, format!("{who} never gets to look at the shared object"))
                .expected(format!("{who} looks at the value while the program waits"))
                .saw("the program ends before that")
        }
        (Source::Peer, _) => {
            let who = scene.who_of(&symptom.problem);
            start(scene, symptom, format!("{who} cannot do its part"))
                .expected(format!("{who}: {} {}", step.verb, step.rest))
                .saw(format!("{who}: {seen}"))
        }
        _ => {
            let (who, predicate) = (scene.who_of(&symptom.problem), step.predicate());
            let cause = start(scene, symptom, format!("a step is missing: {who} never {predicate}"))
                .expected(format!("{who} {predicate}"))
                .saw(seen);
            let cause = match step.verb {
                // Where there is no fork, no line is the wrong one.
                "fork" | "processes" => cause,
                _ => gap(scene, symptom, cause),
            };
            match step.verb {
                "fork" => cause.why("without a fork there is one process, whatever it prints."),
                _ => cause,
            }
        }
    };
    match more {
        0 => cause,
        more => cause.why(format!(
            "{more} more step{} of {} did not come either.",
            plural(more),
            scene.who_of(&symptom.problem)
        )),
    }
}

/// T002.
fn surplus(scene: &Scene<'_>, symptom: &Symptom, more: usize) -> Cause {
    let who = scene.who_of(&symptom.problem);
    let what = what_happened(scene, &symptom.problem, symptom.saw.as_deref());
    let cause = start(scene, symptom, format!("a step too many: {who} {what}"))
        .expected(match symptom.problem.step.as_deref().map(Step::parse) {
            Some(step) if symptom.source == Source::Peer => format!("{who}: {} {}", step.verb, step.rest),
            _ => "nothing more here".to_owned(),
        })
        .saw(format!("{who} {what}"));
    match more {
        0 => cause,
        more => cause.why(format!("{who} does {more} more thing{} that no step asks for.", plural(more))),
    }
}

fn forbidden(scene: &Scene<'_>, symptom: &Symptom) -> Cause {
    let who = scene.who_of(&symptom.problem);
    let what = what_happened(scene, &symptom.problem, symptom.saw.as_deref());
    start(scene, symptom, format!("this must not happen: {who} {what}"))
        .expected(symptom.problem.step.as_ref().map_or_else(|| "not this".to_owned(), |step| format!("never: {step}")))
        .saw(format!("{who} {what}"))
}

fn what_happened(scene: &Scene<'_>, problem: &Problem, saw: Option<&str>) -> String {
    match (saw, problem.event) {
        (Some(saw), _) => format!("meets {saw}"),
        (None, Some(event)) => {
            let verb = &scene.trace().event(event).verb;
            did(verb, verb.object().map_or("", |object| scene.name(object)))
        }
        (None, None) => "does more than is asked for".to_owned(),
    }
}

/// T003.
fn wrong_order(scene: &Scene<'_>, symptom: &Symptom, first: &str, first_event: EventId) -> Cause {
    let who = scene.who_of(&symptom.problem);
    let whose = scene.who(scene.trace().event(first_event).life);
    // The step may be done in several pieces: what came too early is the first of them.
    let deed = |event: EventId| {
        let verb = &scene.trace().event(event).verb;
        did(verb, verb.object().map_or("", |object| scene.name(object)))
    };
    let (second, early) = match (symptom.problem.step.as_deref().map(Step::parse), symptom.problem.event) {
        (Some(step), Some(event)) if matches!(scene.trace().event(event).verb, Verb::Write { .. }) => {
            (step.predicate(), deed(event))
        }
        (Some(step), _) => (step.predicate(), step.predicate()),
        (None, Some(event)) => (deed(event), deed(event)),
        (None, None) => ("goes on".to_owned(), "goes on".to_owned()),
    };
    let first = Step::parse(first);
    let first = if first.rest.is_empty() { deed(first_event) } else { first.predicate() };
    let (again, theirs) =
        if who == whose { (String::new(), String::new()) } else { (format!("{who} "), format!("{whose} ")) };
    start(scene, symptom, format!("wrong order: {who} {early} too early"))
        .expected(format!("{whose} {first}, then {again}{second}"))
        .saw(format!("{who} {early}, and only then {theirs}{first}"))
        .label(scene, first_event, "this has to come first")
}

/// What a program said last on standard error: the two lines of a panic, or the one of an error.
fn last_words(said: &str) -> Vec<&str> {
    let lines: Vec<&str> = said.lines().filter(|line| !line.is_empty() && !line.starts_with("note: ")).collect();
    match lines.as_slice() {
        [.., panicked, message] if panicked.contains("panicked at") => vec![panicked, message],
        [.., last] => vec![last],
        [] => Vec::new(),
    }
}

/// Whether the same process has put wrong bytes into the same place: most likely for the same reason.
fn same_stream(scene: &Scene<'_>, one: &Symptom, other: &Symptom) -> bool {
    let put = |symptom: &Symptom| {
        let event = scene.trace().event(symptom.problem.event?);
        let object = match event.verb {
            Verb::Write { object, .. } | Verb::Send { object, .. } => Some(object),
            _ => None,
        }?;
        Some((event.life, object, symptom.source, symptom.home.clone()))
    };
    put(one).is_some() && put(one) == put(other)
}

/// T005 for the first of several texts.
fn wrong_texts(scene: &Scene<'_>, symptom: &Symptom, expected: &[u8], saw: &[u8], more: usize) -> Cause {
    let cause = wrong_data(scene, symptom, expected, saw);
    match more {
        0 => cause,
        1 => cause.why("1 more text from there on is another than expected."),
        more => cause.why(format!("{more} more texts from there on are others than expected.")),
    }
}

/// T005.
fn wrong_data(scene: &Scene<'_>, symptom: &Symptom, expected: &[u8], saw: &[u8]) -> Cause {
    let who = scene.who_of(&symptom.problem);
    let step = Step::parse(symptom.problem.step.as_deref().unwrap_or_default());
    let verb = symptom.problem.event.map(|event| &scene.trace().event(event).verb);
    if symptom.source == Source::Peer {
        let met = symptom.saw.as_deref().unwrap_or_default();
        return start(scene, symptom, format!("wrong data: {who} gets something else"))
            .expected(format!("{who}: {} {}", step.verb, step.rest))
            .saw(format!("{who} gets {met}"));
    }
    let ended = match verb {
        Some(Verb::Exit { status }) => Some(crate::trace::Ending::Exit(*status)),
        Some(Verb::Killed { signal }) => Some(crate::trace::Ending::Killed(*signal)),
        Some(Verb::Reaped { ending, .. }) => Some(*ending),
        _ => None,
    };
    if let Some(ending) = ended {
        let whose = match (step.verb, verb) {
            ("wait", Some(Verb::Reaped { child, .. })) => scene.who(*child),
            _ => who.clone(),
        };
        let mut cause = start(scene, symptom, format!("{whose} {}", ends(ending)))
            .expected(format!("{who} {}", step.predicate()))
            .saw(format!("{whose} {}", ends(ending)));
        for line in last_words(&scene.stderr()) {
            cause = cause.why(format!("it said: {}", short(line.as_bytes())));
        }
        return cause;
    }
    if let Some(verb @ (Verb::Send { object, bytes, priority } | Verb::Receive { object, bytes, priority })) = verb
        && step.priority().is_some_and(|wanted| wanted != *priority)
        && step.text().as_ref() == Some(&bytes.0)
    {
        let deed = did(verb, scene.name(*object));
        return start(scene, symptom, format!("wrong priority: {who} {deed}"))
            .expected(format!("{who} {}", step.predicate()))
            .saw(format!("{who} {deed}"));
    }
    let (wanted, met) = pair(expected, saw);
    let (does, to) = match (step.verb, step.object()) {
        ("stdout", _) => ("prints", String::new()),
        ("stderr", _) => ("prints", " to standard error".to_owned()),
        ("read", Some(name)) => ("reads", format!(" from {name}")),
        ("receive", Some(name)) => ("receives", format!(" from {name}")),
        ("send", Some(name)) => ("sends", format!(" to {name}")),
        ("store", Some(name)) => ("stores", format!(" in {name}")),
        ("load", Some(name)) => ("loads", format!(" from {name}")),
        (_, Some(name)) => ("writes", format!(" to {name}")),
        _ => ("has", String::new()),
    };
    start(scene, symptom, format!("wrong data: {who} {does} {met}{to}"))
        .expected(format!("{who} {does} {wanted}{to}"))
        .saw(format!("{who} {does} {met}{to}"))
        .diff(expected, saw)
}
