//! What begins at the margin: declarations, lanes, rules.

use super::super::ast::{Declaration, Lane, Maker, Measure, Rule};
use super::super::lexer::Token;
use super::super::{Expected, Origin};
use super::{Parsed, Parser};
use crate::model::RoleName;

impl Parser<'_> {
    pub(super) fn file(&mut self, origin: Origin) -> Parsed<Expected> {
        let (mut declarations, mut lanes, mut rules) = (Vec::new(), Vec::<Lane>::new(), Vec::new());
        loop {
            if matches!(self.peek(), Token::Newline) {
                self.at += 1;
                return Err(self.mistake(self.place(), "this line is indented, but nothing begins before it"));
            }
            if !self.more_follows() {
                break;
            }
            self.at += 1;
            if self.token(1) == &Token::Mark(":") && !self.is_word("never") && !self.is_word("always") {
                lanes.push(self.lane()?);
            } else if let Some(declaration) = self.declaration()? {
                declarations.push(declaration);
            } else {
                rules.push(self.rule()?);
            }
            if !matches!(self.peek(), Token::Margin) {
                return Err(self.expected("the end of the line"));
            }
        }
        let Some(first) = lanes.first() else {
            return Err(self.mistake(0..0, "this expected trace has no lane").help("a lane is a name, `:`, and steps"));
        };
        let program = declared_program(&declarations, &lanes).unwrap_or_else(|| first.role.clone());
        Ok(Expected { declarations, lanes, rules, program, origin })
    }

    fn lane(&mut self) -> Parsed<Lane> {
        let start = self.place();
        let role = self.role()?;
        let span = self.since(start);
        self.expect_mark(":")?;
        let body = self.items()?;
        if self.is_mark("}") {
            return Err(self.mistake(self.place(), "this brace closes nothing"));
        }
        Ok(Lane { role, body, span })
    }

    fn declaration(&mut self) -> Parsed<Option<Declaration>> {
        let start = self.place();
        if self.take_word("role") {
            let roles = self.roles()?;
            self.take_mark(":");
            if self.take_word("below") {
                return Ok(Some(Declaration::Below { roles, above: self.role()?, span: self.since(start) }));
            }
            if self.take_word("may") {
                self.expect_word("be")?;
                return Ok(Some(Declaration::MayBe { roles, other: self.role()?, span: self.since(start) }));
            }
            return Err(self.expected("`below` or `may be`"));
        }
        if self.take_word("family") {
            let role = self.role()?;
            self.expect_mark("[")?;
            let size = self.count()?;
            let open = self.take_mark("..");
            self.expect_mark("]")?;
            return Ok(Some(Declaration::Family { role, size, open, span: self.since(start) }));
        }
        if matches!(self.token(1), Token::Word(word) if word == "may") {
            let role = self.role()?;
            self.expect_word("may")?;
            self.expect_word("delegate")?;
            return Ok(Some(Declaration::MayDelegate { role, span: self.since(start) }));
        }
        if let Token::Word(word) = self.peek()
            && let Some(kind) = Maker::named(word)
        {
            self.at += 1;
            return Ok(Some(Declaration::Objects { kind, names: self.objects()?, span: self.since(start) }));
        }
        Ok(None)
    }

    fn rule(&mut self) -> Parsed<Rule> {
        let start = self.place();
        if self.take_word("share") {
            let list = self.list()?;
            self.expect_word("among")?;
            let family = self.role()?;
            if self.take_mark(",") {
                self.expect_word("each")?;
                self.expect_word("once")?;
            }
            return Ok(Rule::Share { list, family, span: self.since(start) });
        }
        if self.take_word("free") {
            self.expect_word("messages")?;
            self.expect_word("on")?;
            let queue = self.object()?;
            self.expect_mark(":")?;
            self.expect_word("not")?;
            self.expect_word("in")?;
            return Ok(Rule::Free { queue, list: self.list()?, span: self.since(start) });
        }
        if self.take_word("reaped") {
            let who = self.whos()?;
            return Ok(Rule::Reaped { who, endings: self.arrow()?, span: self.since(start) });
        }
        if self.take_word("never") {
            let role = if self.is_mark(":") { None } else { Some(self.role()?) };
            self.expect_mark(":")?;
            return Ok(Rule::Never { role, action: self.action(false)?, span: self.since(start) });
        }
        if self.take_word("always") {
            return self.always(start);
        }
        if matches!(self.token(1), Token::Word(word) if word == "before") {
            let first = self.name("a step")?;
            self.expect_word("before")?;
            return Ok(Rule::Before { first, second: self.name("a step")?, span: self.since(start) });
        }
        Err(self.expected("a lane, a declaration or a rule").help(
            "a lane is `name:` at the margin with its steps indented; rules begin with share, free, reaped, never or always",
        ))
    }

    fn always(&mut self, start: std::ops::Range<usize>) -> Parsed<Rule> {
        let between = if self.take_word("between") {
            let from = self.name("a step")?;
            self.expect_word("and")?;
            Some((from, self.name("a step")?))
        } else {
            None
        };
        self.expect_mark(":")?;
        let measure = if self.take_word("live") {
            Measure::Live(self.role()?)
        } else if self.take_word("unread") {
            Measure::Unread(self.object()?)
        } else {
            return Err(self.expected("`live` or `unread`"));
        };
        let at_least = self.take_mark(">=");
        if !at_least {
            self.expect_mark("<=")?;
        }
        Ok(Rule::Always { between, measure, at_least, bound: self.count()?, span: self.since(start) })
    }
}

/// The role that others are declared to be below, where it has neither lane nor declaration: it is the program itself.
fn declared_program(declarations: &[Declaration], lanes: &[Lane]) -> Option<RoleName> {
    declarations.iter().find_map(|declaration| match declaration {
        Declaration::Below { above, .. } if lanes.iter().all(|lane| lane.role != *above) => Some(above.clone()),
        _ => None,
    })
}
