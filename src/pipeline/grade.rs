//! The one function that grades.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::evidence::{self, Evidence};
use super::known::Known;
use super::luck::put_to_the_proof;
use super::plan::{Plan, Run, by_hand, infer_values};
use super::replay::Replay;
use super::worker::Worker;
use crate::build::{self, BuildError, Built, Source, SourceFault, Template};
use crate::course::CourseExercise;
use crate::harness::{Attempt, Attempted};
use crate::judge::{self, Case, Finding, Severity, Verdict};
use crate::model::{Code, Diagnostic, ScenarioId, Schedule, Token, Values};
use crate::recorder::is_denied_in_the_box;
use crate::report::{ExerciseReport, FindingReport, Report, Status};
use crate::sandbox::Isolation;
use crate::trace::codec::Context;
use crate::trace::{Trace, Verb};

/// A program to grade.
#[derive(Debug, Clone)]
pub struct Job<'c> {
    /// What it answers.
    pub exercise: &'c CourseExercise,
    /// Its source, or why there is none.
    pub source: Result<Source, SourceFault>,
    /// The file as the reader finds it.
    pub shown: String,
    /// The seeds to try.
    pub plan: Plan,
}

/// What all jobs share.
#[derive(Debug)]
pub struct Tools {
    /// The course's crates.
    pub template: Template,
    /// The compiler's messages have colours.
    pub colour: bool,
    /// What has to stand between programs and the machine; none is the best that there is.
    pub isolation: Option<Isolation>,
    /// The grades that were given before, where they count.
    pub known: Option<Known>,
}

/// What came of a job.
#[derive(Debug, Clone)]
#[must_use]
pub struct Grade {
    /// What the reader gets.
    pub report: ExerciseReport,
    /// Each run that was made.
    pub runs: Vec<RunOutcome>,
    /// The run that the report shows, so that it can be judged again.
    pub record: Option<(Context, Trace)>,
    /// What stood between the program and the machine; none where it was not run.
    pub isolation: Option<Isolation>,
    /// Why no box was around the compiler, where none was.
    pub unheld: Option<String>,
    /// A mistake of the author's that showed only here; the report's status is `error` then.
    pub mistake: Option<Diagnostic>,
}

