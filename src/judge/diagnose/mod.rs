//! From symptoms to causes.
//!
//! Each family of causes is a pure function from a [`Scene`] to [`Cause`]s. A cause says what it explains: symptoms, a
//! hang, what is left behind. Choosing among them takes four steps:
//!
//! 1. A cause that only follows from another one goes ([`follows`]). What a crash leaves behind follows from the crash.
//! 2. A hang that no cause explains is a cause of its own (H).
//! 3. A symptom that no cause explains is a finding of its own (M006, T).
//! 4. Findings are ordered: errors before advice, then by [`Family::rank`](crate::model::code::Family::rank), then what
//!    stops a run before what spoils its data before what is left behind, then by the run. The first is *the* cause.

mod children;
mod detour;
mod full;
mod hangs;
mod leaks;
mod locks;
mod meddling;
mod memory;
mod pipes;
mod processes;
mod queues;
mod races;
mod repairs;
mod scene;
mod signals;
mod spins;
pub(crate) mod steps;
mod trace;
mod unheeded;
mod waits;
mod words;

use std::collections::BTreeSet;

pub(crate) use scene::Scene;
pub(crate) use words::first_difference;

use super::{End, Finding, Label, Repair, Severity, Spot};
use crate::model::{CheckId, Code};
use crate::trace::{EventId, LifeId, Site};

/// What was found, and what of the symptoms is paid for already.
pub(crate) struct Diagnosis {
    /// The most specific cause first.
    pub(crate) findings: Vec<Finding>,
    /// Symptoms that are the same fact as a finding of another check, and cost nothing besides: an `unlink` that is
    /// missing and the name that is left behind.
    pub(crate) paid: BTreeSet<usize>,
}

/// A finding, and what follows from it.
#[derive(Debug, Clone)]
pub(crate) struct Cause {
    finding: Finding,
    effect: Effect,
    /// Symptoms that it accounts for.
    explains: BTreeSet<usize>,
    /// A hang follows from it too.
    hangs: bool,
    /// It may itself be no more than what a crash left.
    after_crash: bool,
    /// It need not have done any harm: an error only where something went wrong that nothing surer explains.
    suspicion: bool,
    /// Where in the run it happened.
    at: EventId,
}

/// What a cause does to a run; the order breaks ties between causes of one rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effect {
    /// From here on nothing goes as it should.
    Stops,
    /// The run goes on, with other data than it should.
    Spoils,
    /// The run is over; something stays.
    Leaves,
}

impl Cause {
    /// An error that costs `check`, at an event of the run.
    pub(crate) fn new(code: Code, check: CheckId, at: EventId, message: impl Into<String>) -> Self {
        let finding = Finding {
            code,
            severity: Severity::Error,
            check,
            message: message.into(),
            expected: None,
            saw: None,
            why: Vec::new(),
            place: None,
            also: Vec::new(),
            labels: Vec::new(),
            columns: None,
            waits: Vec::new(),
            repairs: Vec::new(),
            diff: String::new(),
            proved: false,
        };
        let (explains, effect) = (BTreeSet::new(), Effect::Spoils);
        Self { finding, effect, explains, hangs: false, after_crash: false, suspicion: false, at }
    }

    /// At the end of the run.
    pub(crate) fn at_the_end(code: Code, check: CheckId, message: impl Into<String>) -> Self {
        Self::new(code, check, EventId(u32::MAX), message)
    }

    fn expected(mut self, text: impl Into<String>) -> Self {
        self.finding.expected = Some(text.into());
        self
    }

    fn saw(mut self, text: impl Into<String>) -> Self {
        self.finding.saw = Some(text.into());
        self
    }

    fn why(mut self, line: impl Into<String>) -> Self {
        self.finding.why.push(line.into());
        self
    }

    /// What of the run it is about: the first label is where it happened, the others are what led to it.
    fn label(self, scene: &Scene<'_>, at: impl Into<Spot>, text: impl Into<String>) -> Self {
        let at = at.into();
        let site = match at {
            Spot::Event(event) => scene.site(event),
            Spot::Wait(thread) => scene.waits().iter().find(|wait| wait.thread == thread).and_then(|w| w.site.clone()),
        };
        self.label_at(at, site, text.into())
    }

    /// Where a process came to, for what it never did.
    fn label_last(self, scene: &Scene<'_>, life: Option<LifeId>) -> Self {
        match life.and_then(|life| scene.last_place(life)) {
            Some((at, site, text)) => self.label_at(at, site, text),
            None => self,
        }
    }

    fn label_at(mut self, at: Spot, site: Option<Site>, text: String) -> Self {
        match self.finding.labels.is_empty() {
            true => self.finding.place.clone_from(&site),
            false => self.finding.also.extend(site.clone().map(|site| (site, text.clone()))),
        }
        self.finding.labels.push(Label { at, text, site, end: None });
        self
    }

    /// What would mend it.
    fn repair(mut self, repair: Option<Repair>) -> Self {
        self.finding.repairs.extend(repair);
        self
    }

    /// What was labelled last is one end of the pipe that is made there.
    fn of_end(mut self, end: End) -> Self {
        if let Some(label) = self.finding.labels.last_mut() {
            label.end = Some(end);
        }
        self
    }

    /// The same, where there is such a thing.
    fn label_if(self, scene: &Scene<'_>, at: Option<impl Into<Spot>>, text: impl Into<String>) -> Self {
        match at {
            Some(at) => self.label(scene, at, text),
            None => self,
        }
    }

    fn diff(mut self, expected: &[u8], saw: &[u8]) -> Self {
        self.finding.diff = words::diff(expected, saw);
        self
    }

    fn proved(mut self, proved: bool) -> Self {
        self.finding.proved = proved;
        self
    }

