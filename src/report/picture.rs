//! The picture of a run: a column for each process, arrows for what flows from one to another.
//!
//! Rows stand as high as they can, a child's below its fork: beside one another says nothing about time, only an arrow
//! does. Where columns would not fit, the same is told as numbered sentences.

use std::collections::BTreeSet;

use super::Style;
use super::style::{Tone, escape, width, wrap};
use crate::judge::matching::{LaneStep, Mark};

/// More rows than this are no picture; what is around the first divergence is kept.
const ROWS: usize = 18;
/// How many rows are kept before the first divergence.
const BEFORE: usize = 12;
/// Rounds of more rows than this are not recognised.
const LONGEST_ROUND: usize = 6;
/// Spaces before the first column.
const INDENT: usize = 3;
/// What an arrow needs at least: `  ->  `.
const ARROW: usize = 6;

/// The picture's lines; none for a run of no rows.
pub(super) fn lanes(rows: &[LaneStep], style: &Style) -> Vec<String> {
    let (rows, before, after) = window(rows);
    if rows.is_empty() {
        return Vec::new();
    }
    let mut lines = Vec::new();
    let steps = |count: usize| if count == 1 { "1 step".to_owned() } else { format!("{count} steps") };
    lines.extend((before > 0).then(|| format!("   ({} before, all as expected)", steps(before))));
    lines.extend(columns(&rows, style).unwrap_or_else(|| sentences(&rows, style)));
    lines.extend((after > 0).then(|| format!("   ({} after)", steps(after))));
    lines
}

/// The rows that are shown, and how many are not before and after them.
fn window(rows: &[LaneStep]) -> (Vec<LaneStep>, usize, usize) {
    // A lane that is stuck ends there: all that comes later is missing, and need not be told row by row.
    let stuck: BTreeSet<&str> =
        rows.iter().filter(|row| row.mark == Mark::Stuck).map(|row| row.lane.as_str()).collect();
    let mut kept: Vec<usize> = (0..rows.len())
        .filter(|index| rows[*index].mark != Mark::Missing || !stuck.contains(rows[*index].lane.as_str()))
        .collect();
    if kept.len() > ROWS {
        let led_to: BTreeSet<usize> = rows.iter().filter_map(|row| row.from).collect();
        let linked = |index: usize| rows[index].from.is_some() || led_to.contains(&index);
        kept.retain(|index| rows[*index].mark != Mark::Free || linked(*index));
    }
    let mut kept = if kept.len() > ROWS { fold(rows, &kept) } else { kept.into_iter().map(Kept::Row).collect() };
    let (mut before, mut after) = (0, 0);
    if kept.len() > ROWS {
        let bad = |kept: &Kept| matches!(kept, Kept::Row(index) if !is_fine(&rows[*index]));
        let first = kept.iter().position(bad).unwrap_or(0);
        let start = first.saturating_sub(BEFORE).min(kept.len() - ROWS);
        let steps = |kept: &[Kept]| kept.iter().map(Kept::steps).sum();
        (before, after) = (steps(&kept[..start]), steps(&kept[start + ROWS..]));
        kept = kept[start..start + ROWS].to_vec();
    }
    let row = |one: &Kept| match one {
        Kept::Row(index) => {
            let place = |from| kept.iter().position(|other| *other == Kept::Row(from));
            LaneStep { from: rows[*index].from.and_then(place), ..rows[*index].clone() }
        }
        Kept::Alike { first, rounds, period } => {
            let (lane, what) = (rows[*first].lane.clone(), if *period == 1 { "" } else { " rounds" });
            LaneStep { lane, text: format!("({rounds} more{what} like this)"), from: None, mark: Mark::Free }
        }
    };
    (kept.iter().map(row).collect(), before, after)
}

fn is_fine(row: &LaneStep) -> bool {
    matches!(row.mark, Mark::Expected | Mark::Free)
}

/// What is shown of a run that is too long to be shown whole.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kept {
    /// A row, by its index.
    Row(usize),
    /// In place of rounds that are like the one before them, each of so many rows.
    Alike { first: usize, rounds: usize, period: usize },
}

impl Kept {
    /// How many rows it stands for.
    fn steps(&self) -> usize {
        match self {
            Self::Row(_) => 1,
            Self::Alike { rounds, period, .. } => rounds * period,
        }
    }
}

