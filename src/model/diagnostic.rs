//! An author's mistake in a course file: what, where, what was expected.

use std::fmt;

/// A mistake in a file of the course, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file, relative to the course's folder.
    pub file: String,
    /// The line, from 1; 0 where the file as a whole is meant.
    pub line: u32,
    /// The column in characters, from 1; 0 where the line as a whole is meant.
    pub column: u32,
    /// How many characters are meant, at least 1.
    pub length: u32,
    /// The line itself, without its line feed.
    pub source: String,
    /// What is wrong: a lower-case fragment.
    pub message: String,
    /// What was expected, or what to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A mistake that a byte range of a file's text makes.
    ///
    /// A range past the end of the text is taken as its end.
    pub fn at(file: &str, text: &str, range: std::ops::Range<usize>, message: impl Into<String>) -> Self {
        let start = text.floor_char_boundary(range.start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let source = text[line_start..].lines().next().unwrap_or_default();
        let end = text.floor_char_boundary(range.end).clamp(start, line_start + source.len());
        Self {
            file: file.to_owned(),
            line: text[..line_start].bytes().filter(|byte| *byte == b'\n').count() as u32 + 1,
            column: text[line_start..start].chars().count() as u32 + 1,
            length: text.get(start..end).map_or(1, |meant| meant.chars().count().max(1)) as u32,
            source: source.to_owned(),
            message: message.into(),
            help: None,
        }
    }

    /// A mistake of a file as a whole: it is missing, or cannot be read.
    pub fn of_file(file: &str, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: 0,
            column: 0,
            length: 1,
            source: String::new(),
            message: message.into(),
            help: None,
        }
    }

    /// The same with what was expected, or what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Five lines as a compiler writes them: message, place, the line, a caret, the help.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        if self.line == 0 {
            write!(f, "\n  --> {}", self.file)?;
        } else {
            let gutter = self.line.to_string().len();
            write!(f, "\n{:gutter$}--> {}:{}:{}", "", self.file, self.line, self.column)?;
            write!(f, "\n{:gutter$} |\n{} | {}", "", self.line, self.source)?;
            let before: String = self
                .source
                .chars()
                .take(self.column.saturating_sub(1) as usize)
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            write!(f, "\n{:gutter$} | {before}{}", "", "^".repeat(self.length as usize))?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n   = {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostic {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_line_and_column_in_characters() {
        let text = "eins\nzwölf = x y\n";
        let at = text.find('x').expect("an x");
        let diagnostic = Diagnostic::at("a.toml", text, at..at + 1, "no such value").help("there are a, b");
        assert_eq!((diagnostic.line, diagnostic.column, diagnostic.length), (2, 9, 1));
        assert_eq!(
            diagnostic.to_string(),
            "no such value\n --> a.toml:2:9\n  |\n2 | zwölf = x y\n  |         ^\n   = there are a, b"
        );
    }

    #[test]
    fn places_at_the_end_are_places() {
        for range in [0..0, 0..9, 3..3, 4..9, 99..100] {
            let diagnostic = Diagnostic::at("a", "abc\n", range.clone(), "x");
            assert!(diagnostic.line >= 1 && diagnostic.length >= 1, "{range:?}");
        }
        assert_eq!(Diagnostic::at("a", "", 0..1, "empty").line, 1);
    }
}
