//! F008, M005, Q001: what is left behind.

use super::steps::Step;
use super::words::list;
use super::{Cause, Effect, Scene};
use crate::judge::ProblemKind;
use crate::model::{Code, Invariant};
use crate::trace::{EventId, LifeId, ObjectId, ObjectKind, RunEnd, Verb};

pub(super) fn causes(scene: &Scene<'_>) -> Vec<Cause> {
    // A run that did not come to its end had no chance to clear up.
    if !scene.holds(Invariant::Leak) || scene.trace().end != RunEnd::Finished {
        return Vec::new();
    }
    [Code::F008, Code::M005, Code::Q001].into_iter().filter_map(|code| left_behind(scene, code)).collect()
}

fn left_behind(scene: &Scene<'_>, code: Code) -> Option<Cause> {
    let objects: Vec<(ObjectId, LifeId)> = scene
        .trace()
        .objects
        .iter()
        .enumerate()
        .filter(|(_, object)| object.left_behind && code_of(object.kind) == Some(code))
        .filter_map(|(index, object)| Some((ObjectId(index as u32), object.creator?)))
        .filter(|(_, creator)| scene.is_learner(*creator))
        .collect();
    let (first, creator) = *objects.first()?;
    let names: Vec<&str> = objects.iter().map(|(object, _)| scene.name(*object)).collect();
    let (name, one) = (list(&names), objects.len() == 1);
    let (thing, call) = thing(scene.trace().object(first).kind);
    let (things, be) = if one { (thing.to_owned(), "is") } else { (format!("{thing}s"), "are") };
    let made = scene.events().find(|(_, e)| matches!(e.verb, Verb::Create { object } if object == first));
    let made = made.map(|(id, _)| id);
    let unlinks = scene.those(|symptom| {
        let step = symptom.problem.step.as_deref().map(Step::parse);
        symptom.problem.kind == ProblemKind::Missing
            && step.is_some_and(|step| step.verb == "unlink")
            && scene.object_of(&symptom.problem).is_none_or(|object| objects.iter().any(|(o, _)| *o == object))
    });
    let crashed = objects.iter().any(|(_, life)| scene.crashed(*life)) || main_crashed(scene);
    let it = if one { "it" } else { "them" };
    let cause = Cause::new(
        code,
        scene.clean(),
        made.unwrap_or(EventId(u32::MAX)),
        format!("the {things} {name} {be} left behind"),
    )
    .effect(Effect::Leaves)
    .explains(unlinks)
    .after_crash(crashed)
    .label_if(scene, made, "made here")
    .expected(format!("{} removes {it} before the end", scene.who(creator)))
    .saw(format!("{name} {be} still there after the program has ended"))
    .why(format!("closing is not removing: a {thing} stays until {call} takes its name away."));
    Some(cause)
}

fn main_crashed(scene: &Scene<'_>) -> bool {
    scene.trace().main().is_some_and(|main| scene.crashed(main))
}

fn code_of(kind: ObjectKind) -> Option<Code> {
    match kind {
        ObjectKind::Fifo => Some(Code::F008),
        // A named semaphore is a file below /dev/shm (sem_overview(7)).
        ObjectKind::Shm | ObjectKind::SysvShm | ObjectKind::Semaphore => Some(Code::M005),
        ObjectKind::Queue | ObjectKind::SysvQueue => Some(Code::Q001),
        _ => None,
    }
}

/// What it is called, and the call that removes it.
fn thing(kind: ObjectKind) -> (&'static str, &'static str) {
    match kind {
        ObjectKind::Fifo => ("FIFO", "unlink"),
        ObjectKind::SysvShm => ("shared memory segment", "shmctl with IPC_RMID"),
        ObjectKind::Semaphore => ("semaphore", "sem_unlink"),
        ObjectKind::Queue => ("queue", "mq_unlink"),
        ObjectKind::SysvQueue => ("queue", "msgctl with IPC_RMID"),
        _ => ("shared object", "shm_unlink"),
    }
}
