//! Runs that went wrong in one way each, and the one code that each must get; and runs that come close and must not.
//!
//! Runs and matchings are built by hand, as the recorder and the matcher give them: what is tested is the judge.

mod chapters;
mod memory;
mod pipes;
mod processes;
mod properties;
mod queues;
mod races;
mod reports;
mod run;
mod scores;
mod signals;
mod waits;

use ipc_grade::judge::{Severity, Verdict};
use ipc_grade::model::Code;

/// The errors of a verdict must be these, the cause first.
#[track_caller]
fn check(verdict: &Verdict, codes: &[Code]) {
    let errors = verdict.findings.iter().filter(|finding| finding.severity == Severity::Error);
    let found: Vec<Code> = errors.map(|finding| finding.code).collect();
    assert_eq!(found, codes, "{:#?}", verdict.findings);
    assert_eq!(verdict.cause(), codes.first().copied());
    assert_eq!(verdict.passed(), codes.is_empty(), "{:#?}", verdict.checks);
}
