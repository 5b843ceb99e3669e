//! The words of a line of a peer's steps: bare ones and quoted ones, each with its place in the file.

use super::document::Mistake;
use super::place::Placed;

/// A word of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// What it says, escapes resolved.
    pub(super) text: Placed,
    /// Whether it stood in quotes.
    pub(super) quoted: bool,
}

impl Word {
    /// The word, where it is a bare one.
    pub(super) fn bare(&self) -> Option<&str> {
        (!self.quoted).then(|| self.text.text())
    }
}

/// Splits a line at its spaces; `#` begins a comment.
///
/// # Errors
/// A quote that is never closed, or an escape that is none.
pub(super) fn split(line: &Placed) -> Result<Vec<Word>, Mistake> {
    let text = line.text();
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(skipped) = text[at..].find(|c: char| !c.is_whitespace()) {
        at += skipped;
        match text.as_bytes()[at] {
            b'#' => break,
            b'"' => {
                let (word, end) = quoted(line, at)?;
                words.push(word);
                at = end;
            }
            _ => {
                let end = text[at..].find(char::is_whitespace).map_or(text.len(), |length| at + length);
                words.push(Word { text: line.slice(at..end), quoted: false });
                at = end;
            }
        }
    }
    Ok(words)
}

/// Reads the quoted word that begins at `open`; returns it and where the line goes on.
fn quoted(line: &Placed, open: usize) -> Result<(Word, usize), Mistake> {
    let text = line.text();
    let mut word = Placed::empty();
    let mut rest = text[open + 1..].char_indices().map(|(at, c)| (open + 1 + at, c));
    while let Some((at, c)) = rest.next() {
        let place = line.place(at);
        match c {
            '"' => {
                word.end(place);
                return Ok((Word { text: word, quoted: true }, at + 1));
            }
            '\\' => match rest.next().map(|(_, c)| c) {
                Some('n') => word.push('\n', place),
                Some('t') => word.push('\t', place),
                Some('r') => word.push('\r', place),
                Some('0') => word.push('\0', place),
                Some(c @ ('\\' | '"')) => word.push(c, place),
                // A brace that opens no hole: a template writes it twice.
                Some(c @ ('{' | '}')) => {
                    word.push(c, place);
                    word.push(c, place);
                }
                other => {
                    let escape: String = std::iter::once('\\').chain(other).collect();
                    let range = line.range(at..(at + escape.len()).min(text.len()));
                    let help = "expected: \\n \\t \\r \\0 \\\\ \\\" \\{ or \\}";
                    return Err(Mistake::new(range, format!("`{escape}` is no escape"), help));
                }
            },
            c => word.push(c, place),
        }
    }
    let range = line.range(open..open + 1);
    Err(Mistake::new(range, "this quote is never closed", "expected: \"TEXT\" within one line"))
}
