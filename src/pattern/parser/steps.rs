//! One step: its verb and what stands after it.

use super::super::ast::{Action, Cell, Ending, Maker, Number, ObjectName, Payload, Step, Text, Who};
use super::super::check::nearest;
use super::super::lexer::Token;
use super::{Parsed, Parser};
use crate::model::peer::Scalar;
use crate::model::{Diagnostic, Template};

/// The verbs of steps.
const VERBS: [&str; 27] = [
    "pipe", "mkfifo", "queue", "shm", "sem", "fork", "exec", "open", "unlink", "write", "read", "end", "stdout",
    "stderr", "send", "receive", "store", "load", "acquire", "release", "ready", "take", "signal", "wait", "reaped",
    "exit", "killed",
];

impl Parser<'_> {
    pub(super) fn step(&mut self) -> Parsed<Step> {
        let start = self.place();
        let action = self.action(true)?;
        let span = self.since(start);
        let label = if self.take_word("as") { Some(self.name("a step")?) } else { None };
        Ok(Step { action, label, span })
    }

    /// A verb with what belongs to it. In a `never` line (not `whole`) the texts may be left out.
    pub(super) fn action(&mut self, whole: bool) -> Parsed<Action> {
        let place = self.place();
        let Token::Word(verb) = self.peek().clone() else {
            return Err(self.expected("a step"));
        };
        if matches!(verb.as_str(), "exit" | "killed") {
            return self.endings().map(Action::Ends);
        }
        self.at += 1;
        if let Some(kind) = Maker::named(&verb) {
            return self.objects().map(|names| Action::Make { kind, names });
        }
        Ok(match verb.as_str() {
            "fork" => {
                let who = self.who()?;
                Action::Fork { who, directly: self.take_word("directly") }
            }
            "exec" => Action::Exec(self.text()?),
            "open" => Action::Open(self.object()?),
            "unlink" => Action::Unlink(self.object()?),
            "write" => Action::Write(self.object()?, self.text_if(whole)?),
            "read" => Action::Read(self.object()?, self.text_if(whole)?),
            "end" => Action::End(self.object()?),
            "stdout" => Action::Stdout(self.text_if(whole)?),
            "stderr" => Action::Stderr(self.text_if(whole)?),
            "send" => Action::Send(self.object()?, self.text_if(whole)?, self.priority()?),
            "receive" => Action::Receive(self.object()?, self.payload(whole)?, self.priority()?),
            "store" => {
                let object = self.object()?;
                Action::Store(object, self.cell()?, self.text_if(whole)?)
            }
            "load" => {
                let object = self.object()?;
                Action::Load(object, self.cell()?, self.text_if(whole)?)
            }
            "acquire" => Action::Acquire(self.object()?),
            "release" => Action::Release(self.object()?),
            "ready" => Action::Ready(self.signal()?),
            "take" => Action::Take(self.signal()?),
            "signal" => {
                let who = self.who()?;
                let more = matches!(self.peek(), Token::Word(_) | Token::Hole(_)) && !self.at_joint();
                Action::Signal(who, if whole || more { Some(self.signal()?) } else { None })
            }
            "wait" => Action::Wait(self.who()?, self.arrow()?),
            "reaped" => Action::Reaped(self.whos()?, self.arrow()?),
            _ => return Err(self.unknown_verb(&verb, place)),
        })
    }

    fn unknown_verb(&self, verb: &str, place: std::ops::Range<usize>) -> Diagnostic {
        let help = match nearest(verb, VERBS) {
            Some(verb) => format!("did you mean `{verb}`?"),
            None => format!("steps are {}", VERBS.join(", ")),
        };
        self.mistake(place, format!("`{verb}` is no step")).help(help)
    }

    /// Whether a word stands here that joins steps.
    fn at_joint(&self) -> bool {
        self.is_word("then") || self.is_word("as")
    }

    pub(super) fn objects(&mut self) -> Parsed<Vec<ObjectName>> {
        let mut names = vec![self.object()?];
        while self.take_mark(",") {
            names.push(self.object()?);
        }
        Ok(names)
    }

    pub(super) fn object(&mut self) -> Parsed<ObjectName> {
        match self.peek().clone() {
            Token::Text(template) | Token::Hole(template) => {
                self.at += 1;
                Ok(ObjectName::Named(template))
            }
            _ => self.name("an object").map(ObjectName::Word),
        }
    }

    fn text(&mut self) -> Parsed<Text> {
        let mut alternatives = Vec::new();
        loop {
            let template = match self.peek().clone() {
                Token::Text(template) | Token::Hole(template) => template,
                Token::Number(number) => Template::literal(number.to_string()),
                _ => return Err(self.expected("a text, as in `\"{word}\\n\"`,")),
            };
            if template.pieces().is_empty() {
                return Err(self.mistake(self.place(), "this text is empty").help("leave the step out"));
            }
            self.at += 1;
            alternatives.push(template);
            if !self.take_mark("|") {
                return Ok(Text { alternatives });
            }
        }
    }

    fn text_if(&mut self, needed: bool) -> Parsed<Option<Text>> {
        let there = matches!(self.peek(), Token::Text(_) | Token::Hole(_) | Token::Number(_));
        if needed || there { self.text().map(Some) } else { Ok(None) }
    }

    fn payload(&mut self, needed: bool) -> Parsed<Option<Payload>> {
        let Token::Variable(variable) = self.peek().clone() else {
            return Ok(self.text_if(needed)?.map(Payload::Text));
        };
        self.at += 1;
        self.expect_word("in")?;
        Ok(Some(Payload::Capture { variable, list: self.list()? }))
    }

    fn priority(&mut self) -> Parsed<Option<Number>> {
        if self.take_word("priority") { self.number().map(Some) } else { Ok(None) }
    }

    /// `OFFSET TYPE`, which only a type after the number tells from a value.
    fn cell(&mut self) -> Parsed<Option<Cell>> {
        if !matches!(self.peek(), Token::Number(_) | Token::Hole(_)) {
            return Ok(None);
        }
        let Token::Word(word) = self.token(1).clone() else { return Ok(None) };
        let Some(scalar) = Scalar::named(&word) else { return Ok(None) };
        let offset: Number = self.number()?;
        self.at += 1;
        Ok(Some(Cell { offset, scalar }))
    }

    pub(super) fn who(&mut self) -> Parsed<Who> {
        if self.take_word("each") {
            return if self.take_word("live") { self.role().map(Who::Live) } else { self.role().map(Who::Each) };
        }
        if self.take_word("any") {
            return self.role().map(Who::Any);
        }
        if matches!(self.peek(), Token::Number(_) | Token::Hole(_)) {
            let count = self.count()?;
            return Ok(Who::Some(count, self.role()?));
        }
        self.role().map(Who::One)
    }

    pub(super) fn whos(&mut self) -> Parsed<Vec<Who>> {
        let mut who = vec![self.who()?];
        while self.take_mark(",") {
            who.push(self.who()?);
        }
        Ok(who)
    }

    /// `-> exit 0 or killed TERM`, or nothing.
    pub(super) fn arrow(&mut self) -> Parsed<Vec<Ending>> {
        if self.take_mark("->") { self.endings() } else { Ok(Vec::new()) }
    }

    fn endings(&mut self) -> Parsed<Vec<Ending>> {
        let mut endings = vec![self.ending()?];
        while self.take_word("or") {
            endings.push(self.ending()?);
        }
        Ok(endings)
    }

    fn ending(&mut self) -> Parsed<Ending> {
        if self.take_word("exit") {
            return self.number().map(Ending::Exit);
        }
        if self.take_word("killed") {
            return self.signal().map(Ending::Killed);
        }
        Err(self.expected("`exit` or `killed`"))
    }
}
