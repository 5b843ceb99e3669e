//! P: fork, exit and wait.

use std::collections::BTreeSet;

use super::steps::{Step, did, ends};
use super::words::{list, pair, quote};
use super::{Cause, Effect, Scene};
use crate::judge::{Problem, ProblemKind};
use crate::model::{CheckKind, Code, Invariant, Template};
use crate::trace::{Event, EventId, LifeId, ObjectId, ObjectKind, RunEnd, Verb};

pub(super) fn causes(scene: &Scene<'_>) -> Vec<Cause> {
    let mut causes = Vec::new();
    causes.extend(zombies(scene));
    causes.extend(orphans(scene));
    causes.extend(runs_on(scene));
    causes.extend(exec_failed(scene));
    causes.extend(too_many(scene));
    causes.extend(threads(scene));
    causes.extend(expects_the_change(scene));
    causes
}

/// P001: a child has ended, its parent too, and nobody has waited.
fn zombies(scene: &Scene<'_>) -> Option<Cause> {
    let children: Vec<LifeId> = scene
        .learner()
        .filter(|(_, life)| {
            let parent_ended = life.parent.and_then(|parent| scene.trace().life(parent).ended);
            let gone = life.ended.zip(parent_ended).is_some_and(|(child, parent)| child < parent);
            gone && life.reaped.is_none() && !life.orphaned && !life.self_reaping
        })
        .map(|(id, _)| id)
        .collect();
    let (first, parent) = parent_of(scene, &children)?;
    if !scene.holds(Invariant::Zombie) {
        return None;
    }
    let (who, whose) = (everybody(scene, &children), scene.who(parent));
    let (message, saw) = if children.iter().all(|child| looked_at(scene, parent, *child)) {
        let them = if children.len() == 1 { "it" } else { "them" };
        (
            format!("{whose} looks at {who} and leaves {them} as a zombie"),
            format!("{whose} looked at {who} (WNOWAIT) and did not take {them} away"),
        )
    } else {
        let end = ending(scene, parent);
        (format!("{whose} never waits for {who}"), format!("{who} ended; {whose} {end} without having waited"))
    };
    let cause = left_alone(scene, Code::P001, message, first, parent)?
        .expected(format!("{whose} waits for {who}"))
        .saw(saw)
        .why("a child that has ended stays in the process table, as a zombie,")
        .why("until its parent waits for it.");
    Some(cause)
}

/// Whether a parent was told how its child ended and left it where it was: waitid(2) with WNOWAIT.
fn looked_at(scene: &Scene<'_>, parent: LifeId, child: LifeId) -> bool {
    let ended = scene.trace().life(child).ended;
    scene.trace().of(parent).any(|(_, event)| {
        let waitid = matches!(&event.verb, Verb::Call { name } if name == "waitid");
        waitid && ended.is_some_and(|ended| event.causes.contains(&ended))
    })
}

/// P005: a parent has ended before its child.
fn orphans(scene: &Scene<'_>) -> Option<Cause> {
    let orphaned = scene.learner().filter(|(_, life)| life.orphaned).map(|(id, _)| id);
    let children: Vec<LifeId> = orphaned.collect();
    let (first, parent) = parent_of(scene, &children)?;
    if !scene.holds(Invariant::Orphan) {
        return None;
    }
    let (who, whose) = (everybody(scene, &children), scene.who(parent));
    let be = if children.len() == 1 { "is" } else { "are" };
    let message = format!("{whose} ends before {who}");
    let cause = left_alone(scene, Code::P005, message, first, parent)?
        .expected(format!("{whose} waits for {who}, then ends"))
        .saw(format!("{whose} {} while {who} {be} still running", ending(scene, parent)))
        .why("who outlives its parent is an orphan:")
        .why("nobody who knows of it sees how it ends.");
    Some(if only_orphans_go_on(scene) { cause.hangs() } else { cause })
}

