//! The verdict on a trace: match it with the expected one, score the checks, name the causes.
//!
//! Three steps. [`symptoms`](check) gathers all that is not as it should be: the matching's problems, peers' steps that
//! met something else, checks whose evidence is not there. [`diagnose`] asks each family of causes what it recognises
//! and keeps the causes; a symptom that a cause explains is not told a second time. [`score`] takes the points away.
//!
//! Architecture invariant: pure, and it cannot fail. What a learner did wrong is a [`Finding`], what the author did
//! wrong a [`Diagnostic`](crate::model::Diagnostic); there is nothing else.

mod check;
mod diagnose;
pub mod finding;
pub mod matching;
pub mod races;
mod score;
pub mod search;

pub use finding::{
    CheckResult, CheckStatus, Columns, End, Finding, Label, Mend, Repair, Severity, Spot, Verdict, WaitFor,
};
pub use matching::{Matching, Problem, ProblemKind, Unforced, Witness};
pub use search::match_trace;

use crate::model::{Exercise, Scenario, Values};
use crate::trace::Trace;

/// One run, and all that it is judged by but the expected trace.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The exercise, for its checks and invariants.
    pub exercise: &'a Exercise,
    /// The scenario that was run.
    pub scenario: &'a Scenario,
    /// The values that were carried: what a right program's output follows.
    pub values: &'a Values,
    /// In a run that changed bytes in transit: what arguments and inherited memory held instead.
    pub original: Option<&'a Values>,
    /// What happened.
    pub trace: &'a Trace,
}

/// Judges a run by its trace and by how that matches the expected one.
pub fn judge(case: &Case<'_>, matching: Matching) -> Verdict {
    let scene = diagnose::Scene::new(*case, &matching);
    let diagnosis = diagnose::diagnose(&scene);
    let checks = score::score(&scene, &diagnosis);
    let findings = score::told(diagnosis, &checks);
    let differs_at = matching.problems.iter().map(|problem| problem.line).find(|line| *line > 0);
    let unexamined = scene.unexamined().iter().map(|object| scene.name(*object).to_owned()).collect();
    Verdict { checks, findings, differs_at, unforced: matching.unforced, unexamined, lanes: matching.lanes }
}
