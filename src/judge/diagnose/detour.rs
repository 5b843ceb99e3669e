//! F005: the data went another way than the task asks for.

use super::steps::Step;
use super::words::{list, pair, quote, short};
use super::{Cause, Scene};
use crate::judge::ProblemKind;
use crate::model::template::Filter;
use crate::model::{Code, Value};
use crate::trace::{EventId, LifeId, ObjectId, ObjectKind, Verb};

/// Whatever a task may ask to be done with a value.
const FILTERS: [Filter; 7] =
    [Filter::Upper, Filter::Lower, Filter::Rev, Filter::Rev4k, Filter::Lines, Filter::Sum, Filter::Square];

/// A shorter text may be in an output by chance.
const TELLING: usize = 3;

pub(super) fn causes(scene: &Scene<'_>) -> Vec<Cause> {
    let cause = exchanged(scene).or_else(|| through_a_file(scene)).or_else(|| another_queue(scene));
    let cause = cause.or_else(|| never_fetched(scene));
    cause.into_iter().collect()
}

/// In a run that changed the bytes in transit the output follows what the process had from elsewhere.
fn exchanged(scene: &Scene<'_>) -> Option<Cause> {
    let original = scene.case.original?;
    let changed: Vec<(&Value, &Value)> = scene
        .case
        .values
        .iter()
        .filter_map(|(name, carried)| Some((carried, original.get(name)?)))
        .filter(|(carried, original)| carried != original)
        .collect();
    let (carried, had) = changed.first()?;
    let follows = |expected: &[u8], saw: &[u8]| {
        let mut as_before = expected.to_vec();
        for (carried, had) in &changed {
            for (carried, had) in forms(carried).into_iter().zip(forms(had)) {
                as_before = replaced(&as_before, &carried, &had);
            }
        }
        as_before == saw
    };
    let stale = scene.those(|symptom| match &symptom.problem.kind {
        ProblemKind::WrongData { expected, saw, .. } => follows(expected, saw),
        _ => false,
    });
    let symptom = &scene.symptoms[*stale.first()?];
    let ProblemKind::WrongData { expected, saw, .. } = &symptom.problem.kind else { return None };
    let who = scene.who_of(&symptom.problem);
    let step = Step::parse(symptom.problem.step.as_deref().unwrap_or_default());
    let puts = if step.verb == "stdout" { "prints" } else { "writes" };
    let through = list(&scene.case.scenario.substitute);
    let event = symptom.problem.event.unwrap_or(EventId(u32::MAX));
    let (wanted, met) = pair(expected, saw);
    let forked = symptom.problem.life.is_some_and(|life| scene.trace().life(life).parent.is_some());
    let source = if forked {
        format!("{who} used its copy of the parent's memory, not what it received.")
    } else {
        format!("{who} used what it had from elsewhere, not what it received.")
    };
    let message = format!("the data went another way: {who} does not use what comes through {through}");
    let cause = Cause::new(Code::F005, symptom.home.clone(), event, message)
        .explains(stale)
        .label_if(scene, symptom.problem.event, "")
        .expected(format!("{who} {puts} {wanted}"))
        .saw(format!("{who} {puts} {met}"))
        .diff(expected, saw)
        .why(format!(
            "in this run the grader changed {} into {} on its way through {through}.",
            quote(&had.bytes()),
            quote(&carried.bytes())
        ))
        .why(source)
        .why("run by hand nothing changes it, and the difference does not show.");
    Some(cause)
}

/// Bytes that a channel was to carry went through a file: one process wrote it, another one read it.
fn through_a_file(scene: &Scene<'_>) -> Option<Cause> {
    let file = |object: &ObjectId| scene.trace().object(*object).kind == ObjectKind::File;
    let wrote = |(id, event): (EventId, &crate::trace::Event)| match &event.verb {
        Verb::Write { object, .. } if file(object) => Some((id, event.life, *object)),
        _ => None,
    };
    let (at, writer, object, reader) = scene.events().filter_map(wrote).find_map(|(id, writer, object)| {
        let reader = scene.events().find(|(_, event)| {
            event.life != writer && matches!(event.verb, Verb::Read { object: o, .. } if o == object)
        })?;
        Some((id, writer, object, reader.1.life))
    })?;
    // Where one file is, there may be more of them: whoever has to do with a file that another process uses, too.
    let uses = |(_, event): (EventId, &crate::trace::Event)| match &event.verb {
        Verb::Write { object, .. } | Verb::Read { object, .. } if file(object) => Some((event.life, *object)),
        _ => None,
    };
    let used: Vec<(LifeId, ObjectId)> = scene.events().filter_map(uses).collect();
    let shares = |life: LifeId| {
        let mine = used.iter().filter(|(user, _)| *user == life);
        mine.into_iter().any(|(_, mine)| used.iter().any(|(user, file)| *user != life && file == mine))
    };
    let about = scene.those(|symptom| {
        let carries = symptom.problem.step.as_deref().map(Step::parse).is_some_and(|step| {
            let plain = !matches!(step.verb, "stdout" | "stderr");
            plain && step.carries_bytes()
        });
        let theirs = symptom.problem.life.is_some_and(shares);
        carries && theirs && symptom.problem.kind == ProblemKind::Missing
    });
    let symptom = &scene.symptoms[*about.first()?];
    let (who, whose) = (scene.who(writer), scene.who(reader));
    let (step, name) = (Step::parse(symptom.problem.step.as_deref()?), scene.name(object));
    let bytes: usize = scene
        .trace()
        .of(writer)
        .map(|(_, event)| match &event.verb {
            Verb::Write { object: o, bytes } if *o == object => bytes.len(),
            _ => 0,
        })
        .sum();
    let message = format!("the data went another way: {who} hands it to {whose} in the file {name}");
    let cause = Cause::new(Code::F005, symptom.home.clone(), at, message)
        .explains(about)
        .label(scene, at, format!("{who} writes to the file here"))
        .expected(format!("{} {}", scene.who_of(&symptom.problem), step.predicate()))
        .saw(format!("{who} writes {bytes} bytes to the file {name}, and {whose} reads them there"))
        .why("a file keeps all of it: nobody waits for anybody, and nothing flows.")
        .why("the task is about what goes from one process to the other.");
    Some(cause)
}

