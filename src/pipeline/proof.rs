//! What `verify` proves: starters fail, solutions and accepted programs pass, rejected programs fail with their code.
//!
//! A program is *rejected with code X* where, over the plan's runs in their order, the first that fails gives X as its
//! cause and no other gives another.

use std::fs;
use std::path::{Path, PathBuf};

use super::grade::{Grade, Job};
use super::plan::{Plan, allowed};
use crate::build::{Allowed, Source, SourceFault};
use crate::course::{Course, CourseExercise, EXERCISES, SOLUTIONS};
use crate::model::{Code, Diagnostic};
use crate::report::Status;

/// How many programs of each kind an exercise must have.
const ACCEPTED: usize = 2;
const REJECTED: usize = 4;
const EXPECT: &str = "//! expect: ";

/// A program of the course, and what must come of it.
#[derive(Debug, Clone)]
pub struct Exhibit<'c> {
    /// Its file, relative to the course's folder.
    pub file: String,
    /// What must come of it.
    pub expectation: Expectation,
    /// The program to grade.
    pub job: Job<'c>,
}

/// What must come of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    /// It compiles and is judged wrong: a starter.
    Fails,
    /// Every check passes in every run.
    Passes,
    /// It is rejected with this code.
    Rejected(Code),
}

/// The programs of an exercise; and what its folders lack.
pub fn exhibits<'c>(course: &Course, exercise: &'c CourseExercise) -> (Vec<Exhibit<'c>>, Vec<Diagnostic>) {
    let mut collector = Collector {
        exercise,
        plan: Plan {
            values: course.seeds.values.clone(),
            schedules: exercise.schedules.clone(),
            scenario: None,
            to_the_end: true,
        },
        exhibits: Vec::new(),
        mistakes: Vec::new(),
    };
    let starter = format!("{EXERCISES}/{}/src/main.rs", exercise.id());
    let allowed = allowed(course);
    let source = Source::of_exercise(&exercise.dir, &allowed);
    if source.as_ref().is_ok_and(|source| !source.main().contains("// TODO")) {
        collector.mistake(
            &starter,
            "the starter has no `// TODO`",
            "expected: a comment where the learner is to begin",
        );
    }
    collector.add(starter, source, Expectation::Fails);
    let folder = format!("{SOLUTIONS}/{}", exercise.id());
    let (source, file) = reference(&course.dir.join(&folder));
    collector.add(below(&file, &course.dir), source, Expectation::Passes);
    for (kind, least) in [("accepted", ACCEPTED), ("rejected", REJECTED)] {
        let files = programs(&course.dir.join(&folder).join(kind));
        if files.len() < least {
            let message = format!("{} {kind} programs", files.len());
            collector.mistake(&format!("{folder}/{kind}"), &message, &format!("expected: {least} at least"));
        }
        for name in files {
            let (source, file) = program(&course.dir.join(&folder).join(kind).join(name), &allowed);
            let file = below(&file, &course.dir);
            let expectation = match kind {
                "accepted" => Some(Expectation::Passes),
                // The first line is read also where the rest is not.
                _ => Source::of_file(&course.dir.join(&file))
                    .ok()
                    .and_then(|first| collector.expected_code(&file, first.main())),
            };
            if let Some(expectation) = expectation {
                collector.add(file, source, expectation);
            }
        }
    }
    (collector.exhibits, collector.mistakes)
}

struct Collector<'c> {
    exercise: &'c CourseExercise,
    plan: Plan,
    exhibits: Vec<Exhibit<'c>>,
    mistakes: Vec<Diagnostic>,
}