/// Rounds that differ in their data alone: the first and the last of many remain.
fn fold(rows: &[LaneStep], kept: &[usize]) -> Vec<Kept> {
    // What of a row is the same in each round: all but its data, which stand in quotes.
    let likeness = |index: usize| {
        let row = &rows[index];
        is_fine(row).then(|| (&row.lane, row.text.split('"').next(), row.text.contains('"'), row.mark))
    };
    let alike = |a: usize, b: usize| likeness(kept[a]).is_some_and(|of_a| Some(of_a) == likeness(kept[b]));
    let mut folded = Vec::new();
    let mut at = 0;
    while at < kept.len() {
        let rounds = |period: usize| {
            let same = (at + period..kept.len()).take_while(|next| alike(next - period, *next)).count();
            same / period + 1
        };
        let best = (1..=LONGEST_ROUND).map(|period| (rounds(period), period)).max_by_key(|(rounds, period)| {
            // Of rounds that are rounds of shorter ones the shorter ones are meant.
            (rounds.saturating_sub(3) * period, std::cmp::Reverse(*period))
        });
        match best {
            Some((rounds @ 4.., period)) => {
                folded.extend(kept[at..at + period].iter().copied().map(Kept::Row));
                folded.push(Kept::Alike { first: kept[at], rounds: rounds - 2, period });
                at += (rounds - 1) * period;
                folded.extend(kept[at..at + period].iter().copied().map(Kept::Row));
                at += period;
            }
            _ => {
                folded.push(Kept::Row(kept[at]));
                at += 1;
            }
        }
    }
    folded
}

/// What a row says, with its mark in words.
fn words(row: &LaneStep) -> String {
    let text = escape(&row.text, false);
    match row.mark {
        Mark::Expected | Mark::Free => text,
        Mark::Missing => format!("missing: {text}"),
        Mark::Surplus => format!("not expected: {text}"),
        Mark::Wrong => format!("differs: {text}"),
        Mark::Early => format!("too early: {text}"),
        Mark::Stuck if text.contains("stuck") => text,
        Mark::Stuck => format!("{text}: stuck"),
    }
}

fn tone(mark: Mark) -> Option<Tone> {
    match mark {
        Mark::Expected | Mark::Free => None,
        Mark::Missing => Some(Tone::Open),
        Mark::Surplus | Mark::Wrong | Mark::Early | Mark::Stuck => Some(Tone::Bad),
    }
}

/// A row's place: its column and line, and the column that an arrow comes from.
#[derive(Debug, Clone)]
struct Cell {
    column: usize,
    line: usize,
    arrow: Option<usize>,
    text: String,
    mark: Mark,
}

/// Gives each row a line: as high as its lane and its cause allow, on its cause's own line where that is free.
fn place(rows: &[LaneStep], lanes: &[&str]) -> Vec<Cell> {
    let mut grid = Grid { cells: Vec::with_capacity(rows.len()), next: vec![0; lanes.len()] };
    for row in rows {
        let column = lanes.iter().position(|lane| *lane == row.lane).unwrap_or(0);
        let mut cell = Cell { column, line: grid.next[column], arrow: None, text: words(row), mark: row.mark };
        if cell.line == 0
            && let Some(fork) = grid.cells.iter().find(|cell| cell.text == format!("fork {}", row.lane))
        {
            cell.line = fork.line + 1;
        }
        if let Some(from) = row.from.filter(|from| *from < grid.cells.len() && grid.cells[*from].column != column) {
            grid.bring_down(from, cell.line);
            let source = &grid.cells[from];
            cell.line = cell.line.max(source.line);
            if cell.line == source.line && !grid.crossed(cell.line, source.column, column) {
                cell.arrow = Some(source.column);
            } else {
                cell.text = format!("{} (from {})", cell.text, escape(lanes[source.column], false));
            }
        }
        while grid.under_arrow(cell.line, column) {
            cell.line += 1;
        }
        grid.next[column] = cell.line + 1;
        grid.cells.push(cell);
    }
    grid.cells
}

/// The cells so far, and the first free line of each column.
struct Grid {
    cells: Vec<Cell>,
    next: Vec<usize>,
}

impl Grid {
    /// Moves a cell down to a line, where nothing stands below it and nothing else hangs on it: then an arrow can go
    /// straight across.
    fn bring_down(&mut self, from: usize, line: usize) {
        let Cell { column, line: now, arrow, .. } = self.cells[from];
        let last = self.next[column] == now + 1;
        let bare = arrow.is_none() && !self.cells.iter().any(|cell| cell.line == now && cell.arrow == Some(column));
        if line > now && last && bare && !self.under_arrow(line, column) {
            self.cells[from].line = line;
            self.next[column] = line + 1;
        }
    }

