//! S: signals.

use super::steps::Step;
use super::words::list;
use super::{Cause, Effect, Scene, repairs};
use crate::judge::ProblemKind;
use crate::judge::matching::Mark;
use crate::model::{CheckKind, Code, Signal, signal_safety};
use crate::trace::{EventId, LifeId, Verb};

pub(super) fn causes(scene: &Scene<'_>) -> Vec<Cause> {
    let mut causes = Vec::new();
    causes.extend(too_early(scene));
    causes.extend(unsafe_handler(scene));
    causes.extend(lost_wakeup(scene));
    causes.extend(wrong_target(scene).or_else(|| not_its_own(scene)));
    causes
}

/// S001: a signal was sent to a process that was not ready for it, and killed it.
fn too_early(scene: &Scene<'_>) -> Option<Cause> {
    let (at, life, signal) = scene.events().find_map(|(id, event)| match event.verb {
        Verb::Killed { signal } if signal != Signal::KILL => Some((id, event.life, signal)),
        _ => None,
    })?;
    let sent = scene.trace().iter().filter(|(id, _)| *id < at).filter(|(_, event)| {
        matches!(event.verb, Verb::Signal { target: Some(target), signal: s, .. } if target == life && s == signal)
    });
    let (_, sender) = sent.last()?;
    let ready = |before: EventId| {
        scene.trace().of(life).take_while(|(id, _)| *id < before).fold(false, |ready, (_, event)| match event.verb {
            Verb::Ready { signal: s } if s == signal => true,
            Verb::Unready { signal: s } if s == signal => false,
            _ => ready,
        })
    };
    // It killed itself, or was to be killed: neither is a matter of coming too early.
    if sender.life == life || ready(at) || !asked_to_take(scene, life, signal) {
        return None;
    }
    let (who, whom) = (scene.who(sender.life), scene.who(life));
    let later = scene.events().find(|(id, e)| *id > at && matches!(e.verb, Verb::Ready { signal: s } if s == signal));
    // Whether a handler was still to come, a process that is dead does not tell.
    let message = match later {
        Some(_) => format!("SIG{signal} comes before {whom} is ready for it"),
        None => format!("SIG{signal} finds no handler and kills {whom}"),
    };
    let saw = match ready_for(scene, life, at).as_slice() {
        [] => format!("{whom} has no handler for it and is killed"),
        others => format!("{whom} is ready for {} alone and is killed", list(others)),
    };
    let mut cause = Cause::new(Code::S001, scene.signal(signal), at, message)
        .effect(Effect::Stops)
        .explains(scene.after(at))
        .label(scene, at, format!("{whom} is here when it comes"))
        .expected(format!("{whom} is ready for SIG{signal} (a handler, or masked) when it comes"))
        .saw(format!("{who} sends SIG{signal}; {saw}"))
        .why(format!("without a handler SIG{signal} does what it does by default: it ends the process."))
        .why("the handler must be there before anybody may send the signal.");
    if let Some((id, _)) = later {
        cause = cause.label(scene, id, "the handler is installed only here");
    }
    Some(cause.repair(repairs::held_until_handled(scene, life, signal)))
}

/// S002: a handler called a function that is not among those of signal-safety(7). That it is
/// called is the mistake; whether it goes wrong in a run is a matter of what the signal interrupts.
fn unsafe_handler(scene: &Scene<'_>) -> Option<Cause> {
    let (at, event, name) = scene.events().find_map(|(id, event)| match &event.verb {
        Verb::Call { name } if event.handler.is_some() && signal_safety::is_unsafe(name) => Some((id, event, name)),
        _ => None,
    })?;
    let take = event.handler.expect("asked above");
    let Verb::Take { signal } = scene.trace().event(take).verb else { return None };
    let who = scene.who(event.life);
    let stuck = scene.waits().iter().any(|wait| {
        let inside = scene.trace().of(wait.life).filter(|(_, event)| event.thread == wait.thread).last();
        wait.life == event.life && inside.is_some_and(|(_, event)| event.handler == Some(take))
    });
    let does = match name.as_str() {
        "malloc" | "calloc" | "realloc" | "free" => format!("{name} keeps its books on the heap under a lock,"),
        "exit" => "exit runs what the interrupted code may be in the middle of,".to_owned(),
        name if name.starts_with("pthread_") || name.starts_with("sem_") => {
            format!("{name} waits for a lock that the interrupted code may hold,")
        }
        name => format!("{name} writes to a buffer under a lock,"),
    };
    let mut cause = Cause::new(
        Code::S002,
        scene.signal(signal),
        at,
        format!("the handler of SIG{signal} calls {name}, which a handler must not"),
    )
    .label(scene, at, "")
    .label(scene, take, format!("the handler begins to run here: SIG{signal} is taken"))
    .expected("handlers call functions of signal-safety(7) alone, such as write and waitpid")
    .saw(format!("{who} calls {name} in its handler of SIG{signal}"))
    .why("a handler runs between any two instructions of the program.")
    .why(does)
    .why("and the signal may have come in the middle of just that: then it waits for itself.");
    if stuck {
        cause = cause.effect(Effect::Stops).explains(scene.unfinished()).proved(scene.proved());
    }
    Some(cause)
}

