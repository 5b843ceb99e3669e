//! The one report, and its renderers. Staff tools read the JSON, people the terminal; both show the same report.
//!
//! Architecture invariant: pure. A renderer takes a report and a style and returns text; it prints nothing and asks
//! nothing of the machine. What a learner wrote is never trusted here: control characters are shown, not sent.

mod block;
mod graph;
mod json;
mod labels;
pub mod lanes;
mod picture;
mod snippet;
mod spans;
pub mod style;
mod table;
mod terminal;

use serde::{Deserialize, Serialize};

use crate::judge::matching::LaneStep;
pub use crate::judge::{CheckResult, CheckStatus as Status, Severity};
use crate::judge::{Columns, Finding, Verdict, WaitFor};
use crate::model::{CheckId, Code, Exercise, ExerciseId, Turn};
pub use json::to_json;
pub use style::Style;
pub use terminal::{Detail, exercise, render};

/// What the JSON says its format is. Fields may be added to it; none is renamed or removed.
pub const SCHEMA: &str = "ipc-grade/report/1";

/// The grades of some exercises.
///
/// ```json
/// {"schema": "ipc-grade/report/1",
///  "exercises": [{"id": "02_pipes/one_line", "status": "fail", "points": 4, "max_points": 10, …}],
///  "points": 4, "max_points": 10}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// In the course's order.
    pub exercises: Vec<ExerciseReport>,
    /// The sum of the exercises' points.
    pub points: u32,
    /// What they are worth.
    pub max_points: u32,
    /// What kept the programs apart from the machine and from one another.
    #[serde(default)]
    pub isolation: Option<String>,
    /// Its level, `L0` to `L3`.
    #[serde(default)]
    pub isolation_level: Option<String>,
    /// What it did not hold, in words.
    #[serde(default)]
    pub not_held: Vec<String>,
    /// Why the compiler was not kept apart from the machine, where it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unheld: Option<String>,
}

/// The grade of an exercise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExerciseReport {
    /// Its folder: `02_pipes/one_line`.
    pub id: ExerciseId,
    /// What a list shows.
    #[serde(default)]
    pub title: String,
    /// `pass` where all checks pass.
    pub status: Status,
    /// The sum of the checks' points.
    pub points: u32,
    /// What they are worth.
    pub max_points: u32,
    /// In the course's order.
    pub checks: Vec<CheckResult>,
    /// The most specific cause first.
    pub findings: Vec<FindingReport>,
    /// The seed of the run that is shown, as `--seed` takes it: `7f3a.12`.
    pub seed: Option<String>,
    /// How many orders of the processes were tried.
    #[serde(default)]
    pub orders_tried: u32,
    /// Where the run that is shown leaves the order that goes by itself: the fewest such places that make it fail. None
    /// where it fails in order too, and where it passes.
    #[serde(default)]
    pub turns: Vec<Turn>,
    /// For staff: orders that held in every try, forced by something that the grader does not see.
    #[serde(default)]
    pub gaps: Vec<String>,
    /// The program is the starter as the course gave it.
    #[serde(default)]
    pub untouched: bool,
    /// There is no program.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_handed_in: bool,
    /// The graded file, as a person finds it from where the command was started.
    #[serde(default)]
    pub source: Option<String>,
    /// The lesson's file, likewise.
    #[serde(default)]
    pub lesson: Option<String>,
    /// How to run the program of the shown run without the grader: `cargo run -- kettle`.
    #[serde(default)]
    pub by_hand: Option<String>,
    /// The code or check that the exercise has a special hint for.
    #[serde(default)]
    pub hint_for: Option<String>,
    /// The exercise to go on with.
    #[serde(default)]
    pub next: Option<String>,
    /// What failed of the grader or the machine, where the status is `error`.
    #[serde(default)]
    pub problem: Option<String>,
    /// What the compiler wrote, line by line, where that is what failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem_text: Option<String>,
    /// What the scenario of the shown run lets go wrong with the program's calls: `reads from data move …`.
    #[serde(default)]
    pub faults: Vec<String>,
    /// Calls that the program made and the box denies (`ptrace`, `unshare`), by name.
    #[serde(default)]
    pub refused: Vec<String>,
    /// The memory of which not every access was looked at.
    #[serde(default)]
    pub unexamined: Vec<String>,
    /// The shown run beside the expected one.
    #[serde(default)]
    pub lanes: Vec<LaneStep>,
    /// Why there are no lines although there could be: a fault of the grader's, which costs nobody anything.
    #[serde(default)]
    pub replay_problem: Option<String>,
}

