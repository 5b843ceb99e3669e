//! Q: message queues.

use super::scene::wanted_message;
use super::steps::Step;
use super::words::{list, quote};
use super::{Cause, Effect, Scene};
use crate::judge::ProblemKind;
use crate::model::Code;
use crate::trace::{Ending, EventId, LifeId, ObjectId, ObjectKind, Verb, Wait};

pub(super) fn causes(scene: &Scene<'_>) -> Vec<Cause> {
    let mut causes = Vec::new();
    causes.extend(small_buffer(scene));
    causes.extend(bad_name(scene));
    causes.extend(size_with_type(scene));
    causes.extend(priority_ignored(scene));
    causes.extend(one_end_for_several(scene));
    causes
}

/// Q002: a receive failed because its buffer is too small.
fn small_buffer(scene: &Scene<'_>) -> Option<Cause> {
    let (at, call, object, errno) = scene.events().find_map(|(id, event)| match &event.verb {
        Verb::Failed { call, errno, object } if call.contains("receive") && errno == "EMSGSIZE" => {
            Some((id, call, *object, errno))
        }
        _ => None,
    })?;
    let who = scene.who(scene.trace().event(at).life);
    let name = object.map_or("the queue", |object| scene.name(object));
    let cause = Cause::new(Code::Q002, scene.output(object), at, "the receive buffer is smaller than the message size")
        .effect(Effect::Stops)
        .explains(scene.after(at))
        .advice_unless(!scene.symptoms.is_empty())
        .label(scene, at, "")
        .expected(format!("{who} receives from {name} with room for its longest message"))
        .saw(format!("{call} fails with {errno}"))
        .why("the buffer must hold the longest message that the queue may take")
        .why("(mq_msgsize), however short this one is.");
    Some(cause)
}

/// Q006, POSIX: mq_open was refused for its name, by the C library or by the kernel.
fn bad_name(scene: &Scene<'_>) -> Option<Cause> {
    let queues_asked_for = !scene.missing(&["queue", "send", "receive"]).is_empty();
    let refused = scene.events().find_map(|(id, event)| match &event.verb {
        Verb::Failed { call, errno, .. } if call == "mq_open" && errno == "EINVAL" => Some(id),
        _ => None,
    });
    if !queues_asked_for {
        return None;
    }
    let (at, saw) = match refused {
        Some(at) => (at, "mq_open fails with EINVAL".to_owned()),
        None => {
            // The C library looks at the name itself and asks the kernel nothing: what is left is what the program says.
            let opened = scene.events().any(|(_, event)| {
                event.verb.object().is_some_and(|object| scene.trace().object(object).kind == ObjectKind::Queue)
            });
            let said = scene.stderr();
            let line = said
                .lines()
                .find(|line| ["EINVAL", "Invalid argument", "os error 22"].iter().any(|sign| line.contains(sign)))?;
            let main = scene.trace().main()?;
            if opened || scene.trace().ending(main) == Some(Ending::Exit(0)) {
                return None;
            }
            (
                scene.trace().life(main).ended?,
                format!("no queue is opened; the program says {}", quote(line.as_bytes())),
            )
        }
    };
    let check = scene.output(scene.trace().objects.iter().position(|o| o.kind.is_queue()).map(|i| ObjectId(i as u32)));
    let wanted = scene.missing(&["queue", "send", "receive"]);
    let name = wanted.first().and_then(|index| Step::parse(scene.symptoms[*index].problem.step.as_deref()?).object());
    let message = match name.and_then(|name| name.strip_prefix('/')).filter(|bare| names_bare(&scene.stderr(), bare)) {
        Some(bare) => format!("a queue's name begins with a slash: {bare} does not"),
        None => "mq_open is given a name that no queue can have".to_owned(),
    };
    let cause = Cause::new(Code::Q006, check, at, message)
        .effect(Effect::Stops)
        .explains(scene.unfinished())
        .explains(scene.after(at))
        .explains(crashes(scene))
        .label(scene, at, "")
        .expected(format!("the program opens the queue {}", name.unwrap_or("/name")))
        .saw(saw)
        .why("a queue's name begins with a slash and has no other.");
    Some(cause)
}

/// Whether a program speaks of a name, and always without the slash that it should begin with.
fn names_bare(said: &str, bare: &str) -> bool {
    !bare.is_empty() && said.contains(bare) && !said.contains(&format!("/{bare}"))
}

/// Symptoms that are the end of a program that gave up.
fn crashes(scene: &Scene<'_>) -> std::collections::BTreeSet<usize> {
    scene.those(|symptom| symptom.problem.step.as_deref().is_some_and(|step| Step::parse(step).verb == "exit"))
}

/// Q006, System V: a message that is longer than its text by the size of its type.
fn size_with_type(scene: &Scene<'_>) -> Option<Cause> {
    scene.symptoms.iter().enumerate().find_map(|(index, symptom)| {
        let ProblemKind::WrongData { expected, saw, .. } = &symptom.problem.kind else { return None };
        let object = scene.object_of(&symptom.problem)?;
        let counts = saw.len() == expected.len() + size_of::<std::ffi::c_long>() && saw.starts_with(expected);
        if scene.trace().object(object).kind != ObjectKind::SysvQueue || !counts {
            return None;
        }
        let at = symptom.problem.event?;
        let who = scene.who_of(&symptom.problem);
        let cause = Cause::new(Code::Q006, symptom.home.clone(), at, "the message's size counts its type")
            .explains([index].into())
            .label(scene, at, "")
            .expected(format!("{who} sends {} bytes", expected.len()))
            .saw(format!("{who} sends {} bytes", saw.len()))
            .diff(expected, saw)
            .why("msgsnd wants the size of the text, without the type before it.");
        Some(cause)
    })
}