/// The signals that a process is ready for when it comes to an event.
fn ready_for(scene: &Scene<'_>, life: LifeId, before: EventId) -> Vec<String> {
    let mut ready: Vec<Signal> = Vec::new();
    for (_, event) in scene.trace().of(life).take_while(|(id, _)| *id < before) {
        match event.verb {
            Verb::Ready { signal } if !ready.contains(&signal) => ready.push(signal),
            Verb::Unready { signal } => ready.retain(|other| *other != signal),
            _ => {}
        }
    }
    ready.iter().map(|signal| format!("SIG{signal}")).collect()
}

/// Whether the task asks for more than that the process dies of the signal.
fn asked_to_take(scene: &Scene<'_>, life: LifeId, signal: Signal) -> bool {
    let about = |step: Step<'_>| matches!(step.verb, "ready" | "take") && step.rest == signal.to_string();
    let asked = scene.symptoms.iter().any(|symptom| {
        let theirs = symptom.problem.life.is_none_or(|other| other == life);
        theirs && symptom.problem.step.as_deref().map(Step::parse).is_some_and(about)
    });
    asked || scene.crashed(life)
}

/// S005: the signal was taken, and then the process went to sleep until a signal comes.
fn lost_wakeup(scene: &Scene<'_>) -> Option<Cause> {
    let (wait, take, signal) = scene.waits().iter().find_map(|wait| {
        if !matches!(wait.call.as_str(), "pause" | "sigsuspend") || !scene.is_learner(wait.life) {
            return None;
        }
        let (take, signal) = scene
            .trace()
            .of(wait.life)
            .filter_map(|(id, event)| match event.verb {
                Verb::Take { signal } => Some((id, signal)),
                _ => None,
            })
            .last()?;
        // What it does after the handler has returned shows that it has noticed.
        let noticed = scene.trace().of(wait.life).any(|(id, event)| {
            let visible = matches!(
                event.verb,
                Verb::Write { .. } | Verb::Send { .. } | Verb::Store { .. } | Verb::Signal { .. } | Verb::Reaped { .. }
            );
            id > take && event.thread == wait.thread && event.handler.is_none() && visible
        });
        (!noticed).then_some((wait, take, signal))
    })?;
    let (who, call) = (scene.who(wait.life), wait.call.as_str());
    let cause = Cause::at_the_end(
        Code::S005,
        scene.signal(signal),
        format!("{who} sleeps for a signal that it has already had"),
    )
    .effect(Effect::Stops)
    .explains(scene.unfinished())
    .proved(scene.proved())
    .label(scene, wait, format!("{who} is stuck here"))
    .label(scene, take, format!("SIG{signal} is taken here"))
    .expected(format!("{who} takes SIG{signal} and goes on"))
    .saw(format!("{who} takes SIG{signal}, then sleeps in {call}, for ever"))
    .why("the signal came after the test and before the sleep.")
    .why("its handler ran, and nobody looked at the flag again.")
    .why(format!("{call} waits for the next signal; the one that matters has been."));
    Some(cause)
}

