//! The report as a person reads it on a terminal.

use super::style::Tone;
use super::{ExerciseReport, Report, Status, Style, block, table};

/// How much of a report is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// The table, then the first exercise that is not passed.
    First,
    /// The table, then every exercise.
    All,
}

/// The whole report: a table where there are several exercises, then what to look at.
pub fn render(report: &Report, detail: Detail, style: &Style) -> String {
    let mut text = String::new();
    if let [only] = report.exercises.as_slice() {
        text.push_str(&exercise(only, style));
    } else {
        text.push_str(&table::summary(report, style));
        text.push('\n');
        let done = report.exercises.iter().filter(|exercise| exercise.status == Status::Pass).count();
        let count = report.exercises.len();
        text.push_str(&format!("{done} of {count} done, {} of {} points.\n", report.points, report.max_points));
        let shown: Vec<&ExerciseReport> = match detail {
            Detail::All => report.exercises.iter().collect(),
            Detail::First => first(report).into_iter().collect(),
        };
        for exercise in shown {
            text.push('\n');
            text.push_str(&block::exercise(exercise, style));
        }
        if report.status() == Status::Pass && count > 0 {
            text.push_str(&style.paint("All of it passes.\n", Tone::Good));
        }
    }
    style.plain(text)
}

/// One exercise: its line, then what was found or what passed.
pub fn exercise(report: &ExerciseReport, style: &Style) -> String {
    style.plain(block::exercise(report, style))
}

/// What to look at first: a failure of somebody's own work, else the next exercise to start, else what went wrong here.
fn first(report: &Report) -> Option<&ExerciseReport> {
    let find = |wanted: fn(&ExerciseReport) -> bool| report.exercises.iter().find(|exercise| wanted(exercise));
    find(|exercise| exercise.status == Status::Fail && !exercise.untouched)
        .or_else(|| find(|exercise| exercise.status == Status::Fail))
        .or_else(|| find(|exercise| exercise.status == Status::Error))
}
