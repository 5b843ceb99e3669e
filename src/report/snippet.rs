//! The learner's lines with what is said of them, as a compiler shows them; within the width, whatever the lines hold.
//!
//! Libraries that draw such snippets let a long line or label run past the edge; here both are cut or wrapped, and what
//! a learner wrote goes through the same escaping as everywhere in the report.

use super::style::{Style, Tone, escape, width, wrap};
use super::{FindingReport, LabelReport, Severity};

/// Columns before a label that are shown of a line that is cut on its left.
const BEFORE: usize = 16;
/// What stands for a part that was cut.
const CUT: &str = "...";
/// A label narrower than this is moved to the left instead.
const NARROW: usize = 32;

/// The place, and the lines below it; nothing where no line is known.
pub(super) fn lines(finding: &FindingReport, style: &Style) -> Vec<String> {
    let shown: Vec<&LabelReport> = finding.labels.iter().filter(|label| label.source.is_some()).collect();
    let Some(first) = shown.iter().find(|label| label.primary).or(shown.first()) else { return Vec::new() };
    let tone = match finding.severity {
        Severity::Error => Tone::Bad,
        Severity::Advice => Tone::Note,
    };
    let digits = shown.iter().map(|label| label.line.to_string().len()).max().unwrap_or(1).max(2);
    let gutter = |number: &str| format!("{} ", style.paint(&format!("{number:>digits$} |"), Tone::Note));
    let mut files: Vec<&str> = vec![&first.file];
    for label in &shown {
        if !files.contains(&label.file.as_str()) {
            files.push(&label.file);
        }
    }
    let mut lines = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let mut here: Vec<&LabelReport> = shown.iter().copied().filter(|label| label.file == *file).collect();
        here.sort_by_key(|label| (label.line, label.column, !label.primary));
        if index > 0 {
            let arrow = format!("{:digits$}{}", "", style.paint(":::", Tone::Note));
            lines.push(format!("{arrow} {}:{}:{}", escape(file, false), here[0].line, here[0].column));
        }
        lines.push(gutter("").trim_end().to_owned());
        for group in here.chunk_by(|one, other| one.line == other.line) {
            let room = style.width.saturating_sub(digits + 3).max(NARROW);
            let drawn = Drawn::of(group, room, tone);
            lines.push(format!("{}{}", gutter(&group[0].line.to_string()), drawn.text).trim_end().to_owned());
            lines.extend(drawn.below(style).iter().map(|row| format!("{}{row}", gutter(""))));
        }
    }
    lines.push(gutter("").trim_end().to_owned());
    lines
}

/// A line of source and its labels, in columns of what is shown.
struct Drawn<'l> {
    text: String,
    /// From, to, and the label; from the left.
    marks: Vec<(usize, usize, &'l LabelReport)>,
    room: usize,
    tone: Tone,
}

