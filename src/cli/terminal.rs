//! The one place that prints.

use std::io::{self, Write};

use console::Term;

use super::args::{Colour, Global};
use crate::report::Style;
use crate::report::style::{Tone, escape};

/// Narrower terminals break lines by themselves.
const NARROWEST: usize = 40;

/// Standard output and error, and how to write to them.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    /// How reports look on standard output.
    pub style: Style,
    /// How messages look on standard error.
    pub messages: Style,
}

impl Terminal {
    /// Decides about colours: what the command line says, else whether it is a terminal that is written to and NO_COLOR
    /// (<https://no-color.org>) is not set. Lines are no longer than a narrow terminal's; a wide one makes them no longer.
    pub fn new(global: &Global) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let able = std::env::var_os("TERM").is_none_or(|value| value != "dumb");
        let style = |to: &Term| {
            let is_terminal = to.is_term();
            let colour = match global.color {
                Colour::Always => true,
                Colour::Never => false,
                Colour::Auto => wanted && able && is_terminal,
            };
            let columns = to.size_checked().map_or(Style::default().width, |(_, columns)| usize::from(columns));
            Style { colour, ascii: global.ascii, width: columns.clamp(NARROWEST, Style::default().width) }
        };
        Self { style: style(&Term::stdout()), messages: style(&Term::stderr()) }
    }

    /// Writes to standard output. A reader that has gone (`ipc-grade list | head -1`) is no error.
    ///
    /// # Errors
    /// What the kernel says: the disk is full …
    pub fn print(&self, text: &str) -> io::Result<()> {
        quietly(io::stdout().lock(), text)
    }

    /// Writes a line to standard error; where that fails there is nobody left to tell.
    pub fn note(&self, text: &str) {
        let _ = quietly(io::stderr().lock(), &format!("{}\n", escape(text, true)));
    }

    /// Writes an error to standard error.
    pub fn complain(&self, text: &str) {
        let label = self.messages.paint("error", Tone::Bad);
        let _ = quietly(io::stderr().lock(), &format!("{label}: {}\n", escape(text, true)));
    }
}

fn quietly(mut to: impl Write, text: &str) -> io::Result<()> {
    match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
