//! A folder of submissions: what to grade of it, and where the grades go.
//!
//! `OUT/students/NAME.json` is written whole or not at all; `OUT/grades.csv` and `OUT/summary.txt` are made anew from
//! those files at the end. A student whose file is there, and was made from the same sources, course and seeds, is not
//! graded again: a batch that was interrupted goes on where it stopped.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::grade::{Grade, Job, Tools};
use super::known::machine;
use super::plan::{Plan, allowed};
use crate::build::{Source, SourceFault};
use crate::course::{Course, CourseExercise};
use crate::model::ValueSeed;
use crate::report::style::escape;
use crate::report::{ExerciseReport, Report, Status};

/// A student's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Student {
    /// The folder's name.
    pub name: String,
    folder: PathBuf,
    /// The folder is a link: nothing below it is read.
    link: bool,
}

/// One student's file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StudentFile {
    /// The student's folder.
    pub student: String,
    /// What the grades follow from: sources, course, seeds, grader. Another key, another grade.
    pub key: String,
    /// The grades.
    #[serde(flatten)]
    pub report: Report,
}

/// What is kept of a batch as a whole, so that it can go on.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct BatchFile {
    values: ValueSeed,
}

/// Why a batch cannot go on.
#[derive(Debug, thiserror::Error)]
#[error("failed to {operation} {}: {error} (students whose files were written stay graded: start it again)", path.display())]
pub struct BatchError {
    operation: &'static str,
    path: PathBuf,
    error: io::Error,
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BatchError {
    let path = path.to_owned();
    move |error| BatchError { operation, path, error }
}

/// A batch: submissions, results, and the seed that all students share.
#[derive(Debug)]
pub struct Batch<'c> {
    course: &'c Course,
    out: PathBuf,
    plan: Plan,
    /// In the order of their names.
    pub students: Vec<Student>,
    /// What stands among the submissions and is none, by name.
    passed_over: Vec<String>,
}

/// What unpacking an archive of macOS's leaves beside the folders that were packed.
const NO_STUDENT: &str = "__MACOSX";

/// Strange names of one folder that are told.
const TOLD: usize = 3;

