//! H: the program did not come to its end, and nothing better explains it.

use super::steps::Step;
use super::waits::{Edge, cycle, graph, masked, with_graph};
use super::words::{list, plural};
use super::{Cause, Effect, Scene, repairs};
use crate::judge::ProblemKind;
use crate::model::{Code, Invariant};
use crate::trace::{Holder, LifeId, ObjectKind, RunEnd, Verb, Wait};

pub(super) fn causes(scene: &Scene<'_>) -> Vec<Cause> {
    match &scene.trace().end {
        RunEnd::Finished => None,
        RunEnd::Deadlock { .. } => deadlock(scene, true),
        RunEnd::AllBlocked { .. } => deadlock(scene, false),
        RunEnd::Limit { limit, figure, life, .. } => {
            let who = life.filter(|life| scene.is_learner(*life)).map(|life| scene.who(life));
            let cause = over_the_limit(scene, limit, figure, &who.unwrap_or_else(|| "the program".to_owned()));
            Some(cause.label_last(scene, life.filter(|life| scene.is_learner(*life)).or(scene.trace().main())))
        }
    }
    .into_iter()
    .collect()
}

/// H001: all wait.
fn deadlock(scene: &Scene<'_>, proved: bool) -> Option<Cause> {
    if !scene.holds(Invariant::Deadlock) {
        return None;
    }
    let edges = graph(scene);
    let stuck: Vec<&Wait> = edges.iter().map(|edge| edge.wait).collect();
    let message = headline(scene, &edges, proved);
    let waiting: Vec<String> =
        stuck.iter().map(|wait| format!("{} {}", scene.who(wait.life), waits_for(scene, wait))).collect();
    let mut cause = Cause::at_the_end(Code::H001, scene.clean(), message)
        .effect(Effect::Stops)
        .explains(scene.unfinished())
        .proved(proved)
        .label_if(scene, stuck.first().copied(), stuck.first().map(|wait| is_stuck(scene, wait)).unwrap_or_default())
        .saw(waiting.join("; "));
    for wait in stuck.iter().skip(1).filter(|wait| scene.is_learner(wait.life)) {
        cause = cause.label(scene, *wait, is_stuck(scene, wait));
    }
    // A process that nobody is left for is the root of what the others wait for.
    let nobody = edges.iter().filter(|edge| edge.whom.is_empty()).chain(&edges);
    let mut stuck_learners = nobody.map(|edge| edge.wait).filter(|wait| scene.is_learner(wait.life));
    cause = cause.repair(stuck_learners.find_map(|wait| repairs::of_wait(scene, wait)));
    if let Some(next) = next_step(scene) {
        cause = cause.expected(next);
    }
    for wait in &stuck {
        let who = scene.who(wait.life);
        if let Some(line) = only(scene, wait, &who) {
            cause = cause.why(line);
        }
    }
    if !proved {
        cause = cause.why("only somebody outside the run could wake them.");
    }
    Some(with_graph(scene, cause))
}

/// Who waits: those of a circle; where there is none, those that nobody is left for, since all others wait for them.
fn headline(scene: &Scene<'_>, edges: &[Edge<'_>], proved: bool) -> String {
    let names = |lives: &[LifeId]| lives.iter().map(|life| scene.who(*life)).collect::<Vec<String>>();
    let all: Vec<LifeId> = edges.iter().map(|edge| edge.wait.life).collect();
    if !proved {
        return format!("all blocked: {} wait{}", list(&names(&all)), if all.len() == 1 { "s" } else { "" });
    }
    let circle = cycle(scene);
    match names(&circle).as_slice() {
        [] => {}
        [one] => return format!("deadlock: {one} waits for what only it could do itself"),
        both @ [_, _] => return format!("deadlock: {} wait for each other", list(both)),
        several => return format!("deadlock: {} wait in a circle", list(several)),
    }
    let for_nobody = edges.iter().filter(|edge| !edge.whom.iter().any(|life| all.contains(life)));
    let roots: Vec<LifeId> = for_nobody.map(|edge| edge.wait.life).collect();
    let learner: Vec<LifeId> = roots.iter().copied().filter(|life| scene.is_learner(*life)).collect();
    let roots = if learner.is_empty() { roots } else { learner };
    match names(&roots).as_slice() {
        [one] => format!("deadlock: {one} waits, and nothing can wake it"),
        several => format!("deadlock: {} wait, and nothing can wake one of them", list(several)),
    }
}

