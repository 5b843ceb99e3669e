//! `ipc-grade explain`: the page of a code.

use super::args::ExplainArgs;
use super::exit::Exit;
use super::settings::Settings;
use crate::model::Code;
use crate::report::style::Tone;

/// Shows the page of a code, or all codes with their titles.
///
/// # Errors
/// What the kernel says of standard output.
pub fn run(args: &ExplainArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let style = settings.terminal.style;
    let line = |code: &Code| format!("{}  {}\n", style.paint(code.as_str(), Tone::Strong), code.title());
    let text = match args.code {
        Some(code) => {
            let mut page = format!("{}\n", code.page().trim_end());
            if !code.see_also().is_empty() {
                page.push_str("\nSee also:\n");
                page.extend(code.see_also().iter().map(|code| format!("  {}", line(code))));
            }
            page
        }
        None => Code::ALL.iter().map(line).collect(),
    };
    settings.terminal.print(&text)?;
    Ok(Exit::Passed)
}
