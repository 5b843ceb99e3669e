//! A step of an expected trace, or an event, as the predicate of a sentence: `writes "kettle\n" to data`.

use crate::trace::{Ending, Verb};

use super::words::short;

/// A step as the expected trace prints it, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step<'a> {
    /// `write`, `fork`, `wait` …
    pub(crate) verb: &'a str,
    /// What comes after it.
    pub(crate) rest: &'a str,
}

impl<'a> Step<'a> {
    /// Takes a step apart.
    pub(crate) fn parse(text: &'a str) -> Self {
        let (verb, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        Self { verb, rest: rest.trim() }
    }

    /// The name of the object that it is about, without quotation marks; `stdout` and `stderr` are such names.
    pub(crate) fn object(&self) -> Option<&'a str> {
        match self.verb {
            "stdout" | "stderr" => Some(self.verb),
            "write" | "read" | "end" | "send" | "receive" | "store" | "load" | "acquire" | "release" | "open"
            | "unlink" | "mkfifo" | "queue" | "shm" | "pipe" => Some(self.words().0),
            _ => None,
        }
    }

    /// Whether bytes go through the object.
    pub(crate) fn carries_bytes(&self) -> bool {
        matches!(self.verb, "stdout" | "stderr" | "write" | "read" | "end" | "send" | "receive")
    }

    /// The bytes between quotation marks that it carries.
    pub(crate) fn text(&self) -> Option<Vec<u8>> {
        let rest = if matches!(self.verb, "stdout" | "stderr") { self.rest } else { self.words().1 };
        let quoted = quoted(rest)?;
        crate::trace::Bytes::unescape(&rest[1..quoted - 1]).ok().map(|bytes| bytes.0)
    }

    /// The value that it carries without quotation marks: `send /jobs 12`.
    pub(crate) fn bare_text(&self) -> Option<Vec<u8>> {
        let word = self.words().1.split(' ').next().filter(|word| !word.is_empty() && !word.starts_with('"'))?;
        Some(word.as_bytes().to_vec())
    }

    /// The priority that it names.
    pub(crate) fn priority(&self) -> Option<i64> {
        if !matches!(self.verb, "send" | "receive") {
            return None;
        }
        let after = self.words().1;
        let after = &after[quoted(after).unwrap_or(0)..];
        after.trim().strip_prefix("priority ")?.trim().parse().ok()
    }

    /// The first word after the verb, without quotation marks, and what follows it.
    fn words(&self) -> (&'a str, &'a str) {
        if let Some(end) = quoted(self.rest) {
            return (&self.rest[1..end - 1], self.rest[end..].trim());
        }
        let (first, rest) = self.rest.split_once(' ').unwrap_or((self.rest, ""));
        (first.trim_end_matches(','), rest.trim())
    }

    /// As the predicate of a sentence: `writes "kettle\n" to data`.
    pub(crate) fn predicate(&self) -> String {
        let (first, after) = self.words();
        let text = || self.text().map_or_else(|| after.to_owned(), |bytes| short(&bytes));
        match self.verb {
            "pipe" => format!("makes the pipe {}", self.rest),
            "mkfifo" => format!("makes the FIFO {first}"),
            "queue" => format!("opens the queue {first}"),
            "shm" => format!("opens the shared object {first}"),
            "fork" => format!("forks {}", whom(first)),
            "exec" => format!("runs {first}"),
            "open" => format!("opens {first}"),
            "unlink" => format!("removes {first}"),
            "write" => format!("writes {} to {first}", text()),
            "read" => format!("reads {} from {first}", text()),
            "end" => format!("reads {first} to its end"),
            "stdout" => format!("prints {}", text()),
            "stderr" => format!("prints {} to standard error", text()),
            "send" => format!("sends {}{} to {first}", text(), self.with_priority()),
            "receive" if after.is_empty() => format!("receives {first}"),
            "receive" => format!("receives {}{} from {first}", text(), self.with_priority()),
            "store" => format!("stores {} in {first}", value(after)),
            "load" => format!("loads {} from {first}", value(after)),
            "acquire" => format!("acquires {first}"),
            "release" => format!("releases {first}"),
            "ready" => format!("gets ready for SIG{first}"),
            "take" => format!("takes SIG{first}"),
            "signal" => format!("sends SIG{after} to {}", whom(first)),
            "wait" => match after.strip_prefix("-> ") {
                Some(ending) => format!("waits for {} ({ending})", whom(first)),
                None => format!("waits for {}", whom(first)),
            },
            "reaped" => format!("reaps {}", self.rest),
            "exit" => format!("exits with {}", self.rest),
            "killed" => format!("is killed by SIG{first}"),
            _ => format!("does: {} {}", self.verb, self.rest),
        }
    }

