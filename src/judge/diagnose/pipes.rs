//! F: pipes and FIFOs.

use super::steps::Step;
use super::words::{list, short};
use super::{Cause, Effect, Scene, repairs};
use crate::judge::{End, ProblemKind};
use crate::model::{Code, Signal};
use crate::trace::{EventId, Holder, LifeId, ObjectId, ObjectKind, Verb, Wait};

pub(super) fn causes(scene: &Scene<'_>) -> Vec<Cause> {
    let mut causes = Vec::new();
    causes.extend(end_never_comes(scene));
    causes.extend(nobody_reads(scene));
    causes.extend(crossed_opens(scene));
    causes.extend(made_after_the_fork(scene));
    causes
}

/// F001: a reader has had all the bytes and waits for an end that an open write end keeps away.
fn end_never_comes(scene: &Scene<'_>) -> Option<Cause> {
    let stuck = scene.waits().iter().filter_map(|wait| Some((wait, wait.object?)));
    let mut stuck: Vec<(&Wait, ObjectId)> =
        stuck.filter(|(wait, object)| waits_for_the_end(scene, wait, *object)).collect();
    // Who keeps the end away from itself is the root of it; a peer that waits may only wait for one that is stuck.
    stuck.sort_by_key(|(wait, _)| (!wait.holders.iter().any(|h| h.life == wait.life), !scene.is_learner(wait.life)));
    let (wait, object) = *stuck.first()?;
    let (who, name, kind) = (scene.who(wait.life), scene.name(object), scene.trace().object(object).kind);
    let got = scene.read_by(wait.life, object);
    let (thing, from) = match kind {
        ObjectKind::Fifo => ("FIFO", format!(" from {name}")),
        _ => ("pipe", String::new()),
    };
    let (expected, saw) = match got.as_slice() {
        [] => (format!("{who} reads the end of the text{from}"), format!("{who} reads nothing{from}, for ever")),
        got => {
            let read = format!("{who} reads {}{from}", short(got));
            (format!("{read}, then the end of the text"), format!("{read}, then nothing, for ever"))
        }
    };
    let mut cause =
        Cause::at_the_end(Code::F001, scene.clean(), format!("{who} waits for ever for the end of the text"))
            .effect(Effect::Stops)
            .explains(scene.unfinished())
            .proved(scene.proved())
            .label(scene, wait, format!("{who} is stuck here"))
            .expected(expected)
            .saw(saw)
            .why(format!("a {thing} ends when every copy of its write end is closed."));
    for holder in &wait.holders {
        let since = holder.since.map(|since| (since, &scene.trace().event(since).verb));
        let made = since.and_then(|(since, verb)| match verb {
            // The copy that fork made is the descriptor that pipe made.
            Verb::Fork { .. } => scene.made(object).or(Some(since)),
            _ => Some(since),
        });
        let whose = scene.who(holder.life);
        let still = format!("{whose} still has this open");
        cause = cause.why(how_held(scene, holder, &whose, thing)).label_if(scene, made, still);
        if made.is_some() {
            cause = cause.of_end(End::Write);
        }
        cause = cause.repair(repairs::closed_in_time(scene, (holder, whose), object, (End::Write, made)));
    }
    Some(cause)
}

fn waits_for_the_end(scene: &Scene<'_>, wait: &Wait, object: ObjectId) -> bool {
    let kind = scene.trace().object(object).kind;
    if !matches!(wait.call.as_str(), "read" | "poll") || !kind.is_channel() || wait.holders.is_empty() {
        return false;
    }
    let own = wait.holders.iter().all(|holder| holder.life == wait.life);
    let bytes_missing = scene.symptoms.iter().any(|symptom| {
        let lacks = matches!(symptom.problem.kind, ProblemKind::Missing | ProblemKind::WrongData { .. });
        let carries = symptom.problem.step.as_deref().map(Step::parse).is_some_and(|step| step.carries_bytes());
        lacks && carries && scene.object_of(&symptom.problem) == Some(object)
    });
    let asked_for = scene.matching.objects.values().any(|bound| *bound == object);
    let had_some = !scene.read_by(wait.life, object).is_empty();
    own || !bytes_missing && (asked_for || had_some)
}

fn how_held(scene: &Scene<'_>, holder: &Holder, whose: &str, thing: &str) -> String {
    let since = holder.since.map(|since| (scene.line(since), &scene.trace().event(since).verb));
    match since {
        Some((line, Verb::Fork { .. })) => format!("fork{line} gave {whose} a copy."),
        Some((line, Verb::Create { .. })) => {
            format!("{whose} made the {thing}{line} and has not closed its write end.")
        }
        Some((line, Verb::Open { object, .. })) => {
            format!("{whose} has opened {} for writing too{line}.", scene.name(*object))
        }
        _ => format!("{whose} still has one open."),
    }
}

