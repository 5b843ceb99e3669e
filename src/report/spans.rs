//! How far the expression reaches that begins at a place: the compiler's line tables say where it begins, and no more.
//!
//! The learner's source is taken apart into tokens, and what a place means is read off them: a method's name, a function
//! with its arguments, a macro, an assignment as a whole. Tokens say enough, they also stand inside of macros, where a
//! syntax tree ends, and a source that nests ten thousand brackets deep is no danger to who reads them one by one.

use std::str::FromStr;

use proc_macro2::{Delimiter, LineColumn, TokenStream, TokenTree};

/// Characters of a line, counted from 0: where something begins and where it ends.
pub(super) type Span = (usize, usize);

/// A source file, taken apart.
pub(super) struct Tokens<'s> {
    lines: Vec<&'s str>,
    /// Groups as their two brackets; empty where it is no Rust.
    tokens: Vec<Token>,
}

struct Token {
    start: LineColumn,
    end: LineColumn,
    text: Text,
    /// Of a bracket: the other one.
    partner: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum Text {
    Word(String),
    Punct(char),
    Literal,
    Open,
    Close,
}

/// Words that no function is called by.
const KEYWORDS: [&str; 16] = [
    "as", "break", "continue", "else", "for", "if", "in", "let", "loop", "match", "move", "mut", "return", "unsafe",
    "where", "while",
];

impl<'s> Tokens<'s> {
    pub(super) fn of(file: &str, source: &'s str) -> Self {
        // The compiler counts lines and columns without the mark that says that a text is UTF-8.
        let source = source.strip_prefix('\u{feff}').unwrap_or(source);
        let lines = source.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
        let rust = file.ends_with(".rs").then(|| TokenStream::from_str(source).ok()).flatten();
        let tokens = rust.map_or_else(Vec::new, flat);
        // What was read stays in a map of this thread, for spans that might still ask.
        proc_macro2::extra::invalidate_current_thread_spans();
        Self { lines, tokens }
    }

    /// A line by its number, from 1, as it stands.
    pub(super) fn line(&self, number: u32) -> Option<&'s str> {
        self.lines.get((number as usize).checked_sub(1)?).copied()
    }

    /// What begins at a column, from 1 and in bytes. Of what goes on in the next lines, the first line's part.
    pub(super) fn span(&self, line: u32, column: u32) -> Option<Span> {
        let text = self.line(line)?;
        let at = character(text, column)?;
        let place = LineColumn { line: line as usize, column: at };
        let Some(index) = self.at(place) else { return Some(word_at(text, at)) };
        Some(self.clipped(text, index, self.last_of(index)))
    }

    /// The name that an end of a pipe gets which is made at a place: the first or the second of `let (r, w) = …`.
    pub(super) fn end_of_pair(&self, line: u32, column: u32, second: bool) -> Option<(u32, Span)> {
        let at = character(self.line(line)?, column)?;
        let mut index = self.at(LineColumn { line: line as usize, column: at })?;
        // Back to the `=` of the statement, out of blocks and brackets but not over another statement.
        let equals = loop {
            index = index.checked_sub(1)?;
            match &self.tokens[index].text {
                Text::Punct(';') => return None,
                Text::Punct('=') => break index,
                Text::Close => index = self.tokens[index].partner,
                _ => {}
            }
        };
        let close = equals.checked_sub(1)?;
        let open = (self.tokens[close].text == Text::Close).then_some(self.tokens[close].partner)?;
        if !self.is_word(open.checked_sub(1)?, "let") {
            return None;
        }
        let parts: Vec<&[Token]> = self.tokens[open + 1..close].split(|token| token.text == Text::Punct(',')).collect();
        let [first, other, ..] = parts.as_slice() else { return None };
        let part = if second { other } else { first };
        let name = part.iter().rev().find(|token| matches!(token.text, Text::Word(_)))?;
        (name.start.line == name.end.line).then_some((name.start.line as u32, (name.start.column, name.end.column)))
    }

    fn at(&self, place: LineColumn) -> Option<usize> {
        let after = self.tokens.partition_point(|token| token.end <= place);
        self.tokens.get(after).is_some_and(|token| token.start <= place).then_some(after)
    }

    fn is_word(&self, index: usize, word: &str) -> bool {
        matches!(&self.tokens[index].text, Text::Word(text) if text == word)
    }

    fn is_punct(&self, index: usize, punct: char) -> bool {
        self.tokens.get(index).is_some_and(|token| token.text == Text::Punct(punct))
    }

    fn clipped(&self, text: &str, from: usize, to: usize) -> Span {
        let (start, end) = (self.tokens[from].start, self.tokens[to].end);
        let whole = text.trim_end().chars().count();
        let end = if end.line > start.line { whole } else { end.column };
        (start.column, end.max(start.column + 1))
    }

