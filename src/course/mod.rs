//! The course on disk: `grader.toml`, each exercise's `exercise.toml`, lesson and expected trace.
//!
//! Everything is read and checked before anything is graded; each mistake is a [`Diagnostic`] with its place, and all of
//! them are told at once. This layer knows no learner: what is in `src/` is not looked at here.

mod checks;
mod document;
mod exercise;
mod facts;
mod faults;
mod file;
mod limits;
mod place;
mod scenario;
mod seeds;
mod steps;
mod words;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use document::Document;
pub use file::{AllowedCrate, CrateSource};

use crate::model::{Diagnostic, Exercise, ExerciseId, Limits, ScheduleSeed, ValueSeed};
use crate::pattern::Expected;

/// The file that makes a folder a course.
pub const COURSE_FILE: &str = "grader.toml";
/// The folder of the exercises, beside it.
pub const EXERCISES: &str = "exercises";
/// The folder of the reference solutions, beside it.
pub const SOLUTIONS: &str = "solutions";

/// A course whose files are all in order.
#[derive(Debug, Clone)]
pub struct Course {
    /// Its folder.
    pub dir: PathBuf,
    /// Its title.
    pub title: String,
    /// The limits of an attempt, unless an exercise has its own.
    pub limits: Limits,
    /// The seeds of a grade and of `verify`.
    pub seeds: Seeds,
    /// What a learner's program may use, by name.
    pub crates: BTreeMap<String, AllowedCrate>,
    /// The chapters, in their order.
    pub chapters: Vec<Chapter>,
    /// The exercises, in the chapters' order.
    pub exercises: Vec<CourseExercise>,
}

/// A chapter: a folder of exercises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chapter {
    /// Its folder: `02_pipes`.
    pub id: String,
    /// What a list shows.
    pub title: String,
    /// Its exercises, in their order.
    pub exercises: Vec<ExerciseId>,
}

/// The seeds that are tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seeds {
    /// Value seeds of `verify`.
    pub values: Vec<ValueSeed>,
    /// Schedule seeds of every grade.
    pub schedules: Vec<ScheduleSeed>,
}

impl Default for Seeds {
    fn default() -> Self {
        Self { values: vec![ValueSeed(1)], schedules: (0..seeds::SCHEDULES).map(ScheduleSeed).collect() }
    }
}

/// An exercise with the texts beside it.
#[derive(Debug, Clone)]
pub struct CourseExercise {
    /// What `exercise.toml` says.
    pub exercise: Exercise,
    /// The orders that a grade tries: its own, or the course's.
    pub schedules: Vec<ScheduleSeed>,
    /// Its folder, with the starter in it.
    pub dir: PathBuf,
    /// The lesson: `README.md`.
    pub lesson: String,
    /// The sources of the programs that it brings, in the order of [`Exercise::tools`].
    pub tools: Vec<Tool>,
    /// `expected.trace`, relative to the course's folder.
    pub expected_file: String,
    /// What is in it.
    pub expected_text: String,
    /// The same, read.
    pub expected: Expected,
}

/// A program that an exercise brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// The name by which the learner's program runs it.
    pub name: String,
    /// Its source, relative to the course's folder.
    pub file: String,
    /// What is in it.
    pub text: String,
}

impl CourseExercise {
    /// Its folder's path.
    pub fn id(&self) -> &ExerciseId {
        &self.exercise.id
    }

    /// The name that people type.
    pub fn name(&self) -> &str {
        self.exercise.id.name()
    }
}

/// No exercise has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no exercise is called `{given}`{}", near(nearest))]
pub struct Unknown {
    /// The name as it was given.
    pub given: String,
    /// The names that it most likely meant, the likeliest first; empty when none is near.
    pub nearest: Vec<String>,
}

fn near(nearest: &[String]) -> String {
    match nearest {
        [] => String::new(),
        names => format!("; near it: {}", names.join(", ")),
    }
}

impl Course {
    /// Reads and checks a course.
    ///
    /// # Errors
    /// Every mistake in its files, in the order of the files.
    pub fn load(dir: &Path) -> Result<Self, Vec<Diagnostic>> {
        let text = read(dir, COURSE_FILE).map_err(|mistake| vec![mistake])?;
        let document = Document::new(COURSE_FILE, &text);
        let file = file::read(&document, dir);
        let mut mistakes = Vec::new();
        let mut exercises = Vec::new();
        if let Some(file) = &file {
            let ids: Vec<ExerciseId> = file.places.iter().map(|(id, _)| id.clone()).collect();
            for (id, place) in &file.places {
                let folder = format!("{EXERCISES}/{id}");
                if dir.join(&folder).is_dir() {
                    exercises.extend(load_exercise(dir, id, &ids, (file.limits, &file.seeds), &mut mistakes));
                } else {
                    let help = format!("expected: the folder {folder}");
                    document.mistake(place.clone(), format!("`{}` has no folder", id.name()), Some(help));
                }
            }
            mistakes.extend(unnamed(dir, &ids));
        }
        let mut all = document.into_mistakes();
        all.append(&mut mistakes);
        match file {
            Some(file) if all.is_empty() => Ok(Self {
                dir: dir.to_owned(),
                title: file.title,
                limits: file.limits,
                seeds: file.seeds,
                crates: file.crates,
                chapters: file.chapters,
                exercises,
            }),
            _ => Err(all),
        }
    }

