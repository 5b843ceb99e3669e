//! The report as JSON, for programs.

use super::Report;

/// The report as indented JSON with a line feed at its end.
///
/// # Errors
/// Never for a report: its keys are texts and its numbers finite.
pub fn to_json(report: &Report) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(report).map(|text| text + "\n")
}
