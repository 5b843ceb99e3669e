//! `ipc-grade judge`: a recorded trace, judged again without running anything.

use super::args::JudgeArgs;
use super::check;
use super::exit::{BrokenCourse, Exit, Usage};
use super::settings::{self, Settings};
use crate::course::CourseExercise;
use crate::pipeline::rejudge;
use crate::report::{Detail, Report};
use crate::trace::codec;

/// Judges a recorded trace and shows the report.
///
/// # Errors
/// Those of [`Settings::course`]; an unknown exercise; a file that is not there or no trace.
pub fn run(args: &JudgeArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let course = settings.course()?;
    let exercise = course.find(&args.exercise)?;
    settings::existing_file(&args.file, "the trace")?;
    let report = judge(args, exercise)?;
    check::show(&report, args.format, Detail::First, &settings.terminal)?;
    Ok(Exit::of(report.status()))
}

/// The one place where `judge` judges.
fn judge(args: &JudgeArgs, exercise: &CourseExercise) -> anyhow::Result<Report> {
    let shown = args.file.display().to_string();
    let text =
        std::fs::read_to_string(&args.file).map_err(|error| Usage(format!("{shown} cannot be read: {error}")))?;
    let (trace, context) = codec::read_with(&text).map_err(|error| Usage(format!("{shown} is no trace: {error}")))?;
    let mut report = rejudge(exercise, &context, &trace, &shown).map_err(|mistake| BrokenCourse(vec![mistake]))?;
    report.lesson = Some(settings::shown(&exercise.dir.join("README.md")));
    Ok(Report::new(vec![report]))
}