impl Collector<'_> {
    fn mistake(&mut self, file: &str, message: &str, help: &str) {
        self.mistakes.push(Diagnostic::of_file(file, message).help(help));
    }

    fn add(&mut self, file: String, source: Result<Source, SourceFault>, expectation: Expectation) {
        if let Err(fault) = &source
            && expectation != Expectation::Rejected(fault.code())
        {
            self.mistake(&file, &fault.to_string(), "each exercise has a starter and a reference solution");
            return;
        }
        let job = Job { exercise: self.exercise, source, shown: file.clone(), plan: self.plan.clone() };
        self.exhibits.push(Exhibit { file, expectation, job });
    }

    /// The code that a rejected program's first line names.
    fn expected_code(&mut self, file: &str, text: &str) -> Option<Expectation> {
        let line = text.lines().next().unwrap_or_default();
        let Some(code) = line.strip_prefix(EXPECT) else {
            let mistake = Diagnostic::at(file, text, 0..line.len(), "no code is named");
            self.mistakes.push(mistake.help("expected: a first line like `//! expect: F001`"));
            return None;
        };
        match code.trim().parse() {
            Ok(code) => Some(Expectation::Rejected(code)),
            Err(unknown) => {
                let mistake = Diagnostic::at(file, text, EXPECT.len()..line.len(), format!("{unknown}"));
                self.mistakes.push(mistake.help("`ipc-grade explain` lists the codes"));
                None
            }
        }
    }
}

/// The reference of a solution's folder, and its file: `main.rs` alone, or a folder `src` as an exercise has it.
pub fn reference(folder: &Path) -> (Result<Source, SourceFault>, PathBuf) {
    let file = folder.join("src/main.rs");
    if file.exists() {
        return (Source::of_folder(folder, Path::new("src")), file);
    }
    let file = folder.join("main.rs");
    (Source::of_file(&file), file)
}

/// A program and its file: one file, or a folder laid out like an exercise's.
fn program(path: &Path, allowed: &[Allowed]) -> (Result<Source, SourceFault>, PathBuf) {
    if path.is_dir() {
        return (Source::of_exercise(path, allowed), path.join("src/main.rs"));
    }
    (Source::of_file(path), path.to_owned())
}

/// A path as it is called from the course's folder.
fn below(path: &Path, course: &Path) -> String {
    path.strip_prefix(course).unwrap_or(path).display().to_string()
}

/// The files and folders with a program, in the order of their names.
fn programs(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| {
            let path = entry.path();
            path.extension().is_some_and(|extension| extension == "rs") || path.join("src/main.rs").is_file()
        })
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// Where the expected trace and the first run that failed part: its file and line.
pub fn place(exercise: &CourseExercise, grade: &Grade) -> Option<String> {
    let line = grade.runs.iter().find(|run| !run.passed)?.differs_at?;
    Some(format!("{}:{line}", exercise.expected_file))
}

/// Why a grade is not what it must be; nothing where it is.
pub fn objection(expectation: Expectation, grade: &Grade) -> Option<String> {
    if grade.report.status == Status::Error {
        return Some(format!(
            "could not be graded: {}",
            grade.report.problem.as_deref().unwrap_or("no reason is known")
        ));
    }
    let failing: Vec<_> = grade.runs.iter().filter(|run| !run.passed).collect();
    let built = !grade.runs.is_empty();
    let said = |cause: Option<Code>| cause.map_or_else(|| "no code".to_owned(), |code| code.to_string());
    match expectation {
        Expectation::Fails if !built => Some("does not compile".to_owned()),
        Expectation::Fails if failing.is_empty() => Some("passes, as the learner found it".to_owned()),
        Expectation::Fails => None,
        Expectation::Passes if !built => Some("does not compile".to_owned()),
        Expectation::Passes => failing.first().map(|run| {
            let substituted = if run.substituted { ", with bytes changed in transit" } else { "" };
            format!("fails with {} (scenario {}, seed {}{substituted})", said(run.cause), run.scenario, run.token)
        }),
        Expectation::Rejected(code) if !built => {
            let cause = grade.report.cause().map(|finding| finding.code);
            (cause != Some(code)).then(|| format!("is rejected with {}, not {code}", said(cause)))
        }
        Expectation::Rejected(code) => match failing.iter().find(|run| run.cause != Some(code)) {
            _ if failing.is_empty() => Some(format!("passes, and must be rejected with {code}")),
            Some(run) => {
                let substituted = if run.substituted { ", with bytes changed in transit" } else { "" };
                let where_ = format!("scenario {}, seed {}{substituted}", run.scenario, run.token);
                Some(format!("is rejected with {}, not {code} ({where_})", said(run.cause)))
            }
            None => None,
        },
    }
}
