//! The wait-for graph of a run that came to a stop: who waits on what, and who alone could wake it.

use super::words::list;
use super::{Cause, Scene, locks};
use crate::judge::finding::WaitFor;
use crate::trace::{LifeId, ObjectId, ObjectKind, Verb, Wait};

/// A stuck process with those that could wake it.
pub(super) struct Edge<'a> {
    pub(super) wait: &'a Wait,
    /// In order of creation; it may be the stuck one itself.
    pub(super) whom: Vec<LifeId>,
}

/// The graph: an edge for each process that is stuck, the learner's first. One that waits in several threads is one that
/// waits.
pub(super) fn graph<'a>(scene: &Scene<'a>) -> Vec<Edge<'a>> {
    let mut edges: Vec<Edge<'a>> = Vec::new();
    for wait in scene.waits() {
        if !edges.iter().any(|edge| edge.wait.life == wait.life) {
            edges.push(Edge { wait, whom: wakers(scene, wait) });
        }
    }
    edges.sort_by_key(|edge| !scene.is_learner(edge.wait.life));
    edges
}

/// Who could wake a stuck process.
fn wakers(scene: &Scene<'_>, wait: &Wait) -> Vec<LifeId> {
    let mut whom: Vec<LifeId> = wait.holders.iter().map(|holder| holder.life).collect();
    if whom.is_empty() {
        whom = match (wait.call.as_str(), wait.object) {
            ("wait" | "vfork", _) => wait.child.into_iter().collect(),
            ("acquire" | "futex", Some(object)) => could_release(scene, object),
            _ => Vec::new(),
        };
    }
    whom.sort_unstable();
    whom.dedup();
    whom
}

/// Who holds a lock; of a semaphore who has released it before and still lives.
fn could_release(scene: &Scene<'_>, wanted: ObjectId) -> Vec<LifeId> {
    let holders: Vec<LifeId> = locks::held_by(scene, wanted).into_iter().map(|(life, _)| life).collect();
    if !holders.is_empty() || scene.trace().object(wanted).kind != ObjectKind::Semaphore {
        return holders;
    }
    let releases = scene.trace().events.iter().filter_map(|event| match event.verb {
        Verb::Release { object } if object == wanted => Some(event.life),
        _ => None,
    });
    releases.filter(|life| scene.trace().life(*life).ended.is_none()).collect()
}

/// The processes of a circle of waiting, the first of the run's first; empty where there is none.
pub(super) fn cycle(scene: &Scene<'_>) -> Vec<LifeId> {
    let edges = graph(scene);
    let next = |life: LifeId| edges.iter().find(|edge| edge.wait.life == life).map(|edge| edge.whom.as_slice());
    for start in edges.iter().map(|edge| edge.wait.life) {
        // A process that anybody of several could wake is stuck in a circle only where all of them are: a way back is
        // enough here, since everybody is stuck anyway.
        let mut paths = vec![vec![start]];
        let mut seen = vec![start];
        while let Some(path) = paths.pop() {
            for to in path.last().and_then(|life| next(*life)).unwrap_or_default() {
                if *to == start {
                    return path;
                }
                if !seen.contains(to) {
                    seen.push(*to);
                    paths.push(path.iter().copied().chain([*to]).collect());
                }
            }
        }
    }
    Vec::new()
}

/// Adds the graph to a cause.
pub(super) fn with_graph(scene: &Scene<'_>, mut cause: Cause) -> Cause {
    cause.finding.waits = graph(scene).iter().map(|edge| told(scene, edge)).collect();
    cause
}

/// A role without its article, as in a heading.
fn bare(scene: &Scene<'_>, life: LifeId) -> String {
    let who = scene.who(life);
    who.strip_prefix("the ").unwrap_or(&who).to_owned()
}

