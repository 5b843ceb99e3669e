//! The language of a peer's steps, one a line.
//!
//! ```text
//! step   = "when" fact { "and" fact } [ "or" "idle" ]
//!        | "open" NAME ( "read" | "write" )           a FIFO or file in the working directory
//!        | "open" "shm" NAME                          mapped whole, for reading and writing
//!        | "open" "queue" NAME ( "read" | "write" | "both" )
//!        | "write" NAME TEXT                          `main.stdin` is the program's standard input
//!        | "read" NAME ( TEXT | "end" )
//!        | "close" NAME
//!        | ( "expect" | "store" ) OFFSET TYPE VALUE   in the object opened last
//!        | "send" NAME TEXT [ "priority" N ]
//!        | "receive" NAME TEXT [ "priority" N ]
//!        | "signal" ( "main" | "it" ) SIGNAL          `it`: whom the last "some child …" has found
//!        | "exit" N | "die"
//! fact   = "exists" ( NAME | "shm" NAME | "queue" NAME )
//!        | "main" "ready" SIGNAL
//!        | "main" "waits" "in" CALL [ OBJECT ]
//!        | "main" "exited"
//!        | "received" TEXT
//!        | "some" "child" "received" TEXT             a process of the program's other than itself; from then on `it`
//!        | "it" "exited"
//!        | "children" N [ "wait" "in" CALL [ OBJECT ] ]  at least so many of these are alive, or wait there
//! ```
//! `die` kills the peer where it stands: after a `when`, at a named event.
//!
//! A text stands in quotes, with the escapes `\n \t \r \0 \\ \" \{ \}`; a name may. Values `{name}` stand in any
//! argument. `#` begins a comment. What a step uses must be open, and open the right way.

use super::document::{Mistake, Scope, instead};
use super::facts::nobody;
use super::place::Placed;
use super::words::{self, Word};
use crate::model::peer::{Access, Action, Scalar, Target};
use crate::model::{Signal, Template};

/// A step that has been read, with its place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Read {
    /// The offset of its line in the file.
    pub(super) place: usize,
    /// As written, trimmed, without its comment.
    pub(super) text: String,
    /// What it does.
    pub(super) action: Action,
}

/// The words that begin a step.
const VERBS: [&str; 12] =
    ["when", "open", "write", "read", "close", "expect", "store", "send", "receive", "signal", "exit", "die"];

/// The name that a peer writes to for the program's standard input.
const STDIN: &str = "main.stdin";

/// Reads a peer's steps.
///
/// `stdin` says whether a peer may write the program's standard input.
///
/// # Errors
/// The first mistake: what follows it is often wrong for its sake only.
pub(super) fn parse(text: &Placed, scope: &Scope, stdin: bool) -> Result<Vec<Read>, Mistake> {
    let mut steps = Vec::new();
    let mut state = State { scope, stdin, open: Vec::new(), over: false, it: false };
    let mut start = 0;
    for line in text.text().split_inclusive('\n') {
        steps.extend(state.step(&text.slice(start..start + line.trim_end().len()))?);
        start += line.len();
    }
    if steps.is_empty() {
        return Err(Mistake::new(text.whole(), "this peer does nothing", "expected: at least one step"));
    }
    Ok(steps)
}

/// What an opened name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Path,
    Shm,
    Queue,
}

/// What is open so far.
pub(super) struct State<'s> {
    scope: &'s Scope,
    stdin: bool,
    open: Vec<(Template, What, Access)>,
    /// The peer has ended.
    over: bool,
    /// A fact before has singled a process out.
    pub(super) it: bool,
}

/// The words of a line that have not been read yet.
pub(super) struct Rest<'w> {
    pub(super) words: &'w [Word],
    /// Where the line ends.
    end: std::ops::Range<usize>,
}

