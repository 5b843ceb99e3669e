//! `ipc-grade hint`: from gentle to plain, or the special one for a cause.

use super::args::HintArgs;
use super::exit::{Exit, Usage};
use super::settings::{Settings, shown};
use crate::course::CourseExercise;
use crate::report::style::{Tone, wrap};

/// Shows one hint.
///
/// # Errors
/// Those of [`Settings::course`]; an unknown exercise; a cause that the exercise has no hint for.
pub fn run(args: &HintArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let course = settings.course()?;
    let exercise = course.find(&args.exercise)?;
    let (title, hint) = match &args.cause {
        Some(cause) => special(exercise, cause)?,
        None => general(exercise, args.level)?,
    };
    let style = settings.terminal.style;
    let mut text = format!("{}, {title}\n\n", style.paint(exercise.name(), Tone::Strong));
    for line in hint.lines() {
        // A program keeps its indentation.
        let words = line.trim_start();
        let indent = &line[..line.len() - words.len()];
        for part in wrap(words, style.width.saturating_sub(indent.len())) {
            text.push_str(&format!("{}\n", format!("{indent}{part}").trim_end()));
        }
    }
    let count = exercise.exercise.hints.len();
    let more = match args.cause.as_deref() {
        None if usize::from(args.level) < count => {
            format!("Plainer: ipc-grade hint {} --level {}", exercise.name(), args.level + 1)
        }
        None => format!("The lesson: {}", shown(&exercise.dir.join("README.md"))),
        Some(_) => format!("General hints: ipc-grade hint {}", exercise.name()),
    };
    text.push_str(&format!("\n{}\n", more));
    settings.terminal.print(&text)?;
    Ok(Exit::Passed)
}

fn general(exercise: &CourseExercise, level: u8) -> anyhow::Result<(String, &str)> {
    let hints = &exercise.exercise.hints;
    let hint = hints.get(usize::from(level.saturating_sub(1)));
    let hint = hint.ok_or_else(|| Usage(format!("`{}` has {} hints", exercise.name(), hints.len())))?;
    Ok((format!("hint {level} of {}", hints.len()), hint))
}

fn special<'e>(exercise: &'e CourseExercise, cause: &str) -> anyhow::Result<(String, &'e str)> {
    let hints = &exercise.exercise.hints_for;
    let found = hints.iter().find(|(key, _)| key.eq_ignore_ascii_case(cause));
    let nothing = || {
        let keys: Vec<&str> = hints.keys().map(String::as_str).collect();
        let there = if keys.is_empty() {
            "there are none".to_owned()
        } else {
            format!("there are some for {}", keys.join(", "))
        };
        Usage(format!("`{}` has no special hint for `{cause}`; {there}", exercise.name()))
    };
    Ok(found.map(|(key, hint)| (format!("hint for {key}"), hint.as_str())).ok_or_else(nothing)?)
}
