//! F004, S003, Q004: results of calls that the program did not look at: less than it asked for, an interruption, a queue
//! that is full.
//!
//! The calls were right, and mostly their results are what one hopes for. So these need a run in which they are not: by
//! chance, by another order, or because the scenario lets calls go wrong.

use super::words::quote;
use super::{Cause, Effect, Scene};
use crate::judge::ProblemKind;
use crate::model::fault::{FaultyCall, Mishap};
use crate::model::{Code, Fault};
use crate::trace::{Event, EventId, LifeId, ObjectId, ObjectKind, Verb};

pub(super) fn causes(scene: &Scene<'_>) -> Vec<Cause> {
    let mut causes = Vec::new();
    causes.extend(one_read(scene));
    causes.extend(interrupted(scene));
    causes.extend(message_lost(scene));
    causes
}

/// F004: a read got the beginning of what was written, and the process took it for all of it.
fn one_read(scene: &Scene<'_>) -> Option<Cause> {
    let cut = cut_reads(scene);
    let (at, object, got, whole) = cut.into_iter().find(|(at, object, got, _)| {
        let life = scene.trace().event(*at).life;
        scene.is_learner(life) && taken_for_all(scene, life, *at, *object, got)
    })?;
    if spoilt_before(scene, at) {
        return None;
    }
    let explained = scene.after(at);
    if explained.is_empty() {
        return None;
    }
    let life = scene.trace().event(at).life;
    let (who, name) = (scene.who(life), scene.name(object));
    let cause = Cause::new(Code::F004, scene.output(Some(object)), at, format!("{who} takes one read for one message"))
        .effect(Effect::Stops)
        .explains(explained)
        .label(scene, at, "")
        .expected(match whole.ends_with(b"\n") {
            true => format!("{who} reads from {name} until it has {}", quote(&whole)),
            false => format!("{who} reads from {name} until the line has its end"),
        })
        .saw(format!("{who} reads {} from {name} and goes on, as if that were all", quote(&got)))
        .why("a pipe is a row of bytes: it does not know where a message ends.")
        .why("a read gets what is there, up to the size of the buffer, and may get less.");
    Some(cause)
}

/// Reads that ended in the middle of a line although the rest of it was written sooner or later, or would have been: the
/// event, the object, what was read, and the line.
fn cut_reads(scene: &Scene<'_>) -> Vec<(EventId, ObjectId, Vec<u8>, Vec<u8>)> {
    // For each object all that was written to it, and how far it has been read.
    let mut streams: Vec<(ObjectId, Vec<u8>, usize)> = Vec::new();
    for (_, event) in scene.trace().iter() {
        let Verb::Write { object, bytes } = &event.verb else { continue };
        match streams.iter_mut().find(|(known, ..)| known == object) {
            Some((_, written, _)) => written.extend_from_slice(&bytes.0),
            None if is_stream(scene, *object) => streams.push((*object, bytes.0.clone(), 0)),
            None => {}
        }
    }
    let mut cut = Vec::new();
    for (at, event) in scene.trace().iter() {
        let Verb::Read { object, bytes } = &event.verb else { continue };
        let Some((_, written, read)) = streams.iter_mut().find(|(known, ..)| known == object) else { continue };
        *read += bytes.0.len();
        let Some((before, after)) = written.split_at_checked(*read) else { continue };
        if bytes.0.is_empty() || before.ends_with(b"\n") || after.is_empty() && !refused(scene, at, *object) {
            continue;
        }
        let begin = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let end = after.iter().position(|byte| *byte == b'\n').map_or(after.len(), |at| at + 1);
        cut.push((at, *object, bytes.0.clone(), written[begin..*read + end].to_vec()));
    }
    cut
}

/// Whether a later write found nobody who reads any more.
fn refused(scene: &Scene<'_>, at: EventId, object: ObjectId) -> bool {
    scene.trace().iter().any(|(id, event)| match &event.verb {
        Verb::Failed { call, errno, object: o } => id > at && call == "write" && errno == "EPIPE" && *o == Some(object),
        _ => false,
    })
}

fn is_stream(scene: &Scene<'_>, object: ObjectId) -> bool {
    matches!(scene.trace().object(object).kind, ObjectKind::Pipe | ObjectKind::Fifo | ObjectKind::Stdin)
}

/// Whether a process made do with what one read got: it never read on, or made a line of its own of it before it did, or
/// passed on just these bytes in another order, where it is the scenario that had cut the read.
fn taken_for_all(scene: &Scene<'_>, life: LifeId, at: EventId, object: ObjectId, got: &[u8]) -> bool {
    let mut later = scene.trace().of(life).skip_while(|(id, _)| *id <= at);
    let mut line = got.to_vec();
    line.push(b'\n');
    let line = line.to_ascii_lowercase();
    let makes_a_line = |bytes: &[u8]| bytes.to_ascii_lowercase().windows(line.len()).any(|part| part == line);
    let cut = |fault: &Fault<_>| fault.call == FaultyCall::Read && fault.becomes == Mishap::AtMost(got.len() as u64);
    let was_cut = scene.case.scenario.faults.iter().any(cut);
    let turned = |bytes: &[u8]| was_cut && bytes != got && sorted(bytes) == sorted(got);
    let mut written = Vec::new();
    let on = later.find(|(_, event)| match &event.verb {
        Verb::Read { object: o, .. } | Verb::End { object: o } => *o == object,
        Verb::Failed { call, object: o, .. } => call == "read" && *o == Some(object),
        Verb::Write { object: o, bytes } if *o != object => {
            written.extend_from_slice(&bytes.0);
            makes_a_line(&written) || turned(&written)
        }
        _ => false,
    });
    match on {
        Some((_, Event { verb: Verb::Write { .. }, .. })) => true,
        Some(_) => false,
        // One that is stuck, there or elsewhere, has not made do with it.
        None => !scene.waits().iter().any(|wait| wait.life == life),
    }
}

