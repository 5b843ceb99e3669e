//! The picture of a run: processes side by side, with arrows for what flows between them.
//!
//! ```text
//! main                              main.1
//! make main.pipe1
//! fork main.1 --------------------> begins
//! write main.pipe1 "kettle\n" ----> read main.pipe1 "kettle\n"
//! reaped main.1: exit 0 <---------- exit 0
//! ```
//!
//! A row shows one step, and on its right or left what came of it in another process. What has no room for an arrow
//! says in words where it comes from. More processes than fit side by side stand one below the other, with numbered steps.

mod steps;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use self::steps::{Step, Steps, steps};
use super::style::escape;
use crate::trace::{RunEnd, Trace};

/// More lanes than these do not fit side by side.
const MOST_LANES: usize = 4;
/// The least room for an arrow between two lanes.
const GAP: usize = 5;

/// What arrows are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Glyphs {
    /// Lines and triangles.
    Unicode,
    /// Dashes and angle brackets.
    Ascii,
}

/// How wide the picture may be, and what it is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// In columns; 80 is usual. Below 40 it is taken for 40.
    pub width: usize,
    /// What arrows are made of.
    pub glyphs: Glyphs,
}

impl Default for Layout {
    fn default() -> Self {
        Self { width: 80, glyphs: Glyphs::Ascii }
    }
}

