//! The block of one exercise: always the same parts in the same order, so that the eye learns where to look.
//!
//! The exercise's line; the finding's line; the place; the compiler's words or the picture of the run; expected, saw,
//! why; what to do next.

use super::style::{Tone, escape, width, wrap};
use super::{ExerciseReport, FindingReport, Severity, Status, Style, graph, picture, snippet, table};
use crate::judge::matching::Mark;
use crate::model::Turn;

/// Where the values of the labels ` expected: `, `      saw: ` and `      why: ` begin.
const LABEL: usize = 11;

/// The block of one exercise.
pub(super) fn exercise(report: &ExerciseReport, style: &Style) -> String {
    let mut lines = vec![headline(report, style)];
    match report.status {
        Status::Pass => passed(report, style, &mut lines),
        Status::Fail if report.untouched => not_started(report, style, &mut lines),
        Status::Fail => failed(report, style, &mut lines),
        Status::Skipped => {}
        Status::Unexamined => failed(report, style, &mut lines),
        Status::Error => {
            let problem = escape(report.problem.as_deref().unwrap_or("the grader failed"), false);
            lines.extend(wrapped(" ", &problem, style));
            let lacks = match &report.problem_text {
                Some(text) => {
                    lines.extend(quoted(text));
                    ""
                }
                None => " `ipc-grade doctor` says what this machine lacks.",
            };
            lines.extend(wrapped(" ", &format!("No point is lost by this.{lacks}"), style));
        }
    }
    if !report.unexamined.is_empty() {
        let names = escape(&report.unexamined.join(", "), false);
        lines.push(String::new());
        lines.extend(wrapped(
            "",
            &format!("Not examined: {names} is accessed more often than the grader follows."),
            style,
        ));
        lines.extend(wrapped(
            "",
            "What rests on it is neither right nor wrong; fewer accesses can be looked at.",
            style,
        ));
    }
    if !report.refused.is_empty() {
        let calls = escape(&report.refused.join(", "), false);
        lines.push(String::new());
        lines.extend(wrapped("", &format!("Refused: the box lets no program call {calls}."), style));
    }
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

fn headline(report: &ExerciseReport, style: &Style) -> String {
    let (words, tone) = table::standing(report);
    let mut line = format!("{}  {}", style.paint(report.id.name(), Tone::Strong), style.paint(words, tone));
    if report.status != Status::Error {
        line.push_str(&format!("  {} of {} points", report.points, report.max_points));
    }
    if report.status == Status::Pass {
        line.push_str(&match report.orders_tried {
            0 => String::new(),
            1 => ", in the one order tried".to_owned(),
            orders => format!(", in all {orders} orders tried"),
        });
    }
    line
}

fn passed(report: &ExerciseReport, style: &Style, lines: &mut Vec<String>) {
    lines.extend(picture::lanes(&report.lanes, style));
    for finding in &report.findings {
        lines.push(String::new());
        found(finding, report, style, lines);
    }
    if let Some(next) = &report.next {
        lines.push(format!("Next: {next}"));
    }
}

/// Nobody has tried yet, so there is nothing to find fault with: what is asked for, and where it stands.
fn not_started(report: &ExerciseReport, style: &Style, lines: &mut Vec<String>) {
    if let Some(finding) = report.cause() {
        labelled("expected", finding.expected.as_deref(), style, lines);
        labelled("saw", finding.saw.as_deref(), style, lines);
    }
    if let Some(lesson) = &report.lesson {
        let edit = report.source.as_deref().map(|source| {
            let folder = lesson.rsplit_once('/').map_or("", |(folder, _)| folder);
            match source.strip_prefix(folder).map(|rest| rest.trim_start_matches('/')) {
                Some(rest) if !folder.is_empty() => format!(", edit {rest} beside it"),
                _ => format!(", edit {source}"),
            }
        });
        lines.extend(wrapped("", &format!("Read {lesson}{}.", edit.unwrap_or_default()), style));
    }
}

fn failed(report: &ExerciseReport, style: &Style, lines: &mut Vec<String>) {
    let first = report.cause().or(report.findings.first());
    for finding in first.into_iter().chain(report.findings.iter().filter(|other| first != Some(*other))) {
        lines.push(String::new());
        found(finding, report, style, lines);
        if first == Some(finding) {
            endnotes(finding, report, style, lines);
        }
    }
    if first.is_none() {
        endnotes_by_hand(report, style, lines);
    }
}

/// A finding; the picture of the run belongs to the first error.
fn found(finding: &FindingReport, report: &ExerciseReport, style: &Style, lines: &mut Vec<String>) {
    let (word, tone) = match finding.severity {
        Severity::Error => ("error", Tone::Bad),
        Severity::Advice => ("advice", Tone::Note),
    };
    let label = format!("{word}[{}]", finding.code);
    let message = wrap(&format!("{label}: {}", escape(&finding.message, false)), style.width);
    for (index, line) in message.into_iter().enumerate() {
        let painted = match line.strip_prefix(&label) {
            Some(rest) if index == 0 => format!("{}{}", style.paint(&label, tone), style.paint(rest, Tone::Strong)),
            _ => style.paint(&line, Tone::Strong),
        };
        lines.push(painted);
    }
    if let Some(file) = &finding.file {
        let number = |n: Option<u32>| n.map_or_else(String::new, |n| format!(":{n}"));
        let place = format!("{}{}{}", escape(file, false), number(finding.line), number(finding.column));
        lines.push(format!("  {} {place}", style.paint("-->", Tone::Note)));
    }
    let snippet = snippet::lines(finding, style);
    if snippet.is_empty() {
        for note in &finding.also {
            let text = format!("{}:{}: {}", escape(&note.file, false), note.line, escape(&note.text, false));
            lines.extend(wrapped("   = ", &text, style));
        }
    }
    let framed = !snippet.is_empty();
    lines.extend(snippet);
    if !finding.text.is_empty() {
        lines.extend(quoted(&finding.text));
    }
    if let Some(columns) = &finding.columns {
        if !framed {
            lines.push("   |".to_owned());
        }
        lines.extend(graph::columns(columns, style));
    } else if finding.severity == Severity::Error && report.cause() == Some(finding) && !report.lanes.is_empty() {
        if !framed {
            lines.push("   |".to_owned());
        }
        lines.extend(picture::lanes(&report.lanes, style));
    }
    if !finding.waits.is_empty() {
        lines.push(String::new());
        lines.extend(graph::waits(&finding.waits, style));
    }
    if finding.expected.is_some() || finding.saw.is_some() || !finding.why.is_empty() {
        lines.push(String::new());
    }
    labelled("expected", finding.expected.as_deref(), style, lines);
    labelled("saw", finding.saw.as_deref(), style, lines);
    difference(finding, style, lines);
    let why = finding.why.join("\n");
    labelled("why", (!why.is_empty()).then_some(why.as_str()), style, lines);
    for tried in &finding.tried {
        labelled("tried", Some(tried), style, lines);
    }
}

/// Where expected and seen bytes part. Two lines with a caret become a caret alone where what it points at stands just
/// above it already.
fn difference(finding: &FindingReport, style: &Style, lines: &mut Vec<String>) {
    let diff = escape(finding.diff.trim_end(), true);
    let rows: Vec<&str> = diff.lines().collect();
    if let ([_, seen, caret], Some(saw)) = (rows.as_slice(), &finding.saw)
        && caret.trim_start() == "^"
        && let Some(value) = seen.trim_start().strip_prefix("saw ")
        && let Some(at) = escape(saw, true).find(value)
        && LABEL + width(saw) <= style.width
    {
        let start = seen.len() - value.len();
        let column = LABEL + width(&saw[..at]) + (caret.len() - 1).saturating_sub(start);
        lines.push(format!("{:column$}{}", "", style.paint("^", Tone::Bad)));
        return;
    }
    for row in rows {
        let tone = match row.as_bytes().first() {
            Some(b'-') => Some(Tone::Bad),
            Some(b'+') => Some(Tone::Good),
            _ => None,
        };
        let row = format!("{:LABEL$}{row}", "");
        lines.push(tone.map_or(row.clone(), |tone| style.paint(&row, tone)));
    }
}

/// What comes after the first error: how sure it is, how to see it again, how to go on.
fn endnotes(finding: &FindingReport, report: &ExerciseReport, style: &Style, lines: &mut Vec<String>) {
    if finding.proved {
        let mut stuck: Vec<&str> =
            report.lanes.iter().filter(|row| row.mark == Mark::Stuck).map(|row| row.lane.as_str()).collect();
        stuck.dedup();
        let whom = match stuck.len().max(finding.waits.len()) {
            1 => "it",
            2 => "either process",
            _ => "any of them",
        };
        let sentence = format!("Not a time-out: nothing is left that could wake {whom}.");
        lines.extend(wrapped(" ", &sentence, style));
    }
    for fault in &report.faults {
        let note = format!("In this run {}: the grader sees to that.", escape(fault, false));
        lines.extend(wrapped(" ", &note, style));
    }
    endnotes_by_hand(report, style, lines);
    if let Some(sentence) = orders(report) {
        lines.extend(wrapped(" ", &sentence, style));
    }
    // Seed 0 is the order that a run by hand most likely has; any other must be asked for.
    if let Some(seed) = report.seed.as_deref().filter(|seed| seed.rsplit('.').next() != Some("0")) {
        lines.push(format!(" See this order again: ipc-grade check {} --seed {seed}", report.id.name()));
    }
}

/// How many orders went well before this one, and how little makes the difference.
fn orders(report: &ExerciseReport) -> Option<String> {
    let well = match report.orders_tried.saturating_sub(1) {
        0 => None,
        1 => Some("One order went well before this one".to_owned()),
        orders => Some(format!("{} orders went well before this one", number(orders as usize))),
    };
    let switches = report.turns.iter().filter(|turn| matches!(turn, Turn::Switch { .. })).count();
    let breaks = match (switches, report.turns.len()) {
        (_, 0) => None,
        (0, _) => Some("a signal that comes a moment earlier breaks it".to_owned()),
        (1, _) => Some("one switch breaks it".to_owned()),
        (switches, _) => Some(format!("{} switches break it", number(switches).to_lowercase())),
    };
    let sentence = well.into_iter().chain(breaks).collect::<Vec<_>>().join(": ");
    let mut letters = sentence.chars();
    letters.next().map(|first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

/// Small numbers are words.
fn number(number: usize) -> String {
    let words = ["No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten"];
    words.get(number).map_or_else(|| number.to_string(), |word| (*word).to_owned())
}

fn endnotes_by_hand(report: &ExerciseReport, style: &Style, lines: &mut Vec<String>) {
    let key = report.hint_for.as_deref().map_or_else(String::new, |key| format!(" --for {key}"));
    let stuck = format!("Stuck? ipc-grade hint {}{key}", report.id.name());
    let hand = report.by_hand.as_deref().map(|command| format!("By hand: {}", escape(command, false)));
    match hand {
        Some(hand) if 1 + width(&hand) + 6 + width(&stuck) <= style.width => {
            lines.push(format!(" {hand}      {stuck}"))
        }
        Some(hand) => {
            lines.extend(pasteable(&hand, style.width));
            lines.push(format!(" {stuck}"));
        }
        None => lines.push(format!(" {stuck}")),
    }
}

/// A command as lines that a shell still reads as one: a remark goes below it, and a line that goes on ends in a backslash.
fn pasteable(command: &str, most: usize) -> Vec<String> {
    let (command, remark) = match command.split_once("  # ") {
        Some((command, remark)) if 1 + width(command) + 4 + width(remark) > most => (command, Some(remark)),
        _ => (command, None),
    };
    // A blank inside of quotes is part of a word.
    let mut words: Vec<String> = Vec::new();
    let mut quoted = false;
    for part in command.split(' ') {
        match words.last_mut().filter(|_| quoted) {
            Some(word) => *word = format!("{word} {part}"),
            None => words.push(part.to_owned()),
        }
        quoted ^= part.replace("\\'", "").matches('\'').count() % 2 == 1;
    }
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in words {
        if !line.trim().is_empty() && 1 + width(&line) + 1 + width(&word) + 2 > most {
            lines.push(format!(" {line} \\"));
            line = " ".to_owned();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word);
    }
    lines.push(format!(" {line}"));
    lines.extend(remark.map(|remark| format!("   # {remark}")));
    lines
}

/// ` expected: text`, further lines under the text. The text may have several lines.
fn labelled(label: &str, text: Option<&str>, style: &Style, lines: &mut Vec<String>) {
    let Some(text) = text else { return };
    let mut first = true;
    for line in escape(text, true).lines() {
        for part in wrap(line, style.width.saturating_sub(LABEL)) {
            let prefix = if first { format!("{label:>9}: ") } else { " ".repeat(LABEL) };
            lines.push(format!("{prefix}{part}").trim_end().to_owned());
            first = false;
        }
    }
}

/// Another tool's own words.
fn quoted(text: &str) -> Vec<String> {
    let escaped = escape(text.trim_end(), true);
    let lines = escaped.lines().map(|line| format!("   | {line}").trim_end().to_owned());
    [String::from("   |")].into_iter().chain(lines).chain([String::from("   |")]).collect()
}

/// A text behind a prefix; further lines are indented as far.
fn wrapped(prefix: &str, text: &str, style: &Style) -> Vec<String> {
    let indent = " ".repeat(prefix.len());
    let parts = wrap(text, style.width.saturating_sub(prefix.len()));
    let line = |(index, part): (usize, String)| format!("{}{part}", if index == 0 { prefix } else { &indent });
    parts.into_iter().enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::pasteable;

    #[test]
    fn a_long_command_stays_one_command() {
        let check = |command: &str, expected: &[&str]| assert_eq!(pasteable(command, 40), expected);
        check("cargo run -- kettle", &[" cargo run -- kettle"]);
        check("cargo run -- a  # you are the client", &[" cargo run -- a  # you are the client"]);
        check(
            "cargo run -- kettle garden  # you are the client",
            &[" cargo run -- kettle garden", "   # you are the client"],
        );
        check(
            "cargo run -- /kettle-orders 'it'\\''s one word' /kettle-replies",
            &[" cargo run -- /kettle-orders \\", "   'it'\\''s one word' /kettle-replies"],
        );
        check(
            "cargo run -- '11 22 33 44 55 66 77 88 99 11' 7",
            &[" cargo run -- \\", "   '11 22 33 44 55 66 77 88 99 11' 7"],
        );
    }
}
