//! How the program ends, and whose fault an error is.

use std::process::ExitCode;

use crate::course::Unknown;
use crate::model::Diagnostic;
use crate::report::Status;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Exit {
    /// All passed, or the command did what it was asked.
    Passed,
    /// Something was graded and did not pass.
    Failed,
    /// The command line makes no sense.
    Usage,
    /// A file of the course has a mistake.
    Course,
    /// The grader or the machine failed.
    Machine,
    /// Ended by Ctrl-C.
    Interrupted,
}

impl Exit {
    /// The exit of a command that graded.
    pub fn of(status: Status) -> Self {
        match status {
            Status::Pass => Self::Passed,
            Status::Fail | Status::Skipped | Status::Unexamined => Self::Failed,
            Status::Error => Self::Machine,
        }
    }

    /// The exit of a command that failed: by whose fault it is.
    pub fn of_error(error: &anyhow::Error) -> Self {
        if error.is::<Usage>() || error.is::<Unknown>() {
            Self::Usage
        } else if error.is::<BrokenCourse>() {
            Self::Course
        } else if error.is::<Interrupted>() {
            Self::Interrupted
        } else {
            Self::Machine
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Passed => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Course => 3,
            Exit::Machine => 4,
            Exit::Interrupted => 130,
        })
    }
}

/// The command line makes no sense, in a way that only the course or the disk shows.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Ctrl-C; everything that was started has been ended.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// Files of the course have mistakes.
#[derive(Debug, thiserror::Error)]
#[error("{}", listed(.0))]
pub struct BrokenCourse(pub Vec<Diagnostic>);

fn listed(mistakes: &[Diagnostic]) -> String {
    let mut text = mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\nerror: ");
    if mistakes.len() > 1 {
        text.push_str(&format!("\n\nThe course has {} mistakes.", mistakes.len()));
    }
    text
}