fn is_stuck(scene: &Scene<'_>, wait: &Wait) -> String {
    format!("{} is stuck here", scene.who(wait.life))
}

/// The first step that did not come.
fn next_step(scene: &Scene<'_>) -> Option<String> {
    let symptom = scene.symptoms.iter().find(|symptom| symptom.problem.kind == ProblemKind::Missing)?;
    let step = Step::parse(symptom.problem.step.as_deref()?);
    (symptom.source == crate::judge::check::Source::Trace)
        .then(|| format!("{} {}", scene.who_of(&symptom.problem), step.predicate()))
}

/// `waits in read, for bytes from data`.
fn waits_for(scene: &Scene<'_>, wait: &Wait) -> String {
    let name = wait.object.map(|object| match scene.trace().object(object).kind {
        ObjectKind::Pipe | ObjectKind::Socket => format!("the pipe {}", scene.name(object)),
        ObjectKind::Semaphore => format!("the semaphore {}", scene.name(object)),
        ObjectKind::Lock => format!("the lock {}", scene.name(object)),
        _ => scene.name(object).to_owned(),
    });
    let name = name.as_deref().unwrap_or("somebody");
    let child = wait.child.map_or_else(|| "a child".to_owned(), |child| scene.who(child));
    match wait.call.as_str() {
        "read" => format!("waits in read, for bytes from {name}"),
        "write" => format!("waits in write, for room in {name}"),
        "open" => format!("waits in open, for somebody to open the other end of {name}"),
        "wait" => format!("waits in wait, for {child} to end"),
        "receive" => format!("waits in receive, for a message in {name}"),
        "send" => format!("waits in send, for room in {name}"),
        "acquire" => format!("waits to acquire {name}"),
        "pause" | "sigsuspend" | "sigwait" => format!("waits in {}, for a signal", wait.call),
        "accept" => format!("waits in accept, for somebody to connect to {}", socket(scene, wait)),
        "connect" => format!("waits in connect, for somebody to accept at {}", socket(scene, wait)),
        "poll" => "waits in poll, for one of its descriptors".to_owned(),
        "futex" => "waits in futex, for another thread or process to wake it".to_owned(),
        "stopped" => "is stopped, for somebody to continue it".to_owned(),
        "vfork" => "waits for the child that it made to run another program or end".to_owned(),
        "when" => "waits for its next step".to_owned(),
        other => format!("waits in {other}"),
    }
}

/// The socket that somebody waits to connect to, or to accept at.
fn socket(scene: &Scene<'_>, wait: &Wait) -> String {
    wait.object.map_or_else(|| "its socket".to_owned(), |object| format!("the socket {}", scene.name(object)))
}

