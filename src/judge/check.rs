//! What is not as it should be, and which check it belongs to.
//!
//! A symptom is a fact without its cause: a step that did not happen, bytes that differ, a value that was not there.
//! Each belongs to one check and costs that check's points, whatever cause is told for it.

use super::diagnose::{Scene, first_difference, steps::Step};
use super::{Case, Problem, ProblemKind};
use crate::model::exercise::SignalFate;
use crate::model::peer::{Action, Scalar};
use crate::model::{CheckId, CheckKind, CheckSpec, Code, Invariant, Signal, Template};
use crate::trace::{Bytes, Ending, EventId, LifeId, LifeKind, ObjectId, ObjectKind, Verb};

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Symptom {
    /// What; for symptoms from elsewhere than the expected trace `step` says what was asked for.
    pub(crate) problem: Problem,
    /// The code that it gets where no cause explains it.
    pub(crate) code: Code,
    /// The check that it costs.
    pub(crate) home: CheckId,
    /// Who saw it.
    pub(crate) source: Source,
    /// What was met, in words, where the bytes are not at hand.
    pub(crate) saw: Option<String>,
}

impl Symptom {
    /// Whether something is wrong with this very event; a missing step only stands beside one.
    pub(crate) fn is_at(&self, event: EventId) -> bool {
        self.problem.event == Some(event) && self.problem.kind != ProblemKind::Missing
    }
}

/// The exit status of a Rust program that panicked.
const PANIC: i32 = 101;
/// SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV: what a process brings upon itself.
const FAULTS: [i32; 5] = [4, 6, 7, 8, 11];

/// Who saw a symptom. An earlier one says more: what two see is told by the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// The expected trace.
    Trace,
    /// A peer's step.
    Peer,
    /// A check of its own.
    Check,
}

/// All symptoms of a run: the expected trace's first, in the order of the run.
pub(crate) fn symptoms(scene: &Scene<'_>) -> Vec<Symptom> {
    let mut problems = otherwise_said(scene);
    // Of memory that was not looked at to the end nothing can be said to be missing.
    let unexamined = scene.unexamined();
    problems.retain(|problem| {
        let of_memory = problem.step.as_deref().map(Step::parse).is_some_and(|step| {
            matches!(step.verb, "store" | "load") || step.verb == "always:" && step.rest.starts_with("unread")
        });
        unexamined.is_empty() || !of_memory || scene.object_of(problem).is_some_and(|o| !unexamined.contains(&o))
    });
    let mut symptoms: Vec<Symptom> = problems.into_iter().map(|problem| of_trace(scene, problem)).collect();
    symptoms.extend(scene.trace().iter().filter_map(|(id, event)| match &event.verb {
        Verb::Step { step, instead: Some(instead) } => Some(of_peer(scene, id, event.life, *step, instead)),
        _ => None,
    }));
    symptoms.extend(crashes(scene, &symptoms));
    for check in &scene.case.exercise.checks {
        symptoms.extend(of_check(scene, check, &symptoms));
    }
    symptoms
}

