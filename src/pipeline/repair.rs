//! Tries what would mend a failing run, and says what came of it. Each word of it stands on a run that was made.

use super::evidence::patient;
use super::worker::Worker;
use crate::harness::{Attempt, Attempted};
use crate::judge::{End, Finding, Mend, Repair, Verdict};
use crate::model::Diagnostic;
use crate::recorder::{Change, Deed, Sites};
use crate::trace::{EventId, Trace, Verb};

/// How often the same may be done where once is not enough: a semaphore that a loop should have posted. More items than a
/// course's loops have.
const TIMES: usize = 32;

/// Tries what the run's cause knows to mend it, all of it together. Told is what led further: the run is right then, or
/// goes wrong for another cause. A repair that does not help, or cannot be tried, is no finding and no fault: nothing is
/// said of it.
pub(super) fn tried(
    attempt: &Attempt,
    placed: &Attempted,
    verdict: &Verdict,
    worker: &mut Worker,
    judge: impl Fn(&Trace) -> Result<Verdict, Diagnostic>,
) -> Vec<String> {
    let Some(cause) = verdict.findings.first().filter(|cause| !cause.repairs.is_empty()) else { return Vec::new() };
    let Some(first) = changes(&cause.repairs, placed) else { return Vec::new() };
    let mut changed = Attempt { changes: first, sites: Some(Sites::Relative), ..patient(attempt) };
    let mut got = acquired(&placed.trace);
    for times in 1..=TIMES {
        let Ok(run) = worker.attempt(&changed) else { return Vec::new() };
        let Ok(verdict) = judge(&run.trace) else { return Vec::new() };
        let next = verdict.findings.first().filter(|_| !verdict.passed());
        let further = std::mem::replace(&mut got, acquired(&run.trace)) < got;
        let more = next.filter(|_| further).and_then(|next| again(cause, next));
        if let Some(more) = more.and_then(|more| changes(more, &run)) {
            changed.changes.extend(more);
            continue;
        }
        let outcome = match next {
            None => "your program passes.".to_owned(),
            Some(next) if next.code != cause.code && came_about(&cause.repairs, &run.trace) => {
                format!("your program gets past this, and then fails otherwise: {}.", next.code)
            }
            Some(_) => return Vec::new(),
        };
        return vec![format!("with {}, {outcome}", words(&cause.repairs, placed, times))];
    }
    Vec::new()
}

/// The repairs as changes to a run like this one.
fn changes(repairs: &[Repair], run: &Attempted) -> Option<Vec<Change>> {
    let raw = |event: EventId| run.origins.get(event.index()).copied();
    let change = |Repair { life, after, mend, .. }: &Repair| {
        let deed = match mend {
            Mend::Close { end: End::Write, made } => Deed::CloseWriteEnds { made: raw(*made)? },
            Mend::Close { end: End::Read, made } => Deed::CloseReadEnds { made: raw(*made)? },
            Mend::Release { of, number, .. } => Deed::Release { of: raw(*of)?, number: *number },
            Mend::Hold { signal } => Deed::HoldUntilHandled { signal: *signal },
            Mend::LetThrough { signal } => Deed::LetThrough { signal: *signal },
        };
        Some(Change { process: life.0, after: raw(*after)?, deed })
    };
    repairs.iter().map(change).collect()
}

/// How often something was acquired: how far a run came that stands for want of a semaphore.
fn acquired(trace: &Trace) -> usize {
    trace.events.iter().filter(|event| matches!(event.verb, Verb::Acquire { .. })).count()
}

/// What is to be done once more: the run came further, and stands for want of the same.
fn again<'a>(cause: &Finding, next: &'a Finding) -> Option<&'a [Repair]> {
    let name = |finding: &Finding| match finding.repairs.as_slice() {
        [Repair { life, mend: Mend::Release { name, word, .. }, .. }] if word == "posted" => {
            Some((*life, name.clone()))
        }
        _ => None,
    };
    let same = cause.code == next.code && name(cause).is_some() && name(cause) == name(next);
    same.then_some(next.repairs.as_slice())
}

/// Whether a run shows what the repairs were for: a signal that was to wait was taken.
fn came_about(repairs: &[Repair], trace: &Trace) -> bool {
    repairs.iter().all(|repair| match &repair.mend {
        Mend::Hold { signal } | Mend::LetThrough { signal } => trace
            .of(repair.life)
            .any(|(_, event)| matches!(event.verb, Verb::Take { signal: taken } if taken == *signal)),
        Mend::Close { .. } | Mend::Release { .. } => true,
    })
}

/// What was done: `that end closed in the child after line 15`.
fn words(repairs: &[Repair], placed: &Attempted, times: usize) -> String {
    let line = |event: EventId| placed.trace.event(event).site.as_ref().map(|site| site.line);
    let after = |repair: &Repair| line(repair.after).map_or_else(String::new, |line| format!(" after line {line}"));
    let mut done = String::new();
    for (index, repair) in repairs.iter().enumerate() {
        let (who, after) = (&repair.who, after(repair));
        let text = match &repair.mend {
            Mend::Close { .. } if index > 0 => format!("in {who}{after}"),
            Mend::Close { end: End::Write, .. } => format!("that end closed in {who}{after}"),
            Mend::Close { end: End::Read, .. } => format!("its own read end closed in {who}{after}"),
            Mend::Release { name, word, .. } if times == 1 => format!("{name} {word} by {who}{after}"),
            Mend::Release { name, word, .. } if after.is_empty() => format!("{name} {word} {times} times by {who}"),
            Mend::Release { name, word, .. } => {
                format!("{name} {word} {times} times by {who}, the first time{after}")
            }
            Mend::Hold { signal } => format!("SIG{signal} held back until {who} has a handler for it"),
            Mend::LetThrough { signal } => format!("SIG{signal} let through while {who} sleeps"),
        };
        done = if done.is_empty() { text } else { format!("{done} and {text}") };
    }
    done
}
