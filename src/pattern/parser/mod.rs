//! The grammar, and a parser by recursive descent.
//!
//! ```ebnf
//! file        = { declaration | lane | rule } ;             (* each begins at the margin, what belongs to it is indented *)
//!
//! declaration = "role" names [ ":" ] "below" NAME
//!             | "role" names "may" "be" NAME
//!             | "family" NAME "[" count [ ".." ] "]"
//!             | NAME "may" "delegate"
//!             | maker object { "," object } ;
//!
//! lane        = NAME ":" { item separator } ;
//! separator   = ";" | NEWLINE ;                             (* starts in order, ends in order *)
//! item        = "each" NAME "in" list [ "in" "any" "order" ] ":" item
//!             | "each" NAME "killed" signal ":" item
//!             | both { "then" both } ;                      (* all of the one before any of the other *)
//! both        = unit { "&" unit } ;                         (* in any order *)
//! unit        = group | "optional" ( group | step ) | "repeat" group | "on" signal group | step ;
//! group       = "{" item { separator item } "}" ;
//!
//! step        = action [ "as" NAME ] ;
//! action      = maker object { "," object }
//!             | "fork" who [ "directly" ]  | "exec" text
//!             | "open" object | "unlink" object
//!             | "write" object text | "read" object text | "end" object
//!             | "stdout" text | "stderr" text
//!             | "send" object text [ "priority" number ]
//!             | "receive" object ( text | VARIABLE "in" list ) [ "priority" number ]
//!             | ( "store" | "load" ) object [ number type ] text
//!             | "acquire" object | "release" object
//!             | "ready" signal | "take" signal | "signal" who signal
//!             | "wait" who [ "->" endings ] | "reaped" who { "," who } [ "->" endings ]
//!             | endings ;
//! maker       = "pipe" | "mkfifo" | "queue" | "shm" | "sem" ;
//! endings     = ending { "or" ending } ;
//! ending      = "exit" number | "killed" signal ;
//! who         = NAME | "each" [ "live" ] NAME | "any" NAME | count NAME ;
//!
//! rule        = "share" list "among" NAME [ "," "each" "once" ]
//!             | "free" "messages" "on" object ":" "not" "in" list
//!             | "reaped" who { "," who } [ "->" endings ]
//!             | "never" [ NAME ] ":" action                 (* whatever stands after the verb may be left out *)
//!             | "always" [ "between" NAME "and" NAME ] ":" measure ( ">=" | "<=" ) count
//!             | NAME "before" NAME ;
//! measure     = "live" NAME | "unread" object ;
//!
//! text        = value { "|" value } ;   value = TEXT | HOLE | NUMBER ;
//! object      = NAME | TEXT | HOLE ;    list = HOLE ;       number = NUMBER | HOLE ;
//! count       = number [ ( "+" | "-" ) NUMBER ] ;
//! signal      = "INT" | "TERM" | … | "RTMIN" [ ( "+" | "-" ) NUMBER ] | HOLE ;
//! type        = "u8" | "u32" | "i32" | "u64" | "i64" ;
//! ```
//!
//! A NAME is letters, digits and `_`. A HOLE is `{value|filter}` without spaces. A TEXT is quoted, with holes and the
//! escapes `\n \t \r \0 \\ \" \{ \}`. `#` starts a comment. A line that begins with `then` or `&` goes on with the one
//! before it.

mod steps;
mod top;

use std::ops::Range;

use super::ast::{Count, List, Node, Number, SignalArg, Span};
use super::lexer::{Token, lex};
use super::{Expected, Origin};
use crate::model::{Diagnostic, RoleName};

/// Reads a text, without asking whether its names make sense.
pub(super) fn parse(file: &str, text: &str) -> Result<Expected, Diagnostic> {
    let tokens = lex(file, text)?;
    let mut parser = Parser { file, text, tokens, at: 0, depth: 0 };
    parser.file(Origin { file: file.to_owned(), text: text.to_owned() })
}

/// Words that begin or join something and so are no names.
const RESERVED: [&str; 20] = [
    "then", "each", "repeat", "optional", "on", "as", "or", "any", "live", "in", "priority", "never", "always",
    "share", "free", "role", "family", "exit", "killed", "may",
];

struct Parser<'a> {
    file: &'a str,
    text: &'a str,
    tokens: Vec<(Token, Range<usize>)>,
    at: usize,
    /// How many braces are open: line ends within them only separate.
    depth: usize,
}

