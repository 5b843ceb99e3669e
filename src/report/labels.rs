//! The places of a finding, from what the trace says of them to what a reader finds.

use super::spans::{Span, Tokens};
use super::{ExerciseReport, LabelReport, shown};
use crate::judge::{End, Finding};
use crate::trace::Site;

/// The finding's places.
pub(super) fn of(finding: &Finding, source: &str) -> Vec<LabelReport> {
    let labels = places(finding).into_iter().map(|place| LabelReport {
        file: shown(&place.site.file, source),
        line: place.site.line,
        column: place.site.column,
        end_column: place.site.column + 1,
        text: place.text,
        primary: place.primary,
        source: None,
    });
    labels.collect()
}

/// A place, and all that is said of it.
struct Place<'f> {
    site: &'f Site,
    end: Option<End>,
    text: String,
    primary: bool,
}

/// Each place once, in the labels' order.
fn places(finding: &Finding) -> Vec<Place<'_>> {
    let mut places: Vec<Place<'_>> = Vec::new();
    for (index, label) in finding.labels.iter().enumerate() {
        let Some(site) = &label.site else { continue };
        let there = |site: &Site| (site.file.clone(), site.line, site.column);
        match places.iter_mut().find(|place| place.end == label.end && there(place.site) == there(site)) {
            Some(place) if place.text.is_empty() => place.text.clone_from(&label.text),
            Some(place) if label.text.is_empty() || place.text == label.text => {}
            Some(place) => place.text = format!("{}; {}", place.text, label.text),
            None => places.push(Place { site, end: label.end, text: label.text.clone(), primary: index == 0 }),
        }
    }
    places
}

impl ExerciseReport {
    /// Adds the lines themselves, and how far what is meant reaches in them. `source` gives a file's text by the path that
    /// the compiler knew it by; `findings` are those that the report was made of.
    pub fn show_lines<'s>(&mut self, findings: &[Finding], source: impl Fn(&str) -> Option<&'s str>) {
        let mut files: Vec<(String, Tokens<'s>)> = Vec::new();
        for (finding, report) in findings.iter().zip(&mut self.findings) {
            for (place, label) in places(finding).iter().zip(&mut report.labels) {
                let site = place.site;
                if !files.iter().any(|(file, _)| *file == site.file)
                    && let Some(text) = source(&site.file)
                {
                    files.push((site.file.clone(), Tokens::of(&site.file, text)));
                }
                if let Some((_, tokens)) = files.iter().find(|(file, _)| *file == site.file) {
                    label.locate(place, tokens);
                }
            }
            // Compilers show columns in characters, their tables have them in bytes.
            if let Some(label) = report.labels.first().filter(|label| label.primary && label.source.is_some()) {
                report.column = Some(label.column);
            }
        }
    }
}

impl LabelReport {
    fn locate(&mut self, place: &Place<'_>, tokens: &Tokens<'_>) {
        let Site { line, column, .. } = *place.site;
        let name = place.end.and_then(|end| tokens.end_of_pair(line, column, end == End::Write));
        let (line, span) = name.map_or_else(|| (line, tokens.span(line, column)), |(line, span)| (line, Some(span)));
        let Some(text) = tokens.line(line) else { return };
        // Where the column is not known the whole line is meant.
        let (from, to): Span = span.unwrap_or_else(|| {
            let indent = text.chars().take_while(|c| c.is_whitespace()).count();
            (indent, text.trim_end().chars().count().max(indent + 1))
        });
        self.line = line;
        self.column = from as u32 + 1;
        self.end_column = to as u32 + 1;
        self.source = Some(text.trim_end().to_owned());
    }
}
