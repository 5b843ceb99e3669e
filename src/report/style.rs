//! How a terminal's text looks: colours, symbols, width; and the escaping of what a learner wrote.

use std::fmt::Write as _;

use colored::Color;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How to write for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Colours, as additions to words that say the same.
    pub colour: bool,
    /// Nothing but ASCII in what the grader says.
    pub ascii: bool,
    /// Columns.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self { colour: false, ascii: false, width: 80 }
    }
}

/// What a stretch of text is, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Costs points.
    Bad,
    /// Not there yet.
    Open,
    /// Good to know.
    Note,
    /// A name or a heading.
    Strong,
}

impl Tone {
    /// The colour, and whether the text is bold.
    pub(super) fn colour(self) -> (Option<Color>, bool) {
        match self {
            Self::Good => (Some(Color::Green), true),
            Self::Bad => (Some(Color::Red), true),
            Self::Open => (Some(Color::Yellow), true),
            Self::Note => (Some(Color::Cyan), false),
            Self::Strong => (None, true),
        }
    }
}

impl Style {
    /// The text in its colour, or as it is where there are none.
    pub fn paint(&self, text: &str, tone: Tone) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        // `colored` decides by a global switch whether it colours; here the style decides, and only its palette is used.
        let (colour, bold) = tone.colour();
        let mut codes: Vec<String> = Vec::new();
        codes.extend(bold.then(|| "1".to_owned()));
        codes.extend(colour.map(|colour| colour.to_fg_str().into_owned()));
        format!("\u{1b}[{}m{text}\u{1b}[0m", codes.join(";"))
    }

    /// The grader's own characters beyond ASCII, in ASCII where that is asked for.
    pub(super) fn plain(&self, text: String) -> String {
        if !self.ascii || text.is_ascii() {
            return text;
        }
        let mut plain = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '…' => plain.push_str("..."),
                '→' => plain.push_str("->"),
                '←' => plain.push_str("<-"),
                '–' | '—' => plain.push('-'),
                '‘' | '’' => plain.push('\''),
                '“' | '”' => plain.push('"'),
                c => plain.push(c),
            }
        }
        plain
    }
}

/// Columns that a text takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// A text whose control characters are shown instead of sent to the terminal; line feeds stay where `lines` says so.
///
/// Escape sequences could otherwise recolour a report, hide a line of it or answer in the reader's name; characters
/// that turn the direction of writing could make it read differently from what it says (Trojan Source, 2021).
pub fn escape(text: &str, lines: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' if lines => escaped.push(c),
            '\t' if lines => escaped.push_str("    "),
            '\n' => escaped.push_str("\\n"),
            '\t' => escaped.push_str("\\t"),
            '\r' => escaped.push_str("\\r"),
            c if c.is_ascii_control() => {
                let _ = write!(escaped, "\\x{:02x}", c as u32);
            }
            '\u{80}'..='\u{9f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}' => {
                let _ = write!(escaped, "\\u{{{:x}}}", c as u32);
            }
            c => escaped.push(c),
        }
    }
    escaped
}

/// Breaks a text at its spaces into lines of at most `columns`; a word that is longer is broken within, never cut.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(8);
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let gap = usize::from(used > 0);
        if used > 0 && used + gap + width(word) > columns {
            lines.push(String::new());
            used = 0;
        } else if used > 0 {
            lines.last_mut().expect("never empty").push(' ');
            used += 1;
        }
        for c in word.chars() {
            let wide = c.width().unwrap_or(0);
            if used + wide > columns {
                lines.push(String::new());
                used = 0;
            }
            lines.last_mut().expect("never empty").push(c);
            used += wide;
        }
    }
    lines
}