/// An edge in words.
fn told(scene: &Scene<'_>, edge: &Edge<'_>) -> WaitFor {
    let wait = edge.wait;
    let whom: Vec<String> = edge.whom.iter().map(|life| bare(scene, *life)).collect();
    let alone = edge.whom == [wait.life];
    let others = list(&whom);
    let name = wait.object.map(|object| scene.name(object).to_owned());
    let on = |otherwise: &str| name.clone().unwrap_or_else(|| otherwise.to_owned());
    let only = |state: &str, who_can: &str, nobody: &str| match (whom.is_empty(), alone) {
        (true, _) if !scene.proved() => format!("{state}, only somebody outside {who_can}"),
        (true, _) => format!("{state}, {nobody}"),
        (false, true) => format!("{state}, only it itself {who_can}"),
        (false, false) => format!("{state}, only {others} {who_can}"),
    };
    let (on, because) = match wait.call.as_str() {
        "read" => (on("bytes"), only("empty", "can write", "nobody is left to write")),
        "write" => (on("room"), only("full", "can empty it", "nobody is left to empty it")),
        "open" => (on("a FIFO"), "nobody has the other end open".to_owned()),
        "wait" | "vfork" => match wait.child.or(edge.whom.first().copied()) {
            Some(child) => {
                (format!("the end of {}", bare(scene, child)), format!("only {} can bring it", bare(scene, child)))
            }
            None => ("the end of a child".to_owned(), "no child is left".to_owned()),
        },
        "accept" => (on("a socket"), only("no connection", "can connect", "nobody is left to connect")),
        "connect" => (on("a socket"), only("its backlog is full", "can accept", "nobody is left to accept")),
        "receive" => (on("a queue"), only("empty", "can send", "nobody is left to send")),
        "send" => (on("a queue"), only("full", "can receive", "nobody is left to receive")),
        "acquire" | "futex" => (on("a futex"), acquire(scene, wait, &whom)),
        "pause" | "sigsuspend" | "sigwait" => ("a signal".to_owned(), signal(scene, wait)),
        "poll" => (on("its descriptors"), only("nothing there", "can bring something", "nobody is left to bring it")),
        "stopped" => ("SIGCONT".to_owned(), "it is stopped, and nobody lets it go on".to_owned()),
        "when" => ("its next step".to_owned(), "it waits for the program".to_owned()),
        other => (on(other), "nobody is left to wake it".to_owned()),
    };
    WaitFor { who: bare(scene, wait.life), call: wait.call.clone(), on, because, whom }
}

fn acquire(scene: &Scene<'_>, wait: &Wait, whom: &[String]) -> String {
    let Some(object) = wait.object else { return "nobody is left to wake it".to_owned() };
    let held = locks::held_by(scene, object);
    let since = |(_, taken): &(LifeId, _)| scene.line(*taken);
    match (held.first(), whom) {
        (Some(first), [one]) if scene.trace().object(object).kind != ObjectKind::Futex => {
            format!("{one} holds it{}", since(first))
        }
        (_, []) => "at 0, nobody is left to release it".to_owned(),
        (_, whom) => format!("at 0, only {} can release it", list(whom)),
    }
}

/// Why no signal ends the wait.
fn signal(scene: &Scene<'_>, wait: &Wait) -> String {
    masked(scene, wait.life).map_or_else(
        || "nobody is left to send one".to_owned(),
        |signal| format!("SIG{signal} has come, and is masked"),
    )
}

/// A signal that was sent to a process which was ready for it, and that it never took: it is masked there.
pub(super) fn masked(scene: &Scene<'_>, life: LifeId) -> Option<crate::model::Signal> {
    let sent = scene.trace().iter().filter_map(|(id, event)| match event.verb {
        Verb::Signal { target: Some(target), signal, .. } if target == life => Some((id, signal)),
        _ => None,
    });
    let taken = |after, wanted| {
        scene
            .trace()
            .of(life)
            .any(|(id, event)| id > after && matches!(event.verb, Verb::Take { signal } if signal == wanted))
    };
    let ready =
        |wanted| scene.trace().of(life).any(|(_, e)| matches!(e.verb, Verb::Ready { signal } if signal == wanted));
    sent.into_iter().find(|(id, signal)| !taken(*id, *signal) && ready(*signal)).map(|(_, signal)| signal)
}
