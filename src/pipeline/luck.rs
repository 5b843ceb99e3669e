//! Whether an order that held while no cause forced it was luck: the run is made once more with the first side held back.
//!
//! Where the other side then comes first, it was luck (T004), and that run is the witness: it costs points only where it
//! goes wrong in more than the order itself. Where everything blocks, something forces the order that the model of causes
//! lacks: our gap, told to staff and held against nobody. No proof, no finding.

use super::grade::{Trouble, judge_run};
use super::plan::Run;
use super::replay::Replay;
use crate::harness::Attempt;
use crate::judge::{self, ProblemKind, Severity, Unforced, Verdict, Witness};
use crate::model::{Code, Held, Hold, Place};
use crate::trace::Trace;

/// Orders of one run that are put to the proof.
const PROVED: usize = 4;

/// What putting orders to the proof gave.
pub(super) struct Luck {
    /// The verdict with what was found, and the run in which the other order came about.
    pub(super) verdict: Verdict,
    /// Orders that something forces and no cause accounts for.
    pub(super) gaps: Vec<String>,
}

/// Puts the unforced orders of a passing run to the proof; none where there are none.
pub(super) fn put_to_the_proof(
    replay: &mut Replay<'_>,
    run: &Run<'_>,
    attempt: &Attempt,
    trace: &Trace,
    unforced: &[Unforced],
) -> Result<Option<Luck>, Trouble> {
    if unforced.is_empty() {
        return Ok(None);
    }
    let places = replay.again(&Attempt { places: true, ..attempt.clone() })?.places;
    let mut proofs: Vec<(Unforced, Witness)> = Vec::new();
    let mut gaps = Vec::new();
    let mut lanes = None;
    let mut asked: Vec<(&str, &str)> = Vec::new();
    for order in unforced {
        let words = (order.first.as_str(), order.second.as_str());
        let place = |event: crate::trace::EventId| places.get(event.index()).copied();
        let (Some(who), Some(until)) = (place(order.first_event), place(order.second_event)) else { continue };
        if asked.contains(&words) || asked.len() == PROVED || !can_be_held(who, until) {
            continue;
        }
        asked.push(words);
        let held = Attempt { hold: Some(Hold { who, until }), places: false, ..attempt.clone() };
        let attempted = replay.again(&held)?;
        match attempted.played.held {
            Some(Held::Overtaken) => {}
            Some(Held::Forced) => {
                gaps.push(format!("{} before {}: forced, and no cause is known", order.first, order.second));
                continue;
            }
            Some(Held::Never) | None => continue,
        }
        let matching = judge::match_trace(&replay.exercise.expected, &run.values, &attempted.trace);
        let other_way = matching.map_err(Trouble::Author)?.problems.iter().any(|problem| match &problem.kind {
            ProblemKind::WrongOrder { first, .. } => {
                *first == order.first && problem.step.as_ref() == Some(&order.second)
            }
            _ => false,
        });
        let verdict = judge_run(replay.exercise, run, &attempted.trace).map_err(Trouble::Author)?;
        let goes_wrong = verdict
            .findings
            .iter()
            .find(|finding| finding.severity == Severity::Error && !matches!(finding.code, Code::T003 | Code::T004));
        match goes_wrong {
            Some(wrong) => {
                let message = wrong.message.clone();
                lanes.get_or_insert(verdict.lanes);
                proofs.push((order.clone(), Witness::GoesWrong(message)));
            }
            None if other_way => proofs.push((order.clone(), Witness::GoesWell)),
            // The step that came first this time was another one.
            None => {}
        }
    }
    let mut matching = judge::match_trace(&replay.exercise.expected, &run.values, trace).map_err(Trouble::Author)?;
    for unforced in &mut matching.unforced {
        unforced.witness = proofs.iter().find(|(order, _)| order == unforced).map(|(_, witness)| witness.clone());
    }
    let mut verdict = judge::judge(&run.case(replay.exercise, trace), matching);
    if let Some(lanes) = lanes {
        verdict.lanes = lanes;
    }
    Ok(Some(Luck { verdict, gaps }))
}

/// One cannot be held back until it has come further itself; and the first of all steps is nobody's to hold.
fn can_be_held(who: Place, until: Place) -> bool {
    who.order != until.order && who.at > 0
}
