//! `ipc-grade check`, and the bare command: grade and show.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::args::{CheckArgs, Format};
use super::exit::{Exit, Usage};
use super::grading::{self, Cached, Terms};
use super::isolation;
use super::progress::Progress;
use super::settings::{self, Settings};
use super::terminal::Terminal;
use crate::build;
use crate::course::{Course, CourseExercise, SOLUTIONS};
use crate::model::{ScenarioId, ScheduleSeed, Token, ValueSeed};
use crate::pipeline::{Grade, Job, Plan, allowed, pool, proof};
use crate::report::{self, Detail, Report};
use crate::sandbox::Isolation;
use crate::trace::codec;

/// How many orders `--thorough` tries.
const THOROUGH: u32 = 256;

/// Grades what is asked for and shows the report.
///
/// # Errors
/// Those of [`Settings::course`]; unknown exercises; a source that is not there; what the grader or the machine failed at.
pub fn run(args: &CheckArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let course = settings.course()?;
    let request = Request::new(&course, args)?;
    let mut progress = Progress::new(settings.terminal, request.exercises.len());
    let report = grade(&request, settings, &mut progress);
    progress.finish();
    let report = report?;
    isolation::note(&report, &settings.terminal);
    show(&report, args.options.format, if args.options.all { Detail::All } else { Detail::First }, &settings.terminal)?;
    Ok(Exit::of(report.status()))
}

/// Writes a report in the format that was asked for.
///
/// # Errors
/// What the kernel says of standard output.
pub fn show(report: &Report, format: Format, detail: Detail, terminal: &Terminal) -> anyhow::Result<()> {
    let text = match format {
        Format::Terminal => report::render(report, detail, &terminal.style),
        Format::Json => report::to_json(report)?,
    };
    Ok(terminal.print(&text)?)
}

/// What to grade.
#[derive(Debug)]
pub struct Request<'c> {
    /// The course.
    pub course: &'c Course,
    /// In the course's order.
    pub exercises: Vec<&'c CourseExercise>,
    /// Whose code.
    pub source: Source,
    /// One run's values and order, where they are given.
    pub seed: Option<Token>,
    /// Very many orders.
    pub thorough: bool,
    /// Only this scenario.
    pub scenario: Option<ScenarioId>,
    /// Where traces are kept.
    pub record: Option<PathBuf>,
    /// What stands between programs and the machine; none is the best that there is.
    pub isolation: Option<Isolation>,
    /// Grades that were given before count.
    pub cached: bool,
}

/// Whose code is graded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The learner's own, in the course's exercises/.
    Exercises,
    /// The references, in solutions/.
    Solutions,
    /// A folder laid out like exercises/.
    Folder(PathBuf),
    /// One file, for the one exercise that is named.
    File(PathBuf),
}

impl<'c> Request<'c> {
    fn new(course: &'c Course, args: &CheckArgs) -> anyhow::Result<Self> {
        let exercises = settings::exercises(course, &args.exercises)?;
        let source = Source::parse(&args.options.source)?;
        if matches!(source, Source::File(_)) && args.exercises.len() != 1 {
            let message = format!("--source {} is one file: name the one exercise that it is for", args.options.source);
            return Err(Usage(message).into());
        }
        let scenario = args.options.scenario.as_deref().map(ScenarioId::from);
        if let Some(wanted) = &scenario {
            let known: Vec<&str> = exercises
                .iter()
                .flat_map(|exercise| exercise.exercise.scenarios.iter().map(|scenario| scenario.id.as_str()))
                .collect();
            if !known.contains(&wanted.as_str()) {
                let message = format!("no scenario is called `{wanted}`; there are: {}", known.join(", "));
                return Err(Usage(message).into());
            }
        }
        let (seed, thorough, record) = (args.options.seed, args.options.thorough, args.options.record.clone());
        let isolation = args.options.isolation;
        // A trace is not kept with a grade.
        let cached = !args.options.no_cache && record.is_none();
        Ok(Self { course, exercises, source, seed, thorough, scenario, record, isolation, cached })
    }
}

