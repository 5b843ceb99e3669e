//! The table of a report with several exercises.

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table};

use super::style::{Tone, escape};
use super::{ExerciseReport, Report, Status, Style};

/// A row for each exercise: name, what came of it, points, the cause.
pub(super) fn summary(report: &Report, style: &Style) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(u16::try_from(style.width).unwrap_or(80));
    if style.colour {
        table.enforce_styling()
    } else {
        table.force_no_tty()
    };
    table.set_header(["exercise", "", "points", "first cause"]);
    for exercise in &report.exercises {
        let (_, tone) = standing(exercise);
        let cause = match (exercise.cause(), &exercise.problem) {
            (_, Some(problem)) => escape(problem, false),
            (Some(cause), None) if !exercise.untouched => format!("{} {}", cause.code, escape(&cause.message, false)),
            _ => String::new(),
        };
        table.add_row([
            Cell::new(exercise.id.name()),
            painted(Cell::new(worded(exercise, style)), tone, style),
            Cell::new(format!("{}/{}", exercise.points, exercise.max_points)).set_alignment(CellAlignment::Right),
            Cell::new(cause),
        ]);
    }
    table.trim_fmt()
}

/// What came of an exercise, in the words of reports.
pub(super) fn standing(exercise: &ExerciseReport) -> (&'static str, Tone) {
    match exercise.status {
        Status::Pass => ("PASS", Tone::Good),
        Status::Fail if exercise.untouched => ("NOT STARTED", Tone::Note),
        Status::Fail => ("NOT YET", Tone::Open),
        Status::Skipped => ("SKIPPED", Tone::Note),
        Status::Unexamined => ("NOT EXAMINED", Tone::Open),
        Status::Error => ("NOT GRADED", Tone::Bad),
    }
}

/// The words with a symbol before them, for the eye that runs down the table.
fn worded(exercise: &ExerciseReport, style: &Style) -> String {
    let (words, _) = standing(exercise);
    let (symbol, ascii) = match words {
        "PASS" => ('✓', '+'),
        "NOT YET" => ('✗', 'x'),
        "NOT GRADED" => ('!', '!'),
        _ => ('·', '.'),
    };
    format!("{} {words}", if style.ascii { ascii } else { symbol })
}

fn painted(cell: Cell, tone: Tone, style: &Style) -> Cell {
    if !style.colour {
        return cell;
    }
    let cell = cell.add_attribute(Attribute::Bold);
    match tone {
        Tone::Good => cell.fg(Color::Green),
        Tone::Bad => cell.fg(Color::Red),
        Tone::Open => cell.fg(Color::Yellow),
        Tone::Note => cell.fg(Color::Cyan),
        Tone::Strong => cell,
    }
}