    /// Whether an arrow of this line goes over a column.
    fn under_arrow(&self, line: usize, column: usize) -> bool {
        let over = |from: usize, to: usize| (from.min(to) + 1..from.max(to)).contains(&column);
        self.cells.iter().any(|cell| cell.line == line && cell.arrow.is_some_and(|from| over(from, cell.column)))
    }

    /// Whether something of this line is in the way of an arrow between two columns.
    fn crossed(&self, line: usize, from: usize, to: usize) -> bool {
        let (left, right) = (from.min(to), from.max(to));
        let between = |cell: &Cell| (left + 1..right).contains(&cell.column);
        let overlaps = |cell: &Cell| {
            cell.arrow.is_some_and(|other| other.min(cell.column) < right && left < other.max(cell.column))
        };
        self.cells.iter().any(|cell| cell.line == line && (between(cell) || overlaps(cell)))
    }
}

/// The rows in columns, or `None` where they would be too wide.
fn columns(rows: &[LaneStep], style: &Style) -> Option<Vec<String>> {
    let mut lanes: Vec<&str> = Vec::new();
    for row in rows {
        if !lanes.contains(&row.lane.as_str()) {
            lanes.push(&row.lane);
        }
    }
    let cells = place(rows, &lanes);
    let widest = |column: usize| {
        let texts = cells.iter().filter(|cell| cell.column == column).map(|cell| width(&cell.text));
        texts.max().unwrap_or(0).max(width(&escape(lanes[column], false)))
    };
    let widths: Vec<usize> = (0..lanes.len()).map(widest).collect();
    let (last, others) = widths.split_last()?;
    let fits = |pitch: &dyn Fn(usize) -> usize| {
        let starts = others.iter().map(|width| pitch(*width)).scan(INDENT, |at, pitch| {
            *at += pitch;
            Some(*at)
        });
        let starts: Vec<usize> = std::iter::once(INDENT).chain(starts).collect();
        (starts.last().unwrap_or(&0) + last <= style.width).then_some(starts)
    };
    let starts = fits(&|width| (width + ARROW + 2).max(30))
        .or_else(|| fits(&|width| width + ARROW + 2))
        .or_else(|| fits(&|width| width + ARROW))?;
    let mut lines =
        vec![line(lanes.iter().enumerate().map(|(column, lane)| (starts[column], escape(lane, false), None)), style)];
    for number in 0..=cells.iter().map(|cell| cell.line).max()? {
        let mut here: Vec<&Cell> = cells.iter().filter(|cell| cell.line == number).collect();
        here.sort_by_key(|cell| cell.column);
        let mut pieces: Vec<(usize, String, Option<Tone>)> = Vec::new();
        for cell in &here {
            pieces.push((starts[cell.column], cell.text.clone(), tone(cell.mark)));
            if let Some(from) = cell.arrow {
                let (left, right) = (from.min(cell.column), from.max(cell.column));
                let end = here.iter().find(|other| other.column == left).map_or(0, |other| width(&other.text));
                let (at, until) = (starts[left] + end + 2, starts[right] - 2);
                let shaft = "-".repeat(until - at - 1);
                pieces.push((at, if from == left { format!("{shaft}>") } else { format!("<{shaft}") }, None));
            }
        }
        lines.push(line(pieces, style));
    }
    Some(lines)
}

/// A line of pieces, each at its column.
fn line(pieces: impl IntoIterator<Item = (usize, String, Option<Tone>)>, style: &Style) -> String {
    let mut pieces: Vec<_> = pieces.into_iter().collect();
    pieces.sort_by_key(|(at, ..)| *at);
    let (mut line, mut used) = (String::new(), 0);
    for (at, text, tone) in pieces {
        line.push_str(&" ".repeat(at.saturating_sub(used)));
        used = used.max(at) + width(&text);
        line.push_str(&tone.map_or(text.clone(), |tone| style.paint(&text, tone)));
    }
    line.trim_end().to_owned()
}

/// The rows as numbered sentences.
fn sentences(rows: &[LaneStep], style: &Style) -> Vec<String> {
    let mut lines = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let from = row.from.filter(|from| rows[*from].lane != row.lane);
        let from = from.map_or_else(String::new, |from| format!(" (from {})", from + 1));
        let text = format!("{}: {}{from}", escape(&row.lane, false), words(row));
        for (part, text) in wrap(&text, style.width.saturating_sub(INDENT + 4)).into_iter().enumerate() {
            let number = if part == 0 { format!("{:>3}. ", index + 1) } else { " ".repeat(5) };
            let text = tone(row.mark).map_or(text.clone(), |tone| style.paint(&text, tone));
            lines.push(format!("  {number}{text}"));
        }
    }
    lines
}
