//! What the grading commands share: the course's crates, the pool, Ctrl-C.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use super::exit::BrokenCourse;
use super::progress::Progress;
use crate::build::Template;
use crate::course::{Course, EXERCISES};
use crate::pipeline::pool::{self, Go};
use crate::pipeline::{Grade, Job, Known, Tools, allowed, preflight, worker};
use crate::sandbox::Isolation;

/// Whether grades that were given before count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cached {
    /// They do.
    Yes,
    /// All is graded anew.
    No,
}

/// What a command asks for besides its jobs.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// The compiler's messages have colours.
    pub colour: bool,
    /// Grades of before.
    pub cached: Cached,
    /// What has to stand between programs and the machine; none is the best that there is.
    pub isolation: Option<Isolation>,
}

/// The folder in `exercises/` with the sources of the allowed crates, where they travel with the course.
const VENDOR: &str = "vendor";

/// Grades jobs and shows how it goes; the grades are in the jobs' order.
///
/// # Errors
/// A mistake of the author's that showed only in grading; what the machine failed at before the first job.
pub fn run(
    course: &Course,
    jobs: &[Job<'_>],
    width: usize,
    terms: Terms,
    progress: &mut Progress,
) -> anyhow::Result<Vec<Grade>> {
    let tools = tools(course, terms)?;
    let mut grades: Vec<Option<Grade>> = jobs.iter().map(|_| None).collect();
    pool::run(jobs, &tools, width, |event| {
        match event {
            pool::Progress::Started(index) => progress.start(jobs[index].exercise.name()),
            pool::Progress::Finished(index, mut grade) => {
                let source = jobs[index].source.as_ref();
                grade.report.untouched = source.is_ok_and(|source| source.main().contains("// TODO"));
                progress.done(&grade.report);
                grades[index] = Some(*grade);
            }
        }
        Go::On
    });
    let grades: Vec<Grade> = grades.into_iter().flatten().collect();
    let mistakes: Vec<_> = grades.iter().filter_map(|grade| grade.mistake.clone()).collect();
    if mistakes.is_empty() { Ok(grades) } else { Err(BrokenCourse(mistakes).into()) }
}

/// Makes ready what all jobs share, and sees to Ctrl-C.
///
/// # Errors
/// Values that the course asks for and does not draw; crates that do not build; a cache folder that cannot be written.
pub fn tools(course: &Course, terms: Terms) -> anyhow::Result<Tools> {
    let mistakes: Vec<_> = course.exercises.iter().filter_map(|exercise| preflight(exercise).err()).collect();
    if !mistakes.is_empty() {
        return Err(BrokenCourse(mistakes).into());
    }
    interruptible()?;
    let exercises = course.dir.join(EXERCISES);
    let vendor = exercises.join(VENDOR);
    let vendor = vendor.is_dir().then_some(vendor.as_path());
    let template = Template::prepare(&allowed(course), Some(&exercises.join("Cargo.lock")), vendor)?;
    let Terms { colour, cached, isolation } = terms;
    let known = match cached {
        Cached::Yes => Known::open(&template, colour, isolation),
        Cached::No => None,
    };
    Ok(Tools { template, colour, isolation, known })
}

/// What is said where Ctrl-C ends a command.
static LAST_WORDS: Mutex<Option<String>> = Mutex::new(None);

/// Sets what is said where Ctrl-C ends this command from now on.
pub fn last_words(words: String) {
    *LAST_WORDS.lock().unwrap_or_else(PoisonError::into_inner) = Some(words);
}

/// Ends everything that was started, and this program with it, on Ctrl-C (exit 130), SIGTERM and SIGHUP alike.
fn interruptible() -> anyhow::Result<()> {
    ctrlc::set_handler(|| {
        worker::end_all();
        // Held to the end: the bar must not come back when it is told of the workers' end.
        let mut error = std::io::stderr().lock();
        if error.is_terminal() {
            // Where a bar stood there is nothing now, and the cursor is seen.
            let _ = error.write_all(b"\r\x1b[K\x1b[?25h");
        }
        if let Some(words) = LAST_WORDS.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = writeln!(error, "{words}");
        }
        std::process::exit(130);
    })?;
    Ok(())
}
