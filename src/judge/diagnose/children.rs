//! S004 and S008: SIGCHLD, and what it does not say.

use super::words::plural;
use super::{Cause, Effect, Scene};
use crate::judge::Spot;
use crate::model::{CheckKind, Code, Signal};
use crate::trace::{Event, EventId, LifeId, Verb};

pub(super) fn causes(scene: &Scene<'_>) -> Vec<Cause> {
    merged(scene).into_iter().chain(ignored(scene)).collect()
}

/// S004: several children ended for each signal that came, and one was waited for each time.
fn merged(scene: &Scene<'_>) -> Option<Cause> {
    let asleep = |life: LifeId| {
        let for_a_signal = |call: &str| matches!(call, "pause" | "sigsuspend" | "sigwait" | "read" | "poll");
        scene.waits().iter().find(|wait| wait.life == life && for_a_signal(&wait.call))
    };
    let (life, takes, wait) = scene.learner().find_map(|(life, _)| {
        let takes = taken(scene, life);
        Some((life, takes, asleep(life)?))
    })?;
    let last = *takes.last()?;
    // Of one that ended later the signal is not lost: it has not been taken yet.
    let ended = |child: &LifeId| scene.trace().life(*child).ended.filter(|end| *end < last);
    let children: Vec<LifeId> =
        scene.learner().filter(|(_, child)| child.parent == Some(life)).map(|(child, _)| child).collect();
    let left: Vec<LifeId> = children
        .iter()
        .copied()
        .filter(|child| ended(child).is_some() && scene.trace().life(*child).reaped.is_none())
        .collect();
    let dead = children.iter().filter(|child| ended(child).is_some()).count();
    let reaped = |from: EventId| {
        scene.trace().of(life).filter(|(id, event)| *id > from && matches!(event.verb, Verb::Reaped { .. })).count()
    };
    let for_each = takes.windows(2).all(|pair| reaped(pair[0]) - reaped(pair[1]) <= 1) && reaped(last) == 1;
    // Who only counts them sleeps on with fewer signals than children. A wakeup is lost in pause alone, and then the
    // one signal that was taken is the one that was lost.
    let counts = (takes.len() > 1 || wait.call != "pause") && reaped(EventId(0)) == 0;
    if left.is_empty() || takes.len() >= dead || !(for_each || counts) {
        return None;
    }
    let (who, signals) = (scene.who(life), takes.len());
    let done = if for_each { "waits once for each" } else { "counts it as one child" };
    let cause = Cause::at_the_end(
        Code::S004,
        scene.signal(Signal::CHLD),
        format!("{dead} children end, {signals} signal{} come{}: {who} {done}", plural(signals), third(signals)),
    )
    .effect(Effect::Stops)
    .explains(scene.unfinished())
    .proved(scene.proved())
    .label(scene, last, "the last SIGCHLD is taken here")
    .label(scene, Spot::Wait(wait.thread), format!("{who} sleeps here, for ever"))
    .expected(format!("{who} reaps every child that has ended, each time that SIGCHLD comes"))
    .saw(format!("{who} takes SIGCHLD, {done}, and sleeps on with {} child{} unreaped", left.len(), ren(left.len())))
    .why("a signal is pending or it is not: two that come before it is taken are one.")
    .why("SIGCHLD says that at least one child has ended. Wait with WNOHANG until nobody is left.");
    Some(cause)
}

/// When the process took SIGCHLD.
fn taken(scene: &Scene<'_>, life: LifeId) -> Vec<EventId> {
    let child = |event: &Event| matches!(event.verb, Verb::Take { signal: Signal::CHLD });
    scene.trace().of(life).filter(|(_, event)| child(event)).map(|(id, _)| id).collect()
}

fn third(count: usize) -> &'static str {
    if count == 1 { "s" } else { "" }
}

fn ren(count: usize) -> &'static str {
    if count == 1 { "" } else { "ren" }
}

/// S008: SIGCHLD is ignored, so the kernel reaps, and wait finds nobody.
fn ignored(scene: &Scene<'_>) -> Option<Cause> {
    if scene.symptoms.is_empty() {
        return None;
    }
    let (at, life) = scene.events().find_map(|(id, event)| {
        matches!(event.verb, Verb::Ignore { signal: Signal::CHLD }).then_some((id, event.life))
    })?;
    let lost = scene.learner().any(|(_, child)| child.parent == Some(life) && child.self_reaping);
    let (wait, _) = scene.trace().of(life).find(|(id, event)| match &event.verb {
        Verb::Failed { call, errno, .. } => *id > at && call.starts_with("wait") && errno == "ECHILD",
        _ => false,
    })?;
    if !lost {
        return None;
    }
    let who = scene.who(life);
    let check = scene.home(|kind| match kind {
        CheckKind::Signal { signal, .. } => crate::judge::check::signal(&scene.case, signal) == Some(Signal::CHLD),
        _ => false,
    });
    let explained = scene.those(|_| true);
    let cause = Cause::new(Code::S008, check, at, format!("{who} ignores SIGCHLD, so its wait finds nobody"))
        .effect(Effect::Stops)
        .explains(explained)
        .label(scene, at, "SIGCHLD is ignored from here on")
        .label(scene, wait, "wait fails here (ECHILD)")
        .expected(format!("{who} is ready for SIGCHLD, and reaps its children itself"))
        .saw(format!("{who} ignores SIGCHLD, and wait fails with ECHILD: the kernel has reaped the children"))
        .why("SIG_IGN for SIGCHLD is more than the default, which does nothing either:")
        .why("children vanish as they end, and how they ended is lost (waitpid(2), NOTES).");
    Some(cause)
}