/// A finding, with its place as a person finds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingReport {
    /// The cause.
    pub code: Code,
    /// Whether it costs points.
    pub severity: Severity,
    /// The check that it belongs to.
    #[serde(default)]
    pub check: Option<CheckId>,
    /// The fact in a line.
    pub message: String,
    /// The learner's file.
    pub file: Option<String>,
    /// The line in it, from 1; null where unknown.
    pub line: Option<u32>,
    /// The column, from 1; null where unknown.
    #[serde(default)]
    pub column: Option<u32>,
    /// What was expected.
    pub expected: Option<String>,
    /// What happened.
    pub saw: Option<String>,
    /// The reason, a line each.
    pub why: Vec<String>,
    /// Other lines that matter.
    #[serde(default)]
    pub also: Vec<Note>,
    /// A few accesses to memory side by side.
    #[serde(default)]
    pub columns: Option<Columns>,
    /// Who waits for whom.
    #[serde(default)]
    pub waits: Vec<WaitFor>,
    /// All lines that matter, with the place in them: the one that `line` and `column` name, then those of `also`.
    #[serde(default)]
    pub labels: Vec<LabelReport>,
    /// What was tried on the run that is shown, and helped: `with that end closed …, your program passes`.
    #[serde(default)]
    pub tried: Vec<String>,
    /// Where expected and seen bytes part.
    #[serde(default)]
    pub diff: String,
    /// Another tool's own words, line by line as it wrote them: the compiler's.
    #[serde(default)]
    pub text: String,
    /// Nothing is left that could wake anybody: no matter of time.
    #[serde(default)]
    pub proved: bool,
}

/// Another line of the learner's that matters, and what it says of the finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// What is said of it.
    pub text: String,
}

/// A place in the learner's source, and what is said of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelReport {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1, in characters as compilers show it; 0 where unknown.
    pub column: u32,
    /// The column behind the last one that is meant, in the same line.
    pub end_column: u32,
    /// What is said of it; empty where the finding's message says it all.
    pub text: String,
    /// The finding happened here; else it is what led to it.
    pub primary: bool,
    /// The line itself, where the source is at hand.
    #[serde(default)]
    pub source: Option<String>,
}

impl Report {
    /// Sums up the grades of some exercises.
    pub fn new(exercises: Vec<ExerciseReport>) -> Self {
        let points = exercises.iter().map(|exercise| exercise.points).sum();
        let max_points = exercises.iter().map(|exercise| exercise.max_points).sum();
        Self {
            schema: SCHEMA.to_owned(),
            exercises,
            points,
            max_points,
            isolation: None,
            isolation_level: None,
            not_held: Vec::new(),
            unheld: None,
        }
    }

    /// What came of the whole: `error` where an exercise could not be graded, else `fail` where one is not passed.
    pub fn status(&self) -> Status {
        let any = |status| self.exercises.iter().any(|exercise| exercise.status == status);
        match () {
            () if any(Status::Error) => Status::Error,
            () if [Status::Fail, Status::Skipped, Status::Unexamined].into_iter().any(any) => Status::Fail,
            () => Status::Pass,
        }
    }
}

impl ExerciseReport {
    /// The grade that a verdict gives; `source` is the graded file as the reader finds it.
    ///
    /// Seed, orders tried, the command by hand and what comes next are the caller's to add.
    pub fn of(exercise: &Exercise, source: &str, verdict: &Verdict) -> Self {
        let mut report = Self::empty(exercise, if verdict.passed() { Status::Pass } else { Status::Fail });
        if verdict.checks.iter().any(|check| check.status == Status::Error) {
            report.status = Status::Error;
        }
        let any = |status| verdict.checks.iter().any(|check| check.status == status);
        if report.status == Status::Fail && any(Status::Unexamined) && !any(Status::Fail) {
            report.status = Status::Unexamined;
        }
        report.unexamined.clone_from(&verdict.unexamined);
        report.points = verdict.checks.iter().map(|check| check.points).sum();
        report.checks.clone_from(&verdict.checks);
        report.findings = verdict.findings.iter().map(|finding| FindingReport::of(finding, source)).collect();
        report.lanes.clone_from(&verdict.lanes);
        report.source = Some(source.to_owned());
        let keys = report
            .cause()
            .map(|cause| [cause.code.to_string(), cause.check.clone().map_or_else(String::new, |id| id.to_string())]);
        report.hint_for = keys.and_then(|keys| keys.into_iter().find(|key| exercise.hints_for.contains_key(key)));
        report
    }

    /// A fail for one reason that comes before any run: the source is missing, or does not compile. Every check that
    /// could have been made is skipped.
    pub fn failed(exercise: &Exercise, source: &str, finding: FindingReport) -> Self {
        let mut report = Self::empty(exercise, Status::Fail);
        report.checks = skipped(exercise, Status::Skipped);
        report.source = Some(source.to_owned());
        report.findings = vec![finding];
        report
    }

