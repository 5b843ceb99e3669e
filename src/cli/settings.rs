//! What every command needs to know: the course, and how to write.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::args::Global;
use super::exit::{BrokenCourse, Usage};
use super::terminal::Terminal;
use crate::course::{COURSE_FILE, Course, CourseExercise};
use crate::model::Diagnostic;

/// The settings of a run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to write, and how.
    pub terminal: Terminal,
    course: Option<PathBuf>,
}

impl Settings {
    /// What the command line says.
    pub fn new(global: &Global) -> Self {
        Self { terminal: Terminal::new(global), course: global.course.clone() }
    }

    /// Finds the course and reads it.
    ///
    /// # Errors
    /// [`BrokenCourse`] with every mistake in its files, or that there is none here; what the kernel says where the
    /// current folder is gone.
    pub fn course(&self) -> anyhow::Result<Course> {
        let dir = match &self.course {
            Some(dir) if dir.join(COURSE_FILE).is_file() => dir.clone(),
            Some(dir) => {
                let message = format!("there is no {COURSE_FILE} in {}", dir.display());
                let help = "--course names the folder of a course";
                return Err(BrokenCourse(vec![Diagnostic::of_file(COURSE_FILE, message).help(help)]).into());
            }
            None => {
                let here = std::env::current_dir().context("failed to find the current folder")?;
                let nowhere = || {
                    let message = format!("there is no {COURSE_FILE} here or in any folder above");
                    let help = "go to the course's folder, or name it: --course DIR";
                    BrokenCourse(vec![Diagnostic::of_file(COURSE_FILE, message).help(help)])
                };
                Course::around(&here).map(|dir| relative(&dir, &here)).ok_or_else(nowhere)?
            }
        };
        Course::load(&dir).map_err(|mistakes| BrokenCourse(mistakes).into())
    }
}

/// The folder as a person at `here` would write it, so that paths in reports are short and can be copied.
fn relative(dir: &Path, here: &Path) -> PathBuf {
    match here.strip_prefix(dir) {
        Ok(below) if below.as_os_str().is_empty() => PathBuf::from("."),
        Ok(below) => below.components().map(|_| "..").collect(),
        Err(_) => dir.to_owned(),
    }
}

/// A path as a person would write it: without a leading `./`, and without going up and down the same folder.
pub fn shown(path: &Path) -> String {
    let below = std::env::current_dir().ok().and_then(|here| below(path, &here));
    below.as_deref().unwrap_or(path.strip_prefix(".").unwrap_or(path)).display().to_string()
}

/// A path that begins with `..` and comes back to `here` again, as it stands from there.
fn below(path: &Path, here: &Path) -> Option<PathBuf> {
    let (mut base, mut rest) = (here.to_owned(), path);
    while let Ok(up) = rest.strip_prefix("..") {
        base.pop();
        rest = up;
    }
    let below = base.join(rest).strip_prefix(here).ok()?.to_owned();
    (path.starts_with("..") && !below.as_os_str().is_empty()).then_some(below)
}

/// The named exercises in the course's order, each once; all of them where none is named.
///
/// # Errors
/// A name that no exercise has, with the nearest ones.
pub fn exercises<'c>(course: &'c Course, names: &[String]) -> anyhow::Result<Vec<&'c CourseExercise>> {
    let named = names.iter().map(|name| course.find(name)).collect::<Result<Vec<_>, _>>()?;
    let wanted = |exercise: &&CourseExercise| named.is_empty() || named.iter().any(|named| named.id() == exercise.id());
    Ok(course.exercises.iter().filter(wanted).collect())
}

/// A folder that must be there.
///
/// # Errors
/// A [`Usage`] that names it.
pub fn existing_folder(path: &Path, what: &str) -> anyhow::Result<()> {
    let message = match path.metadata() {
        Ok(metadata) if metadata.is_dir() => return Ok(()),
        Ok(_) => format!("{} is a file, where {what} should be", path.display()),
        Err(error) => format!("{what} cannot be opened: {}: {error}", path.display()),
    };
    Err(Usage(message).into())
}

/// A file that must be there.
///
/// # Errors
/// A [`Usage`] that names it.
pub fn existing_file(path: &Path, what: &str) -> anyhow::Result<()> {
    let message = match path.metadata() {
        Ok(metadata) if !metadata.is_dir() => return Ok(()),
        Ok(_) => format!("{} is a folder, where {what} should be", path.display()),
        Err(error) => format!("{what} cannot be opened: {}: {error}", path.display()),
    };
    Err(Usage(message).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_goes_up_only_where_it_must() {
        let below = |path: &str| below(Path::new(path), Path::new("/course/exercises/02_pipes"));
        assert_eq!(below("../../exercises/02_pipes/one_line/README.md"), Some("one_line/README.md".into()));
        assert_eq!(below("../../exercises/01_processes/README.md"), None);
        assert_eq!(below("../../exercises/02_pipes"), None);
        assert_eq!(below("exercises/02_pipes"), None);
    }
}