impl<'w> Rest<'w> {
    pub(super) fn peek(&self) -> Option<&'w str> {
        self.words.first().and_then(Word::bare)
    }

    /// Takes the bare word, if it is the next one.
    pub(super) fn takes(&mut self, word: &str) -> bool {
        let is = self.peek() == Some(word);
        if is {
            self.words = &self.words[1..];
        }
        is
    }

    pub(super) fn next(&mut self, expected: &str) -> Result<&'w Word, Mistake> {
        let (first, rest) =
            self.words.split_first().ok_or_else(|| self.mistake("the step ends too early", expected))?;
        self.words = rest;
        Ok(first)
    }

    /// A mistake at the next word, or at the end of the line.
    pub(super) fn mistake(&self, message: impl Into<String>, expected: &str) -> Mistake {
        let range = self.words.first().map_or(self.end.clone(), |word| word.text.whole());
        Mistake::new(range, message, format!("expected: {expected}"))
    }

    pub(super) fn unexpected(&self, expected: &str) -> Mistake {
        match self.words.first() {
            Some(word) => self.mistake(format!("`{}` is not understood here", word.text.text()), expected),
            None => self.mistake("the step ends too early", expected),
        }
    }
}

impl State<'_> {
    fn step(&mut self, line: &Placed) -> Result<Option<Read>, Mistake> {
        let words = words::split(line)?;
        let Some(first) = words.first() else { return Ok(None) };
        let last = words.last().map_or(first, |word| word);
        let quote = usize::from(last.quoted);
        let (start, end) = (first.text.whole().start, last.text.whole().end + quote);
        if self.over {
            let help = "remove it, or move the exit behind it";
            return Err(Mistake::new(start..end, "the peer has ended before this step", help));
        }
        let Some(verb) = first.bare().filter(|verb| VERBS.contains(verb)) else {
            let message = format!("no step begins with `{}`", first.text.text());
            return Err(Mistake::new(first.text.whole(), message, instead(first.text.text(), VERBS)));
        };
        let mut rest = Rest { words: &words[1..], end: end..end };
        let action = self.action(verb, &mut rest)?;
        if let Some(word) = rest.words.first() {
            let message = format!("`{}` is more than the step takes", word.text.text());
            return Err(Mistake::new(word.text.whole(), message, "remove it, or begin a new line"));
        }
        let from = line.text().len() - line.text().trim_start().len();
        let length = (from..=line.text().len()).find(|at| line.place(*at) >= end).unwrap_or(line.text().len());
        Ok(Some(Read { place: start, text: line.text()[from..length].trim_end().to_owned(), action }))
    }

    fn action(&mut self, verb: &str, rest: &mut Rest<'_>) -> Result<Action, Mistake> {
        Ok(match verb {
            "when" => self.when(rest)?,
            "open" => self.open(rest)?,
            "write" => {
                let path = self.stream(rest, Access::Write)?;
                Action::Write { path, text: self.text(rest)? }
            }
            "read" => {
                let path = self.stream(rest, Access::Read)?;
                match rest.takes("end") {
                    true => Action::ReadEnd { path },
                    false => Action::Read { path, text: self.text(rest)? },
                }
            }
            "close" => {
                let word = rest.next("the NAME of what is open")?;
                let path = self.template(word)?;
                self.close(&path, word)?;
                Action::Close { path }
            }
            "expect" => {
                let (offset, scalar, value) = self.scalar(rest)?;
                Action::Expect { offset, scalar, value }
            }
            "store" => {
                let (offset, scalar, value) = self.scalar(rest)?;
                Action::Store { offset, scalar, value }
            }
            "send" => {
                let (queue, text) = (self.queue(rest, Access::Write)?, self.text(rest)?);
                let priority = self.priority(rest)?.unwrap_or_else(|| Template::literal("0"));
                Action::Send { queue, text, priority }
            }
            "receive" => {
                let (queue, text) = (self.queue(rest, Access::Read)?, self.text(rest)?);
                Action::Receive { queue, text, priority: self.priority(rest)? }
            }
            "signal" => {
                let target = match rest.peek() {
                    Some("main") if rest.takes("main") => Target::Main,
                    Some("it") if !self.it => return Err(nobody(rest)),
                    Some("it") if rest.takes("it") => Target::It,
                    _ => return Err(rest.unexpected("signal main SIGNAL, or signal it SIGNAL")),
                };
                Action::Signal { target, signal: self.signal(rest)? }
            }
            "exit" => {
                let word = rest.next("exit N, 0 to 255")?;
                let status = word.text.text().parse().map_err(|_| {
                    Mistake::new(word.text.whole(), "this is no exit status", "expected: a number from 0 to 255")
                })?;
                self.over = true;
                Action::Exit { status }
            }
            _ => {
                self.over = true;
                Action::Die
            }
        })
    }

    fn open(&mut self, rest: &mut Rest<'_>) -> Result<Action, Mistake> {
        let what = match rest.peek() {
            Some("shm") if rest.takes("shm") => What::Shm,
            Some("queue") if rest.takes("queue") => What::Queue,
            _ => What::Path,
        };
        let word = rest.words.first().cloned();
        let name = match what {
            What::Path => self.template(rest.next("the NAME to open")?)?,
            What::Shm | What::Queue => self.object(rest)?,
        };
        let ways: &[(&str, Access)] = match what {
            What::Shm => &[],
            What::Path => &[("read", Access::Read), ("write", Access::Write)],
            What::Queue => &[("read", Access::Read), ("write", Access::Write), ("both", Access::Both)],
        };
        let access = match ways {
            [] => Access::Both,
            ways => match ways.iter().find(|(way, _)| rest.takes(way)) {
                Some((_, access)) => *access,
                None => return Err(rest.unexpected(&ways.iter().map(|(way, _)| *way).collect::<Vec<_>>().join(" or "))),
            },
        };
        if let Some(word) = word.filter(|_| self.open.iter().any(|(open, ..)| *open == name)) {
            return Err(Mistake::new(word.text.whole(), "this is open already", "close it first"));
        }
        self.open.push((name.clone(), what, access));
        Ok(match what {
            What::Path => Action::Open { path: name, access },
            What::Shm => Action::OpenShm { name },
            What::Queue => Action::OpenQueue { name, access },
        })
    }

    fn close(&mut self, name: &Template, word: &Word) -> Result<(), Mistake> {
        if self.stdin && name.to_string() == STDIN {
            return Ok(());
        }
        let open = self.open.iter().position(|(open, ..)| open == name).ok_or_else(|| self.not_open(word))?;
        self.open.remove(open);
        Ok(())
    }

    /// The name of an open FIFO or file, or the program's standard input.
    fn stream(&self, rest: &mut Rest<'_>, way: Access) -> Result<Template, Mistake> {
        let word = rest.next("the NAME of what is open")?;
        if word.bare() == Some(STDIN) {
            if way == Access::Read {
                return Err(Mistake::new(
                    word.text.whole(),
                    "the program reads its standard input, a peer writes it",
                    "",
                ));
            }
            if !self.stdin {
                let help = "add `stdin = \"peer\"` to the scenario";
                return Err(Mistake::new(word.text.whole(), "the program's standard input is not a peer's", help));
            }
            return self.template(word);
        }
        self.opened(word, What::Path, way)
    }

    fn queue(&self, rest: &mut Rest<'_>, way: Access) -> Result<Template, Mistake> {
        self.opened(rest.next("the NAME of an open queue")?, What::Queue, way)
    }

    fn opened(&self, word: &Word, what: What, way: Access) -> Result<Template, Mistake> {
        let name = self.template(word)?;
        let (_, is, access) = self.open.iter().find(|(open, ..)| *open == name).ok_or_else(|| self.not_open(word))?;
        if *is != what {
            let help = match is {
                What::Path => "a FIFO or file is read and written",
                What::Shm => "shared memory is used by expect and store",
                What::Queue => "a queue is used by send and receive",
            };
            return Err(Mistake::new(word.text.whole(), "this is open as something else", help));
        }
        if *access != way && *access != Access::Both {
            let (open, other) = if way == Access::Read { ("writing", "reading") } else { ("reading", "writing") };
            let message = format!("this is open for {open} only");
            return Err(Mistake::new(word.text.whole(), message, format!("open it for {other}")));
        }
        Ok(name)
    }

    fn not_open(&self, word: &Word) -> Mistake {
        let names: Vec<String> = self.open.iter().map(|(name, ..)| name.to_string()).collect();
        let help = match names.is_empty() {
            true => "nothing is open here: expected an `open` step before this one".to_owned(),
            false => instead(word.text.text(), names.iter().map(String::as_str)),
        };
        Mistake::new(word.text.whole(), format!("`{}` is not open here", word.text.text()), help)
    }

    fn scalar(&self, rest: &mut Rest<'_>) -> Result<(u64, Scalar, Template), Mistake> {
        const FORM: &str = "OFFSET TYPE VALUE, as in: 4 u32 {answer}";
        if !self.open.iter().any(|(_, what, _)| *what == What::Shm) {
            return Err(rest.mistake("no shared memory is open here", "open shm \"/name\" before this step"));
        }
        let word = rest.next(FORM)?;
        let offset = word.text.text().parse().map_err(|_| {
            Mistake::new(word.text.whole(), format!("`{}` is no offset", word.text.text()), format!("expected: {FORM}"))
        })?;
        let word = rest.next(FORM)?;
        let scalar = Scalar::named(word.text.text()).ok_or_else(|| no_scalar(&word.text))?;
        let word = rest.next(FORM)?;
        let value = self.template(word)?;
        check_number(&word.text, &value, scalar)?;
        Ok((offset, scalar, value))
    }

    fn priority(&self, rest: &mut Rest<'_>) -> Result<Option<Template>, Mistake> {
        if rest.words.is_empty() {
            return Ok(None);
        }
        if !rest.takes("priority") {
            return Err(rest.unexpected("priority N, or the end of the line"));
        }
        let word = rest.next("priority N")?;
        let priority = self.template(word)?;
        check_number(&word.text, &priority, Scalar::U32)?;
        Ok(Some(priority))
    }

    pub(super) fn signal(&self, rest: &mut Rest<'_>) -> Result<Template, Mistake> {
        let word = rest.next("a SIGNAL: INT, TERM, USR1 …")?;
        let signal = self.template(word)?;
        check_signal(&word.text, &signal)?;
        Ok(signal)
    }

    pub(super) fn text(&self, rest: &mut Rest<'_>) -> Result<Template, Mistake> {
        match rest.words.first() {
            Some(word) if word.quoted => self.template(rest.next("\"TEXT\"")?),
            _ => Err(rest.unexpected("\"TEXT\" in quotes")),
        }
    }

    /// The name of a POSIX object: a slash and no other (shm_overview(7), mq_overview(7)).
    pub(super) fn object(&self, rest: &mut Rest<'_>) -> Result<Template, Mistake> {
        let word = rest.next("the object's name: \"/name\"")?;
        check_posix_name(&word.text)?;
        self.template(word)
    }

    pub(super) fn template(&self, word: &Word) -> Result<Template, Mistake> {
        self.scope.template(&word.text)
    }
}