impl<'c> Batch<'c> {
    /// Looks at the submissions and makes the folder of results, or finds it.
    ///
    /// # Errors
    /// [`BatchError`].
    pub fn open(course: &'c Course, submissions: &Path, out: &Path) -> Result<Self, BatchError> {
        let folder = out.join("students");
        fs::create_dir_all(&folder).map_err(failed("make the folder", &folder))?;
        let (mut students, mut passed_over) = (Vec::<Student>::new(), Vec::new());
        for entry in fs::read_dir(submissions).map_err(failed("read", submissions))?.flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            let name = printable(&entry.file_name());
            match name.starts_with('.') {
                true => {}
                false if name == NO_STUDENT || !(kind.is_dir() || kind.is_symlink()) => passed_over.push(name),
                false => students.push(Student { name, folder: entry.path(), link: kind.is_symlink() }),
            }
        }
        students.sort_by(|a, b| (&a.name, &a.folder).cmp(&(&b.name, &b.folder)));
        passed_over.sort();
        // Bytes that are no text, told by their numbers, may be another folder's text.
        for index in 1..students.len() {
            while students[..index].iter().any(|other| other.name == students[index].name) {
                students[index].name.push('_');
            }
        }
        let values = batch_seed(out)?;
        let plan = Plan { values: vec![values], schedules: Vec::new(), scenario: None, to_the_end: false };
        Ok(Self { course, out: out.to_owned(), plan, students, passed_over })
    }

    /// The jobs of a student, one for each exercise.
    pub fn jobs(&self, student: &Student) -> Vec<Job<'c>> {
        let allowed = allowed(self.course);
        let job = |exercise: &'c CourseExercise| {
            let folder = student.folder.join(exercise.id().as_str());
            let source = if student.link {
                Err(SourceFault::LeadsOut(student.name.clone()))
            } else {
                contained(&student.folder, &folder, exercise).and_then(|()| Source::of_exercise(&folder, &allowed))
            };
            let shown = format!("{}/{}/src/main.rs", student.name, exercise.id());
            let plan = Plan { schedules: exercise.schedules.clone(), ..self.plan.clone() };
            Job { exercise, source, shown, plan }
        };
        self.course.exercises.iter().map(job).collect()
    }

    /// What a student's grades follow from.
    pub fn key(&self, jobs: &[Job<'_>], tools: &Tools) -> String {
        let mut hash = Sha256::new();
        // Where it cannot be told, no two starts are the same.
        let unknown = || format!("{:?}", std::time::SystemTime::now());
        hash.update(machine(&tools.template, tools.isolation).unwrap_or_else(unknown));
        hash.update(format!("{:?}", self.plan));
        for job in jobs {
            hash.update(job.exercise.id().as_str());
            hash.update(format!("{:?}{:?}", job.plan, job.exercise.exercise));
            hash.update(&job.exercise.expected_text);
            match &job.source {
                Ok(source) => hash.update(source.digest()),
                Err(fault) => hash.update(fault.to_string()),
            }
        }
        crate::build::hex(&hash.finalize())
    }

    /// The grades that are there already, if they are of this key and none of them is an error.
    pub fn kept(&self, student: &Student, key: &str) -> Option<Report> {
        let text = fs::read_to_string(self.file(student)).ok()?;
        let file: StudentFile = serde_json::from_str(&text).ok()?;
        (file.key == key && file.report.status() != Status::Error).then_some(file.report)
    }

    /// Keeps a student's grades: the file is there whole, or not at all.
    ///
    /// # Errors
    /// [`BatchError`].
    pub fn keep(&self, student: &Student, key: &str, grades: Vec<Grade>) -> Result<Report, BatchError> {
        let report = Grade::summed_up(grades);
        let file = StudentFile { student: student.name.clone(), key: key.to_owned(), report };
        let path = self.file(student);
        let text =
            serde_json::to_string_pretty(&file).map_err(|error| failed("write", &path)(io::Error::other(error)))?;
        write_whole(&path, &format!("{text}\n"))?;
        Ok(file.report)
    }

    /// Writes the table and the summary.
    ///
    /// # Errors
    /// [`BatchError`].
    pub fn finish(&self, reports: &[(String, Report)]) -> Result<String, BatchError> {
        let path = self.out.join("grades.csv");
        let table = self.table(reports).map_err(|error| failed("write", &path)(io::Error::other(error)))?;
        write_whole(&path, &table)?;
        let summary = self.summary(reports);
        write_whole(&self.out.join("summary.txt"), &summary)?;
        Ok(summary)
    }

    fn file(&self, student: &Student) -> PathBuf {
        self.out.join("students").join(format!("{}.json", student.name))
    }

    /// One row for each student: points of each exercise, the sum, and the exercises that were not handed in; an exercise
    /// without a grade is blank, which no gradebook takes for a zero.
    fn table(&self, reports: &[(String, Report)]) -> Result<String, csv::Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let ids = self.course.exercises.iter().map(|exercise| exercise.id().to_string());
        let last = ["total", "not handed in"].map(str::to_owned);
        writer.write_record(["student".to_owned()].into_iter().chain(ids).chain(last))?;
        for (student, report) in reports {
            let graded = |exercise: &ExerciseReport| exercise.status != Status::Error;
            let cells = report
                .exercises
                .iter()
                .map(|exercise| if graded(exercise) { exercise.points.to_string() } else { String::new() });
            let total = if report.exercises.iter().all(graded) { report.points.to_string() } else { String::new() };
            let missing = report.exercises.iter().filter(|exercise| exercise.not_handed_in);
            let missing = missing.map(|exercise| exercise.id.to_string()).collect::<Vec<_>>().join(" ");
            writer.write_record([harmless(student)].into_iter().chain(cells).chain([total, missing]))?;
        }
        let bytes = writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn summary(&self, reports: &[(String, Report)]) -> String {
        let mut text = format!("{}\n{} students\n\n", self.course.title, reports.len());
        for (index, exercise) in self.course.exercises.iter().enumerate() {
            let of = |is: &dyn Fn(&ExerciseReport) -> bool| {
                reports.iter().filter(|(_, report)| report.exercises.get(index).is_some_and(is)).count()
            };
            let failed = of(&|it| matches!(it.status, Status::Fail | Status::Unexamined) && !it.not_handed_in);
            let missing = of(&|it| it.not_handed_in);
            let (passed, errors) = (of(&|it| it.status == Status::Pass), of(&|it| it.status == Status::Error));
            text.push_str(&format!(
                "{:40} {passed:4} pass {failed:4} fail {missing:4} not handed in {errors:4} error\n",
                exercise.id()
            ));
        }
        let mut section = |title: &str, lines: Vec<String>| {
            if !lines.is_empty() {
                text.push_str(&format!("\n{title}\n"));
                text.extend(lines);
            }
        };
        let errors = reports
            .iter()
            .flat_map(|(student, report)| report.exercises.iter().map(move |exercise| (student, exercise)))
            .filter(|(_, exercise)| exercise.status == Status::Error)
            .map(|(student, exercise)| {
                let problem = exercise.problem.as_deref().unwrap_or("no reason is known");
                format!("{} {}: {}\n", escape(student, false), exercise.id, escape(problem, false))
            });
        section("Not graded (started again, the batch tries these once more):", errors.collect());
        let example = self.course.exercises.first().map_or_else(String::new, |it| format!("{}/src/main.rs", it.id()));
        let strange = self.students.iter().filter_map(|student| {
            let (strangers, known) = self.strangers(student);
            let named: Vec<_> = strangers.iter().take(TOLD).map(|name| escape(name, false)).collect();
            let more = strangers.len().saturating_sub(TOLD);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let what = match (named.is_empty(), known) {
                (true, true) => return None,
                (true, false) => "nothing".to_owned(),
                (false, true) => format!("{}{more}", named.join(", ")),
                (false, false) => format!("{}{more}, and no exercise", named.join(", ")),
            };
            Some(format!("{}: {what}\n", escape(&student.name, false)))
        });
        let title = format!("Folders that are no exercise of the course (one is {example}):");
        section(&title, strange.collect());
        let passed_over = self.passed_over.iter().map(|name| format!("{}\n", escape(name, false)));
        section("Among the submissions, and no student's folder:", passed_over.collect());
        text.push_str(&format!("\nvalue seed {}\n", self.plan.values.first().copied().unwrap_or(ValueSeed(0))));
        text
    }

    /// The folders of a student's that the course has no use for, and whether there is any that it has.
    fn strangers(&self, student: &Student) -> (Vec<String>, bool) {
        if student.link {
            return (Vec::new(), true);
        }
        let ids: Vec<String> = self.course.exercises.iter().map(|exercise| exercise.id().to_string()).collect();
        let is_chapter =
            |name: &str| ids.iter().any(|id| id.split_once('/').is_some_and(|(chapter, _)| chapter == name));
        let (mut strangers, mut known) = (Vec::new(), false);
        for (name, folder) in folders(&student.folder) {
            if !is_chapter(&name) {
                strangers.push(name);
                continue;
            }
            for (exercise, _) in folders(&folder) {
                let id = format!("{name}/{exercise}");
                if ids.contains(&id) { known = true } else { strangers.push(id) }
            }
        }
        strangers.sort();
        (strangers, known)
    }
}