/// S006: a signal went to a process or group that nobody asked to signal.
fn wrong_target(scene: &Scene<'_>) -> Option<Cause> {
    let (at, target, signal, group) = scene.events().find_map(|(id, event)| match event.verb {
        Verb::Signal { target, signal, group } if is_wrong(scene, id, event.life, target, signal, group) => {
            Some((id, target, signal, group))
        }
        _ => None,
    })?;
    let sender = scene.trace().event(at).life;
    let who = scene.who(sender);
    let wanted = scene.missing(&["signal"]);
    let wanted = wanted.iter().find_map(|index| scene.symptoms[*index].problem.step.as_deref());
    let whom = match (group, target) {
        (true, _) => "its whole process group".to_owned(),
        (false, Some(target)) if target == sender => "itself".to_owned(),
        (false, Some(target)) => scene.who(target),
        (false, None) => "a process outside the program".to_owned(),
    };
    let why = match (group, target) {
        (true, _) => "kill with 0 or a negative number reaches every process of a group, the sender too.",
        (false, Some(target)) if target == sender => "getpid, in each process, is that process's own number.",
        _ => "the first argument of kill says who gets it: the number that fork returned, for a child.",
    };
    let explained = scene.those(|symptom| {
        let step = symptom.problem.step.as_deref().map(Step::parse);
        let about = step
            .is_some_and(|step| matches!(step.verb, "signal" | "take") && symptom.problem.kind == ProblemKind::Missing);
        about || symptom.problem.event.is_some_and(|event| event >= at)
    });
    let cause = Cause::new(Code::S006, scene.signal(signal), at, format!("{who} sends SIG{signal} to {whom}"))
        .hangs()
        .explains(explained)
        .label(scene, at, "")
        .expected(wanted.map_or_else(
            || format!("nobody is sent SIG{signal} by {who}"),
            |step| format!("{who} {}", Step::parse(step).predicate()),
        ))
        .saw(format!("{who} sends SIG{signal} to {whom}"))
        .why(why);
    Some(cause)
}

/// S006, refused by the kernel: only what belongs to the same user may be signalled (kill(2)).
fn not_its_own(scene: &Scene<'_>) -> Option<Cause> {
    let (at, event) = scene.events().find(|(_, event)| match &event.verb {
        Verb::Failed { call, errno, .. } => call == "kill" && errno == "EPERM",
        _ => false,
    })?;
    let who = scene.who(event.life);
    let check = scene.home(|kind| matches!(kind, CheckKind::Signal { .. }));
    let cause = Cause::new(Code::S006, check, at, format!("{who} sends a signal to a process outside the program"))
        .effect(Effect::Stops)
        .explains(scene.after(at))
        .label(scene, at, "")
        .expected("signals go to the program's own processes")
        .saw(format!("{who} calls kill, which fails with EPERM: the process is another user's"))
        .why("the first argument of kill says who gets it:")
        .why("the number that fork returned, for a child.");
    Some(cause)
}

fn is_wrong(
    scene: &Scene<'_>,
    at: EventId,
    sender: LifeId,
    target: Option<LifeId>,
    signal: Signal,
    group: bool,
) -> bool {
    let role = |(role, lives): (&crate::model::RoleName, &Vec<LifeId>)| {
        target.filter(|target| lives.contains(target)).map(|_| role.as_str().to_owned())
    };
    let role = scene.matching.roles.iter().find_map(role);
    let names = |rest: &str| rest.split_whitespace().any(|word| Some(word) == role.as_deref());
    let missed = scene.symptoms.iter().any(|symptom| {
        let step = symptom.problem.step.as_deref().map(Step::parse);
        symptom.problem.kind == ProblemKind::Missing
            && step.is_some_and(|step| match step.verb {
                // One of a family that is asked to be signalled is no stranger, whoever else was not signalled.
                "signal" => step.rest.ends_with(&signal.to_string()) && !names(step.rest),
                "take" => step.rest == signal.to_string() && target == Some(sender),
                _ => false,
            })
    });
    // Looked at only where it matters: a run may have as many lanes as it has signals.
    let surplus = || {
        scene.symptoms.iter().any(|symptom| {
            let unasked = matches!(symptom.problem.kind, ProblemKind::Surplus | ProblemKind::Forbidden);
            symptom.problem.event == Some(at) && unasked
        })
    };
    let lane = || scene.matching.lanes.iter().any(|row| row.mark == Mark::Expected && row.text.starts_with("signal"));
    // Its own children are its business, and so is it itself; a signal too many to them is T002.
    let strange = match target {
        _ if group => true,
        None => true,
        Some(target) => target != sender && !scene.is_ancestor(sender, target),
    };
    missed || strange && (surplus() || !lane())
}
