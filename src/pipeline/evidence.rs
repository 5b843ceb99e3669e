//! What a failing run is asked once more: where in the source each of its events happened.
//!
//! The run that was graded recorded what happened and no more, which is cheap. The one run that a report shows is made
//! again, with stacks; the same attempt gives the same trace, so the second one stands for the first. Where it does not,
//! something in the recorder depends on what it must not depend on: our fault, which the report says and which costs the
//! learner nothing but the lines. What would mend the run is tried next ([`super::repair`]).

use super::repair;
use super::worker::{Worker, WorkerError};
use crate::harness::{Attempt, Attempted};
use crate::judge::Verdict;
use crate::model::{Diagnostic, Limits};
use crate::recorder::Sites;
use crate::report::ExerciseReport;
use crate::trace::{RunEnd, Trace};

/// What the replays of a failing run have to say beside their trace.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// Why there are no places.
    problem: Option<String>,
    /// What helped.
    tried: Vec<String>,
}

impl Evidence {
    /// Gives a failing run's trace and verdict their places, and tries what would mend it.
    ///
    /// # Errors
    /// An author's mistake that the run was judged by.
    pub(super) fn of(
        attempt: &Attempt,
        trace: &mut Trace,
        verdict: &mut Verdict,
        worker: &mut Worker,
        judge: impl Fn(&Trace) -> Result<Verdict, Diagnostic>,
    ) -> Result<Self, Diagnostic> {
        let placed = match with_sites(attempt, trace, worker) {
            Ok(placed) => placed,
            Err(problem) => return Ok(Self { problem: Some(problem), tried: Vec::new() }),
        };
        *verdict = judge(&placed.trace)?;
        let tried = repair::tried(attempt, &placed, verdict, worker, judge);
        *trace = placed.trace;
        Ok(Self { problem: None, tried })
    }

    /// Adds it to the run's report.
    pub(super) fn tell(self, report: &mut ExerciseReport) {
        report.replay_problem = self.problem;
        if let Some(cause) = report.findings.first_mut() {
            cause.tried = self.tried;
        }
    }
}

/// Makes the run again and gives its trace with places.
///
/// # Errors
/// Why there is none, for the report.
pub(super) fn with_sites(attempt: &Attempt, graded: &Trace, worker: &mut Worker) -> Result<Attempted, String> {
    let again = Attempt { sites: Some(Sites::Relative), ..patient(attempt) };
    let placed = worker.attempt(&again).map_err(|error| match error {
        WorkerError::Attempt(problem) => format!("failed to {problem}, when the run was repeated for its lines"),
        other => format!("{other}, when the run was repeated for its lines"),
    })?;
    match first_difference(graded, &without_sites(placed.trace.clone())) {
        None => Ok(placed),
        Some(difference) => Err(format!("the run came out otherwise when it was repeated for its lines: {difference}")),
    }
}

/// The attempt with more time for the machine: looking at stacks takes some, and the run did not come to that limit.
pub(super) fn patient(attempt: &Attempt) -> Attempt {
    let limits = Limits { wall_ms: attempt.limits.wall_ms.saturating_mul(4), ..attempt.limits };
    Attempt { limits, ..attempt.clone() }
}

/// The trace as a run without stacks would have given it.
fn without_sites(mut trace: Trace) -> Trace {
    for event in &mut trace.events {
        event.site = None;
    }
    match &mut trace.end {
        RunEnd::Deadlock { waits } | RunEnd::AllBlocked { waits } => waits.iter_mut().for_each(|wait| wait.site = None),
        RunEnd::Limit { site, .. } => *site = None,
        RunEnd::Finished => {}
    }
    trace
}

/// Where two traces part.
fn first_difference(one: &Trace, other: &Trace) -> Option<String> {
    if one == other {
        return None;
    }
    let at = one.events.iter().zip(&other.events).position(|(one, other)| one != other);
    Some(match at {
        Some(at) => format!("event {at} was {:?}, then {:?}", one.events[at].verb, other.events[at].verb),
        None => format!("{} events, then {}", one.events.len(), other.events.len()),
    })
}