/// Whether the run does not come to its end because of those alone whom a parent left behind.
fn only_orphans_go_on(scene: &Scene<'_>) -> bool {
    let left = |life: LifeId| {
        let mut line = std::iter::successors(Some(life), |life| scene.trace().life(*life).parent);
        line.any(|life| scene.trace().life(life).orphaned)
    };
    match &scene.trace().end {
        RunEnd::Finished => false,
        RunEnd::Limit { life, .. } => life.is_some_and(left),
        RunEnd::Deadlock { waits } | RunEnd::AllBlocked { waits } => {
            waits.iter().filter(|wait| scene.is_learner(wait.life)).all(|wait| left(wait.life))
        }
    }
}

/// What zombies and orphans have in common.
fn left_alone(scene: &Scene<'_>, code: Code, message: String, first: LifeId, parent: LifeId) -> Option<Cause> {
    let ended = scene.trace().life(parent).ended?;
    let about_waiting = |step: &str| matches!(Step::parse(step).verb, "wait" | "reaped");
    let explained = scene.those(|symptom| {
        let asks = symptom.problem.step.as_deref().is_some_and(about_waiting);
        match &symptom.problem.kind {
            ProblemKind::Missing => asks,
            ProblemKind::WrongOrder { first, .. } => asks || about_waiting(first),
            _ => false,
        }
    });
    let fork = scene.fork_of(first)?;
    let cause = Cause::new(code, scene.clean(), ended, message)
        .effect(Effect::Leaves)
        .explains(explained)
        .after_crash(scene.crashed(parent))
        .label(scene, scene.site(ended).map_or(fork, |_| ended), "")
        .label(scene, fork, format!("{} is made here", scene.who(first)));
    Some(cause)
}

fn parent_of(scene: &Scene<'_>, children: &[LifeId]) -> Option<(LifeId, LifeId)> {
    let first = *children.first()?;
    Some((first, scene.trace().life(first).parent?))
}

fn everybody(scene: &Scene<'_>, lives: &[LifeId]) -> String {
    list(&lives.iter().map(|life| scene.who(*life)).collect::<Vec<_>>())
}

fn ending(scene: &Scene<'_>, life: LifeId) -> String {
    scene.trace().ending(life).map_or_else(|| "ended".to_owned(), ends)
}

/// P002: a forked process goes on into what its parent does.
fn runs_on(scene: &Scene<'_>) -> Option<Cause> {
    let at_fault = |problem: &Problem| {
        let unasked = !matches!(problem.kind, ProblemKind::Missing | ProblemKind::WrongOrder { .. });
        problem.event.filter(|_| unasked)
    };
    scene.symptoms.iter().find_map(|symptom| {
        let event = at_fault(&symptom.problem)?;
        let child = scene.trace().event(event).life;
        let parent = scene.trace().life(child).parent.filter(|parent| scene.is_learner(*parent))?;
        let (at, what) = repeats(scene, parent, child, event).or_else(|| waits_for_nobody(scene, child))?;
        let (who, whose) = (scene.who(child), scene.who(parent));
        let explained = scene.those(|symptom| {
            let theirs = symptom.problem.event.is_some_and(|event| {
                let event = scene.trace().event(event);
                event.life == child || matches!(event.verb, Verb::Reaped { child: reaped, .. } if reaped == child)
            });
            theirs || symptom.problem.life == Some(child)
        });
        let check = scene.output(scene.trace().event(event).verb.object());
        let cause = Cause::new(Code::P002, check, at, format!("{who} runs on into the code of {whose}"))
            .effect(Effect::Stops)
            .explains(explained)
            .label(scene, at, "")
            .label_if(scene, scene.fork_of(child), "both go on from here")
            .expected(format!("{who} does its part, then exits"))
            .saw(what.replace("{who}", &who).replace("{whose}", &whose))
            .why("fork returns in both processes.")
            .why("what comes after it is run twice, unless the child exits.");
        Some(cause)
    })
}