    /// In the words of the picture of a run, `print "KETTLE\n"`; the object's name where `named` says so, a child's
    /// where there is a family of them.
    pub(crate) fn deed(&self, named: impl Fn(&str) -> bool, family: bool) -> String {
        let (first, after) = self.words();
        match self.verb {
            "stdout" => format!("print {}", self.rest),
            "stderr" => format!("print to stderr {}", self.rest),
            "pipe" | "mkfifo" | "queue" | "shm" | "sem" => format!("make {first}"),
            "open" | "unlink" | "exec" | "acquire" | "release" => format!("{} {first}", self.verb),
            "write" | "read" | "send" | "receive" if !named(first) => format!("{} {after}", self.verb),
            "write" | "read" | "send" | "receive" => format!("{} {first} {after}", self.verb),
            "end" if !named(first) => "read: end".to_owned(),
            "end" => format!("read {first}: end"),
            "ready" => format!("ready for {first}"),
            "killed" => format!("killed by {}", self.rest),
            "wait" if !family => {
                after.strip_prefix("-> ").map_or("wait".to_owned(), |ending| format!("wait: {ending}"))
            }
            "wait" | "reaped" => format!("{} {}", self.verb, self.rest.replacen(" -> ", ": ", 1)),
            _ => format!("{} {}", self.verb, self.rest),
        }
    }

    fn with_priority(&self) -> String {
        self.priority().map_or_else(String::new, |priority| format!(" with priority {priority}"))
    }
}

/// A role in a sentence.
pub(crate) fn whom(role: &str) -> String {
    if role == "main" { "the program".to_owned() } else { format!("the {role}") }
}

/// The value of a `store` or `load`: the last word, after offset and type where they stand.
fn value(rest: &str) -> &str {
    rest.rsplit(' ').next().unwrap_or(rest)
}

/// Where the quoted string ends with which the text begins: the byte after its closing quotation mark.
fn quoted(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('"')?;
    let mut escaped = false;
    for (at, c) in inside.char_indices() {
        match c {
            '"' if !escaped => return Some(at + 2),
            '\\' if !escaped => escaped = true,
            _ => escaped = false,
        }
    }
    None
}

/// How a process ended, as a predicate: `exits with 3`, `is killed by SIGTERM`.
pub(crate) fn ends(ending: Ending) -> String {
    match ending {
        Ending::Exit(status) => format!("exits with {status}"),
        Ending::Killed(signal) => format!("is killed by SIG{signal}"),
    }
}