impl<'l> Drawn<'l> {
    fn of(labels: &[&'l LabelReport], room: usize, tone: Tone) -> Self {
        let source = labels[0].source.as_deref().unwrap_or_default().trim_end();
        // For each character what is shown of it, and where that begins.
        let mut cells: Vec<(usize, String)> = Vec::new();
        let mut column = 0;
        for c in source.chars() {
            let cell = if c == '\t' { "    ".to_owned() } else { escape(c.encode_utf8(&mut [0; 4]), false) };
            let wide = width(&cell);
            cells.push((column, cell));
            column += wide;
        }
        let whole = column;
        let place =
            |character: usize| cells.get(character).map_or(whole + character.saturating_sub(cells.len()), |c| c.0);
        let mut marks: Vec<(usize, usize, &LabelReport)> = labels
            .iter()
            .map(|label| {
                let from = place((label.column as usize).saturating_sub(1));
                (from, place((label.end_column as usize).saturating_sub(1)).max(from + 1), *label)
            })
            .collect();
        // A line that is too long is cut, so that the mark which matters stays in sight.
        let matters = marks.iter().find(|mark| mark.2.primary).unwrap_or(&marks[0]);
        let from = match whole > room && matters.1 + CUT.len() > room {
            true => matters.0.saturating_sub(BEFORE).min(whole.saturating_sub(room - 2 * CUT.len())),
            false => 0,
        };
        let left = if from > 0 { CUT } else { "" };
        let fits = room - left.len();
        let to = if whole - from > fits { from + fits - CUT.len() } else { whole };
        let mut text = left.to_owned();
        let mut start = None;
        for (at, cell) in &cells {
            if *at >= from && at + width(cell) <= to {
                start.get_or_insert(*at);
                text.push_str(cell);
            }
        }
        let start = start.unwrap_or(from);
        text.push_str(if to < whole { CUT } else { "" });
        let edge = left.len() + (to - start);
        for (begin, end, _) in &mut marks {
            let shown = |column: usize| (left.len() + column.max(start) - start).min(edge);
            *begin = shown(*begin).min(room - 1);
            *end = shown(*end).clamp(*begin + 1, room.max(*begin + 1));
        }
        Self { text, marks, room, tone }
    }

    /// The rows under the line: the marks, then what they say, the last one first.
    fn below(&self, style: &Style) -> Vec<String> {
        let mut row = Row::default();
        for primary in [false, true] {
            for (begin, end, _) in self.marks.iter().filter(|mark| mark.2.primary == primary) {
                let (mark, tone) = if primary { ('^', self.tone) } else { ('-', Tone::Note) };
                row.put(*begin, &mark.to_string().repeat(end - begin), tone);
            }
        }
        // Two may stand in one place.
        let mut left: Vec<(usize, usize, &str, Tone)> = self
            .marks
            .iter()
            .filter(|(_, _, label)| !label.text.is_empty())
            .map(|(begin, end, label)| (*begin, *end, label.text.as_str(), self.tone_of(label)))
            .collect();
        left.sort_by_key(|(begin, ..)| *begin);
        let last = self.marks.iter().map(|mark| mark.1).max().unwrap_or(0);
        if let Some((_, end, text, tone)) = left.last().copied() {
            let text = escape(text, false);
            if end == last && end + 1 + width(&text) <= self.room {
                row.put(end + 1, &text, tone);
                left.pop();
            }
        }
        let mut rows = vec![row];
        while let Some((begin, _, text, tone)) = left.pop() {
            let mut bars = Row::default();
            for (column, _, _, tone) in &left {
                bars.put(*column, "|", *tone);
            }
            let mut above = bars.clone();
            above.put(begin, "|", tone);
            if rows.len() == 1 {
                rows.push(above);
            }
            let text = escape(text, false);
            let fits = begin + width(&text) <= self.room || self.room - begin >= NARROW;
            let column = if fits { begin } else { begin.min(self.room - width(&text).min(self.room)) };
            for part in wrap(&text, self.room - column) {
                // Where the words have moved to the left, bars would run through them.
                let mut row = if column == begin { bars.clone() } else { Row::default() };
                row.put(column, &part, tone);
                rows.push(row);
            }
        }
        rows.iter().map(|row| row.painted(style)).collect()
    }

    fn tone_of(&self, label: &LabelReport) -> Tone {
        if label.primary { self.tone } else { Tone::Note }
    }
}

/// A row of text that is put together in columns.
#[derive(Debug, Clone, Default)]
struct Row {
    /// A column's character and colour; a wide character's second column has none.
    cells: Vec<Option<(char, Option<Tone>)>>,
}

impl Row {
    fn put(&mut self, mut column: usize, text: &str, tone: Tone) {
        for c in text.chars() {
            let wide = width(c.encode_utf8(&mut [0; 4]));
            if self.cells.len() < column + wide {
                self.cells.resize(column + wide, Some((' ', None)));
            }
            for at in column..column + wide {
                self.cells[at] = (at == column).then_some((c, Some(tone)));
            }
            column += wide;
        }
    }

