//! A case and its matching, with the questions that every diagnosis asks of them.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use super::super::check::{self, Symptom};
use super::super::races::Races;
use super::super::{Case, Matching, Problem, ProblemKind, Spot};
use super::steps::{Step, whom};
use crate::model::peer::Action;
use crate::model::{CheckId, CheckKind, Invariant, Signal};
use crate::trace::{
    Ending, Event, EventId, Life, LifeId, LifeKind, Object, ObjectId, ObjectKind, Order, RunEnd, Site, Trace, Verb,
    Wait,
};

/// What the diagnoses look at.
pub(crate) struct Scene<'a> {
    /// The run and what it is judged by.
    pub(crate) case: Case<'a>,
    /// How it fits the expected trace.
    pub(crate) matching: &'a Matching,
    /// All that is not as it should be, with the check that it belongs to.
    pub(crate) symptoms: Vec<Symptom>,
    order: OnceCell<Order>,
    races: OnceCell<Races>,
}

impl<'a> Scene<'a> {
    pub(crate) fn new(case: Case<'a>, matching: &'a Matching) -> Self {
        let (order, races) = (OnceCell::new(), OnceCell::new());
        let mut scene = Self { case, matching, symptoms: Vec::new(), order, races };
        scene.symptoms = check::symptoms(&scene);
        scene
    }