impl Grade {
    /// The report of several jobs, with what stood between their programs and the machine.
    pub fn summed_up(grades: Vec<Self>) -> Report {
        let unheld = grades.iter().find_map(|grade| grade.unheld.clone());
        // The least of them, where a worker that was replaced has found another one.
        let isolation = grades.iter().filter_map(|grade| grade.isolation).max();
        let not_held = isolation.map(Isolation::not_held).unwrap_or_default();
        Report {
            isolation: isolation.map(|isolation| isolation.name().to_owned()),
            isolation_level: isolation.map(|isolation| isolation.level().to_owned()),
            not_held: not_held.iter().map(|what| (*what).to_owned()).collect(),
            unheld,
            ..Report::new(grades.into_iter().map(|grade| grade.report).collect())
        }
    }
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOutcome {
    /// Its scenario.
    pub scenario: ScenarioId,
    /// Its seeds.
    pub token: Token,
    /// Bytes were changed in transit.
    pub substituted: bool,
    /// Every check passed.
    pub passed: bool,
    /// The cause, where it did not pass.
    pub cause: Option<Code>,
    /// The line of the expected trace where the run first differs from it.
    pub differs_at: Option<u32>,
}

/// What is gathered on the way to a grade, also where it is not reached.
#[derive(Default)]
struct Seen {
    runs: Vec<RunOutcome>,
    record: Option<(Context, Trace)>,
    isolation: Option<Isolation>,
    unheld: Option<String>,
}

/// Why a job has no grade.
pub(super) enum Trouble {
    Ours(String),
    Build(BuildError),
    Author(Diagnostic),
}

/// Grades a program: builds it, runs it under every seed of the plan until one fails, and judges each run; or finds
/// that this was done before.
pub fn grade(job: &Job<'_>, tools: &Tools, worker: &mut Worker) -> Grade {
    let key = tools.known.as_ref().map(|known| (known, known.key(job)));
    if let Some(grade) = key.as_ref().and_then(|(known, key)| known.find(key)) {
        return grade;
    }
    let grade = grade_anew(job, tools, worker);
    if let Some((known, key)) = key {
        known.keep(&key, &grade);
    }
    grade
}

fn grade_anew(job: &Job<'_>, tools: &Tools, worker: &mut Worker) -> Grade {
    let exercise = job.exercise;
    let mut seen = Seen::default();
    let attempted = attempt_all(job, tools, worker, &mut seen);
    let Seen { runs, record, isolation, unheld } = seen;
    let (mut report, mistake) = match attempted {
        Ok(report) => (report, None),
        Err(Trouble::Ours(problem)) => (ExerciseReport::not_graded(&exercise.exercise, problem), None),
        Err(Trouble::Build(error)) => {
            let mut report = ExerciseReport::not_graded(&exercise.exercise, error.to_string());
            if let BuildError::Compiler { said, .. } = error {
                report.problem_text = Some(said).filter(|said| !said.is_empty());
            }
            (report, None)
        }
        Err(Trouble::Author(mistake)) => {
            (ExerciseReport::not_graded(&exercise.exercise, mistake.to_string()), Some(mistake))
        }
    };
    report.source = Some(job.shown.clone());
    report.orders_tried = runs.iter().map(|run| run.token.schedule).collect::<BTreeSet<_>>().len() as u32;
    Grade { report, runs, record, isolation, unheld, mistake }
}

fn attempt_all(job: &Job<'_>, tools: &Tools, worker: &mut Worker, seen: &mut Seen) -> Result<ExerciseReport, Trouble> {
    let exercise = &job.exercise.exercise;
    let source = match &job.source {
        Ok(source) => source,
        Err(fault) => {
            let mut finding = FindingReport::plain(fault.code(), fault.to_string(), &job.shown);
            if let SourceFault::Forbidden(forbidden) = fault {
                let folder = job.shown.strip_suffix("src/main.rs").unwrap_or_default();
                finding.file = Some(format!("{folder}{}", forbidden.file));
                finding.line = forbidden.line;
            }
            let not_handed_in = matches!(fault, SourceFault::Missing(_));
            return Ok(ExerciseReport { not_handed_in, ..ExerciseReport::failed(exercise, &job.shown, finding) });
        }
    };
    let program = match compile(job.exercise.name(), source, tools, worker) {
        Ok(Built::Program(program)) => program,
        Ok(Built::Rejected { message, diagnostics, unheld }) => {
            seen.unheld = unheld;
            let finding = FindingReport::compiler(&job.shown, message, diagnostics);
            return Ok(ExerciseReport::failed(exercise, &job.shown, finding));
        }
        Err(error) => return Err(Trouble::Build(error)),
    };
    seen.unheld = program.unheld.clone();
    let beside = compiled(job.exercise, tools, worker)?;
    let tools = beside.iter().map(|(name, program)| (name.clone(), program.path.clone())).collect();
    let mut replay = Replay::new(job.exercise, &program.path, tools, worker);
    let mut shown: Option<ExerciseReport> = None;
    // Of each scenario the first run, where an order of it may have been luck.
    let mut perhaps_luck: Vec<(Run<'_>, Attempt, Trace, Verdict)> = Vec::new();
    for run in job.plan.runs(job.exercise) {
        let (mut attempt, Attempted { mut trace, isolation, played, .. }) = replay.run(&run)?;
        let mut verdict = judge_run(job.exercise, &run, &trace).map_err(Trouble::Author)?;
        let passed = verdict.passed();
        seen.isolation = Some(isolation);
        seen.runs.push(RunOutcome::of(&run, &verdict));
        let known = |(other, ..): &(Run<'_>, Attempt, Trace, Verdict)| other.scenario.id == run.scenario.id;
        if passed && !verdict.unforced.is_empty() && !perhaps_luck.iter().any(known) {
            perhaps_luck.push((run.clone(), attempt.clone(), trace.clone(), verdict.clone()));
        }
        let mut turns = Vec::new();
        let mut evidence = Evidence::default();
        // The run that is going to be shown, to somebody who reads it.
        if !passed && !job.plan.to_the_end {
            // What was not examined shows no failure that could be made shorter.
            let failed = verdict.checks.iter().any(|check| check.status == Status::Fail);
            if failed
                && let Some((shorter, its_verdict, its_turns)) =
                    replay.shortest(&run, &attempt, &played.turns, &verdict)?
            {
                attempt.schedule = Schedule::Turns(its_turns.clone());
                (trace, verdict, turns) = (shorter.trace, its_verdict, its_turns);
            }
            let judge = |trace: &Trace| judge_run(job.exercise, &run, trace);
            evidence =
                Evidence::of(&attempt, &mut trace, &mut verdict, replay.worker, judge).map_err(Trouble::Author)?;
        }
        // Advice has lines too; what another run has said already is not asked for again.
        let is_news =
            |finding: &Finding| !shown.as_ref().is_some_and(|kept| has_said(kept, finding.code, &finding.message));
        if passed && !job.plan.to_the_end && verdict.findings.iter().any(is_news) {
            let judge = |trace: &Trace| judge_run(job.exercise, &run, trace);
            evidence =
                Evidence::of(&attempt, &mut trace, &mut verdict, replay.worker, judge).map_err(Trouble::Author)?;
        }
        // The first run that fails is shown; where all pass, the first, with every advice that any gave.
        let mut report = ExerciseReport { turns, ..report_of(job, &run, &verdict, &trace) };
        evidence.tell(&mut report);
        let unexamined = report.status == Status::Unexamined;
        let better = shown.as_ref().is_none_or(|kept| match kept.status {
            Status::Pass => !passed,
            // Another run may show what is wrong.
            Status::Unexamined => !passed && !unexamined,
            _ => false,
        });
        if better {
            seen.record = Some((context_of(&attempt, &run), trace));
        }
        show(&mut shown, report, better);
        if !passed && !unexamined && !job.plan.to_the_end {
            break;
        }
    }
    if seen.runs.iter().all(|run| run.passed) {
        for (run, attempt, mut trace, verdict) in perhaps_luck {
            if !job.plan.to_the_end
                && let Ok(placed) = evidence::with_sites(&attempt, &trace, replay.worker)
            {
                trace = placed.trace;
            }
            let luck = put_to_the_proof(&mut replay, &run, &attempt, &trace, &verdict.unforced)?;
            let Some(luck) = luck else { continue };
            let report = ExerciseReport { gaps: luck.gaps, ..report_of(job, &run, &luck.verdict, &trace) };
            let better = shown.as_ref().is_some_and(|kept| kept.status == Status::Pass) && !luck.verdict.passed();
            if better {
                seen.runs.push(RunOutcome::of(&run, &luck.verdict));
                seen.record = Some((context_of(&attempt, &run), trace));
            }
            show(&mut shown, report, better);
        }
    }
    shown.ok_or_else(|| Trouble::Ours("there is no run to make: the exercise has no scenario".to_owned()))
}

fn report_of(job: &Job<'_>, run: &Run<'_>, verdict: &Verdict, trace: &Trace) -> ExerciseReport {
    let mut report = ExerciseReport::of(&job.exercise.exercise, &job.shown, verdict);
    report.seed = Some(run.token.to_string());
    report.by_hand = Some(by_hand(run));
    let faults = run.scenario.faults.iter().filter_map(|fault| fault.resolve(&run.values).ok());
    report.faults = faults.map(|fault| fault.said()).collect();
    report.refused = refused(trace);
    if let Ok(source) = &job.source {
        report.show_lines(&verdict.findings, |file| source.text(file));
    }
    report
}

/// Takes a run's report in: in the place of the one that is shown, or its advice.
fn show(shown: &mut Option<ExerciseReport>, report: ExerciseReport, better: bool) {
    match shown {
        None => *shown = Some(report),
        Some(kept) => {
            let gaps = report.gaps.clone();
            if better {
                let gaps = std::mem::take(&mut kept.gaps);
                *kept = ExerciseReport { gaps, ..report };
            } else if kept.status == Status::Pass {
                for finding in report.findings {
                    let known = has_said(kept, finding.code, &finding.message)
                        || kept.findings.iter().any(|other| are_of_one_place(other, &finding));
                    if finding.severity == Severity::Advice && !known {
                        kept.findings.push(finding);
                    }
                }
            }
            kept.gaps.extend(gaps);
        }
    }
}

/// Whether a report has such a finding. Of two that meet either may be named first, so the words count, not their order.
fn has_said(report: &ExerciseReport, code: Code, message: &str) -> bool {
    let words = |text: &str| {
        let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        words.sort_unstable();
        words
    };
    report.findings.iter().any(|other| other.code == code && words(&other.message) == words(message))
}

/// Whether two findings are of one kind and mark the same places, in whatever order.
fn are_of_one_place(one: &FindingReport, other: &FindingReport) -> bool {
    let places = |finding: &FindingReport| {
        let places = finding.labels.iter().map(|label| (label.file.clone(), label.line, label.column));
        places.collect::<BTreeSet<_>>()
    };
    one.code == other.code && !one.labels.is_empty() && places(one) == places(other)
}

/// What has to be known to judge the run's trace again.
fn context_of(attempt: &Attempt, run: &Run<'_>) -> Context {
    let args = attempt.args.iter().map(|arg| String::from_utf8_lossy(arg).into_owned());
    Context {
        command: [attempt.name.clone()].into_iter().chain(args).collect(),
        scenario: Some(run.scenario.id.clone()),
        values: Some(run.values.clone()),
        original: run.original.clone(),
    }
}

impl RunOutcome {
    fn of(run: &Run<'_>, verdict: &Verdict) -> Self {
        Self {
            scenario: run.scenario.id.clone(),
            token: run.token,
            substituted: run.original.is_some(),
            passed: verdict.passed(),
            cause: verdict.cause(),
            differs_at: verdict.differs_at,
        }
    }
}

/// Compiles a source, the compiler in a box that the worker makes.
fn compile(name: &str, source: &Source, tools: &Tools, worker: &mut Worker) -> Result<Built, BuildError> {
    let mut perform = |call: &build::Call| worker.compile(call).map_err(|error| BuildError::Worker(error.to_string()));
    build::compile(&tools.template, name, source, tools.colour, &mut perform)
}

/// The programs that the exercise brings, compiled like the learner's; one that does not compile is the author's mistake.
fn compiled(
    exercise: &CourseExercise,
    tools: &Tools,
    worker: &mut Worker,
) -> Result<Vec<(String, build::Program)>, Trouble> {
    let built = exercise.tools.iter().map(|tool| {
        match compile(&tool.name, &Source::of_text(tool.text.as_str()), tools, worker) {
            Ok(Built::Program(program)) => Ok((tool.name.clone(), program)),
            Ok(Built::Rejected { diagnostics, .. }) => {
                let message = format!("the tool `{}` does not compile", tool.name);
                Err(Trouble::Author(Diagnostic::of_file(&tool.file, message).help(diagnostics.trim_end())))
            }
            Err(error) => Err(Trouble::Build(error)),
        }
    });
    built.collect()
}

/// The calls of the learner's processes that the box denied, each once.
fn refused(trace: &Trace) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (_, event) in trace.iter() {
        if let Verb::Failed { call, errno, .. } = &event.verb
            && !names.contains(call)
            && is_denied_in_the_box(call, errno)
        {
            names.push(call.clone());
        }
    }
    names
}

pub(super) fn judge_run(exercise: &CourseExercise, run: &Run<'_>, trace: &Trace) -> Result<Verdict, Diagnostic> {
    judge_trace(exercise, run.scenario, &run.values, run.original.as_ref(), trace)
}

fn judge_trace(
    exercise: &CourseExercise,
    scenario: &crate::model::Scenario,
    values: &Values,
    original: Option<&Values>,
    trace: &Trace,
) -> Result<Verdict, Diagnostic> {
    let matching = judge::match_trace(&exercise.expected, values, trace)?;
    let case = Case { exercise: &exercise.exercise, scenario, values, original, trace };
    Ok(judge::judge(&case, matching))
}

/// Judges a recorded trace again, without running anything, by the values of its run, or by those that its arguments
/// tell.
///
/// # Errors
/// An author's mistake: a value that the expected trace needs and the arguments do not tell.
pub fn rejudge(
    exercise: &CourseExercise,
    context: &Context,
    trace: &Trace,
    shown: &str,
) -> Result<ExerciseReport, Diagnostic> {
    let scenarios = &exercise.exercise.scenarios;
    let named = scenarios.iter().find(|scenario| Some(&scenario.id) == context.scenario.as_ref());
    let Some(scenario) = named.or(scenarios.first()) else {
        return Err(Diagnostic::of_file(&exercise.expected_file, "the exercise has no scenario"));
    };
    let args = context.command.get(1..).unwrap_or_default();
    let values = context.values.clone().unwrap_or_else(|| infer_values(scenario, args));
    let verdict = judge_trace(exercise, scenario, &values, context.original.as_ref(), trace)?;
    Ok(ExerciseReport::of(&exercise.exercise, shown, &verdict))
}
