//! An expected trace as text again: one way to write each tree, and reading it gives the tree back.

use std::fmt::{self, Display, Formatter, Write};

use super::Expected;
use super::ast::{
    Action, Count, Declaration, Ending, List, Measure, Node, Number, ObjectName, Payload, Rule, SignalArg, Step, Text,
    Who,
};
use crate::model::Template;
use crate::model::template::Piece;

/// Items with a separator between.
struct Joined<'a, T>(&'a [T], &'static str);

impl<T: Display> Display for Joined<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, item) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(self.1)?;
            }
            write!(f, "{item}")?;
        }
        Ok(())
    }
}

impl Display for Expected {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for declaration in &self.declarations {
            writeln!(f, "{declaration}")?;
        }
        for (index, lane) in self.lanes.iter().enumerate() {
            if index > 0 || !self.declarations.is_empty() {
                f.write_char('\n')?;
            }
            writeln!(f, "{}:", lane.role)?;
            match &lane.body {
                Node::Sequence(items) => {
                    for item in items {
                        writeln!(f, "    {}", Within(item, Level::Item))?;
                    }
                }
                other => writeln!(f, "    {}", Within(other, Level::Item))?,
            }
        }
        for (index, rule) in self.rules.iter().enumerate() {
            if index == 0 {
                f.write_char('\n')?;
            }
            writeln!(f, "{rule}")?;
        }
        Ok(())
    }
}

impl Display for Declaration {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Below { roles, above, .. } => write!(f, "role {}: below {above}", Joined(roles, ", ")),
            Self::MayBe { roles, other, .. } => write!(f, "role {} may be {other}", Joined(roles, ", ")),
            Self::Family { role, size, open, .. } => {
                write!(f, "family {role}[{size}{}]", if *open { ".." } else { "" })
            }
            Self::MayDelegate { role, .. } => write!(f, "{role} may delegate"),
            Self::Objects { kind, names, .. } => write!(f, "{} {}", kind.word(), Joined(names, ", ")),
        }
    }
}

/// Where a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// A line of a lane, or between two `;`: `then`, `&` and `each` stand free.
    Item,
    /// A side of `then` or `&`: what joins gets braces.
    Side,
}

struct Within<'a>(&'a Node, Level);

impl Display for Within<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(node, level) = *self;
        let free = match node {
            Node::Step(_) | Node::Optional(_) | Node::Repeat(_) | Node::On { .. } => true,
            // `&` binds tighter than `then`; braces help the eye all the same.
            Node::Both(_) | Node::Then(_) | Node::Each { .. } | Node::EachKilled { .. } => level == Level::Item,
            Node::Sequence(_) => false,
        };
        if free { write!(f, "{node}") } else { write!(f, "{{ {node} }}") }
    }
}

impl Display for Node {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let list = |f: &mut Formatter<'_>, nodes: &[Node], level, separator: &'static str| {
            write!(f, "{}", Joined(&nodes.iter().map(|node| Within(node, level)).collect::<Vec<_>>(), separator))
        };
        match self {
            Self::Step(step) => write!(f, "{step}"),
            Self::Sequence(nodes) => list(f, nodes, Level::Item, "; "),
            Self::Then(nodes) => list(f, nodes, Level::Side, " then "),
            Self::Both(nodes) => list(f, nodes, Level::Side, " & "),
            Self::Optional(node) => write!(f, "optional {{ {node} }}"),
            Self::Repeat(node) => write!(f, "repeat {{ {node} }}"),
            Self::On { signal, body, .. } => write!(f, "on {signal} {{ {body} }}"),
            Self::Each { variable, list, any_order, body, .. } => {
                let order = if *any_order { " in any order" } else { "" };
                write!(f, "each {variable} in {list}{order}: {}", Within(body, Level::Item))
            }
            Self::EachKilled { family, signal, body, .. } => {
                write!(f, "each {family} killed {signal}: {}", Within(body, Level::Item))
            }
        }
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.action)?;
        self.label.iter().try_for_each(|label| write!(f, " as {label}"))
    }
}