    fn advice_unless(mut self, error: bool) -> Self {
        self.finding.severity = if error { Severity::Error } else { Severity::Advice };
        self
    }

    fn effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self.hangs |= effect == Effect::Stops;
        self
    }

    fn explains(mut self, symptoms: BTreeSet<usize>) -> Self {
        self.explains.extend(symptoms);
        self
    }

    /// A hang follows from it although the run goes on.
    fn hangs(mut self) -> Self {
        self.hangs = true;
        self
    }

    fn after_crash(mut self, crashed: bool) -> Self {
        self.after_crash = crashed;
        self
    }

    /// It need not have done any harm in this run.
    fn suspicion(mut self) -> Self {
        self.suspicion = true;
        self
    }

    fn is_error(&self) -> bool {
        self.finding.severity == Severity::Error
    }
}

/// Names the causes of what went wrong in a run.
pub(crate) fn diagnose(scene: &Scene<'_>) -> Diagnosis {
    let families = [
        processes::causes,
        pipes::causes,
        full::causes,
        detour::causes,
        memory::causes,
        races::causes,
        locks::causes,
        spins::causes,
        queues::causes,
        signals::causes,
        meddling::causes,
        children::causes,
        unheeded::causes,
        leaks::causes,
    ];
    let mut causes: Vec<Cause> = families.iter().flat_map(|family| family(scene)).collect();
    let all = causes.clone();
    causes.retain(|cause| !all.iter().any(|other| follows(cause, other)));
    acquit(scene, &mut causes);

    if !causes.iter().any(|cause| cause.is_error() && cause.hangs) {
        causes.extend(hangs::causes(scene));
    }
    let errors = || causes.iter().filter(|cause| cause.is_error());
    let explained: BTreeSet<usize> = errors().flat_map(|cause| cause.explains.iter().copied()).collect();
    let costly =
        errors().filter(|cause| cause.effect != Effect::Leaves).flat_map(|cause| cause.explains.iter().copied());
    let costly: BTreeSet<usize> = costly.collect();
    let paid = &explained - &costly;

    let left: BTreeSet<usize> = scene.those(|_| true).difference(&explained).copied().collect();
    let wrong_values = memory::wrong_values(scene, &left);
    let follow: BTreeSet<usize> = wrong_values.iter().flat_map(|cause| cause.explains.iter().copied()).collect();
    causes.extend(wrong_values);
    causes.extend(trace::differences(scene, &(&left - &follow)));
    if causes.iter().any(|cause| cause.is_error() && cause.effect != Effect::Leaves) {
        causes.retain(|cause| !cause.after_crash);
    }
    let race = causes.iter_mut().find(|cause| matches!(cause.finding.code, Code::M003 | Code::M004 | Code::M008));
    let lucky = trace::luck(scene, race);
    causes.extend(lucky);

    // Stable: where all else is equal, the order in which the causes were found.
    causes.sort_by_key(|cause| (cause.finding.severity, cause.finding.code.family().rank(), cause.effect, cause.at));
    Diagnosis { findings: causes.into_iter().map(|cause| cause.finding).collect(), paid }
}

/// Makes advice of suspicions that nothing is left for: where nothing went wrong, or a surer cause explains what did.
fn acquit(scene: &Scene<'_>, causes: &mut [Cause]) {
    let sure = || causes.iter().filter(|cause| cause.is_error() && !cause.suspicion);
    let explained: BTreeSet<usize> = sure().flat_map(|cause| cause.explains.iter().copied()).collect();
    let hang = !scene.came_to_its_end() && !sure().any(|cause| cause.hangs);
    for cause in causes.iter_mut().filter(|cause| cause.suspicion) {
        cause.explains = &cause.explains - &explained;
        cause.hangs &= hang;
        if cause.explains.is_empty() && !cause.hangs {
            cause.finding.severity = Severity::Advice;
        }
    }
}

/// Whether a cause is no more than a consequence of another.
fn follows(cause: &Cause, from: &Cause) -> bool {
    use Code::{F001, F003, F005, F006, F010, F011, F013, H003, M001, M003, M004, M007, M008, M009, M010};
    use Code::{P001, P002, P003, P005, P006, P007, P009, S004, S005, S006, S008, S009};
    if !from.is_error() {
        return false;
    }
    match (cause.finding.code, from.finding.code) {
        // Where each process has a pipe of its own, nobody reads what is written and nobody sees an end.
        (F001 | F003, F011) => true,
        // One that never got going has no wrong data and no data that went another way.
        (F005 | P002 | P009, P006) => true,
        (F005, F011 | P002 | P009) => true,
        // Who waits for the child does not read, whatever else of it writes.
        (F010, F013) => true,
        // One that goes on after a failed exec does all kinds of things that are not its own.
        (P001 | P002 | P005 | F003 | F005, P007) => from.at < cause.at,
        // Who kills those of the exercise has signalled the wrong ones, and what they did not do any more follows.
        (S006, S009) => true,
        // What ever more processes do to one another is their affair.
        (S006 | P001 | P002 | P005, P003) => true,
        // Who counts signals sleeps for one that does not come, and leaves behind whom it did not wait for.
        (S005 | P001, S004) => true,
        (P001, S008) => true,
        // A private mapping is the nearer reason.
        (M010, M001) => true,
        // Memory that is not shared at all is a nearer reason than what is stored in it or how.
        (M003 | M004 | M007 | M008, M001 | M010) => true,
        // What a lock that does not lock protects is not protected.
        (M003 | M004 | M008 | H003, M009) => true,
        // Who waits at the end waits for what an earlier mishap has kept away.
        (F001 | F006 | S005, _) => from.effect == Effect::Stops && from.at < cause.at,
        _ => false,
    }
}