/// A text of the course file with its values, where it is a template; as it stands where it is none.
pub(crate) fn resolved(case: &Case<'_>, text: &str) -> String {
    let bytes = Template::parse(text).ok().and_then(|template| template.resolve(case.values).ok());
    bytes.map_or_else(|| text.to_owned(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// The signal that a template names.
pub(crate) fn signal(case: &Case<'_>, template: &Template) -> Option<Signal> {
    String::from_utf8(template.resolve(case.values).ok()?).ok()?.parse().ok()
}

/// The matching's problems, where two that are one thing are one: bytes that are missing and others that are too many in
/// their place are wrong data, and a process that ended otherwise than asked did end.
fn otherwise_said(scene: &Scene<'_>) -> Vec<Problem> {
    let mut problems = scene.matching.problems.clone();
    let mut instead = Vec::new();
    for index in 0..problems.len() {
        let Some(step) = problems[index].step.clone().filter(|_| problems[index].kind == ProblemKind::Missing) else {
            continue;
        };
        let step = Step::parse(&step);
        let ended = problems[index].life.and_then(|life| scene.trace().life(life).ended);
        if let ("exit" | "killed", Some(ended)) = (step.verb, ended) {
            problems[index].kind = wrong(b"", b"");
            problems[index].event = Some(ended);
        }
        let (Some(text), Some(object)) = (step.text(), scene.object_of(&problems[index])) else { continue };
        let found = problems.iter().enumerate().find_map(|(other, problem)| {
            let event = problem.event.filter(|_| problem.kind == ProblemKind::Surplus && !instead.contains(&other))?;
            let (to, bytes) = match (step.verb, &scene.trace().event(event).verb) {
                ("write" | "stdout" | "stderr", Verb::Write { object, bytes })
                | ("read", Verb::Read { object, bytes })
                | ("send", Verb::Send { object, bytes, .. })
                | ("receive", Verb::Receive { object, bytes, .. }) => (*object, bytes),
                _ => return None,
            };
            let same = to == object && problem.life == problems[index].life && bytes.0 != text;
            same.then(|| (other, event, bytes.0.clone()))
        });
        if let Some((other, event, bytes)) = found {
            problems[index].kind = wrong(&text, &bytes);
            problems[index].event = Some(event);
            instead.push(other);
        }
    }
    let kept = problems.into_iter().enumerate().filter(|(index, _)| !instead.contains(index));
    kept.map(|(_, problem)| problem).collect()
}

fn of_trace(scene: &Scene<'_>, problem: Problem) -> Symptom {
    let code = match problem.kind {
        ProblemKind::Missing => Code::T001,
        ProblemKind::Surplus | ProblemKind::Forbidden => Code::T002,
        ProblemKind::WrongOrder { .. } => Code::T003,
        ProblemKind::WrongData { .. } => Code::T005,
    };
    let home = home(scene, &problem);
    Symptom { problem, code, home, source: Source::Trace, saw: None }
}

/// The check that a problem of the expected trace costs: the one about that object or signal, else the trace's.
fn home(scene: &Scene<'_>, problem: &Problem) -> CheckId {
    let trace = || scene.home(|kind| *kind == CheckKind::Trace);
    if matches!(problem.kind, ProblemKind::WrongOrder { .. }) {
        return trace(); // all is there; only the order is wrong, and that is the trace's affair
    }
    let step = problem.step.as_deref().map(Step::parse);
    let verb = problem.event.map(|event| &scene.trace().event(event).verb);
    match (step, verb) {
        (Some(Step { verb: "fork", .. }), _) => scene.home(|kind| matches!(kind, CheckKind::Separation { .. })),
        (Some(Step { verb: "ready" | "take", rest }), _) => rest.parse().map_or_else(|_| trace(), |s| scene.signal(s)),
        (Some(Step { verb: "store" | "load", .. }), _) => scene.memory(),
        (Some(step), _) if step.carries_bytes() => {
            let named = scene.case.exercise.checks.iter().find(|check| match &check.kind {
                CheckKind::Output { on, .. } => step.object() == Some(resolved(&scene.case, on).as_str()),
                _ => false,
            });
            named.map_or_else(|| scene.output(scene.object_of(problem)), |check| check.id.clone())
        }
        (
            None,
            Some(
                Verb::Write { object, .. }
                | Verb::Read { object, .. }
                | Verb::Send { object, .. }
                | Verb::Receive { object, .. },
            ),
        ) => scene.output(Some(*object)),
        _ => trace(),
    }
}

/// A peer's step that met something else than it expected.
fn of_peer(scene: &Scene<'_>, event: EventId, peer: LifeId, step: u32, instead: &str) -> Symptom {
    let step = scene.action(peer, step);
    let path = |template: &Template| {
        let name = template.resolve(scene.case.values).ok()?;
        scene.object_named(&String::from_utf8_lossy(&name))
    };
    let mut problem = Problem {
        kind: ProblemKind::Missing,
        role: None,
        life: Some(peer),
        step: step.map(|step| spelled(scene, &step.text)),
        line: step.map_or(0, |step| step.line),
        event: Some(event),
        object: None,
    };
    let (code, home) = match step.map(|step| &step.action) {
        Some(Action::Expect { offset, scalar, value }) => {
            let number = value.resolve_value(scene.case.values).ok().and_then(|value| value.as_int());
            problem.kind = wrong(number.map(|n| n.to_string()).unwrap_or_default().as_bytes(), instead.as_bytes());
            let about = |kind: &CheckKind| matches!(kind, CheckKind::Memory { offset: o, scalar: s, .. } if (o, s) == (offset, scalar));
            (Code::M006, scene.home(about))
        }
        Some(Action::OpenShm { .. }) => (Code::T001, scene.memory()),
        Some(Action::Read { path: name, text }) => {
            problem.object = path(name);
            problem.kind = wrong(&text.resolve(scene.case.values).unwrap_or_default(), instead.as_bytes());
            (Code::T005, scene.output(problem.object))
        }
        Some(Action::Receive { queue: name, text, .. }) => {
            problem.object = path(name);
            problem.kind = wrong(&text.resolve(scene.case.values).unwrap_or_default(), instead.as_bytes());
            (Code::T005, scene.output(problem.object))
        }
        Some(Action::ReadEnd { path: name }) => {
            problem.object = path(name);
            problem.kind = ProblemKind::Surplus;
            (Code::T002, scene.output(problem.object))
        }
        _ => (Code::T001, scene.home(|kind| *kind == CheckKind::Trace)),
    };
    Symptom { problem, code, home, source: Source::Peer, saw: Some(instead.to_owned()) }
}

/// Processes of the learner's that play no role and crashed: killed for what they did themselves, or by a panic.
fn crashes(scene: &Scene<'_>, known: &[Symptom]) -> Vec<Symptom> {
    if !scene.holds(Invariant::Crash) {
        return Vec::new();
    }
    let crashed = scene.learner().filter_map(|(id, life)| {
        let ended = life.ended?;
        let crash = match scene.trace().ending(id)? {
            Ending::Exit(status) => status == PANIC,
            Ending::Killed(signal) => FAULTS.contains(&signal.number()),
        };
        let role = scene.matching.roles.values().flatten().any(|bound| *bound == id);
        (crash && !role && !known.iter().any(|symptom| symptom.problem.event == Some(ended))).then_some((id, ended))
    });
    let symptom = |(life, ended)| Symptom {
        problem: Problem {
            kind: wrong(b"", b""),
            role: None,
            life: Some(life),
            step: Some("exit 0".to_owned()),
            line: 0,
            event: Some(ended),
            object: None,
        },
        code: Code::T005,
        home: scene.clean(),
        source: Source::Trace,
        saw: None,
    };
    crashed.map(symptom).collect()
}

/// A line of the course file with its values.
fn spelled(scene: &Scene<'_>, text: &str) -> String {
    resolved(&scene.case, text)
}

fn wrong(expected: &[u8], saw: &[u8]) -> ProblemKind {
    ProblemKind::WrongData { expected: expected.to_vec(), saw: saw.to_vec(), at: first_difference(expected, saw) }
}

/// What a check looks for and does not find.
fn of_check(scene: &Scene<'_>, check: &CheckSpec, known: &[Symptom]) -> Option<Symptom> {
    let missing = |step: String, saw: String| Symptom {
        problem: Problem {
            kind: ProblemKind::Missing,
            role: None,
            life: None,
            step: Some(step),
            line: 0,
            event: None,
            object: None,
        },
        code: Code::T001,
        home: check.id.clone(),
        source: Source::Check,
        saw: Some(saw),
    };
    match &check.kind {
        CheckKind::Separation { processes, new, old } => {
            let lives = scene.learner().count() as u32;
            if lives < *processes {
                return Some(missing(format!("processes {processes}"), lives.to_string()));
            }
            let number = |template: &Option<Template>| {
                let value = template.as_ref()?.resolve_value(scene.case.values).ok()?;
                u64::try_from(value.as_int()?).ok()
            };
            let new = number(new)?;
            let separate = scene.events().any(|(_, event)| match &event.verb {
                Verb::Holds { value, elsewhere } => {
                    let parent = scene.trace().life(event.life).parent;
                    let there = elsewhere.iter().find(|(life, _)| Some(*life) == parent).map(|(_, value)| *value);
                    *value == new && there.is_some_and(|there| number(old).map_or(there != new, |old| there == old))
                }
                _ => false,
            });
            (!separate).then(|| missing(format!("separate {new}"), "it does not".to_owned()))
        }
        CheckKind::Output { on, text: Some(text) } => {
            if known.iter().any(|symptom| symptom.home == check.id) {
                return None; // the expected trace has seen it, and says more
            }
            let expected = text.resolve(scene.case.values).ok()?;
            output(scene, check, &resolved(&scene.case, on), &expected)
        }
        CheckKind::Output { .. } | CheckKind::Trace | CheckKind::Clean => None,
        CheckKind::Memory { object, offset, scalar, value, at } if at == "end" => {
            let name = String::from_utf8(object.resolve(scene.case.values).ok()?).ok()?;
            let expected = value.resolve_value(scene.case.values).ok()?.as_int()?;
            let object = scene.object_named(&name);
            if object.is_some_and(|object| scene.unexamined().contains(&object)) {
                return None;
            }
            let saw = object.and_then(|object| last_value(scene, object, *offset, *scalar));
            if saw == Some(expected) {
                return None;
            }
            let saw = saw.map_or_else(|| "nothing".to_owned(), |saw| saw.to_string());
            let step = format!("expect {offset} {} {expected}", scalar.name());
            let mut symptom = missing(step, saw.clone());
            symptom.problem.kind = wrong(expected.to_string().as_bytes(), saw.as_bytes());
            symptom.code = Code::M006;
            Some(symptom)
        }
        CheckKind::Memory { offset, scalar, at, .. } => {
            let peer = at.split("'s ").next().unwrap_or(at);
            let spec = scene.case.scenario.peers.iter().find(|spec| spec.name.as_str() == peer)?;
            let wanted = |action: &Action| matches!(action, Action::Expect { offset: o, scalar: s, .. } if (o, s) == (offset, scalar));
            let index = spec.steps.iter().position(|step| wanted(&step.action))?;
            let reached = scene.trace().iter().any(|(_, event)| {
                let theirs = scene.trace().life(event.life);
                theirs.kind == LifeKind::Peer
                    && theirs.name == peer
                    && matches!(event.verb, Verb::Step { step, .. } if step as usize == index)
            });
            (!reached).then(|| missing(format!("look {peer}"), "nothing".to_owned()))
        }
        CheckKind::Signal { signal: wanted, fate } => {
            let wanted = signal(&scene.case, wanted)?;
            let happened = scene.events().any(|(_, event)| match (fate, &event.verb) {
                (SignalFate::Ready, Verb::Ready { signal })
                | (SignalFate::Taken, Verb::Take { signal })
                | (SignalFate::Died, Verb::Killed { signal }) => *signal == wanted,
                _ => false,
            });
            let verb = match fate {
                SignalFate::Ready => "ready",
                SignalFate::Taken => "take",
                SignalFate::Died => "killed",
            };
            (!happened).then(|| missing(format!("{verb} {wanted}"), "it does not".to_owned()))
        }
    }
}

/// The bytes that the learner's processes put on an object, against those of the check.
fn output(scene: &Scene<'_>, check: &CheckSpec, on: &str, expected: &[u8]) -> Option<Symptom> {
    let about = |object: &ObjectId| scene.name(*object) == on || scene.object_named(on) == Some(*object);
    let mut saw = Vec::new();
    let (mut last, mut object) = (None, scene.object_named(on));
    for (id, event) in scene.events() {
        if let Verb::Write { object: to, bytes } | Verb::Send { object: to, bytes, .. } = &event.verb
            && about(to)
        {
            saw.extend_from_slice(&bytes.0);
            (last, object) = (Some(id), Some(*to));
        }
    }
    if saw == expected {
        return None;
    }
    let text = Bytes::from(expected).to_string().replace('"', "\\\"");
    let verb = match object.map(|object| scene.trace().object(object).kind) {
        Some(kind) if kind.is_queue() => "send ",
        Some(ObjectKind::Stdout | ObjectKind::Stderr) => "",
        _ if matches!(on, "stdout" | "stderr") => "",
        _ => "write ",
    };
    let (kind, code) = match saw.as_slice() {
        [] => (ProblemKind::Missing, Code::T001),
        _ => (wrong(expected, &saw), Code::T005),
    };
    let problem = Problem {
        kind,
        role: None,
        life: last.map(|last| scene.trace().event(last).life),
        step: Some(format!("{verb}{on} \"{text}\"")),
        line: 0,
        event: last,
        object,
    };
    Some(Symptom { problem, code, home: check.id.clone(), source: Source::Check, saw: None })
}

/// The number that stood at an offset last: what stores left there, 0 where nobody stored.
fn last_value(scene: &Scene<'_>, object: ObjectId, offset: u64, scalar: Scalar) -> Option<i128> {
    let mut bytes = vec![0; scalar.size()];
    for event in &scene.trace().events {
        let Verb::Store { object: at, offset: from, bytes: stored, .. } = &event.verb else { continue };
        if *at != object {
            continue;
        }
        for (index, byte) in stored.0.iter().enumerate() {
            let place = from + index as u64;
            let slot = place.checked_sub(offset).and_then(|slot| bytes.get_mut(usize::try_from(slot).ok()?));
            if let Some(slot) = slot {
                *slot = *byte;
            }
        }
    }
    scalar.decode(&bytes)
}