/// Something that the child put out from its first surplus on, and the parent too, after the fork.
fn repeats(scene: &Scene<'_>, parent: LifeId, child: LifeId, from: EventId) -> Option<(EventId, String)> {
    let fork = scene.fork_of(child)?;
    let put = |verb: &Verb| match verb {
        Verb::Write { object, bytes } | Verb::Send { object, bytes, .. } if bytes.len() > 1 => {
            Some((*object, bytes.clone()))
        }
        _ => None,
    };
    let theirs: BTreeSet<_> =
        scene.trace().of(parent).filter(|(id, _)| *id > fork).filter_map(|(_, e)| put(&e.verb)).collect();
    scene.trace().of(child).filter(|(id, _)| *id >= from).find_map(|(id, event)| {
        let ours = put(&event.verb)?;
        theirs.contains(&ours).then(|| {
            let object: ObjectId = ours.0;
            (id, format!("{{who}} {}, and so does {{whose}}", did(&event.verb, scene.name(object))))
        })
    })
}

/// A child that has no children calls wait.
fn waits_for_nobody(scene: &Scene<'_>, child: LifeId) -> Option<(EventId, String)> {
    let failed = scene.trace().of(child).find(|(_, event)| match &event.verb {
        Verb::Failed { call, errno, .. } => call.starts_with("wait") && errno == "ECHILD",
        _ => false,
    });
    let childless = !scene.trace().lives.iter().any(|life| life.parent == Some(child));
    let (id, _) = failed.filter(|_| childless)?;
    Some((id, "{who} waits for a child, and has none (ECHILD)".to_owned()))
}

/// P007: exec came back, and the child goes on with what was its parent's part.
fn exec_failed(scene: &Scene<'_>) -> Option<Cause> {
    let failed = |(id, event): (EventId, &Event)| match &event.verb {
        Verb::Failed { call, errno, .. } if call == "execve" => Some((id, event.life, errno.clone())),
        _ => None,
    };
    let (at, life, errno, next) = scene.events().filter_map(failed).find_map(|(at, life, errno)| {
        scene.trace().life(life).parent?;
        let later: Vec<&Event> = scene.trace().of(life).filter(|(id, _)| *id > at).map(|(_, event)| event).collect();
        if later.iter().any(|event| matches!(event.verb, Verb::Exec { .. })) {
            return None;
        }
        // To say so on standard error and to end is what it should do.
        let goes_on = later.iter().find(|event| match &event.verb {
            Verb::Fork { .. } | Verb::Exit { status: 0 } | Verb::Reaped { .. } | Verb::Send { .. } => true,
            Verb::Write { object, .. } => scene.trace().object(*object).kind != ObjectKind::Stderr,
            Verb::Failed { call, .. } => call.starts_with("wait"),
            _ => false,
        })?;
        Some((at, life, errno, &goes_on.verb))
    })?;
    let who = scene.who(life);
    let deed = did(next, next.object().map_or("", |object| scene.name(object)));
    let reason = match errno.as_str() {
        "ENOENT" => "there is no program of that name (ENOENT)".to_owned(),
        "EACCES" => "the file may not be run (EACCES)".to_owned(),
        other => format!("it fails with {other}"),
    };
    let check = scene.home(|kind| *kind == CheckKind::Trace);
    let cause = Cause::new(Code::P007, check, at, format!("exec fails, and {who} goes on as a second parent"))
        .effect(Effect::Stops)
        .explains(scene.after(at))
        .label(scene, at, "exec fails here")
        .expected(format!("{who} becomes another program, or ends"))
        .saw(format!("{who} calls exec, and {reason}; then it {deed}"))
        .why("exec returns only when it has failed: the old program is still there, in the child.")
        .why("what stands below exec is what the parent does, and the child does it too.");
    Some(cause)
}

/// P003: ever more processes.
fn too_many(scene: &Scene<'_>) -> Option<Cause> {
    /// Who has made so many and is still at it makes them in a loop.
    const MANY: usize = 32;
    let RunEnd::Limit { limit, figure, life, .. } = &scene.trace().end else { return None };
    if limit != "processes" && scene.learner().count() < MANY {
        return None;
    }
    let last = scene.events().filter(|(_, event)| matches!(event.verb, Verb::Fork { .. })).last();
    let life = life.or(last.map(|(_, event)| event.life)).filter(|life| scene.is_learner(*life));
    let who = life.map_or_else(|| "the program".to_owned(), |life| scene.who(life));
    let made = scene.learner().count();
    let cause = Cause::at_the_end(Code::P003, scene.clean(), "more processes than the task has")
        .effect(Effect::Stops)
        .explains(scene.unfinished())
        .label_if(scene, last.map(|(id, _)| id), "the last one was made here")
        .expected("as many processes as the task has, and no more")
        .saw(format!("{who} reaches the limit of {figure}: {made} were made so far"))
        .why("a fork in a loop, or in a child that runs on, makes ever more.");
    Some(cause)
}

