//! `ipc-grade verify`: the proof that the course's exercises grade what they say.

use super::args::VerifyArgs;
use super::exit::{BrokenCourse, Exit};
use super::grading::{self, Cached, Terms};
use super::progress::Progress;
use super::settings::{self, Settings};
use crate::pipeline::proof::{self, Expectation};
use crate::pipeline::{Job, pool};
use crate::report::Status;
use crate::report::style::Tone;

/// Runs starters, solutions, accepted and rejected programs under several seeds.
///
/// # Errors
/// Those of [`Settings::course`]; unknown exercises; programs that the course lacks; what the grader or the machine
/// failed at.
pub fn run(args: &VerifyArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let course = settings.course()?;
    let exercises = settings::exercises(&course, &args.exercises)?;
    let (mut exhibits, mut mistakes) = (Vec::new(), Vec::new());
    for exercise in exercises {
        let (programs, lacking) = proof::exhibits(&course, exercise);
        exhibits.extend(programs);
        mistakes.extend(lacking);
    }
    if !mistakes.is_empty() {
        return Err(BrokenCourse(mistakes).into());
    }
    let jobs: Vec<Job<'_>> = exhibits.iter().map(|exhibit| exhibit.job.clone()).collect();
    let mut progress = Progress::quiet(settings.terminal, jobs.len());
    let terms = Terms { colour: false, cached: Cached::No, isolation: None };
    let grades = grading::run(&course, &jobs, pool::default_width(), terms, &mut progress);
    progress.finish();
    let grades = grades?;
    let (mut text, mut exit, mut wrong, mut runs) = (String::new(), Exit::Passed, 0, 0);
    for (exhibit, grade) in exhibits.iter().zip(&grades) {
        runs += grade.runs.len();
        let wanted = match exhibit.expectation {
            Expectation::Fails => "fails".to_owned(),
            Expectation::Passes => "passes".to_owned(),
            Expectation::Rejected(code) => format!("is rejected with {code}"),
        };
        let style = &settings.terminal.style;
        match proof::objection(exhibit.expectation, grade) {
            None => text.push_str(&format!("{} {}: {wanted}\n", style.paint("ok   ", Tone::Good), exhibit.file)),
            Some(objection) => {
                wrong += 1;
                exit = if grade.report.status == Status::Error { Exit::Machine } else { Exit::Failed };
                text.push_str(&format!("{} {}: {objection}\n", style.paint("WRONG", Tone::Bad), exhibit.file));
                for finding in &grade.report.findings {
                    text.push_str(&format!("        {}: {}\n", finding.code, finding.message));
                }
                text.push_str(&format!("      expected: it {wanted}\n"));
                if let Some(place) = proof::place(exhibit.job.exercise, grade) {
                    text.push_str(&format!("      the run first differs from {place}\n"));
                }
                if let Some(seed) = &grade.report.seed {
                    let name = exhibit.job.exercise.name();
                    text.push_str(&format!(
                        "      see: ipc-grade check {name} --source {} --seed {seed}\n",
                        exhibit.file
                    ));
                }
            }
        }
    }
    let right = exhibits.len() - wrong;
    text.push_str(&format!("\n{right} of {} programs are judged as they must be, in {runs} runs.\n", exhibits.len()));
    settings.terminal.print(&text)?;
    Ok(exit)
}