    /// The last token of what begins with a token.
    fn last_of(&self, first: usize) -> usize {
        let token = &self.tokens[first];
        if first > 0 && self.is_punct(first - 1, '.') && !self.is_punct(first.wrapping_sub(2), '.') {
            return first;
        }
        if let Some(last) = self.assignment(first) {
            return last;
        }
        match &token.text {
            Text::Word(word) if !KEYWORDS.contains(&word.as_str()) => self.call(first),
            _ => first,
        }
    }

    /// A path, with the arguments where it is called.
    fn call(&self, first: usize) -> usize {
        let mut last = first;
        while self.is_punct(last + 1, ':') && self.is_punct(last + 2, ':') {
            last += 2;
            if matches!(self.tokens.get(last + 1), Some(Token { text: Text::Word(_), .. })) {
                last += 1;
            } else if self.is_punct(last + 1, '<') {
                let mut depth = 0_usize;
                for index in last + 1..self.tokens.len() {
                    last = index;
                    match self.tokens[index].text {
                        Text::Punct('<') => depth += 1,
                        Text::Punct('>') => depth -= 1,
                        _ => {}
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
        }
        let open = if self.is_punct(last + 1, '!') { last + 2 } else { last + 1 };
        match self.tokens.get(open) {
            // A struct's braces are no call.
            Some(Token { text: Text::Open, partner, .. })
                if open > last + 1 || self.opens_with(open, Delimiter::Parenthesis) =>
            {
                *partner
            }
            _ => last,
        }
    }

    fn opens_with(&self, open: usize, delimiter: Delimiter) -> bool {
        let start = self.tokens[open].start;
        let found = self.line(start.line as u32).and_then(|line| line.chars().nth(start.column));
        found == Some(if delimiter == Delimiter::Parenthesis { '(' } else { '{' })
    }

    /// The last token of a statement that assigns, where it begins here.
    fn assignment(&self, first: usize) -> Option<usize> {
        let begins = first
            .checked_sub(1)
            .is_none_or(|before| matches!(self.tokens[before].text, Text::Open | Text::Close | Text::Punct(';')));
        if !begins || self.is_word(first, "let") {
            return None;
        }
        let (mut index, mut assigns) = (first, false);
        loop {
            match self.tokens.get(index)?.text {
                Text::Open if assigns || index == first || self.opens_with(index, Delimiter::Parenthesis) => {
                    index = self.tokens[index].partner;
                }
                // An index; a block is the end of an expression that stands as a statement.
                Text::Open if !self.opens_with(index, Delimiter::Brace) => index = self.tokens[index].partner,
                Text::Open => return None,
                Text::Close | Text::Punct(';') => return assigns.then_some(index - 1),
                Text::Punct('=') => assigns |= self.is_assignment(index),
                _ => {}
            }
            index += 1;
        }
    }

    /// Whether a `=` is one of `=`, `+=` and their like, and not of `==`, `<=`, `=>` …
    fn is_assignment(&self, index: usize) -> bool {
        let touching = |one: usize, other: usize| matches!((self.tokens.get(one), self.tokens.get(other)), (Some(one), Some(other)) if one.end == other.start);
        let compares = ['=', '<', '>', '!'];
        let before = index > 0
            && touching(index - 1, index)
            && compares.iter().any(|punct| self.is_punct(index - 1, *punct))
            // `<<=` and `>>=` assign.
            && !(index > 1 && ['<', '>'].iter().any(|c| self.is_punct(index - 1, *c) && self.is_punct(index - 2, *c)));
        let after = touching(index, index + 1) && (self.is_punct(index + 1, '=') || self.is_punct(index + 1, '>'));
        !before && !after
    }
}

/// The tokens in their order, groups as their brackets.
fn flat(stream: TokenStream) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let token = |text, span: proc_macro2::Span| Token { start: span.start(), end: span.end(), text, partner: 0 };
    let mut open: Vec<(usize, Option<proc_macro2::Span>, proc_macro2::token_stream::IntoIter)> =
        vec![(0, None, stream.into_iter())];
    while let Some((begin, close, rest)) = open.last_mut() {
        match rest.next() {
            Some(TokenTree::Group(group)) if group.delimiter() != Delimiter::None => {
                tokens.push(token(Text::Open, group.span_open()));
                open.push((tokens.len() - 1, Some(group.span_close()), group.stream().into_iter()));
            }
            Some(TokenTree::Group(group)) => open.push((0, None, group.stream().into_iter())),
            Some(TokenTree::Ident(ident)) => tokens.push(token(Text::Word(ident.to_string()), ident.span())),
            Some(TokenTree::Punct(punct)) => tokens.push(token(Text::Punct(punct.as_char()), punct.span())),
            Some(TokenTree::Literal(literal)) => tokens.push(token(Text::Literal, literal.span())),
            None => {
                if let Some(close) = close {
                    let (begin, end) = (*begin, tokens.len());
                    tokens[begin].partner = end;
                    tokens.push(Token { partner: begin, ..token(Text::Close, *close) });
                }
                open.pop();
            }
        }
    }
    tokens
}

/// Which character of a line, from 0, a byte belongs to that is counted from 1. Beyond the line there is none.
fn character(text: &str, column: u32) -> Option<usize> {
    let byte = (column as usize).checked_sub(1)?;
    (byte <= text.len()).then(|| text.char_indices().take_while(|(at, c)| at + c.len_utf8() <= byte).count())
}

/// The word at a character, or the character.
fn word_at(text: &str, at: usize) -> Span {
    let word = text.chars().skip(at).take_while(|c| c.is_alphanumeric() || *c == '_').count();
    (at, at + word.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `^` in the line below marks where the place is; what is found there.
    #[track_caller]
    fn check(source: &str, mark: &str, expected: &str) {
        let at = source.find(mark).expect("the mark is there");
        let line = source[..at].matches('\n').count() as u32 + 1;
        let column = (at - source[..at].rfind('\n').map_or(0, |end| end + 1)) as u32 + 1;
        let tokens = Tokens::of("src/main.rs", source);
        let (from, to) = tokens.span(line, column).expect("a span");
        let found: String = tokens.line(line).expect("a line").chars().skip(from).take(to - from).collect();
        assert_eq!(found, expected, "at {mark}");
    }

    #[test]
    fn a_span_is_what_begins_there() {
        let method = "fn main() { file.read_to_string(&mut text)?; }";
        check(method, "read_to_string", "read_to_string");
        check("fn main() { let (r, w) = pipe()?; }", "pipe", "pipe()");
        check("fn main() { nix::unistd::pipe2(A | B)?; }", "nix", "nix::unistd::pipe2(A | B)");
        check("fn main() { match unsafe { fork() }? {} }", "fork", "fork()");
        check("fn main() { unsafe { *counter += 1 }; }", "*counter", "*counter += 1");
        check("fn main() { *a = 1; b(); }", "*a", "*a = 1");
        check("fn main() { *a <<= 1; b(); }", "*a", "*a <<= 1");
        check("fn main() { *a == 1; b(); }", "*a", "*");
        check("fn main() { if a <= b { c = 1; } }", "if", "if");
        check("fn main() { writeln!(out, \"{word}\")?; }", "writeln", "writeln!(out, \"{word}\")");
        check("fn main() { println!(\"{}\", x.read(2)); }", "read", "read");
        check("fn main() { println!(\"{}\", read(2)); }", "read", "read(2)");
        check("fn main() { Vec::<Vec<u8>>::new().push(x); }", "Vec", "Vec::<Vec<u8>>::new()");
        check("fn main() { let it = Pair { a: 1 }; }", "Pair", "Pair");
        check("fn f(\n    x: u8,\n) {\n}", "}", "}");
        check("fn main() { f(1,\n 2); }", "f(1", "f(1,");
        check("fn main() { for i in 0..wait() {} }", "wait", "wait()");
    }

    #[test]
    fn columns_are_bytes_and_spans_characters() {
        let source = "fn main() { /* äöü 日本 */ wait(); }";
        check(source, "wait", "wait()");
        let tokens = Tokens::of("src/main.rs", source);
        let byte = source.find("wait").expect("there") as u32 + 1;
        assert_eq!(tokens.span(1, byte), Some((25, 31)));
        assert_eq!(tokens.span(1, 400), None);
        assert_eq!(tokens.span(9, 1), None);
        assert_eq!(tokens.span(1, 0), None);
    }

    #[test]
    fn odd_line_ends_and_marks_change_nothing() {
        check("\u{feff}fn main() {\r\n\twait();\r\n}\r\n", "wait", "wait()");
        let tokens = Tokens::of("src/main.rs", "\u{feff}fn main() { wait(); }");
        assert_eq!(tokens.span(1, 13), Some((12, 18)));
    }

    #[test]
    fn what_is_no_rust_is_words() {
        let tokens = Tokens::of("a.c", "int main(void) { pipe(fds); char c = '\\''; }");
        assert_eq!(tokens.span(1, 18), Some((17, 21)));
        assert_eq!(tokens.span(1, 22), Some((21, 22)));
    }

    #[test]
    fn ends_of_a_pipe_have_names() {
        let source = "fn main() {\n    let x = 1;\n    let (mut read_end, write_end): (A, B) = x;\n    \
                      let (mut r, w) = unsafe { pipe() }?;\n    let p = pipe()?;\n}";
        let tokens = Tokens::of("src/main.rs", source);
        let column = |line: u32| tokens.line(line).expect("a line").find("pipe").expect("there") as u32 + 1;
        assert_eq!(tokens.end_of_pair(4, column(4), false), Some((4, (13, 14))));
        assert_eq!(tokens.end_of_pair(4, column(4), true), Some((4, (16, 17))));
        assert_eq!(tokens.end_of_pair(5, column(5), true), None);
    }

    #[test]
    fn deep_nesting_is_no_danger() {
        let source = format!("fn main() {{ {}wait(){}; }}", "(".repeat(50_000), ")".repeat(50_000));
        check(&source, "wait", "wait()");
    }
}
