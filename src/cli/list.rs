//! `ipc-grade list`: the course at a glance.

use super::exit::Exit;
use super::settings::Settings;
use crate::model::Track;
use crate::report::style::{Tone, wrap};

/// Lists the exercises by chapter.
///
/// # Errors
/// Those of [`Settings::course`].
pub fn run(settings: &Settings) -> anyhow::Result<Exit> {
    let course = settings.course()?;
    let style = settings.terminal.style;
    let width = course.exercises.iter().map(|exercise| exercise.name().len()).max().unwrap_or(0);
    let mut text = format!("{}\n", course.title);
    for chapter in &course.chapters {
        text.push_str(&format!("\n{}\n", style.paint(&chapter.title, Tone::Strong)));
        for exercise in course.exercises.iter().filter(|exercise| exercise.id().chapter() == chapter.id) {
            let extra = if exercise.exercise.track == Track::Extra { " (extra)" } else { "" };
            let (name, points) = (exercise.name(), exercise.exercise.max_points());
            let mut before = format!("  {name:width$}  {points:>2} points  ");
            let room = style.width.saturating_sub(before.len()).max(1);
            for part in wrap(&format!("{}{extra}", exercise.exercise.title), room) {
                text.push_str(&format!("{before}{part}\n"));
                before = " ".repeat(before.len());
            }
        }
    }
    let points: u32 = course.exercises.iter().map(|exercise| exercise.exercise.max_points()).sum();
    let count = course.exercises.len();
    let exercises = if count == 1 { "exercise" } else { "exercises" };
    text.push('\n');
    for part in wrap(&format!("{count} {exercises}, {points} points. Grade one: ipc-grade check NAME"), style.width) {
        text.push_str(&format!("{part}\n"));
    }
    settings.terminal.print(&text)?;
    Ok(Exit::Passed)
}