    /// The course that a folder is in: the nearest folder upwards with a `grader.toml`.
    pub fn around(start: &Path) -> Option<PathBuf> {
        start.ancestors().find(|dir| dir.join(COURSE_FILE).is_file()).map(Path::to_owned)
    }

    /// An exercise by its name or its folder's path.
    ///
    /// # Errors
    /// [`Unknown`] with the nearest names.
    pub fn find(&self, name: &str) -> Result<&CourseExercise, Unknown> {
        let wanted = name.trim_end_matches('/');
        let found =
            self.exercises.iter().find(|exercise| exercise.name() == wanted || exercise.id().as_str() == wanted);
        found.ok_or_else(|| {
            let nearest = nearest(wanted, self.exercises.iter().map(CourseExercise::name));
            Unknown { given: name.to_owned(), nearest: nearest.into_iter().map(str::to_owned).collect() }
        })
    }
}

/// Reads one exercise; `None` where its files have mistakes, which are added to `mistakes`.
fn load_exercise(
    dir: &Path,
    id: &ExerciseId,
    ids: &[ExerciseId],
    (limits, defaults): (Limits, &Seeds),
    mistakes: &mut Vec<Diagnostic>,
) -> Option<CourseExercise> {
    let folder = format!("{EXERCISES}/{id}");
    let mut text_of = |name: &str| {
        let file = format!("{folder}/{name}");
        let text = read(dir, &file).and_then(|text| match text.trim().is_empty() {
            true => Err(Diagnostic::of_file(&file, "this file is empty")),
            false => Ok(text),
        });
        (file, text.map_err(|mistake| mistakes.push(mistake)).ok())
    };
    let (file, text) = text_of("exercise.toml");
    let (_, lesson) = text_of("README.md");
    let (expected_file, expected_text) = text_of("expected.trace");
    let text = text?;
    let document = Document::new(&file, &text);
    let exercise = exercise::read(&document, id, ids, limits);
    mistakes.append(&mut document.into_mistakes());
    let tools = exercise.as_ref().map(|(exercise, _)| exercise.tools.clone()).unwrap_or_default();
    let tool = |name: String| {
        let file = format!("{folder}/tools/{name}.rs");
        let text = read(dir, &file).map_err(|mistake| mistakes.push(mistake)).ok()?;
        Some(Tool { name, file, text })
    };
    let tools = tools.into_iter().filter_map(tool).collect();
    let expected = expected_text.as_deref().map(|text| Expected::parse(&expected_file, text));
    let expected = expected.and_then(|expected| expected.map_err(|mistake| mistakes.push(mistake)).ok());
    let (lesson, expected_text, expected) = (lesson?, expected_text?, expected?);
    let dir = dir.join(folder);
    let (exercise, schedules) = exercise?;
    let schedules = schedules.unwrap_or_else(|| defaults.schedules.clone());
    Some(CourseExercise { exercise, schedules, dir, lesson, tools, expected_file, expected_text, expected })
}

/// Exercises on disk that no chapter names.
fn unnamed(dir: &Path, ids: &[ExerciseId]) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    for chapter in folders(&dir.join(EXERCISES)) {
        for name in folders(&dir.join(EXERCISES).join(&chapter)) {
            let id = format!("{chapter}/{name}");
            let file = format!("{EXERCISES}/{id}/exercise.toml");
            if dir.join(&file).is_file() && !ids.iter().any(|known| known.as_str() == id) {
                let help =
                    format!("add \"{name}\" to the exercises of the chapter \"{chapter}\", or remove the folder");
                mistakes
                    .push(Diagnostic::of_file(&file, format!("no chapter of {COURSE_FILE} names `{name}`")).help(help));
            }
        }
    }
    mistakes
}

/// The names of the folders in a folder, sorted; none where it cannot be read.
fn folders(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    let mut names: Vec<String> = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// A file of the course as text.
fn read(dir: &Path, file: &str) -> Result<String, Diagnostic> {
    let bytes = fs::read(dir.join(file)).map_err(|error| {
        let message = match error.kind() {
            io::ErrorKind::NotFound => "this file is missing".to_owned(),
            io::ErrorKind::IsADirectory => "this is a folder, where a file should be".to_owned(),
            _ => format!("this file cannot be read: {error}"),
        };
        Diagnostic::of_file(file, message)
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes());
        Diagnostic::at(file, &text, good..good + 1, "this is not UTF-8").help("expected: text in UTF-8")
    })
}

/// The names that are like a given one, the likeliest first, three at most.
fn nearest<'n>(given: &str, known: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
    /// More suggestions than this are a list.
    const SUGGESTIONS: usize = 3;
    let given = given.to_lowercase();
    let limit = 2.max(given.chars().count() / 3);
    let mut near: Vec<_> = known
        .into_iter()
        .map(|name| {
            let slips = strsim::damerau_levenshtein(&given, &name.to_lowercase());
            // A part of a name is nearly as good as a slip.
            let part = given.len() >= 3 && name.to_lowercase().contains(&given);
            (if part { slips.min(2) } else { slips }, name)
        })
        .filter(|(slips, name)| *slips <= limit && *slips < name.chars().count())
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(SUGGESTIONS).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests;