fn sorted(bytes: &[u8]) -> Vec<u8> {
    let mut sorted = bytes.to_vec();
    sorted.sort_unstable();
    sorted
}

/// S003: a call was interrupted, and the process took that for an error, or for the end.
fn interrupted(scene: &Scene<'_>) -> Option<Cause> {
    let (at, call, object) = scene.events().find_map(|(id, event)| match &event.verb {
        Verb::Failed { call, errno, object } if errno == "EINTR" && !made_again(scene, id, event, call, *object) => {
            Some((id, call, *object))
        }
        _ => None,
    })?;
    let explained = scene.after(at);
    if spoilt_before(scene, at) || explained.is_empty() {
        return None;
    }
    let who = scene.who(scene.trace().event(at).life);
    let on = object.map_or_else(String::new, |object| format!(" on {}", scene.name(object)));
    let ended = scene.trace().life(scene.trace().event(at).life).ended;
    let cause = Cause::new(
        Code::S003,
        scene.output(object),
        at,
        format!("{who} takes an interrupted {call} for an error or for the end"),
    )
    .effect(Effect::Stops)
    .explains(explained)
    .label(scene, at, "")
    .expected(format!("{who} calls {call}{on} again"))
    .saw(format!("{call}{on} fails with EINTR, and {who} does not call it again"))
    .why("EINTR says that a signal came while the call was waiting: nothing has happened yet.")
    .why("what the call was waiting for is still to come.");
    Some(cause.label_if(scene, ended, format!("{who} ends here")))
}

/// Whether the thread made such a call once more after it had failed.
fn made_again(scene: &Scene<'_>, at: EventId, failed: &Event, call: &str, object: Option<ObjectId>) -> bool {
    let mut later = scene.trace().of(failed.life).skip_while(|(id, _)| *id <= at);
    let again = later.any(|(_, event)| match &event.verb {
        Verb::Failed { call: c, object: o, .. } => c == call && *o == object,
        Verb::Reaped { .. } => call == "wait",
        Verb::Read { object: o, .. } | Verb::End { object: o } => call == "read" && Some(*o) == object,
        Verb::Write { object: o, .. } => call == "write" && Some(*o) == object,
        Verb::Receive { object: o, .. } => is_receive(call) && Some(*o) == object,
        Verb::Send { object: o, .. } => is_send(call) && Some(*o) == object,
        _ => false,
    });
    again || scene.waits().iter().any(|wait| wait.life == failed.life && wait.object.is_some() && wait.object == object)
}

/// Q004: a message did not go into the queue, and the process did not try again.
fn message_lost(scene: &Scene<'_>) -> Option<Cause> {
    let (at, call, errno, object) = scene.events().find_map(|(id, event)| match &event.verb {
        Verb::Failed { call, errno, object: Some(object) }
            if is_send(call) && matches!(errno.as_str(), "EAGAIN" | "ENOSPC") =>
        {
            Some((id, call, errno, *object))
        }
        _ => None,
    })?;
    let missing = scene.those(|symptom| {
        let sent = symptom.problem.step.as_deref().is_some_and(|step| step.starts_with("send "));
        sent && symptom.problem.kind == ProblemKind::Missing && scene.object_of(&symptom.problem) == Some(object)
    });
    if missing.is_empty() || spoilt_before(scene, at) {
        return None;
    }
    let (who, name) = (scene.who(scene.trace().event(at).life), scene.name(object));
    let cause = Cause::new(Code::Q004, scene.output(Some(object)), at, format!("a message to {name} is lost"))
        .hangs()
        .explains(missing)
        .explains(scene.after(at))
        .label(scene, at, "")
        .expected(format!("{who} sends the message again when {name} has room"))
        .saw(format!("{call} fails with {errno}, and {who} goes on without it"))
        .why(format!("{errno} says that the message was not taken: nobody has it but the sender."))
        .why("wait for room (poll, or a queue without O_NONBLOCK) and send it again.");
    Some(cause)
}

/// Whether something went wrong before that, in another way than that it did not come, or not all of it.
fn spoilt_before(scene: &Scene<'_>, at: EventId) -> bool {
    scene.symptoms.iter().any(|symptom| {
        let spoilt = match &symptom.problem.kind {
            ProblemKind::Missing | ProblemKind::WrongOrder { .. } => false,
            ProblemKind::WrongData { expected, saw, .. } => !expected.starts_with(saw),
            _ => true,
        };
        spoilt && symptom.problem.event.is_some_and(|event| event < at)
    })
}

fn is_send(call: &str) -> bool {
    call == "msgsnd" || call.starts_with("mq_") && call.ends_with("send")
}

fn is_receive(call: &str) -> bool {
    call == "msgrcv" || call.starts_with("mq_") && call.ends_with("receive")
}
