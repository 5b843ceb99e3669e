//! Two small pictures that belong to a finding: what a few accesses did to memory, and who waits for whom.

use super::Style;
use super::style::{escape, width, wrap};
use crate::judge::{Columns, WaitFor};

/// Spaces before the picture.
const INDENT: usize = 3;
/// Spaces between two columns.
const GAP: usize = 5;

/// The events side by side; what stands in the middle column is centred under its head. Where the columns would be too
/// wide the rows are told one below the other, each with its column's head.
pub(super) fn columns(columns: &Columns, style: &Style) -> Vec<String> {
    let count = columns.heads.len();
    let text = |row: &[String], column: usize| escape(row.get(column).map_or("", String::as_str), false);
    let all = || std::iter::once(&columns.heads).chain(&columns.rows);
    let widths: Vec<usize> =
        (0..count).map(|column| all().map(|row| width(&text(row, column))).max().unwrap_or(0)).collect();
    if INDENT + widths.iter().sum::<usize>() + GAP * count.saturating_sub(1) > style.width {
        return sentences(columns, style);
    }
    let line = |(number, row): (usize, &Vec<String>)| {
        let mut line = " ".repeat(INDENT);
        for (column, wide) in widths.iter().enumerate() {
            let text = text(row, column);
            let free = wide - width(&text);
            let before = if number > 0 && column == count / 2 && column > 0 { free / 2 } else { 0 };
            line.push_str(&" ".repeat(before));
            line.push_str(&text);
            line.push_str(&" ".repeat(free - before + GAP));
        }
        line.trim_end().to_owned()
    };
    all().enumerate().map(line).collect()
}

fn sentences(columns: &Columns, style: &Style) -> Vec<String> {
    let mut lines = Vec::new();
    for row in &columns.rows {
        let told = columns.heads.iter().zip(row).filter(|(_, text)| !text.is_empty());
        let told: Vec<String> = told.map(|(head, text)| format!("{head}: {text}")).collect();
        let text = escape(&told.join("; "), false);
        lines.extend(wrap(&text, style.width.saturating_sub(INDENT)).into_iter().map(|line| format!("   {line}")));
    }
    lines
}

/// The wait-for graph, an edge a line: `parent --> request: full, only child can empty it  --> child`.
pub(super) fn waits(waits: &[WaitFor], style: &Style) -> Vec<String> {
    let who = waits.iter().map(|edge| width(&escape(&edge.who, false))).max().unwrap_or(0);
    let reason = |edge: &WaitFor| escape(&format!("{}: {}", edge.on, edge.because), false);
    let reasons = waits.iter().map(|edge| width(&reason(edge))).max().unwrap_or(0);
    let mut lines = Vec::new();
    for edge in waits {
        let name = escape(&edge.who, false);
        let start = format!("   {name}{} --> ", " ".repeat(who - width(&name)));
        let whom = escape(&edge.whom.join(", "), false);
        let end = if whom.is_empty() { String::new() } else { format!("--> {whom}") };
        let reason = reason(edge);
        let pad = reasons - width(&reason) + 2;
        if width(&start) + reasons + 2 + width(&end) <= style.width {
            lines.push(format!("{start}{reason}{}{end}", " ".repeat(pad)).trim_end().to_owned());
            continue;
        }
        let indent = width(&start);
        for (number, part) in wrap(&format!("{reason} {end}"), style.width.saturating_sub(indent)).iter().enumerate() {
            let before = if number == 0 { start.clone() } else { " ".repeat(indent) };
            lines.push(format!("{before}{part}").trim_end().to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(who: &str, on: &str, because: &str, whom: &[&str]) -> WaitFor {
        WaitFor {
            who: who.to_owned(),
            call: "write".to_owned(),
            on: on.to_owned(),
            because: because.to_owned(),
            whom: whom.iter().map(|whom| (*whom).to_owned()).collect(),
        }
    }

    #[test]
    fn two_full_pipes() {
        let edges = [
            edge("parent", "request", "full, only child can empty it", &["child"]),
            edge("child", "answer", "full, only parent can empty it", &["parent"]),
        ];
        let wanted = "   parent --> request: full, only child can empty it  --> child\n   \
                      child  --> answer: full, only parent can empty it  --> parent";
        assert_eq!(waits(&edges, &Style::default()).join("\n"), wanted);
    }

    #[test]
    fn an_edge_that_is_too_long_is_wrapped() {
        let edges = [edge("a", &"long ".repeat(30), "only x", &["x"])];
        let lines = waits(&edges, &Style::default());
        assert!(lines.len() > 1 && lines.iter().all(|line| width(line) <= 80), "{lines:#?}");
    }

    #[test]
    fn a_lost_update() {
        let row = |texts: [&str; 3]| texts.map(str::to_owned).to_vec();
        let picture = Columns {
            heads: row(["parent", "counter in memory", "child"]),
            rows: vec![
                row(["load 6", "6", ""]),
                row(["", "6", "load 6"]),
                row(["", "7", "store 7"]),
                row(["store 7", "7", "<- the child's +1 is gone"]),
            ],
        };
        let wanted = [
            "   parent      counter in memory     child",
            "   load 6              6",
            "                       6             load 6",
            "                       7             store 7",
            "   store 7             7             <- the child's +1 is gone",
        ];
        assert_eq!(columns(&picture, &Style::default()), wanted);
    }
}