/// The folders in a folder, and links, by name; hidden ones are nobody's business.
fn folders(folder: &Path) -> Vec<(String, PathBuf)> {
    let all = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = all.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir() || kind.is_symlink()));
    let named = folders.map(|entry| (printable(&entry.file_name()), entry.path()));
    named.filter(|(name, _)| !name.starts_with('.')).collect()
}

/// A file's name as text: bytes that are none are told by their numbers (`\xff`).
fn printable(name: &OsStr) -> String {
    let chunks = name.as_encoded_bytes().utf8_chunks();
    let told = chunks.map(|chunk| format!("{}{}", chunk.valid(), chunk.invalid().escape_ascii()));
    told.collect()
}

/// Whether nothing on the way to the exercise leads out of the student's folder.
fn contained(student: &Path, folder: &Path, exercise: &CourseExercise) -> Result<(), SourceFault> {
    let (Ok(base), Ok(real)) = (student.canonicalize(), folder.canonicalize()) else {
        return Err(SourceFault::Missing(format!("{}/src/main.rs", exercise.id())));
    };
    if real.starts_with(base) { Ok(()) } else { Err(SourceFault::LeadsOut(exercise.id().to_string())) }
}

/// The seed that nobody has seen before the batch and that all of its students share; kept for the next start.
fn batch_seed(out: &Path) -> Result<ValueSeed, BatchError> {
    let path = out.join("batch.json");
    if let Ok(text) = fs::read_to_string(&path)
        && let Ok(file) = serde_json::from_str::<BatchFile>(&text)
    {
        return Ok(file.values);
    }
    let mut bytes = [0; 4];
    let random = Path::new("/dev/urandom");
    let mut source = fs::File::open(random).map_err(failed("open", random))?;
    io::Read::read_exact(&mut source, &mut bytes).map_err(failed("read", random))?;
    let values = ValueSeed(u32::from_ne_bytes(bytes));
    let text = serde_json::to_string(&BatchFile { values })
        .map_err(|error| failed("write", &path)(io::Error::other(error)))?;
    write_whole(&path, &format!("{text}\n"))?;
    Ok(values)
}

/// A cell that no spreadsheet takes for a formula.
fn harmless(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

fn write_whole(path: &Path, text: &str) -> Result<(), BatchError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed("write a file in", folder))?;
    file.write_all(text.as_bytes()).map_err(failed("write", path))?;
    file.as_file().sync_all().map_err(failed("write", path))?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(mode).map_err(failed("write", path))?;
    file.persist(path).map_err(|error| failed("write", path)(error.error))?;
    Ok(())
}