/// What an event did, as a predicate, where an object has this name.
pub(crate) fn did(verb: &Verb, object: &str) -> String {
    let to = |bytes: &[u8]| match object {
        "stdout" => format!("prints {}", short(bytes)),
        "stderr" => format!("prints {} to standard error", short(bytes)),
        _ => format!("writes {} to {object}", short(bytes)),
    };
    match verb {
        Verb::Fork { .. } => "forks one more process".to_owned(),
        Verb::Thread { .. } => "starts a thread".to_owned(),
        Verb::Exec { program } => format!("runs {program}"),
        Verb::Exit { status } => ends(Ending::Exit(*status)),
        Verb::Killed { signal } => ends(Ending::Killed(*signal)),
        Verb::Reaped { ending, .. } => format!("waits for a process that {}", ends(*ending)),
        Verb::Create { .. } => format!("makes {object}"),
        Verb::Open { .. } => format!("opens {object}"),
        Verb::Close { .. } => format!("closes {object}"),
        Verb::Unlink { .. } => format!("removes {object}"),
        Verb::Write { bytes, .. } => to(&bytes.0),
        Verb::Read { bytes, .. } => format!("reads {} from {object}", short(&bytes.0)),
        Verb::End { .. } => format!("reads {object} to its end"),
        Verb::Send { bytes, priority, .. } => format!("sends {} with priority {priority} to {object}", short(&bytes.0)),
        Verb::Receive { bytes, priority, .. } => {
            format!("receives {} with priority {priority} from {object}", short(&bytes.0))
        }
        Verb::Acquire { .. } => format!("acquires {object}"),
        Verb::Release { .. } => format!("releases {object}"),
        Verb::Map { .. } => format!("maps {object}"),
        Verb::Resize { len, .. } => format!("gives {object} {len} bytes"),
        Verb::Store { offset, .. } => format!("stores at offset {offset} of {object}"),
        Verb::Load { offset, .. } => format!("loads from offset {offset} of {object}"),
        Verb::Init { value, .. } => format!("sets {object} up with {value}"),
        Verb::Unexamined { .. } => format!("goes on to access {object}"),
        Verb::Ready { signal } => format!("gets ready for SIG{signal}"),
        Verb::Unready { signal } => format!("is no longer ready for SIG{signal}"),
        Verb::Ignore { signal } => format!("ignores SIG{signal}"),
        Verb::Take { signal } => format!("takes SIG{signal}"),
        Verb::Return { signal } => format!("returns from its handler of SIG{signal}"),
        Verb::Signal { signal, group: true, .. } => format!("sends SIG{signal} to a whole process group"),
        Verb::Signal { signal, .. } => format!("sends SIG{signal}"),
        Verb::Failed { call, errno, .. } => format!("calls {call}, which fails with {errno}"),
        Verb::Holds { value, .. } => format!("holds {value} in its memory"),
        Verb::Step { .. } => "does its next step".to_owned(),
        Verb::Call { name } => format!("calls {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_become_rows_of_the_picture() {
        let cases = [
            (r#"stdout "KETTLE\n""#, r#"print "KETTLE\n""#),
            ("wait child -> exit 0", "wait: exit 0"),
            (r#"read data "kettle\n""#, r#"read "kettle\n""#),
            (r#"read other "kettle\n""#, r#"read other "kettle\n""#),
            ("queue /orders", "make /orders"),
            (r#"send "/orders" "kettle" priority 3"#, r#"send /orders "kettle" priority 3"#),
            ("ready INT", "ready for INT"),
            ("killed TERM", "killed by TERM"),
            ("exit 0", "exit 0"),
        ];
        for (step, row) in cases {
            assert_eq!(Step::parse(step).deed(|name| name != "data", false), row);
        }
    }

    #[test]
    fn steps_become_predicates() {
        for (step, predicate) in [
            ("write data \"kettle\\n\"", "writes \"kettle\\n\" to data"),
            ("stdout \"a \\\"b\\\" c\\n\"", "prints \"a \\\"b\\\" c\\n\""),
            ("send \"/x-orders\" \"tea\" priority 7", "sends \"tea\" with priority 7 to /x-orders"),
            ("wait child -> exit 0", "waits for the child (exit 0)"),
            ("signal boss TERM", "sends SIGTERM to the boss"),
            ("store board 0 u32 7", "stores 7 in board"),
            ("fork child", "forks the child"),
            ("signal main INT", "sends SIGINT to the program"),
            ("pipe req, ans", "makes the pipe req, ans"),
            ("dance", "does: dance "),
        ] {
            assert_eq!(Step::parse(step).predicate(), predicate, "{step}");
        }
    }

    #[test]
    fn steps_say_their_object_text_and_priority() {
        let step = Step::parse("receive \"/q\" \"a b\" priority -3");
        assert_eq!((step.object(), step.text(), step.priority()), (Some("/q"), Some(b"a b".to_vec()), Some(-3)));
        let step = Step::parse("stdout \"x\\n\"");
        assert_eq!((step.object(), step.text(), step.priority()), (Some("stdout"), Some(b"x\n".to_vec()), None));
        assert_eq!(Step::parse("exit 0").object(), None);
        assert_eq!(Step::parse("pipe req, ans").object(), Some("req"));
    }
}