/// P006: a thread was started where a process was asked for.
fn threads(scene: &Scene<'_>) -> Option<Cause> {
    let (at, _) = scene.events().find(|(_, event)| matches!(event.verb, Verb::Thread { .. }))?;
    let wanted = scene.case.exercise.checks.iter().find_map(|check| match check.kind {
        CheckKind::Separation { processes, .. } => Some(processes as usize),
        _ => None,
    });
    let lives = scene.learner().count();
    let short = wanted.is_some_and(|wanted| lives < wanted) || lives == 1 && !scene.missing(&["fork"]).is_empty();
    if !short {
        return None;
    }
    let threads = scene.events().filter(|(_, event)| matches!(event.verb, Verb::Thread { .. })).count() + 1;
    let process = if lives == 1 { "process" } else { "processes" };
    let check = scene.home(|kind| matches!(kind, CheckKind::Separation { .. }));
    let cause = Cause::new(Code::P006, check, at, "the program starts a thread, not a process")
        .effect(Effect::Stops)
        .explains(scene.those(|_| true))
        .label(scene, at, "")
        .expected(format!("{} processes", wanted.unwrap_or(lives + 1)))
        .saw(format!("{lives} {process} with {threads} threads"))
        .why("threads share one memory; each process has its own.")
        .why("fork makes a process.");
    Some(cause)
}

/// P009: the value that only the child has stored stands where the parent's should, or the other way round.
fn expects_the_change(scene: &Scene<'_>) -> Option<Cause> {
    let values = scene.case.exercise.checks.iter().find_map(|check| match &check.kind {
        CheckKind::Separation { new: Some(new), old: Some(old), .. } => Some((new, old)),
        _ => None,
    })?;
    let text = |template: &Template| template.resolve(scene.case.values).ok().filter(|bytes| !bytes.is_empty());
    let (new, old) = (text(values.0)?, text(values.1)?);
    let has = |bytes: &[u8], value: &[u8]| bytes.windows(value.len()).any(|window| window == value);
    scene.symptoms.iter().enumerate().find_map(|(index, symptom)| {
        let ProblemKind::WrongData { expected, saw, .. } = &symptom.problem.kind else { return None };
        let event = symptom.problem.event?;
        let life = scene.trace().event(event).life;
        if !scene.learner().any(|(_, other)| other.parent == Some(life)) {
            return None;
        }
        let swapped = |wanted: &[u8], met: &[u8]| {
            has(expected, wanted) && has(saw, met) && !has(saw, wanted) && !has(expected, met)
        };
        let who = scene.who(life);
        let message = if swapped(&old, &new) {
            format!("{who} takes the child's change for its own")
        } else if swapped(&new, &old) {
            format!("{who} looks for the child's change in its own memory")
        } else {
            return None;
        };
        let (wanted, met) = pair(expected, saw);
        let verb = Step::parse(symptom.problem.step.as_deref().unwrap_or("stdout"));
        let prints = if verb.verb == "stdout" { "prints" } else { "writes" };
        let cause = Cause::new(Code::P009, symptom.home.clone(), event, message)
            .explains([index].into())
            .label(scene, event, "")
            .expected(format!("{who} {prints} {wanted}"))
            .saw(format!("{who} {prints} {met}"))
            .diff(expected, saw)
            .why("after fork there are two memories.")
            .why("what the child stores, its parent does not see.")
            .why(format!("{} is in the child's memory, {} in the parent's.", number(&new), number(&old)));
        Some(cause)
    })
}

/// A value without quotation marks where it is plain.
fn number(value: &[u8]) -> String {
    let plain = value.iter().all(u8::is_ascii_alphanumeric);
    if plain { String::from_utf8_lossy(value).into_owned() } else { quote(value) }
}
