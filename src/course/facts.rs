//! What a peer's `when` waits for. The grammar stands in [`super::steps`].

use super::document::{Mistake, instead};
use super::steps::{Rest, State, check_number};
use crate::model::peer::{Action, Fact, Scalar, Waiting};

/// The calls that a program can wait in, by their plain names.
const CALLS: [&str; 12] =
    ["read", "write", "open", "wait", "receive", "send", "acquire", "pause", "sigsuspend", "sigwait", "poll", "futex"];

impl State<'_> {
    pub(super) fn when(&mut self, rest: &mut Rest<'_>) -> Result<Action, Mistake> {
        let mut facts = vec![self.fact(rest)?];
        loop {
            if rest.takes("and") {
                facts.push(self.fact(rest)?);
            } else if rest.takes("or") {
                return match rest.takes("idle") {
                    true => Ok(Action::When { facts, or_idle: true }),
                    false => Err(rest.unexpected("or idle (facts are joined by `and`)")),
                };
            } else if rest.words.is_empty() {
                return Ok(Action::When { facts, or_idle: false });
            } else {
                return Err(rest.unexpected("and FACT, or idle, or the end of the line"));
            }
        }
    }

    fn fact(&mut self, rest: &mut Rest<'_>) -> Result<Fact, Mistake> {
        const FACTS: &str = "exists NAME, main ready SIGNAL, main waits in CALL, main exited, received \"TEXT\", some \
                             child received \"TEXT\", or children N";
        if rest.takes("exists") {
            let name = "exists NAME, exists shm \"/n\", or exists queue \"/n\"";
            return Ok(match rest.peek() {
                Some("shm") if rest.takes("shm") => Fact::ShmExists(self.object(rest)?),
                Some("queue") if rest.takes("queue") => Fact::QueueExists(self.object(rest)?),
                _ => Fact::Exists(self.template(rest.next(name)?)?),
            });
        }
        if rest.takes("received") {
            return Ok(Fact::Received(self.text(rest)?));
        }
        if rest.takes("some") {
            if !(rest.takes("child") && rest.takes("received")) {
                return Err(rest.unexpected("some child received \"TEXT\""));
            }
            self.it = true;
            return Ok(Fact::SomeChildReceived(self.text(rest)?));
        }
        if rest.peek() == Some("it") {
            if !self.it {
                return Err(nobody(rest));
            }
            return match rest.takes("it") && rest.takes("exited") {
                true => Ok(Fact::ItExited),
                false => Err(rest.unexpected("it exited")),
            };
        }
        if rest.takes("children") {
            let word = rest.next("children N, or children N wait in CALL")?;
            let count = self.template(word)?;
            check_number(&word.text, &count, Scalar::U32)?;
            if !rest.takes("wait") {
                return Ok(Fact::Children { count, waiting: None });
            }
            if !rest.takes("in") {
                return Err(rest.unexpected("children N wait in CALL"));
            }
            return Ok(Fact::Children { count, waiting: Some(self.waiting(rest)?) });
        }
        if !rest.takes("main") {
            return Err(rest.unexpected(FACTS));
        }
        if rest.takes("exited") {
            return Ok(Fact::MainExited);
        }
        if rest.takes("ready") {
            return Ok(Fact::Ready(self.signal(rest)?));
        }
        if !(rest.takes("waits") && rest.takes("in")) {
            return Err(rest.unexpected("main ready SIGNAL, main waits in CALL, or main exited"));
        }
        self.waiting(rest).map(Fact::WaitsIn)
    }

    /// The call that somebody waits in, and the object if one is named.
    fn waiting(&self, rest: &mut Rest<'_>) -> Result<Waiting, Mistake> {
        let word = rest.next("the CALL that it waits in")?;
        let Some(call) = word.bare().filter(|call| CALLS.contains(call)) else {
            let message = format!("no call is called `{}` here", word.text.text());
            return Err(Mistake::new(word.text.whole(), message, instead(word.text.text(), CALLS)));
        };
        let object = match rest.words.first() {
            Some(word) if !matches!(word.bare(), Some("and" | "or")) => Some(self.template(rest.next("an object")?)?),
            _ => None,
        };
        Ok(Waiting { call: call.to_owned(), object })
    }
}

/// No fact has singled a process out.
pub(super) fn nobody(rest: &Rest<'_>) -> Mistake {
    rest.mistake("nobody is `it` here", "when some child received \"TEXT\", before this")
}
