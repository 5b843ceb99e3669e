//! Points: a check has all of them or none.

use super::check::Symptom;
use super::diagnose::{Diagnosis, Scene};
use super::{CheckResult, CheckStatus, Finding, Severity};
use crate::model::code::Family;
use crate::model::{CheckId, CheckKind, CheckSpec, Invariant};
use crate::trace::RunEnd;

/// The result of each check, in the exercise's order.
///
/// A check fails by a symptom of its own, told or not, and by an error that was laid at its door. It is skipped while
/// one that it needs has not passed.
pub(crate) fn score(scene: &Scene<'_>, diagnosis: &Diagnosis) -> Vec<CheckResult> {
    let checks = &scene.case.exercise.checks;
    let mut statuses: Vec<CheckStatus> = checks.iter().map(|check| status(scene, diagnosis, check)).collect();
    // Needs may stand in any order and in a row; each pass skips at least one more, or is the last.
    loop {
        let skipped = checks.iter().zip(&statuses).position(|(check, status)| {
            let lacks = |needed: &CheckId| {
                checks.iter().zip(&statuses).any(|(c, s)| c.id == *needed && *s != CheckStatus::Pass)
            };
            *status != CheckStatus::Skipped && check.needs.iter().any(lacks)
        });
        match skipped {
            Some(index) => statuses[index] = CheckStatus::Skipped,
            None => break,
        }
    }
    let result = |(check, status): (&CheckSpec, CheckStatus)| CheckResult {
        id: check.id.clone(),
        kind: check.kind.name().to_owned(),
        status,
        points: if status == CheckStatus::Pass { check.points } else { 0 },
        max_points: check.points,
    };
    checks.iter().zip(statuses).map(result).collect()
}

fn status(scene: &Scene<'_>, diagnosis: &Diagnosis, check: &CheckSpec) -> CheckStatus {
    let costs = |(index, symptom): (usize, &Symptom)| symptom.home == check.id && !diagnosis.paid.contains(&index);
    let symptom = scene.symptoms.iter().enumerate().any(costs);
    let error = diagnosis.findings.iter().any(|f| f.severity == Severity::Error && f.check == check.id);
    let unclean = check.kind == CheckKind::Clean && !came_to_a_good_end(scene);
    match () {
        () if symptom || error || unclean => CheckStatus::Fail,
        () if rests_on_the_unexamined(scene, check) => CheckStatus::Unexamined,
        () => CheckStatus::Pass,
    }
}

/// Whether a check asks for something that only the accesses to memory show, and not all of these were looked at.
fn rests_on_the_unexamined(scene: &Scene<'_>, check: &CheckSpec) -> bool {
    let unexamined = scene.unexamined();
    if unexamined.is_empty() {
        return false;
    }
    match &check.kind {
        // At a named point a peer has looked itself.
        CheckKind::Memory { at, .. } => at == "end",
        CheckKind::Trace => scene.matching.objects.values().any(|object| unexamined.contains(object)),
        CheckKind::Clean => scene.holds(Invariant::Race),
        CheckKind::Separation { .. } | CheckKind::Output { .. } | CheckKind::Signal { .. } => false,
    }
}

/// The invariants that a run breaks without a finding of their own: it was ended, or a process crashed.
fn came_to_a_good_end(scene: &Scene<'_>) -> bool {
    let ended = match scene.trace().end {
        RunEnd::Finished => true,
        RunEnd::Deadlock { .. } | RunEnd::AllBlocked { .. } => !scene.holds(Invariant::Deadlock),
        RunEnd::Limit { .. } => false,
    };
    ended && !(scene.holds(Invariant::Crash) && scene.learner().any(|(life, _)| scene.crashed(life)))
}

/// What is told of a diagnosis: a mere difference of a check that was skipped waits until that check's turn comes.
pub(crate) fn told(diagnosis: Diagnosis, checks: &[CheckResult]) -> Vec<Finding> {
    let skipped = |finding: &Finding| {
        checks.iter().any(|check| check.id == finding.check && check.status == CheckStatus::Skipped)
    };
    let mut findings = diagnosis.findings;
    let first = findings.first().cloned();
    findings.retain(|finding| {
        finding.code.family() != Family::Trace || !skipped(finding) || first.as_ref() == Some(finding)
    });
    findings
}