/// Who alone could wake this one.
fn only(scene: &Scene<'_>, wait: &Wait, who: &str) -> Option<String> {
    let holders: Vec<String> = wait.holders.iter().map(|holder| scene.who(holder.life)).collect();
    let (holders, has) = (list(&holders), if holders.len() == 1 { "has" } else { "have" });
    let name = wait.object.map_or("it", |object| scene.name(object));
    match wait.call.as_str() {
        "wait" | "when" | "vfork" => None,
        "sigsuspend" | "pause" if let Some(signal) = masked(scene, wait.life) => {
            Some(format!("SIG{signal} has come, but {who} masks it while it waits."))
        }
        "acquire" if graph(scene).iter().any(|edge| edge.wait.life == wait.life && edge.whom.is_empty()) => {
            Some(format!("nobody is left that could release {name}."))
        }
        "acquire" => None,
        _ if wait.holders.is_empty() && !scene.proved() => None,
        _ if wait.holders.is_empty() => Some(format!("nobody is left that could wake {who}.")),
        "read" => Some(format!("only {holders} {has} a write end of {name} open{}.", since(scene, &wait.holders))),
        "write" => Some(format!("only {holders} {has} a read end of {name} open{}.", since(scene, &wait.holders))),
        "connect" => Some(format!("only {holders} {has} it open, to accept{}.", since(scene, &wait.holders))),
        "receive" | "send" => Some(format!("only {holders} {has} {name} open too{}.", since(scene, &wait.holders))),
        _ => Some(format!("only {holders} could wake {who}.")),
    }
}

/// By how many descriptors a holder has an end open, and since when, where there is one holder and that is known.
fn since(scene: &Scene<'_>, holders: &[Holder]) -> String {
    let [Holder { descriptors, since, .. }] = holders else { return String::new() };
    let by = if *descriptors > 1 {
        format!(", by {descriptors} descriptor{}", plural(*descriptors as usize))
    } else {
        String::new()
    };
    let event = since.map(|since| (scene.line(since), &scene.trace().event(since).verb));
    let since = match event {
        Some((line, Verb::Fork { .. })) => format!(", since its fork{line}"),
        Some((line, Verb::Open { .. })) => format!(", since it opened it{line}"),
        Some((line, Verb::Create { .. })) => format!(", since it made it{line}"),
        _ => String::new(),
    };
    format!("{by}{since}")
}

/// H002: the run was ended at a limit. Limits other than of time and steps have no code of their own yet.
fn over_the_limit(scene: &Scene<'_>, limit: &str, figure: &str, who: &str) -> Cause {
    let (message, saw, why) = match limit {
        "cpu" => (
            format!("{who} never ends"),
            format!("{who} is still computing after {figure} without a call"),
            "it does not wait, it works: a loop has no end.",
        ),
        "steps" => (
            format!("{who} never ends"),
            format!("{who} is still running after {figure}"),
            "it does not wait, it works: a loop of calls has no end.",
        ),
        "time" => (
            format!("{who} never ends"),
            format!("{who} is still running after {figure}"),
            "time passes for it again and again: a loop that waits for time has no end.",
        ),
        "memory" => (
            format!("{who} takes too much memory"),
            format!("{who} reaches the limit of {figure}"),
            "something grows without an end.",
        ),
        "output" => (
            "too much output".to_owned(),
            format!("{who} reaches the limit of {figure}"),
            "something is printed again and again.",
        ),
        "files" => (
            "too much is written to files".to_owned(),
            format!("{who} reaches the limit of {figure}"),
            "something is written again and again.",
        ),
        "data" => (
            "too much data".to_owned(),
            format!("{who} reaches the limit of {figure} for what is written, read and stored"),
            "something is carried or stored again and again.",
        ),
        "descriptors" => (
            format!("{who} opens too many files"),
            format!("{who} reaches the limit of {figure}"),
            "what is opened in a loop must be closed in it.",
        ),
        "stopped" => (
            format!("{who} is stopped and nobody continues it"),
            format!("{who} is stopped ({figure})"),
            "a stopped process goes on only when it gets SIGCONT.",
        ),
        _ => {
            (format!("{who} never ends"), format!("{who} is still running after {figure}"), "the run was ended there.")
        }
    };
    Cause::at_the_end(Code::H002, scene.clean(), message)
        .effect(Effect::Stops)
        .explains(scene.unfinished())
        .expected(next_step(scene).unwrap_or_else(|| format!("{who} comes to its end")))
        .saw(saw)
        .why(why)
}