type Parsed<T> = Result<T, Diagnostic>;

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.token(0)
    }

    /// The token that many further on; the last one for ever.
    fn token(&self, ahead: usize) -> &Token {
        &self.tokens[(self.at + ahead).min(self.tokens.len() - 1)].0
    }

    fn place(&self) -> Range<usize> {
        self.tokens[self.at.min(self.tokens.len() - 1)].1.clone()
    }

    /// From a place to the end of the token before the current one.
    fn since(&self, start: Range<usize>) -> Span {
        let end = self.at.checked_sub(1).map_or(start.end, |before| self.tokens[before].1.end);
        Span { start: start.start, end: end.max(start.end) }
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Word(it) if it == word)
    }

    fn is_mark(&self, mark: &str) -> bool {
        matches!(self.peek(), Token::Mark(it) if *it == mark)
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    fn take_mark(&mut self, mark: &str) -> bool {
        let found = self.is_mark(mark);
        self.at += usize::from(found);
        found
    }

    fn expect_word(&mut self, word: &str) -> Parsed<()> {
        if self.take_word(word) { Ok(()) } else { Err(self.expected(&format!("`{word}`"))) }
    }

    fn expect_mark(&mut self, mark: &str) -> Parsed<()> {
        if self.take_mark(mark) { Ok(()) } else { Err(self.expected(&format!("`{mark}`"))) }
    }

    /// What stands here is not what is needed.
    fn expected(&self, what: &str) -> Diagnostic {
        let found = match self.peek() {
            Token::Newline | Token::Margin => "the line ends".to_owned(),
            _ => format!("`{}` stands", &self.text[self.place()]),
        };
        let mut place = self.place();
        if place.is_empty() {
            // A line's end is shown where the line ends, not where the next begins.
            let end = self.at.checked_sub(1).map_or(0, |before| self.tokens[before].1.end);
            place = end..end;
        }
        self.mistake(place, format!("{found} where {what} is expected"))
    }

    fn mistake(&self, place: Range<usize>, message: impl Into<String>) -> Diagnostic {
        Diagnostic::at(self.file, self.text, place, message)
    }

    /// Passes over line ends that only separate.
    fn skip_lines(&mut self) {
        while matches!(self.peek(), Token::Newline) || (self.depth > 0 && self.lines_go_on()) {
            self.at += 1;
        }
    }

    /// A line at the margin that can only be meant to stand inside the open braces: no lane begins there.
    fn lines_go_on(&self) -> bool {
        self.more_follows() && *self.token(2) != Token::Mark(":")
    }

    /// A line at the margin, and not the end of the text.
    fn more_follows(&self) -> bool {
        matches!(self.peek(), Token::Margin) && self.at + 1 < self.tokens.len()
    }

    /// A separator, or several in a row; whether there was one.
    fn separators(&mut self) -> bool {
        let start = self.at;
        loop {
            self.skip_lines();
            if !self.take_mark(";") {
                return self.at > start;
            }
        }
    }

    fn name(&mut self, what: &str) -> Parsed<String> {
        match self.peek() {
            Token::Word(word) if RESERVED.contains(&word.as_str()) => {
                let message = format!("`{word}` is a word of the language and cannot be the name of {what}");
                Err(self.mistake(self.place(), message))
            }
            Token::Word(word) => {
                let word = word.clone();
                self.at += 1;
                Ok(word)
            }
            _ => Err(self.expected(&format!("the name of {what}"))),
        }
    }

    fn role(&mut self) -> Parsed<RoleName> {
        self.name("a role").map(RoleName::new)
    }

    fn roles(&mut self) -> Parsed<Vec<RoleName>> {
        let mut roles = vec![self.role()?];
        while self.take_mark(",") {
            roles.push(self.role()?);
        }
        Ok(roles)
    }

    fn number(&mut self) -> Parsed<Number> {
        match self.peek().clone() {
            Token::Number(number) => {
                self.at += 1;
                Ok(Number::Literal(number))
            }
            Token::Hole(template) => {
                self.at += 1;
                Ok(Number::Hole(template))
            }
            _ => Err(self.expected("a number")),
        }
    }

    fn count(&mut self) -> Parsed<Count> {
        let base = self.number()?;
        let sign = if self.take_mark("+") {
            1
        } else if self.take_mark("-") {
            -1
        } else {
            return Ok(Count { base, plus: 0 });
        };
        match self.next() {
            Token::Number(plus) => Ok(Count { base, plus: sign * plus }),
            _ => {
                self.at -= 1;
                Err(self.expected("a number"))
            }
        }
    }

    fn list(&mut self) -> Parsed<List> {
        match self.peek().clone() {
            Token::Hole(template) => {
                self.at += 1;
                Ok(List(template))
            }
            _ => Err(self.expected("a drawn list, as in `{jobs}`,")),
        }
    }

    fn signal(&mut self) -> Parsed<SignalArg> {
        let place = self.place();
        match self.next() {
            Token::Hole(template) => Ok(SignalArg::Hole(template)),
            Token::Word(mut name) => {
                if name == "RTMIN" && (self.is_mark("+") || self.is_mark("-")) {
                    let sign = if self.next() == Token::Mark("+") { '+' } else { '-' };
                    if let Token::Number(distance) = self.next() {
                        name = format!("RTMIN{sign}{distance}");
                    }
                }
                let signal = name.parse().map_err(|unknown: crate::model::signal::UnknownSignal| {
                    self.mistake(self.since(place).into(), unknown.to_string())
                })?;
                Ok(SignalArg::Literal(signal))
            }
            _ => {
                self.at -= 1;
                Err(self.expected("a signal, as in `TERM`,"))
            }
        }
    }

    /// Items up to what ends them: a closing brace, or the margin.
    fn items(&mut self) -> Parsed<Node> {
        let mut items = Vec::new();
        self.separators();
        while !self.is_mark("}") && !matches!(self.peek(), Token::Margin) {
            items.push(self.item()?);
            if !self.separators() && !self.is_mark("}") && !matches!(self.peek(), Token::Margin) {
                return Err(self.expected("`;`, `then`, `&` or the end of the line"));
            }
        }
        Ok(one_or(items, Node::Sequence))
    }

    fn item(&mut self) -> Parsed<Node> {
        if self.is_word("each") {
            return self.each();
        }
        let mut sides = vec![self.both()?];
        while self.goes_on(|token| matches!(token, Token::Word(word) if word == "then")) {
            sides.push(self.both()?);
        }
        Ok(one_or(sides, Node::Then))
    }

    fn both(&mut self) -> Parsed<Node> {
        let mut sides = vec![self.unit()?];
        while self.goes_on(|token| *token == Token::Mark("&")) {
            sides.push(self.unit()?);
        }
        Ok(one_or(sides, Node::Both))
    }

    /// Takes a joining word, which may begin the next line; line ends after it do not count.
    fn goes_on(&mut self, joins: impl Fn(&Token) -> bool) -> bool {
        let ahead = usize::from(matches!(self.peek(), Token::Newline) || (self.depth > 0 && self.lines_go_on()));
        if !joins(self.token(ahead)) {
            return false;
        }
        self.at += ahead + 1;
        self.skip_lines();
        true
    }

    fn each(&mut self) -> Parsed<Node> {
        let start = self.place();
        self.expect_word("each")?;
        let name = self.name("a value or a family")?;
        if self.take_word("killed") {
            let signal = self.signal()?;
            let span = self.since(start);
            self.expect_mark(":")?;
            self.skip_lines();
            let body = Box::new(self.item()?);
            return Ok(Node::EachKilled { family: RoleName::new(name), signal, body, span });
        }
        if !self.take_word("in") {
            return Err(self.expected("`in` or `killed`"));
        }
        let list = self.list()?;
        let any_order = self.take_word("in");
        if any_order {
            self.expect_word("any")?;
            self.expect_word("order")?;
        }
        let span = self.since(start);
        self.expect_mark(":")?;
        self.skip_lines();
        let body = Box::new(self.item()?);
        Ok(Node::Each { variable: name, list, any_order, body, span })
    }

    fn unit(&mut self) -> Parsed<Node> {
        if self.is_mark("{") {
            return self.group();
        }
        if self.take_word("optional") {
            let node = if self.is_mark("{") { self.group()? } else { Node::Step(self.step()?) };
            return Ok(Node::Optional(Box::new(node)));
        }
        if self.take_word("repeat") {
            return Ok(Node::Repeat(Box::new(self.group()?)));
        }
        let start = self.place();
        if self.take_word("on") {
            let signal = self.signal()?;
            let span = self.since(start);
            return Ok(Node::On { signal, body: Box::new(self.group()?), span });
        }
        if self.is_word("each") {
            let message = "`each` loops over the whole of its line";
            return Err(self.mistake(self.place(), message).help("put braces around it: `{ each x in {items}: … }`"));
        }
        self.step().map(Node::Step)
    }

    fn group(&mut self) -> Parsed<Node> {
        let open = self.place();
        self.expect_mark("{")?;
        self.depth += 1;
        let items = self.items()?;
        self.depth -= 1;
        if !self.take_mark("}") {
            return Err(self.mistake(open, "this brace is never closed"));
        }
        if items == Node::Sequence(Vec::new()) {
            return Err(self.mistake(open, "nothing stands between these braces"));
        }
        Ok(items)
    }
}

fn one_or(mut nodes: Vec<Node>, several: fn(Vec<Node>) -> Node) -> Node {
    match nodes.len() {
        1 => nodes.remove(0),
        _ => several(nodes),
    }
}