impl Source {
    fn parse(text: &str) -> anyhow::Result<Self> {
        let path = PathBuf::from(text);
        match text {
            "exercises" => Ok(Self::Exercises),
            "solutions" => Ok(Self::Solutions),
            _ if path.extension().is_some_and(|extension| extension == "rs") => {
                settings::existing_file(&path, "the program's source")?;
                Ok(Self::File(path))
            }
            _ => {
                settings::existing_folder(&path, "a folder laid out like exercises/")?;
                Ok(Self::Folder(path))
            }
        }
    }
}

/// The one place where `check` grades.
fn grade(request: &Request<'_>, settings: &Settings, progress: &mut Progress) -> anyhow::Result<Report> {
    let jobs: Vec<Job<'_>> = request.exercises.iter().map(|exercise| request.job(exercise)).collect();
    let colour = settings.terminal.style.colour;
    let cached = if request.cached { Cached::Yes } else { Cached::No };
    let terms = Terms { colour, cached, isolation: request.isolation };
    let grades = grading::run(request.course, &jobs, pool::default_width(), terms, progress)?;
    if let Some(folder) = &request.record {
        keep(folder, &grades)?;
    }
    let mut report = Grade::summed_up(grades);
    if let Some(why) = &report.unheld {
        settings.terminal.note(&format!("the compiler had no box: {why}"));
    }
    for exercise in &report.exercises {
        if let Some(problem) = &exercise.replay_problem {
            settings.terminal.note(&format!("{}: {problem}; please report it", exercise.id.name()));
        }
    }
    for (report, job) in report.exercises.iter_mut().zip(&jobs) {
        let exercise = job.exercise;
        report.lesson = Some(settings::shown(&exercise.dir.join("README.md")));
        let place = request.course.exercises.iter().position(|other| other.id() == exercise.id());
        let next = place.and_then(|place| request.course.exercises.get(place + 1));
        report.next = next.map(|next| next.name().to_owned());
    }
    Ok(report)
}

/// Writes the trace of each run that is shown.
fn keep(folder: &Path, grades: &[Grade]) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("failed to make the folder {}", folder.display()))?;
    for grade in grades {
        if let Some((context, trace)) = &grade.record {
            let path = folder.join(format!("{}.jsonl", grade.report.id.name()));
            let text = codec::write_with(trace, context);
            std::fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))?;
        }
    }
    Ok(())
}

impl<'c> Request<'c> {
    fn job(&self, exercise: &'c CourseExercise) -> Job<'c> {
        let allowed = allowed(self.course);
        let (source, path) = match &self.source {
            Source::Exercises => {
                (build::Source::of_exercise(&exercise.dir, &allowed), exercise.dir.join("src/main.rs"))
            }
            Source::Solutions => proof::reference(&self.course.dir.join(SOLUTIONS).join(exercise.id().as_str())),
            Source::Folder(folder) => {
                let folder = folder.join(exercise.id().as_str());
                (build::Source::of_exercise(&folder, &allowed), folder.join("src/main.rs"))
            }
            Source::File(path) => (build::Source::of_file(path), path.clone()),
        };
        let own = source.as_ref().map_or(ValueSeed(0), build::Source::value_seed);
        let plan = match self.seed {
            Some(token) => Plan {
                values: vec![token.values.unwrap_or(own)],
                schedules: vec![token.schedule],
                scenario: self.scenario.clone(),
                to_the_end: false,
            },
            None => Plan {
                values: vec![own],
                schedules: match self.thorough {
                    true => (0..THOROUGH).map(ScheduleSeed).collect(),
                    false => exercise.schedules.clone(),
                },
                scenario: self.scenario.clone(),
                to_the_end: false,
            },
        };
        Job { exercise, source, shown: settings::shown(&path), plan }
    }
}