/// No such type.
pub(super) fn no_scalar(text: &Placed) -> Mistake {
    let names = ["u8", "u32", "i32", "u64", "i64"];
    Mistake::new(text.whole(), format!("no type is called `{}`", text.text()), instead(text.text(), names))
}

/// A POSIX object's name begins with a slash and has no other.
pub(super) fn check_posix_name(text: &Placed) -> Result<(), Mistake> {
    let rest = text.text().strip_prefix('/').filter(|rest| !rest.is_empty() && !rest.contains('/'));
    let wrong = || {
        Mistake::new(
            text.whole(),
            format!("`{}` is no name of a POSIX object", text.text()),
            "expected: a slash, a name, and no other slash: \"/name\"",
        )
    };
    rest.map(|_| ()).ok_or_else(wrong)
}

/// A signal that is written out must be one; one that is drawn is.
pub(super) fn check_signal(text: &Placed, signal: &Template) -> Result<(), Mistake> {
    if signal.names().next().is_some() {
        return Ok(());
    }
    text.text().parse::<Signal>().map(|_| ()).map_err(|error| {
        Mistake::new(text.whole(), error.to_string(), "expected: a name without SIG, or a drawn value: {which}")
    })
}

/// A number that is written out must fit its type.
pub(super) fn check_number(text: &Placed, number: &Template, scalar: Scalar) -> Result<(), Mistake> {
    if number.names().next().is_some() {
        return Ok(());
    }
    let fits = text.text().parse().ok().and_then(|number| scalar.encode(number)).is_some();
    let wrong = || {
        let message = format!("`{}` is no {}", text.text(), scalar.name());
        Mistake::new(text.whole(), message, "expected: a number that fits, or a drawn value: {n}")
    };
    fits.then_some(()).ok_or_else(wrong)
}