    /// No grade, for what failed of the grader or the machine.
    pub fn not_graded(exercise: &Exercise, problem: impl Into<String>) -> Self {
        let mut report = Self::empty(exercise, Status::Error);
        report.checks = skipped(exercise, Status::Error);
        report.problem = Some(problem.into());
        report
    }

    fn empty(exercise: &Exercise, status: Status) -> Self {
        Self {
            id: exercise.id.clone(),
            title: exercise.title.clone(),
            status,
            points: 0,
            max_points: exercise.max_points(),
            checks: Vec::new(),
            findings: Vec::new(),
            seed: None,
            orders_tried: 0,
            turns: Vec::new(),
            gaps: Vec::new(),
            untouched: false,
            not_handed_in: false,
            source: None,
            lesson: None,
            by_hand: None,
            hint_for: None,
            next: None,
            problem: None,
            problem_text: None,
            faults: Vec::new(),
            refused: Vec::new(),
            unexamined: Vec::new(),
            lanes: Vec::new(),
            replay_problem: None,
        }
    }

    /// The first finding that costs points.
    pub fn cause(&self) -> Option<&FindingReport> {
        self.findings.iter().find(|finding| finding.severity == Severity::Error)
    }
}

/// A file that the compiler named, as the reader finds it: the learner's main file is the graded one.
fn shown(file: &str, source: &str) -> String {
    match file.strip_prefix("src/") {
        Some("main.rs") => source.to_owned(),
        Some(module) => {
            source.rsplit_once('/').map_or_else(|| module.to_owned(), |(folder, _)| format!("{folder}/{module}"))
        }
        None => file.to_owned(),
    }
}

/// The command that runs a program with these arguments without the grader, as a shell reads it.
pub fn by_hand(args: &[Vec<u8>]) -> String {
    if args.is_empty() { "cargo run".to_owned() } else { format!("cargo run -- {}", as_words(args)) }
}

/// Words that a shell reads as these texts.
pub fn as_words(texts: &[Vec<u8>]) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./,:=+@%".contains(c);
    let word = |text: &Vec<u8>| {
        let text = String::from_utf8_lossy(text);
        match text.is_empty() || !text.chars().all(plain) {
            true => format!("'{}'", text.replace('\'', "'\\''")),
            false => text.into_owned(),
        }
    };
    texts.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn skipped(exercise: &Exercise, status: Status) -> Vec<CheckResult> {
    let result = |check: &crate::model::CheckSpec| CheckResult {
        id: check.id.clone(),
        kind: check.kind.name().to_owned(),
        status,
        points: 0,
        max_points: check.points,
    };
    exercise.checks.iter().map(result).collect()
}

impl FindingReport {
    /// A finding in the graded file, which the reader finds as `source`.
    pub fn of(finding: &Finding, source: &str) -> Self {
        let place = finding.place.as_ref();
        Self {
            code: finding.code,
            severity: finding.severity,
            check: Some(finding.check.clone()),
            message: finding.message.clone(),
            file: Some(place.map_or_else(|| source.to_owned(), |site| shown(&site.file, source))),
            line: place.map(|site| site.line),
            column: place.map(|site| site.column).filter(|column| *column > 0),
            expected: finding.expected.clone(),
            saw: finding.saw.clone(),
            why: finding.why.clone(),
            also: finding
                .also
                .iter()
                .map(|(site, text)| Note { file: shown(&site.file, source), line: site.line, text: text.clone() })
                .collect(),
            columns: finding.columns.clone(),
            waits: finding.waits.clone(),
            labels: labels::of(finding, source),
            tried: Vec::new(),
            diff: finding.diff.clone(),
            text: String::new(),
            proved: finding.proved,
        }
    }

    /// The compiler did not accept the program: why, in a phrase; `text` is what it wrote.
    pub fn compiler(source: &str, message: impl Into<String>, text: impl Into<String>) -> Self {
        let mut finding = Self::plain(Code::B001, message, source);
        finding.text = text.into();
        finding
    }

    /// A fact about the graded file and nothing else.
    pub fn plain(code: Code, message: impl Into<String>, source: &str) -> Self {
        Self {
            code,
            severity: Severity::Error,
            check: None,
            message: message.into(),
            file: Some(source.to_owned()),
            line: None,
            column: None,
            expected: None,
            saw: None,
            why: Vec::new(),
            also: Vec::new(),
            columns: None,
            waits: Vec::new(),
            labels: Vec::new(),
            tried: Vec::new(),
            diff: String::new(),
            text: String::new(),
            proved: false,
        }
    }
}

#[cfg(test)]
mod tests;
