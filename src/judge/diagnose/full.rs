//! F010 and F013: a full pipe that nobody empties, since whoever could is waiting itself.

use super::waits::with_graph;
use super::{Cause, Effect, Scene};
use crate::judge::Spot;
use crate::model::Code;
use crate::trace::{ObjectId, Verb, Wait};

pub(super) fn causes(scene: &Scene<'_>) -> Vec<Cause> {
    both_write(scene).into_iter().chain(waits_first(scene)).collect()
}

/// A process that waits in a write into a full channel.
fn writers<'s>(scene: &'s Scene<'_>) -> impl Iterator<Item = (&'s Wait, ObjectId)> {
    scene.waits().iter().filter_map(|wait| {
        let object = wait.object.filter(|object| scene.trace().object(*object).kind.is_channel())?;
        (wait.call == "write" && scene.is_learner(wait.life)).then_some((wait, object))
    })
}

/// Whether this process could make room for the one that waits: it has a read end.
fn could_read(wait: &Wait, reader: &Wait) -> bool {
    wait.life != reader.life && wait.holders.iter().any(|holder| holder.life == reader.life)
}

/// F010: two processes write to each other, and neither reads.
fn both_write(scene: &Scene<'_>) -> Option<Cause> {
    let (ours, theirs) = writers(scene).find_map(|ours| {
        let theirs = writers(scene).find(|other| could_read(ours.0, other.0) && could_read(other.0, ours.0))?;
        // Each pair is met twice; the one that was started first comes first.
        (ours.0.life < theirs.0.life && ours.1 != theirs.1).then_some((ours, theirs))
    })?;
    let (who, whose) = (scene.who(ours.0.life), scene.who(theirs.0.life));
    let (there, back) = (scene.name(ours.1), scene.name(theirs.1));
    let cause = Cause::at_the_end(Code::F010, scene.clean(), "deadlock: each process waits until the other one reads")
        .effect(Effect::Stops)
        .explains(scene.unfinished())
        .proved(scene.proved())
        .label(scene, Spot::Wait(ours.0.thread), format!("{who} waits for room in {there}"))
        .label(scene, Spot::Wait(theirs.0.thread), format!("{whose} waits for room in {back}"))
        .expected(format!("{who} reads {back} while it still has something to write to {there}"))
        .saw(format!(
            "{who} waits in write, for room in {there} ({} bytes are in it); {whose} waits in write, for room in \
                 {back} ({} bytes are in it)",
            filling(scene, ours.1),
            filling(scene, theirs.1)
        ))
        .why("a pipe holds 65536 bytes; who writes into a full one waits until somebody reads.")
        .why(format!("only {whose} could read {there}, only {who} could read {back}: both are writing."))
        .why("a short text fits into the pipes, and all seems well.");
    Some(with_graph(scene, cause))
}

/// F013: a process waits for the end of one that cannot end before it is read from.
fn waits_first(scene: &Scene<'_>) -> Option<Cause> {
    let (parent, writer, object) = writers(scene).find_map(|(writer, object)| {
        let awaits = |wait: &&Wait| {
            let for_it = wait.child.is_none_or(|child| child == writer.life);
            wait.call == "wait" && for_it && scene.trace().life(writer.life).parent == Some(wait.life)
        };
        let parent = scene.waits().iter().find(awaits)?;
        could_read(writer, parent).then_some((parent, writer, object))
    })?;
    let (who, whose, name) = (scene.who(parent.life), scene.who(writer.life), scene.name(object));
    let cause = Cause::at_the_end(
        Code::F013,
        scene.clean(),
        format!("deadlock: {who} waits for {whose}, which waits until {who} reads"),
    )
    .effect(Effect::Stops)
    .explains(scene.unfinished())
    .proved(scene.proved())
    .label(scene, Spot::Wait(parent.thread), format!("{who} waits for {whose}"))
    .label(scene, Spot::Wait(writer.thread), format!("{whose} waits for room in {name}"))
    .expected(format!("{who} reads {name} to its end, then waits for {whose}"))
    .saw(format!(
        "{who} waits in wait, for {whose} to end; {whose} waits in write, for room in {name} ({} bytes are in it)",
        filling(scene, object)
    ))
    .why("a pipe holds 65536 bytes; who writes into a full one waits until somebody reads.")
    .why(format!("{whose} cannot end before it has written everything."))
    .why("a short text fits into the pipe, and all seems well.");
    Some(with_graph(scene, cause))
}

/// The bytes that went into a channel and have not come out.
fn filling(scene: &Scene<'_>, channel: ObjectId) -> usize {
    scene.trace().events.iter().fold(0_usize, |filling, event| match &event.verb {
        Verb::Write { object, bytes } if *object == channel => filling + bytes.len(),
        Verb::Read { object, bytes } if *object == channel => filling.saturating_sub(bytes.len()),
        _ => filling,
    })
}
