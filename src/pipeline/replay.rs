//! Runs of one program, as often as they are needed: the first of each kind, to know how many decisions there are; the
//! run itself; and the same again with fewer turns, or with one process held back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::grade::{Trouble, judge_run};
use super::plan::Run;
use super::shrink::{REPLAYS, shrink};
use super::worker::{Worker, WorkerError};
use crate::course::CourseExercise;
use crate::harness::{Attempt, Attempted};
use crate::judge::Verdict;
use crate::model::{Diagnostic, ScenarioId, Schedule, Strategy, Turn, ValueSeed};

/// A program, and what is known of its runs.
pub(super) struct Replay<'a> {
    pub(super) exercise: &'a CourseExercise,
    pub(super) program: &'a Path,
    /// The tools that the exercise brings, compiled.
    tools: Vec<(String, PathBuf)>,
    pub(super) worker: &'a mut Worker,
    /// How many decisions a run in order has, by what else decides a run.
    steps: BTreeMap<Kind, u32>,
}

/// All that a run depends on but its order.
type Kind = (ScenarioId, Option<ValueSeed>, bool);

fn kind(run: &Run<'_>) -> Kind {
    (run.scenario.id.clone(), run.token.values, run.original.is_some())
}

impl<'a> Replay<'a> {
    pub(super) fn new(
        exercise: &'a CourseExercise,
        program: &'a Path,
        tools: Vec<(String, PathBuf)>,
        worker: &'a mut Worker,
    ) -> Self {
        Self { exercise, program, tools, worker, steps: BTreeMap::new() }
    }

    /// Makes the run. Where its strategy needs to know how many decisions there are, and no run in order has told yet,
    /// that run is made first: so a token alone gives the same run as a whole portfolio.
    pub(super) fn run(&mut self, run: &Run<'_>) -> Result<(Attempt, Attempted), Trouble> {
        let mut attempt = run.attempt(self.exercise, self.program.to_owned(), self.tools.clone()).map_err(|error| {
            let file = self.exercise.expected_file.replace("expected.trace", "exercise.toml");
            let mistake = Diagnostic { line: error.line, ..Diagnostic::of_file(&file, error.problem.to_string()) };
            Trouble::Author(Diagnostic { source: error.step, column: 1, ..mistake })
        })?;
        let seed = run.token.schedule;
        let strategy = Strategy::of(seed);
        let mut steps = self.steps.get(&kind(run)).copied();
        if steps.is_none() && strategy.needs_steps() {
            attempt.schedule = Schedule::IN_ORDER;
            let first = self.again(&attempt)?.played.steps;
            self.steps.insert(kind(run), first);
            steps = Some(first);
        }
        attempt.schedule = Schedule::Seeded { seed, steps: steps.unwrap_or_default() };
        let attempted = self.again(&attempt)?;
        if strategy == Strategy::InOrder {
            self.steps.insert(kind(run), attempted.played.steps);
        }
        Ok((attempt, attempted))
    }

    /// Runs an attempt as it stands.
    pub(super) fn again(&mut self, attempt: &Attempt) -> Result<Attempted, Trouble> {
        self.worker.attempt(attempt).map_err(|error| match error {
            WorkerError::Attempt(problem) => Trouble::Ours(format!("failed to {problem}")),
            other => Trouble::Ours(other.to_string()),
        })
    }

    /// The shortest run that fails as this one does, and the turns that it takes; none where it is in order already, or
    /// where its turns do not make it fail again.
    pub(super) fn shortest(
        &mut self,
        run: &Run<'_>,
        failing: &Attempt,
        turns: &[Turn],
        verdict: &Verdict,
    ) -> Result<Option<(Attempted, Verdict, Vec<Turn>)>, Trouble> {
        if turns.is_empty() {
            return Ok(None);
        }
        let cause = verdict.cause();
        let mut best: Option<(Attempted, Verdict)> = None;
        let mut fails = |turns: &[Turn]| -> Result<bool, Trouble> {
            let attempt = Attempt { schedule: Schedule::Turns(turns.to_vec()), ..failing.clone() };
            let attempted = self.again(&attempt)?;
            let verdict = judge_run(self.exercise, run, &attempted.trace).map_err(Trouble::Author)?;
            let same = !verdict.passed() && verdict.cause() == cause;
            if same {
                best = Some((attempted, verdict));
            }
            Ok(same)
        };
        if !fails(turns)? {
            return Ok(None);
        }
        shrink(turns, REPLAYS, &mut fails)?;
        // Turns that never came up are no part of the run.
        Ok(best.map(|(attempted, verdict)| {
            let turns = attempted.played.turns.clone();
            (attempted, verdict, turns)
        }))
    }
}