    fn painted(&self, style: &Style) -> String {
        let mut painted = String::new();
        let cells: Vec<_> = self.cells.iter().flatten().collect();
        for run in cells.chunk_by(|one, other| one.1 == other.1) {
            let text: String = run.iter().map(|cell| cell.0).collect();
            painted.push_str(&run[0].1.map_or_else(|| text.clone(), |tone| style.paint(&text, tone)));
        }
        painted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Code;

    fn label(line: u32, source: &str, mark: &str, text: &str, primary: bool) -> LabelReport {
        let at = source.find(mark).expect("the mark is there");
        let column = source[..at].chars().count() as u32 + 1;
        LabelReport {
            file: "src/main.rs".to_owned(),
            line,
            column,
            end_column: column + mark.chars().count() as u32,
            text: text.to_owned(),
            primary,
            source: Some(source.to_owned()),
        }
    }

    fn drawn(labels: Vec<LabelReport>, style: &Style) -> String {
        let finding = FindingReport { labels, ..FindingReport::plain(Code::F001, "a fact", "src/main.rs") };
        let lines = lines(&finding, style);
        for line in &lines {
            assert!(style.colour || width(line) <= style.width, "too wide: {line}");
            assert_eq!(line, line.trim_end(), "nothing trails");
        }
        lines.join("\n")
    }

    #[track_caller]
    fn check(labels: Vec<LabelReport>, expected: &str) {
        assert_eq!(drawn(labels, &Style::default()), expected.trim_matches('\n'));
    }

    #[test]
    fn lines_stand_in_their_order() {
        let labels = vec![
            label(122, "    file.read_to_string(&mut text)?;", "read_to_string", "the child is stuck here", true),
            label(9, "    let (r, w) = pipe()?;", "w", "the child still has this open", false),
        ];
        let expected = "
    |
  9 |     let (r, w) = pipe()?;
    |             - the child still has this open
122 |     file.read_to_string(&mut text)?;
    |          ^^^^^^^^^^^^^^ the child is stuck here
    |";
        check(labels, expected);
    }

    #[test]
    fn several_in_one_line() {
        let source = "    copy(one(), two(), three());";
        let labels = vec![
            label(7, source, "two()", "the second", true),
            label(7, source, "one()", "the first", false),
            label(7, source, "three()", "the third", false),
        ];
        let expected = "
   |
 7 |     copy(one(), two(), three());
   |          -----  ^^^^^  ------- the third
   |          |      |
   |          |      the second
   |          the first
   |";
        check(labels, expected);
    }

    #[test]
    fn tabs_and_wide_characters_take_their_columns() {
        let expected = "
   |
 3 |     let ü = \"日本\"; wait();
   |                     ^^^^^^ stuck
   |";
        check(vec![label(3, "\tlet ü = \"日本\"; wait();", "wait()", "stuck", true)], expected);
        let expected = "
   |
 3 | /* \\x1b[2J */ wait();
   |               ^^^^^^ stuck
   |";
        check(vec![label(3, "/* \u{1b}[2J */ wait();\r", "wait()", "stuck", true)], expected);
    }

    #[test]
    fn what_is_too_long_is_cut_and_wrapped() {
        let long = format!("{}wait();{}", "a + ".repeat(60), " b".repeat(60));
        let words = "the first of the many processes that this program makes waits here for ever and ever";
        let expected = "
   |
 3 | ...a + a + a + a + wait(); b b b b b b b b b b b b b b b b b b b b b b b...
   |                    ^^^^^^
   |                    |
   |                    the first of the many processes that this program makes
   |                    waits here for ever and ever
   |";
        check(vec![label(3, &long, "wait()", words, true)], expected);
        // Words that would pass the edge move to the left, and a bar leads to them.
        let right = format!("    {}wait();", "x".repeat(60));
        let (under, words) = (" ".repeat(64), " ".repeat(52));
        let expected =
            format!("   |\n 3 | {right}\n   | {under}^^^^^^\n   | {under}|\n   | {words}the child is stuck here\n   |");
        check(vec![label(3, &right, "wait()", "the child is stuck here", true)], &expected);
    }

    #[test]
    fn other_files_have_a_line_of_their_own() {
        let mut other = label(4, "pipe()", "pipe()", "made here", false);
        other.file = "src/pipes.rs".to_owned();
        let expected = "
   |
 3 | wait();
   | ^^^^^^ stuck
  ::: src/pipes.rs:4:1
   |
 4 | pipe()
   | ------ made here
   |";
        check(vec![label(3, "wait();", "wait()", "stuck", true), other], expected);
    }

    #[test]
    fn colours_are_added_and_nothing_else() {
        let labels =
            || vec![label(3, "\tone(two());", "two()", "2", true), label(3, "\tone(two());", "one", "1", false)];
        let painted = drawn(labels(), &Style { colour: true, ..Style::default() });
        assert!(painted.contains("\u{1b}[1;31m^^^^^"), "{painted:?}");
        let mut text = String::new();
        for part in painted.split('\u{1b}') {
            text.push_str(part.strip_prefix('[').and_then(|part| part.split_once('m')).map_or(part, |(_, rest)| rest));
        }
        assert_eq!(text, drawn(labels(), &Style::default()));
    }

    #[test]
    fn places_outside_of_the_line_do_no_harm() {
        for column in [0, 1, 7, 8, 500] {
            let mut odd = label(3, "wait();", "wait()", "stuck", true);
            (odd.column, odd.end_column) = (column, column + 3);
            assert!(drawn(vec![odd], &Style::default()).contains("stuck"));
        }
    }
}
