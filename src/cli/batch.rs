//! `ipc-grade batch`: a folder of submissions.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;

use super::args::BatchArgs;
use super::exit::{BrokenCourse, Exit, Usage};
use super::grading::{self, Cached, Terms};
use super::isolation;
use super::progress::Progress;
use super::settings::{self, Settings};
use crate::course::Course;
use crate::pipeline::batch::Batch;
use crate::pipeline::pool::{self, Go};
use crate::pipeline::{Grade, Job};
use crate::report::{Report, Status};
use crate::sandbox::Isolation;

/// Grades every student's folder.
///
/// # Errors
/// Those of [`Settings::course`]; folders that are not there, or an output folder among the submissions.
pub fn run(args: &BatchArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let course = settings.course()?;
    settings::existing_folder(&args.submissions, "the folder of submissions")?;
    if args.out.exists() && !args.out.is_dir() {
        return Err(Usage(format!("{} is a file, where a folder for the results should be", args.out.display())).into());
    }
    if is_among(&args.out, &args.submissions) {
        let message = "would be taken for a student's folder: choose one outside of the submissions";
        return Err(Usage(format!("--out {} {message}", args.out.display())).into());
    }
    let isolation = isolation::for_batch(args.isolation)?;
    let jobs = args.jobs.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
    grade(&course, args, settings, jobs, isolation)
}

/// Whether a folder, which need not be there yet, is in another one.
fn is_among(inner: &Path, outer: &Path) -> bool {
    let Ok(outer) = outer.canonicalize() else { return false };
    let absolute = std::path::absolute(inner).unwrap_or_else(|_| inner.to_owned());
    absolute.ancestors().filter_map(|ancestor| ancestor.canonicalize().ok()).any(|ancestor| ancestor == outer)
}

/// The one place where `batch` grades.
fn grade(
    course: &Course,
    args: &BatchArgs,
    settings: &Settings,
    width: NonZeroUsize,
    isolation: Isolation,
) -> anyhow::Result<Exit> {
    let batch = Batch::open(course, &args.submissions, &args.out)?;
    let tools = grading::tools(course, Terms { colour: false, cached: Cached::No, isolation: Some(isolation) })?;
    let all: Vec<Vec<Job<'_>>> = batch.students.iter().map(|student| batch.jobs(student)).collect();
    let keys: Vec<String> = all.iter().map(|jobs| batch.key(jobs, &tools)).collect();
    let mut reports: Vec<Option<Report>> =
        batch.students.iter().zip(&keys).map(|(student, key)| batch.kept(student, key)).collect();
    let kept = reports.iter().flatten().count();
    if kept > 0 {
        settings.terminal.note(&format!("{kept} of {} students are graded already", batch.students.len()));
    }
    let last_words = |graded: usize| {
        let all = batch.students.len();
        grading::last_words(format!("{graded} of {all} students are graded: start it again to go on"));
    };
    last_words(kept);
    // One queue over all students, so that no worker waits for the last exercise of one of them.
    let (mut jobs, mut owners) = (Vec::new(), Vec::new());
    for (index, mine) in all.into_iter().enumerate().filter(|(index, _)| reports[*index].is_none()) {
        owners.extend(mine.iter().map(|_| index));
        jobs.extend(mine);
    }
    let mut open: BTreeMap<usize, Vec<(usize, Grade)>> = BTreeMap::new();
    let mut progress = Progress::quiet(settings.terminal, jobs.len());
    let (mut mistakes, mut trouble) = (Vec::new(), None);
    pool::run(&jobs, &tools, width.get(), |event| {
        let (index, grade) = match event {
            pool::Progress::Started(index) => {
                progress.start(&batch.students[owners[index]].name);
                return Go::On;
            }
            pool::Progress::Finished(index, grade) => (index, grade),
        };
        progress.done(&grade.report);
        mistakes.extend(grade.mistake.clone());
        let student = owners[index];
        let mine = open.entry(student).or_default();
        mine.push((index, *grade));
        if mine.len() < course.exercises.len() {
            return Go::On;
        }
        let mut mine = open.remove(&student).unwrap_or_default();
        mine.sort_by_key(|(index, _)| *index);
        let grades = mine.into_iter().map(|(_, grade)| grade).collect();
        match batch.keep(&batch.students[student], &keys[student], grades) {
            Ok(report) => {
                reports[student] = Some(report);
                last_words(reports.iter().flatten().count());
                Go::On
            }
            Err(error) => {
                trouble = Some(error);
                Go::Stop
            }
        }
    });
    progress.finish();
    if let Some(error) = trouble {
        return Err(error.into());
    }
    if !mistakes.is_empty() {
        return Err(BrokenCourse(mistakes).into());
    }
    let names = batch.students.iter().map(|student| student.name.clone());
    let reports: Vec<(String, Report)> =
        names.zip(reports).filter_map(|(name, report)| Some((name, report?))).collect();
    if let Some((_, report)) = reports.first() {
        isolation::note(report, &settings.terminal);
    }
    let summary = batch.finish(&reports)?;
    settings.terminal.print(&summary)?;
    let errors = reports.iter().any(|(_, report)| report.status() == Status::Error);
    Ok(if errors { Exit::Machine } else { Exit::Passed })
}