/// Q003: the right text with another priority or type than the task's, sent by the learner.
fn priority_ignored(scene: &Scene<'_>) -> Option<Cause> {
    let by_peer = || {
        scene.trace().iter().find_map(|(_, event)| {
            let Verb::Step { step, instead: Some(_) } = event.verb else { return None };
            let (queue, text, priority) = wanted_message(scene, &scene.action(event.life, step)?.action)?;
            Some((scene.object_named(&queue)?, text, priority?))
        })
    };
    let wrong = |wanted: &(ObjectId, Vec<u8>, i64)| {
        let (queue, text, priority) = wanted;
        let sent = |with: bool| {
            scene.events().find_map(move |(id, event)| match &event.verb {
                Verb::Send { object, bytes, priority: sent }
                    if object == queue && bytes.0 == *text && (sent == priority) == with =>
                {
                    Some((id, *sent))
                }
                _ => None,
            })
        };
        // Sent with its own priority as well: then something else is wrong.
        sent(false).filter(|_| sent(true).is_none())
    };
    let all = scene.symptoms.iter().filter_map(|symptom| {
        let step = Step::parse(symptom.problem.step.as_deref()?);
        Some((scene.object_named(step.object()?)?, step.text()?, step.priority()?))
    });
    let wanted = all.chain(by_peer()).find(|wanted| wrong(wanted).is_some())?;
    let (at, sent) = wrong(&wanted)?;
    let (queue, text, priority) = wanted;
    let (who, name, text) = (scene.who(scene.trace().event(at).life), scene.name(queue), quote(&text));
    let posix = scene.trace().object(queue).kind == ObjectKind::Queue;
    let word = if posix { "priority" } else { "type" };
    let explained = scene.those(|symptom| {
        scene.object_of(&symptom.problem) == Some(queue) || symptom.problem.event.is_none_or(|event| event > at)
    });
    let cause = Cause::new(Code::Q003, scene.output(Some(queue)), at, format!("the {word} of a message is ignored"))
        .hangs()
        .explains(explained)
        .label(scene, at, "")
        .expected(format!("{who} sends {text} to {name} with {word} {priority}"))
        .saw(format!("{who} sends {text} to {name} with {word} {sent}"))
        .why(match posix {
            true => "the queue hands out the highest priority first.",
            false => "the receiver chooses messages by their type.",
        });
    Some(cause)
}

/// Q005: of several processes that receive from one queue a message has ended some, and the others wait for one.
fn one_end_for_several(scene: &Scene<'_>) -> Option<Cause> {
    let parent = |life: LifeId| scene.trace().life(life).parent;
    let waiting = |wait: &&Wait| wait.call == "receive" && scene.is_learner(wait.life);
    scene.waits().iter().filter(waiting).find_map(|wait| {
        let queue = wait.object?;
        let stuck: Vec<&Wait> = scene.waits().iter().filter(|it| waiting(it) && it.object == Some(queue)).collect();
        let siblings = scene.learner().map(|(life, _)| life).filter(|life| parent(*life) == parent(wait.life));
        let ended: Vec<(LifeId, EventId)> =
            siblings.filter_map(|life| Some((life, ended_by_message(scene, life, queue)?))).collect();
        let (one, received) = *ended.first()?;
        // Who was to send it has done so, and waits for them to end.
        let waited_for = scene.waits().iter().any(|it| it.call == "wait" && Some(it.life) == parent(wait.life));
        if !waited_for {
            return None;
        }
        let name = scene.name(queue);
        let names: Vec<String> = stuck.iter().map(|it| scene.who(it.life)).collect();
        let message = match &scene.trace().event(received).verb {
            Verb::Receive { bytes, .. } => quote(&bytes.0),
            _ => return None,
        };
        let all = ended.len() + stuck.len();
        let mut cause = Cause::at_the_end(Code::Q005, scene.clean(), "one end message for several workers")
            .effect(Effect::Stops)
            .explains(scene.unfinished())
            .proved(scene.proved())
            .label(scene, wait, format!("{} is stuck here", scene.who(wait.life)))
            .expected(format!("each of the {all} that receive from {name} gets a message that ends it"))
            .saw(format!(
                "{message} ends {}; {} wait{} for another",
                scene.who(one),
                list(&names),
                verb_end(names.len())
            ))
            .why("a message goes to one receiver, not to all who wait.");
        let sent = scene.trace().event(received).causes.first().copied();
        let sent = sent.filter(|sent| matches!(scene.trace().event(*sent).verb, Verb::Send { .. }));
        cause = cause.label_if(scene, sent, "the message that ends one of them is sent here");
        Some(super::waits::with_graph(scene, cause))
    })
}

fn verb_end(count: usize) -> &'static str {
    if count == 1 { "s" } else { "" }
}

/// The message after which a process did nothing more than end by itself.
fn ended_by_message(scene: &Scene<'_>, life: LifeId, queue: ObjectId) -> Option<EventId> {
    let does = |verb: &Verb| matches!(verb, Verb::Write { .. } | Verb::Send { .. } | Verb::Store { .. });
    let (received, _) = scene
        .trace()
        .of(life)
        .filter(|(_, event)| matches!(event.verb, Verb::Receive { object, .. } if object == queue) || does(&event.verb))
        .last()
        .filter(|(_, event)| !does(&event.verb))?;
    (scene.trace().ending(life) == Some(Ending::Exit(0))).then_some(received)
}
