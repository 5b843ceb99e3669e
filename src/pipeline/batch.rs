//! A folder of submissions: what to grade of it, and where the grades go.
//!
//! `OUT/students/NAME.json` is written whole or not at all; `OUT/grades.csv` and `OUT/summary.txt` are made anew from
//! those files at the end. A student whose file is there, and was made from the same sources, course and seeds, is not
//! graded again: a batch that was interrupted goes on where it stopped.

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
#[error("failed to {operation} {}: {error}", path.display())]
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
}

impl<'c> Batch<'c> {
    /// Looks at the submissions and makes the folder of results, or finds it.
    ///
    /// # Errors
    /// [`BatchError`].
    pub fn open(course: &'c Course, submissions: &Path, out: &Path) -> Result<Self, BatchError> {
        let folder = out.join("students");
        fs::create_dir_all(&folder).map_err(failed("make the folder", &folder))?;
        let mut students: Vec<Student> = fs::read_dir(submissions)
            .map_err(failed("read", submissions))?
            .flatten()
            .filter_map(|entry| {
                let kind = entry.file_type().ok()?;
                let name = entry.file_name().into_string().ok()?;
                let counts = (kind.is_dir() || kind.is_symlink()) && !name.starts_with('.');
                counts.then(|| Student { name, folder: entry.path(), link: kind.is_symlink() })
            })
            .collect();
        students.sort_by(|a, b| a.name.cmp(&b.name));
        let values = batch_seed(out)?;
        let plan = Plan { values: vec![values], schedules: Vec::new(), scenario: None, to_the_end: false };
        Ok(Self { course, out: out.to_owned(), plan, students })
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

    /// One row for each student: points of each exercise, the sum; an exercise without a grade is blank, which no
    /// gradebook takes for a zero.
    fn table(&self, reports: &[(String, Report)]) -> Result<String, csv::Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let ids = self.course.exercises.iter().map(|exercise| exercise.id().to_string());
        writer.write_record(["student".to_owned()].into_iter().chain(ids).chain(["total".to_owned()]))?;
        for (student, report) in reports {
            let graded = |exercise: &ExerciseReport| exercise.status != Status::Error;
            let cells = report
                .exercises
                .iter()
                .map(|exercise| if graded(exercise) { exercise.points.to_string() } else { String::new() });
            let total = if report.exercises.iter().all(graded) { report.points.to_string() } else { String::new() };
            writer.write_record([harmless(student)].into_iter().chain(cells).chain([total]))?;
        }
        let bytes = writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn summary(&self, reports: &[(String, Report)]) -> String {
        let mut text = format!("{}\n{} students\n\n", self.course.title, reports.len());
        for (index, exercise) in self.course.exercises.iter().enumerate() {
            let of = |status: Status| {
                let is = |report: &&(String, Report)| report.1.exercises.get(index).is_some_and(|e| e.status == status);
                reports.iter().filter(is).count()
            };
            let failed = of(Status::Fail) + of(Status::Unexamined);
            let (passed, errors) = (of(Status::Pass), of(Status::Error));
            text.push_str(&format!("{:40} {passed:4} pass {failed:4} fail {errors:4} error\n", exercise.id()));
        }
        let errors: Vec<String> = reports
            .iter()
            .flat_map(|(student, report)| report.exercises.iter().map(move |exercise| (student, exercise)))
            .filter(|(_, exercise)| exercise.status == Status::Error)
            .map(|(student, exercise)| {
                format!("{student} {}: {}\n", exercise.id, exercise.problem.as_deref().unwrap_or("no reason is known"))
            })
            .collect();
        if !errors.is_empty() {
            text.push_str("\nNot graded (started again, the batch tries these once more):\n");
            text.extend(errors);
        }
        text.push_str(&format!("\nvalue seed {}\n", self.plan.values.first().copied().unwrap_or(ValueSeed(0))));
        text
    }
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