/// F003: a write failed because no process had the read end.
fn nobody_reads(scene: &Scene<'_>) -> Option<Cause> {
    let (at, object) = scene.events().find_map(|(id, event)| match &event.verb {
        Verb::Failed { call, errno, object }
            if errno == "EPIPE" && (call.contains("write") || call.contains("send")) =>
        {
            Some((id, *object))
        }
        Verb::Killed { signal: Signal::PIPE } => Some((id, last_use(scene, event.life))),
        _ => None,
    })?;
    // A reader that went because something had gone wrong before is no cause.
    let earlier = scene.symptoms.iter().any(|symptom| {
        let spoilt = !matches!(symptom.problem.kind, ProblemKind::Missing | ProblemKind::WrongOrder { .. });
        spoilt && symptom.problem.event.is_some_and(|event| event < at)
    });
    let crashed = scene.learner().any(|(id, life)| life.ended.is_some_and(|ended| ended < at) && scene.crashed(id));
    if earlier || crashed {
        return None;
    }
    let writer = scene.trace().event(at).life;
    let who = scene.who(writer);
    let name = object.map_or("a pipe", |object| scene.name(object));
    let closed = scene.events().filter(|(id, _)| *id < at).filter(
        |(_, event)| matches!(event.verb, Verb::Close { object: o, write: false, last: true } if Some(o) == object),
    );
    let closed = closed.last();
    let mut cause =
        Cause::new(Code::F003, scene.output(object), at, format!("{who} writes to a pipe that nobody reads"))
            .effect(Effect::Stops)
            .explains(scene.after(at))
            .advice_unless(!scene.symptoms.is_empty())
            .label(scene, at, "")
            .expected(format!("a process has the read end open when {who} writes to {name}"))
            .saw(format!("{who} writes to {name}: no process has the read end open (EPIPE)"));
    if let Some((close, event)) = closed {
        let first_fork = scene.events().find(|(_, event)| matches!(event.verb, Verb::Fork { .. }));
        let when = if first_fork.is_some_and(|(fork, _)| close < fork) { " before the fork" } else { "" };
        cause = cause
            .why(format!("{} closed the last read end{}{when}.", scene.who(event.life), scene.line(close)))
            .label(scene, close, "the last read end is closed here");
    }
    Some(cause.why("a pipe without a reader takes nothing:").why("the write fails, or SIGPIPE ends the writer."))
}

fn last_use(scene: &Scene<'_>, life: LifeId) -> Option<ObjectId> {
    let channel = |object: &ObjectId| scene.trace().object(*object).kind.is_channel();
    scene.trace().of(life).filter_map(|(_, event)| event.verb.object()).filter(channel).last()
}

/// F006: two opens of two FIFOs wait for each other.
fn crossed_opens(scene: &Scene<'_>) -> Option<Cause> {
    let opens = scene.waits().iter().filter(|wait| wait.call == "open");
    let opens: Vec<(&Wait, ObjectId)> = opens.filter_map(|wait| Some((wait, wait.object?))).collect();
    let (ours, other) = opens.iter().find_map(|ours| {
        let other = opens.iter().find(|other| other.0.life != ours.0.life && other.1 != ours.1)?;
        scene.is_learner(ours.0.life).then_some((ours, other))
    })?;
    let (who, whose) = (scene.who(ours.0.life), scene.who(other.0.life));
    let (name, others) = (scene.name(ours.1), scene.name(other.1));
    let cause = Cause::at_the_end(
        Code::F006,
        scene.clean(),
        format!("{who} and {whose} open the FIFOs in an order that blocks both for ever"),
    )
    .effect(Effect::Stops)
    .explains(scene.unfinished())
    .proved(scene.proved())
    .label(scene, ours.0, format!("{who} is stuck here"))
    .label_if(scene, scene.is_learner(other.0.life).then_some(other.0), format!("{whose} is stuck here"))
    .expected(format!("{who} opens {others} first, as {whose} does"))
    .saw(format!("{who} is stuck in open of {name}, {whose} in open of {others}"))
    .why("open of a FIFO waits until the other side opens it as well.");
    Some(cause)
}

/// F011: parent and child each made a pipe after the fork, and the bytes did not get across.
fn made_after_the_fork(scene: &Scene<'_>) -> Option<Cause> {
    let lost = scene.symptoms.iter().any(|symptom| {
        let step = symptom.problem.step.as_deref().map(Step::parse);
        let lacks = matches!(symptom.problem.kind, ProblemKind::Missing | ProblemKind::WrongData { .. });
        lacks && step.is_some_and(|step| matches!(step.verb, "pipe" | "read" | "write" | "end"))
    });
    if !lost {
        return None;
    }
    let (ours, theirs) = twins(scene, |kind| matches!(kind, ObjectKind::Pipe | ObjectKind::Socket))?;
    let (parent, child) = (scene.trace().event(ours).life, scene.trace().event(theirs).life);
    let (whose, who) = (scene.who(parent), scene.who(child));
    let object = scene.trace().event(ours).verb.object();
    let both = list(&[whose.as_str(), who.as_str()]);
    let cause = Cause::new(
        Code::F011,
        scene.output(object),
        ours.min(theirs),
        "the pipe is made after the fork: each process has its own",
    )
    .effect(Effect::Stops)
    .explains(scene.after(ours.min(theirs)))
    .label(scene, ours, format!("{whose} makes its own here"))
    .label_if(scene, scene.fork_of(child), "the fork is here")
    .expected(format!("one pipe, which {both} both have"))
    .saw(format!("{whose} makes a pipe, {who} makes another; neither joins the two"))
    .why("a process gets a pipe by inheriting it: first pipe, then fork.");
    Some(cause)
}

/// A parent and its child, each with an object that it made after the fork and that nobody else used: the two events
/// that made them.
pub(super) fn twins(scene: &Scene<'_>, wanted: impl Fn(ObjectKind) -> bool) -> Option<(EventId, EventId)> {
    let made: Vec<(EventId, LifeId, ObjectId)> = scene
        .events()
        .filter_map(|(id, event)| match event.verb {
            Verb::Create { object } if wanted(scene.trace().object(object).kind) => Some((id, event.life, object)),
            _ => None,
        })
        .filter(|(_, life, made)| {
            scene.trace().events.iter().all(|event| event.verb.object() != Some(*made) || event.life == *life)
        })
        .collect();
    made.iter().find_map(|(theirs, child, _)| {
        let parent = scene.trace().life(*child).parent?;
        let fork = scene.fork_of(*child)?;
        let ours = made.iter().find(|(id, life, _)| *life == parent && *id > fork)?;
        Some((ours.0, *theirs))
    })
}
