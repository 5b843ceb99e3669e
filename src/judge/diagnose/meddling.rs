//! S: what a program does to the processes of the exercise (peers), which share its world.

use super::words::list;
use super::{Cause, Effect, Scene};
use crate::model::{CheckKind, Code, Signal};
use crate::trace::{EventId, LifeId, LifeKind, Verb};

/// Calls by which one process takes hold of another.
const TRACING: [&str; 3] = ["ptrace", "process_vm_readv", "process_vm_writev"];

/// S009: a process of the learner's kills or stops one of the exercise's, or asks for a hold on another.
pub(super) fn causes(scene: &Scene<'_>) -> Vec<Cause> {
    let peers: Vec<LifeId> = (0..scene.trace().lives.len() as u32)
        .map(LifeId)
        .filter(|life| scene.trace().life(*life).kind == LifeKind::Peer)
        .collect();
    if peers.is_empty() {
        return Vec::new();
    }
    signals(scene, &peers).or_else(|| traces(scene)).into_iter().collect()
}

fn signals(scene: &Scene<'_>, peers: &[LifeId]) -> Option<Cause> {
    let (at, by, signal, hit) = scene.events().find_map(|(id, event)| {
        let Verb::Signal { target, signal, group } = event.verb else { return None };
        let hit: Vec<LifeId> = peers
            .iter()
            .copied()
            .filter(|peer| {
                let meant = target == Some(*peer) || target.is_none() || group;
                let stopped = target == Some(*peer) && stops(signal);
                meant && (stopped || died_of(scene, *peer, signal, id))
            })
            .collect();
        (!hit.is_empty()).then_some((id, event.life, signal, hit))
    })?;
    let (who, whom) = (scene.who(by), list(&hit.iter().map(|peer| scene.who(*peer)).collect::<Vec<_>>()));
    let does = if stops(signal) { "stops" } else { "kills" };
    let cause = Cause::new(Code::S009, scene.signal(signal), at, format!("{who} {does} {whom}"))
        .effect(Effect::Stops)
        .hangs()
        .explains(scene.after(at))
        .label(scene, at, "")
        .expected(format!("{whom} is left alone: it belongs to the exercise"))
        .saw(format!("{who} sends SIG{signal}, and {whom} is {}", if does == "stops" { "stopped" } else { "dead" }))
        .why("the processes on the other side share the program's world, and signals reach them;")
        .why("a program talks to them by the objects that the task names, and by the signals that it asks for.");
    Some(cause)
}

/// SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU (signal(7)).
fn stops(signal: Signal) -> bool {
    matches!(signal.number(), 19..=22)
}

/// Whether a peer's end after an event is by this signal.
fn died_of(scene: &Scene<'_>, peer: LifeId, signal: Signal, after: EventId) -> bool {
    scene
        .trace()
        .of(peer)
        .any(|(id, event)| id > after && matches!(event.verb, Verb::Killed { signal: s } if s == signal))
}

fn traces(scene: &Scene<'_>) -> Option<Cause> {
    let (at, event, call) = scene.events().find_map(|(id, event)| match &event.verb {
        Verb::Failed { call, errno, .. } if errno == "EPERM" && TRACING.contains(&call.as_str()) => {
            Some((id, event, call))
        }
        _ => None,
    })?;
    let who = scene.who(event.life);
    let check = scene.home(|kind| matches!(kind, CheckKind::Clean));
    let cause = Cause::new(Code::S009, check, at, format!("{who} wants to take hold of another process"))
        .explains(scene.after(at))
        .label(scene, at, "")
        .expected("processes talk by the objects that the task names")
        .saw(format!("{who} calls {call}, which the box refuses"))
        .why("a process that traces another one decides what it does, and can read and change its memory.");
    Some(cause)
}