impl Display for Action {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        fn with<T: Display>(f: &mut Formatter<'_>, lead: &str, tail: Option<&T>) -> fmt::Result {
            tail.map_or(Ok(()), |tail| write!(f, "{lead}{tail}"))
        }
        let endings = |f: &mut Formatter<'_>, endings: &[Ending]| {
            if endings.is_empty() { Ok(()) } else { write!(f, " -> {}", Joined(endings, " or ")) }
        };
        match self {
            Self::Make { kind, names } => write!(f, "{} {}", kind.word(), Joined(names, ", ")),
            Self::Fork { who, directly } => write!(f, "fork {who}{}", if *directly { " directly" } else { "" }),
            Self::Exec(program) => write!(f, "exec {program}"),
            Self::Open(object) => write!(f, "open {object}"),
            Self::Unlink(object) => write!(f, "unlink {object}"),
            Self::Write(object, text) => write!(f, "write {object}").and_then(|()| with(f, " ", text.as_ref())),
            Self::Read(object, text) => write!(f, "read {object}").and_then(|()| with(f, " ", text.as_ref())),
            Self::End(object) => write!(f, "end {object}"),
            Self::Stdout(text) => f.write_str("stdout").and_then(|()| with(f, " ", text.as_ref())),
            Self::Stderr(text) => f.write_str("stderr").and_then(|()| with(f, " ", text.as_ref())),
            Self::Send(queue, text, priority) => {
                write!(f, "send {queue}")?;
                with(f, " ", text.as_ref())?;
                with(f, " priority ", priority.as_ref())
            }
            Self::Receive(queue, payload, priority) => {
                write!(f, "receive {queue}")?;
                with(f, " ", payload.as_ref())?;
                with(f, " priority ", priority.as_ref())
            }
            Self::Store(object, cell, value) | Self::Load(object, cell, value) => {
                f.write_str(if matches!(self, Self::Store(..)) { "store" } else { "load" })?;
                write!(f, " {object}")?;
                if let Some(cell) = cell {
                    write!(f, " {} {}", cell.offset, cell.scalar.name())?;
                }
                with(f, " ", value.as_ref().map(Bare).as_ref())
            }
            Self::Acquire(object) => write!(f, "acquire {object}"),
            Self::Release(object) => write!(f, "release {object}"),
            Self::Ready(signal) => write!(f, "ready {signal}"),
            Self::Take(signal) => write!(f, "take {signal}"),
            Self::Signal(who, signal) => write!(f, "signal {who}").and_then(|()| with(f, " ", signal.as_ref())),
            Self::Wait(who, how) => write!(f, "wait {who}").and_then(|()| endings(f, how)),
            Self::Reaped(who, how) => write!(f, "reaped {}", Joined(who, ", ")).and_then(|()| endings(f, how)),
            Self::Ends(how) => write!(f, "{}", Joined(how, " or ")),
        }
    }
}

impl Display for ObjectName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(name) => f.write_str(name),
            Self::Named(template) => quote(f, template),
        }
    }
}

impl Display for Text {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, template) in self.alternatives.iter().enumerate() {
            if index > 0 {
                f.write_str(" | ")?;
            }
            quote(f, template)?;
        }
        Ok(())
    }
}

/// A text of numbers and holes, which need no quotes.
struct Bare<'a>(&'a Text);

impl Display for Bare<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, template) in self.0.alternatives.iter().enumerate() {
            if index > 0 {
                f.write_str(" | ")?;
            }
            let bare = match template.pieces() {
                [Piece::Hole { .. }] => true,
                [Piece::Literal(text)] => text.parse().is_ok_and(|number: u32| number.to_string() == *text),
                _ => false,
            };
            if bare { write!(f, "{template}")? } else { quote(f, template)? }
        }
        Ok(())
    }
}

fn quote(f: &mut Formatter<'_>, template: &Template) -> fmt::Result {
    f.write_char('"')?;
    for c in template.to_string().chars() {
        match c {
            '\n' => f.write_str("\\n")?,
            '\t' => f.write_str("\\t")?,
            '\r' => f.write_str("\\r")?,
            '\0' => f.write_str("\\0")?,
            '\\' => f.write_str("\\\\")?,
            '"' => f.write_str("\\\"")?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

impl Display for Payload {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text}"),
            Self::Capture { variable, list } => write!(f, "{variable} in {list}"),
        }
    }
}

impl Display for List {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Display for Number {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(number) => write!(f, "{number}"),
            Self::Hole(template) => write!(f, "{template}"),
        }
    }
}

impl Display for Count {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.base)?;
        if self.plus == 0 { Ok(()) } else { write!(f, "{:+}", self.plus) }
    }
}

impl Display for SignalArg {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(signal) => write!(f, "{signal}"),
            Self::Hole(template) => write!(f, "{template}"),
        }
    }
}

impl Display for Who {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(role) => write!(f, "{role}"),
            Self::Each(role) => write!(f, "each {role}"),
            Self::Live(role) => write!(f, "each live {role}"),
            Self::Any(role) => write!(f, "any {role}"),
            Self::Some(count, role) => write!(f, "{count} {role}"),
        }
    }
}

impl Display for Ending {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(status) => write!(f, "exit {status}"),
            Self::Killed(signal) => write!(f, "killed {signal}"),
        }
    }
}

impl Display for Measure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live(role) => write!(f, "live {role}"),
            Self::Unread(object) => write!(f, "unread {object}"),
        }
    }
}

impl Display for Rule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share { list, family, .. } => write!(f, "share {list} among {family}"),
            Self::Free { queue, list, .. } => write!(f, "free messages on {queue}: not in {list}"),
            Self::Reaped { who, endings, .. } => write!(f, "{}", Action::Reaped(who.clone(), endings.clone())),
            Self::Never { role: Some(role), action, .. } => write!(f, "never {role}: {action}"),
            Self::Never { role: None, action, .. } => write!(f, "never: {action}"),
            Self::Always { between, measure, at_least, bound, .. } => {
                f.write_str("always")?;
                if let Some((from, to)) = between {
                    write!(f, " between {from} and {to}")?;
                }
                write!(f, ": {measure} {} {bound}", if *at_least { ">=" } else { "<=" })
            }
            Self::Before { first, second, .. } => write!(f, "{first} before {second}"),
        }
    }
}