/// A message that one queue was to carry went into another.
fn another_queue(scene: &Scene<'_>) -> Option<Cause> {
    let (symptom, at, to) = scene.symptoms.iter().find_map(|symptom| {
        let step = Step::parse(symptom.problem.step.as_deref()?);
        if symptom.problem.kind != ProblemKind::Missing || step.verb != "send" {
            return None;
        }
        let (life, text) = (symptom.problem.life?, step.text().or_else(|| step.bare_text())?);
        scene.trace().of(life).find_map(|(id, event)| match &event.verb {
            Verb::Send { object, bytes, .. } if bytes.0 == text && step.object() != Some(scene.name(*object)) => {
                Some((symptom, id, *object))
            }
            _ => None,
        })
    })?;
    let step = Step::parse(symptom.problem.step.as_deref()?);
    let (who, name) = (scene.who_of(&symptom.problem), step.object()?);
    // Whatever else of messages is missing or too many has to do with it: they are carried, by another queue.
    let about = scene.those(|symptom| {
        let carried = symptom.problem.event.map(|event| &scene.trace().event(event).verb);
        let message = matches!(carried, Some(Verb::Send { .. } | Verb::Receive { .. }));
        let asked = symptom.problem.step.as_deref().map(Step::parse);
        let asked = asked.is_some_and(|step| matches!(step.verb, "send" | "receive"));
        match symptom.problem.kind {
            ProblemKind::Missing => asked,
            ProblemKind::Surplus => message,
            _ => asked || message,
        }
    });
    let other = scene.name(to);
    let message = format!("the data went another way: {who} sends it to {other}, not to {name}");
    let cause = Cause::new(Code::F005, symptom.home.clone(), at, message)
        .explains(about)
        .label(scene, at, format!("{who} sends it here"))
        .expected(format!("{who} {}", step.predicate()))
        .saw(format!("{who} sends it to {other}"))
        .why(format!("what is in {other} nobody finds in {name}."));
    Some(cause)
}

/// A process prints what it was to read, and has not read it.
fn never_fetched(scene: &Scene<'_>) -> Option<Cause> {
    scene.symptoms.iter().find_map(|symptom| {
        let problem = &symptom.problem;
        let step = Step::parse(problem.step.as_deref()?);
        if problem.kind != ProblemKind::Missing || !matches!(step.verb, "read" | "receive") {
            return None;
        }
        let (life, name) = (problem.life.filter(|life| scene.is_learner(*life))?, step.object()?);
        let text = step.text()?;
        let known = text.trim_ascii_end();
        if known.len() < TELLING {
            return None;
        }
        let printed = printed_by(scene, life);
        let (at, line) = printed.iter().find(|(_, line)| {
            forms(&Value::Bytes(known.to_vec())).iter().any(|form| form.len() >= TELLING && contains(line, form))
        })?;
        let who = scene.who(life);
        let about = scene.those(|symptom| {
            let step = symptom.problem.step.as_deref().map(Step::parse);
            symptom.problem.kind == ProblemKind::Missing && step.is_some_and(|step| step.object() == Some(name))
        });
        let cause = Cause::new(
            Code::F005,
            symptom.home.clone(),
            *at,
            format!("the data went another way: {who} never reads it from {name}"),
        )
        .explains(about)
        .label(scene, *at, "")
        .expected(format!("{who} {}", step.predicate()))
        .saw(format!("{who} prints {} and has not read it from {name}", short(line)))
        .why(format!("what {who} knows without {name} it has from elsewhere:"))
        .why("memory that it inherited, an argument, a file.");
        Some(cause)
    })
}

fn printed_by(scene: &Scene<'_>, life: LifeId) -> Vec<(EventId, Vec<u8>)> {
    let stdout = |object| scene.trace().object(object).kind == ObjectKind::Stdout;
    let printed = scene.trace().of(life).filter_map(|(id, event)| match &event.verb {
        Verb::Write { object, bytes } if stdout(*object) => Some((id, bytes.0.clone())),
        _ => None,
    });
    printed.collect()
}

/// The value's text as it is, and through each filter.
fn forms(value: &Value) -> Vec<Vec<u8>> {
    let through = FILTERS.iter().map(|filter| filter.apply(value.clone()).bytes());
    std::iter::once(value.bytes()).chain(through).collect()
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && text.windows(part.len()).any(|window| window == part)
}

fn replaced(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    if from.is_empty() || from == to {
        return text.to_vec();
    }
    let mut result = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        if let Some(after) = rest.strip_prefix(from) {
            result.extend_from_slice(to);
            rest = after;
        } else {
            result.push(*first);
            rest = tail;
        }
    }
    result
}