    pub(crate) fn trace(&self) -> &'a Trace {
        self.case.trace
    }

    /// What must have come before what.
    pub(crate) fn order(&self) -> &Order {
        self.order.get_or_init(|| Order::of(self.trace()))
    }

    /// The races and lost updates of the run.
    pub(crate) fn races(&self) -> &Races {
        self.races.get_or_init(|| Races::of(self.trace(), self.order()))
    }

    /// The memory of which not every access was looked at.
    pub(crate) fn unexamined(&self) -> Vec<ObjectId> {
        let mut objects: Vec<ObjectId> = Vec::new();
        for event in &self.trace().events {
            match event.verb {
                Verb::Unexamined { object } if !objects.contains(&object) => objects.push(object),
                _ => {}
            }
        }
        objects
    }

    /// Whether all of the learner's processes ended, and no limit did it.
    pub(crate) fn came_to_its_end(&self) -> bool {
        self.trace().end == RunEnd::Finished
    }

    /// Whether something went wrong that the learner can see; without it a suspicion stays advice.
    pub(crate) fn trouble(&self) -> bool {
        !self.symptoms.is_empty() || !self.waits().is_empty() || matches!(self.trace().end, RunEnd::Limit { .. })
    }

    /// Whether an invariant holds in this exercise.
    pub(crate) fn holds(&self, invariant: Invariant) -> bool {
        !self.case.exercise.off.contains_key(&invariant)
    }

    // Lives.

    /// The learner's processes, in order of creation.
    pub(crate) fn learner(&self) -> impl Iterator<Item = (LifeId, &'a Life)> {
        let lives = self.trace().lives.iter().enumerate().map(|(index, life)| (LifeId(index as u32), life));
        lives.filter(|(_, life)| life.kind == LifeKind::Learner)
    }

    pub(crate) fn is_learner(&self, life: LifeId) -> bool {
        self.trace().life(life).kind == LifeKind::Learner
    }

    /// The learner's events.
    pub(crate) fn events(&self) -> impl Iterator<Item = (EventId, &'a Event)> {
        self.trace().iter().filter(|(_, event)| self.is_learner(event.life))
    }

    /// Whether `a` forked `b`, or a process that did.
    pub(crate) fn is_ancestor(&self, a: LifeId, b: LifeId) -> bool {
        std::iter::successors(self.trace().life(b).parent, |life| self.trace().life(*life).parent).any(|life| life == a)
    }

    /// The fork that began this life.
    pub(crate) fn fork_of(&self, life: LifeId) -> Option<EventId> {
        self.trace().iter().find(|(_, e)| matches!(e.verb, Verb::Fork { child } if child == life)).map(|(id, _)| id)
    }

    /// Whether it ended by a signal, or with a status, that nobody asked for.
    pub(crate) fn crashed(&self, life: LifeId) -> bool {
        let Some(ended) = self.trace().life(life).ended else { return false };
        let at_fault = self.symptoms.iter().any(|symptom| symptom.is_at(ended));
        at_fault && self.trace().ending(life) != Some(Ending::Exit(0))
    }

    /// `the parent`, `the program`, `worker 2`, `the client`.
    pub(crate) fn who(&self, life: LifeId) -> String {
        let role = self.matching.roles.iter().find(|(_, lives)| lives.contains(&life));
        if let Some((role, lives)) = role {
            if let ([_, _, ..], Some(index)) = (lives.as_slice(), lives.iter().position(|l| *l == life)) {
                return format!("{role} {}", index + 1);
            }
            return whom(role.as_str());
        }
        if self.trace().main() == Some(life) {
            return "the program".to_owned();
        }
        match self.trace().life(life) {
            Life { name, kind: LifeKind::Peer, .. } => format!("the {name}"),
            Life { name, .. } => format!("process {name}"),
        }
    }

    /// Whose step or deed a problem is.
    pub(crate) fn who_of(&self, problem: &Problem) -> String {
        let role = || problem.role.as_ref().map(|role| whom(role.as_str()));
        problem.life.map(|life| self.who(life)).or_else(role).unwrap_or_else(|| "the program".to_owned())
    }

    // Objects.

    /// An object by the name that a learner knows: from the task, or its path or key, or the trace's own.
    pub(crate) fn name(&self, object: ObjectId) -> &'a str {
        let Object { name, kind, .. } = self.trace().object(object);
        match kind {
            ObjectKind::Stdin => "stdin",
            ObjectKind::Stdout => "stdout",
            ObjectKind::Stderr => "stderr",
            ObjectKind::Pipe
            | ObjectKind::Socket
            | ObjectKind::SharedMapping
            | ObjectKind::Memfd
            | ObjectKind::Semaphore
            | ObjectKind::Lock => {
                self.matching.objects.iter().find(|(_, o)| **o == object).map_or(name.as_str(), |(alias, _)| alias)
            }
            _ => name,
        }
    }

    /// The object that a step's word means.
    pub(crate) fn object_named(&self, name: &str) -> Option<ObjectId> {
        self.matching.objects.get(name).copied().or_else(|| {
            let index = self.trace().objects.iter().position(|object| object.name == name)?;
            Some(ObjectId(index as u32))
        })
    }

    /// The object that a problem is about.
    pub(crate) fn object_of(&self, problem: &Problem) -> Option<ObjectId> {
        let by_step = || self.object_named(Step::parse(problem.step.as_deref()?).object()?);
        let by_event = || self.trace().event(problem.event?).verb.object();
        match problem.kind {
            ProblemKind::Missing => problem.object.or_else(by_step),
            _ => problem.object.or_else(by_step).or_else(by_event),
        }
    }

    /// Where one of the learner's processes made an object.
    pub(crate) fn made(&self, made: ObjectId) -> Option<EventId> {
        self.events().find(|(_, e)| matches!(e.verb, Verb::Create { object } if object == made)).map(|(id, _)| id)
    }

    /// What a process read from an object in all.
    pub(crate) fn read_by(&self, life: LifeId, from: ObjectId) -> Vec<u8> {
        let bytes = self.trace().of(life).filter_map(|(_, event)| match &event.verb {
            Verb::Read { object, bytes } if *object == from => Some(bytes),
            _ => None,
        });
        bytes.flat_map(|bytes| bytes.0.iter().copied()).collect()
    }

    /// What the learner's processes wrote to standard error.
    pub(crate) fn stderr(&self) -> String {
        let bytes = self.events().filter_map(|(_, event)| match &event.verb {
            Verb::Write { object, bytes } if self.trace().object(*object).kind == ObjectKind::Stderr => Some(bytes),
            _ => None,
        });
        let bytes: Vec<u8> = bytes.flat_map(|bytes| bytes.0.iter().copied()).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    // Where the run ended.

    /// Who waits in what at the end of a run in which nobody can go on.
    pub(crate) fn waits(&self) -> &'a [Wait] {
        match &self.trace().end {
            RunEnd::Deadlock { waits } | RunEnd::AllBlocked { waits } => waits,
            RunEnd::Finished | RunEnd::Limit { .. } => &[],
        }
    }

    /// Whether it is proved that nobody can go on.
    pub(crate) fn proved(&self) -> bool {
        matches!(self.trace().end, RunEnd::Deadlock { .. })
    }

    // Symptoms.

    /// The symptoms for which this holds.
    pub(crate) fn those(&self, which: impl Fn(&Symptom) -> bool) -> BTreeSet<usize> {
        (0..self.symptoms.len()).filter(|index| which(&self.symptoms[*index])).collect()
    }

    /// What follows when a run goes off its way at an event: all that did not come, and what came from there on.
    pub(crate) fn after(&self, event: EventId) -> BTreeSet<usize> {
        self.those(|symptom| {
            let cut_short = match &symptom.problem.kind {
                ProblemKind::Missing => true,
                ProblemKind::WrongData { expected, saw, .. } => expected.starts_with(saw),
                _ => false,
            };
            cut_short || symptom.problem.event.is_none_or(|at| at >= event)
        })
    }

    /// What follows when a run ends too soon: all that did not come.
    pub(crate) fn unfinished(&self) -> BTreeSet<usize> {
        self.after(EventId(u32::MAX))
    }

    /// The symptoms of missing steps with one of these verbs.
    pub(crate) fn missing(&self, verbs: &[&str]) -> BTreeSet<usize> {
        self.those(|symptom| {
            let step = symptom.problem.step.as_deref().map(Step::parse);
            symptom.problem.kind == ProblemKind::Missing && step.is_some_and(|step| verbs.contains(&step.verb))
        })
    }

    /// The event's line in the learner's source.
    pub(crate) fn site(&self, event: EventId) -> Option<Site> {
        self.trace().event(event).site.as_deref().cloned()
    }

    /// Where a process came to in the learner's source: where it waits or works, else what it did last.
    pub(crate) fn last_place(&self, life: LifeId) -> Option<(Spot, Option<Site>, String)> {
        let who = self.who(life);
        if let Some(wait) = self.waits().iter().find(|wait| wait.life == life && wait.site.is_some()) {
            return Some((wait.into(), wait.site.clone(), format!("{who} is stuck here")));
        }
        let placed = self.trace().of(life).filter(|(_, event)| event.site.is_some());
        let last = placed.last().filter(|_| self.is_learner(life));
        match &self.trace().end {
            RunEnd::Limit { life: Some(limited), site: Some(site), .. } if *limited == life => {
                let (at, _) = self.trace().of(life).last()?;
                Some((at.into(), Some(site.clone()), format!("{who} is here when it is stopped")))
            }
            _ => last.map(|(at, event)| {
                (at.into(), event.site.as_deref().cloned(), format!("{who} comes no further than this"))
            }),
        }
    }

    /// ` (line 11)`, or nothing while lines are not known.
    pub(crate) fn line(&self, event: EventId) -> String {
        self.site(event).map_or_else(String::new, |site| format!(" (line {})", site.line))
    }

    // Checks.

    /// The first check of this kind, or the one that costs least unfairly.
    pub(crate) fn home(&self, wanted: impl Fn(&CheckKind) -> bool) -> CheckId {
        let checks = &self.case.exercise.checks;
        let by = |kind: &dyn Fn(&CheckKind) -> bool| checks.iter().find(|check| kind(&check.kind));
        let found = by(&wanted).or_else(|| by(&|k| *k == CheckKind::Trace)).or_else(|| by(&|k| *k == CheckKind::Clean));
        found.or(checks.last()).map_or_else(|| CheckId::new(""), |check| check.id.clone())
    }

    /// The check of the invariants.
    pub(crate) fn clean(&self) -> CheckId {
        self.home(|kind| *kind == CheckKind::Clean)
    }

    /// The check of the bytes on an object.
    pub(crate) fn output(&self, object: Option<ObjectId>) -> CheckId {
        let named = |on: &str| check::resolved(&self.case, on);
        self.home(|kind| match (kind, object) {
            (CheckKind::Output { on, .. }, Some(object)) => {
                let on = named(on);
                self.name(object) == on
                    || self.trace().object(object).name == on
                    || self.object_named(&on) == Some(object)
            }
            _ => false,
        })
    }

    /// The check of the memory.
    pub(crate) fn memory(&self) -> CheckId {
        self.home(|kind| matches!(kind, CheckKind::Memory { .. }))
    }

    /// The check of a signal.
    pub(crate) fn signal(&self, signal: Signal) -> CheckId {
        self.home(|kind| match kind {
            CheckKind::Signal { signal: wanted, .. } => check::signal(&self.case, wanted) == Some(signal),
            _ => false,
        })
    }

    /// The action of a peer's step, by the life of the peer.
    pub(crate) fn action(&self, peer: LifeId, step: u32) -> Option<&'a crate::model::peer::Step> {
        let name = &self.trace().life(peer).name;
        let spec = self.case.scenario.peers.iter().find(|spec| spec.name.as_str() == name)?;
        spec.steps.get(step as usize)
    }
}

/// A peer's message that it wanted to receive: queue, text and priority, where the step is a `receive`.
pub(crate) fn wanted_message(scene: &Scene<'_>, action: &Action) -> Option<(String, Vec<u8>, Option<i64>)> {
    let Action::Receive { queue, text, priority } = action else { return None };
    let resolve = |template: &crate::model::Template| template.resolve(scene.case.values).ok();
    let queue = String::from_utf8(resolve(queue)?).ok()?;
    let priority = priority.as_ref().and_then(resolve).and_then(|p| String::from_utf8(p).ok()?.trim().parse().ok());
    Some((queue, resolve(text)?, priority))
}
