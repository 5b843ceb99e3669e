//! Characters to tokens. Line structure is in the tokens: a line that begins at the margin begins something new.

use std::ops::Range;

use crate::model::{Diagnostic, Template};

/// A piece of the text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// Letters, digits and `_`, not beginning with a digit.
    Word(String),
    /// `?j`, with its question mark.
    Variable(String),
    /// Decimal digits.
    Number(i64),
    /// A quoted text, its escapes resolved.
    Text(Template),
    /// `{name|filter}`, without a space.
    Hole(Template),
    /// One of `: ; & , -> | [ ] .. >= <= + - { }`.
    Mark(&'static str),
    /// The next line is indented: it goes on with the lane.
    Newline,
    /// The next line begins at the margin, or there is none.
    Margin,
}

const MARKS: [&str; 15] = ["->", "..", ">=", "<=", ":", ";", "&", ",", "|", "[", "]", "+", "-", "{", "}"];

/// The tokens of a text, each with its place; the last is [`Token::Margin`].
pub(super) fn lex(file: &str, text: &str) -> Result<Vec<(Token, Range<usize>)>, Diagnostic> {
    let mut tokens = Vec::new();
    let mut at = 0;
    let mut line_begins = true;
    while at < text.len() {
        let rest = &text[at..];
        let c = rest.chars().next().unwrap_or_default();
        if c == '\n' {
            line_begins = true;
            at += 1;
            continue;
        }
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        if c == '#' {
            at += rest.find('\n').unwrap_or(rest.len());
            continue;
        }
        if line_begins {
            line_begins = false;
            let indented = at > 0 && !text[..at].ends_with('\n');
            tokens.push((if indented { Token::Newline } else { Token::Margin }, at..at));
        }
        let (token, length) = one(file, text, at)?;
        tokens.push((token, at..at + length));
        at += length;
    }
    tokens.push((Token::Margin, text.trim_end().len()..text.trim_end().len()));
    Ok(tokens)
}

fn one(file: &str, text: &str, at: usize) -> Result<(Token, usize), Diagnostic> {
    let rest = &text[at..];
    let c = rest.chars().next().unwrap_or_default();
    if c.is_ascii_alphabetic() || c == '_' {
        let length = word_length(rest);
        return Ok((Token::Word(rest[..length].to_owned()), length));
    }
    if c == '?' {
        let length = 1 + word_length(&rest[1..]);
        if length == 1 {
            return Err(Diagnostic::at(file, text, at..at + 1, "a name is missing after `?`"));
        }
        return Ok((Token::Variable(rest[..length].to_owned()), length));
    }
    if c.is_ascii_digit() {
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let number = rest[..length].parse().map_err(|_| {
            Diagnostic::at(file, text, at..at + length, format!("`{}` is no number", &rest[..length]))
                .help("decimal digits, below 2^63")
        })?;
        return Ok((Token::Number(number), length));
    }
    if c == '"' {
        return quoted(file, text, at);
    }
    if c == '{'
        && let Some(length) = hole_length(rest)
    {
        let template = Template::parse(&rest[..length]).map_err(|bad| {
            let wrong = at + bad.at();
            Diagnostic::at(file, text, wrong..wrong + 1, bad.to_string())
        })?;
        return Ok((Token::Hole(template), length));
    }
    match MARKS.iter().find(|mark| rest.starts_with(**mark)) {
        Some(mark) => Ok((Token::Mark(mark), mark.len())),
        None => Err(Diagnostic::at(file, text, at..at + c.len_utf8(), format!("`{c}` has no meaning here"))),
    }
}

fn word_length(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// The length of `{name|filter}`, where that stands here rather than a group.
fn hole_length(text: &str) -> Option<usize> {
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '?' | '|');
    let end = text[1..].find(|c| !inside(c))? + 1;
    (end > 1 && text[end..].starts_with('}')).then_some(end + 1)
}

/// A quoted text. Escapes are resolved first, then holes are read; a mistake in a hole is placed through `origins`.
fn quoted(file: &str, text: &str, at: usize) -> Result<(Token, usize), Diagnostic> {
    let mut plain = String::new();
    let mut origins = Vec::new();
    let mut characters = text[at..].char_indices().skip(1);
    let mut push = |piece: &str, from: usize| {
        plain.push_str(piece);
        origins.extend(std::iter::repeat_n(at + from, piece.len()));
    };
    let length = loop {
        match characters.next() {
            Some((offset, '"')) => break offset + 1,
            Some((offset, '\\')) => match characters.next().map(|(_, c)| c) {
                Some('n') => push("\n", offset),
                Some('t') => push("\t", offset),
                Some('r') => push("\r", offset),
                Some('0') => push("\0", offset),
                Some('\\') => push("\\", offset),
                Some('"') => push("\"", offset),
                Some('{') => push("{{", offset),
                Some('}') => push("}}", offset),
                _ => {
                    return Err(Diagnostic::at(file, text, at + offset..at + offset + 2, "no such escape")
                        .help("there are \\n, \\t, \\r, \\0, \\\\, \\\", \\{ and \\}"));
                }
            },
            Some((_, '\n')) | None => {
                return Err(Diagnostic::at(file, text, at..at + 1, "this text is never closed")
                    .help("a text ends with \" on its own line; a line feed in it is \\n"));
            }
            Some((offset, c)) => push(c.encode_utf8(&mut [0; 4]), offset),
        }
    };
    let template = Template::parse(&plain).map_err(|bad| {
        let wrong = origins.get(bad.at()).copied().unwrap_or(at + length - 1);
        Diagnostic::at(file, text, wrong..wrong + 1, bad.to_string())
    })?;
    Ok((Token::Text(template), length))
}