/// The picture of a trace. Lines end in a line feed and have no blanks at their ends.
pub fn lanes(trace: &Trace, layout: Layout) -> String {
    let layout = Layout { width: layout.width.max(40), ..layout };
    let steps = steps(trace);
    let mut text = match steps.lanes.len() {
        0 => String::new(),
        1..=MOST_LANES => side_by_side(&steps, layout),
        _ => stacked(&steps, layout),
    };
    for line in stuck(trace) {
        text.push_str(&format!("{}\n", escape(&line, false)));
    }
    if let Some(end) = end(trace) {
        text.push('\n');
        for line in wrap(&end, layout.width) {
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}

/// Where in its source each process waits, where that is known.
fn stuck(trace: &Trace) -> Vec<String> {
    let (RunEnd::Deadlock { waits } | RunEnd::AllBlocked { waits }) = &trace.end else { return Vec::new() };
    let told = waits.iter().filter_map(|wait| {
        let site = wait.site.as_ref()?;
        let (name, call) = (&trace.life(wait.life).name, &wait.call);
        Some(format!("{name} waits in {call}: {}:{}:{}", site.file, site.line, site.column))
    });
    told.collect()
}

/// How the run ended, where it did not end by itself.
fn end(trace: &Trace) -> Option<String> {
    match &trace.end {
        RunEnd::Finished => None,
        RunEnd::Deadlock { .. } => Some("Deadlock: nothing is left that could wake any of them.".to_owned()),
        RunEnd::AllBlocked { .. } => Some("All wait; only something outside the run could wake them.".to_owned()),
        RunEnd::Limit { limit, figure, life, .. } => {
            let life = life.map(|life| format!(", in {}", trace.life(life).name)).unwrap_or_default();
            Some(format!("Ended at a limit: {limit}, {figure}{life}."))
        }
    }
}

/// A row of the picture: for each lane the step that stands there, and the arrow.
#[derive(Debug, Clone)]
struct Row {
    cells: Vec<Option<String>>,
    /// From which lane to which.
    arrow: Option<(usize, usize)>,
}

fn side_by_side(picture: &Steps, layout: Layout) -> String {
    let count = picture.lanes.len();
    let column = (layout.width - GAP * (count - 1)) / count;
    let heads = Row { cells: picture.lanes.iter().cloned().map(Some).collect(), arrow: None };
    let mut text = String::new();
    for row in std::iter::once(heads).chain(rows(picture)) {
        draw(&mut text, &row, column, layout.glyphs);
    }
    text
}

/// Lays the steps out: a step stands beside its cause where there is room, else in a row of its own.
fn rows(picture: &Steps) -> Vec<Row> {
    let count = picture.lanes.len();
    let mut rows: Vec<Row> = Vec::new();
    let mut row_of: Vec<usize> = Vec::with_capacity(picture.steps.len());
    // For each lane the first row that is free to the end.
    let mut free = vec![0; count];
    // The first row of those that are stuck.
    let mut stuck_from = usize::MAX;
    for step in &picture.steps {
        if step.stuck
            && let Some((row, last)) = rows.iter_mut().enumerate().next_back().filter(|(row, _)| stuck_from <= *row)
            && last.cells[step.lane].is_none()
        {
            last.cells[step.lane] = Some(step.text.clone());
            row_of.push(row);
            continue;
        }
        let causes: Vec<usize> = step.from.iter().map(|cause| row_of[*cause]).collect();
        // The latest cause is the nearest row, and the others stand above it.
        let beside = step.from.iter().copied().max_by_key(|cause| row_of[*cause]).filter(|cause| {
            let (row, lane) = (row_of[*cause], picture.steps[*cause].lane);
            free[step.lane] <= row && rows[row].arrow.is_none() && {
                let (low, high) = (lane.min(step.lane), lane.max(step.lane));
                rows[row].cells[low + 1..high].iter().all(Option::is_none)
            }
        });
        let row = match beside {
            Some(cause) => {
                let row = row_of[cause];
                rows[row].cells[step.lane] = Some(step.text.clone());
                rows[row].arrow = Some((picture.steps[cause].lane, step.lane));
                row
            }
            None => {
                let mut cells = vec![None; count];
                cells[step.lane] = Some(told(picture, step, &causes));
                rows.push(Row { cells, arrow: None });
                rows.len() - 1
            }
        };
        free[step.lane] = row + 1;
        if step.stuck {
            stuck_from = stuck_from.min(row);
        }
        row_of.push(row);
    }
    rows
}

/// A step that has no arrow says in words where it comes from.
fn told(picture: &Steps, step: &Step, causes: &[usize]) -> String {
    match causes.is_empty() {
        true => step.text.clone(),
        false => format!("{} (from {})", step.text, sources(picture, step).join(", ")),
    }
}

fn sources(picture: &Steps, step: &Step) -> Vec<String> {
    let mut lanes: Vec<usize> = step.from.iter().map(|cause| picture.steps[*cause].lane).collect();
    lanes.sort_unstable();
    lanes.dedup();
    lanes.into_iter().map(|lane| picture.lanes[lane].clone()).collect()
}

/// Draws a row, on as many lines as its longest cell needs; the arrow is on the first.
fn draw(text: &mut String, row: &Row, column: usize, glyphs: Glyphs) {
    let cells: Vec<Vec<String>> =
        row.cells.iter().map(|cell| cell.as_deref().map(|cell| wrap(cell, column)).unwrap_or_default()).collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    for line in 0..height {
        let mut drawn = String::new();
        for (lane, cell) in cells.iter().enumerate() {
            let start = lane * (column + GAP);
            if let Some(part) = cell.get(line) {
                let fill = start.saturating_sub(drawn.width());
                let reached = row.arrow.filter(|(from, to)| line == 0 && *from.max(to) == lane);
                match reached {
                    Some((from, to)) => drawn.push_str(&arrow(fill, from < to, glyphs)),
                    None => drawn.push_str(&" ".repeat(fill)),
                }
                drawn.push_str(part);
            }
        }
        text.push_str(drawn.trim_end());
        text.push('\n');
    }
}

/// An arrow that fills so many columns, blanks at its ends included.
fn arrow(fill: usize, rightwards: bool, glyphs: Glyphs) -> String {
    let (line, left, right) = match glyphs {
        Glyphs::Unicode => ("─", "◀", "▶"),
        Glyphs::Ascii => ("-", "<", ">"),
    };
    let shaft = line.repeat(fill.saturating_sub(3));
    if rightwards { format!(" {shaft}{right} ") } else { format!(" {left}{shaft} ") }
}

fn stacked(picture: &Steps, layout: Layout) -> String {
    let digits = picture.steps.len().to_string().len();
    let mut text = String::new();
    for (lane, name) in picture.lanes.iter().enumerate() {
        if lane > 0 {
            text.push('\n');
        }
        text.push_str(name);
        text.push('\n');
        for (index, step) in picture.steps.iter().enumerate().filter(|(_, step)| step.lane == lane) {
            let from = match step.from.as_slice() {
                [] => String::new(),
                causes => {
                    let causes = causes.iter().map(|c| format!("{} {}", picture.lanes[picture.steps[*c].lane], c + 1));
                    format!(" (from {})", causes.collect::<Vec<_>>().join(", "))
                }
            };
            let indent = digits + 4;
            for (line, part) in wrap(&format!("{}{from}", step.text), layout.width - indent).into_iter().enumerate() {
                let number = if line == 0 { format!("{:>digits$}", index + 1) } else { " ".repeat(digits) };
                text.push_str(&format!("  {number}  {part}\n"));
            }
        }
    }
    text
}

/// Cuts a text into lines of at most so many columns, at blanks where there are any.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_inclusive(' ') {
        let mut rest = word;
        while !rest.is_empty() {
            let line = lines.last_mut().expect("there is always a line");
            if line.width() + rest.trim_end().width() <= width {
                line.push_str(rest);
                break;
            }
            if line.trim().is_empty() {
                let cut = cut_at(rest, width.saturating_sub(line.width()));
                line.push_str(&rest[..cut]);
                rest = &rest[cut..];
            }
            lines.push("  ".to_owned());
        }
    }
    lines.into_iter().map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect()
}

/// How many bytes of a text fill at most so many columns, one character at least.
fn cut_at(text: &str, width: usize) -> usize {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > width && at > 0 {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests;
