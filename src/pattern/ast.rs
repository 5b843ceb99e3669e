//! What an expected trace says, as a tree. Where it stands in the file is kept beside it and is no part of equality.

use std::ops::Range;

use crate::model::peer::Scalar;
use crate::model::{RoleName, Signal, Template};

/// A place in the file, in bytes. All places are equal: two traces that say the same are the same.
#[derive(Debug, Clone, Copy, Default)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl PartialEq for Span {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Span {}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Self {
        Self { start: range.start, end: range.end }
    }
}

impl From<Span> for Range<usize> {
    fn from(span: Span) -> Self {
        span.start..span.end
    }
}

/// What is said before and beside the lanes about roles and objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Declaration {
    /// `role a, b: below main`: processes anywhere below another.
    Below {
        /// Which.
        roles: Vec<RoleName>,
        /// Below whom.
        above: RoleName,
        /// Its place.
        span: Span,
    },
    /// `role c may be main`: two roles that one process may play.
    MayBe {
        /// Which.
        roles: Vec<RoleName>,
        /// The other.
        other: RoleName,
        /// Its place.
        span: Span,
    },
    /// `family worker[3]`: alike processes, each with the lane of that name.
    Family {
        /// Which.
        role: RoleName,
        /// How many.
        size: Count,
        /// `[3..]`: at least so many.
        open: bool,
        /// Its place.
        span: Span,
    },
    /// `main may delegate`: its threads and the processes below it that play no role are part of it.
    MayDelegate {
        /// Which.
        role: RoleName,
        /// Its place.
        span: Span,
    },
    /// `pipe p, q`: objects that no lane need make itself.
    Objects {
        /// Of which kind.
        kind: Maker,
        /// Which.
        names: Vec<ObjectName>,
        /// Its place.
        span: Span,
    },
}

/// One process's part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// Whose.
    pub role: RoleName,
    /// What it does; an empty sequence where nothing is asked of it.
    pub body: Node,
    /// Its name's place.
    pub span: Span,
}

/// Steps and their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// One step.
    Step(Step),
    /// `a; b`: starts in order and ends in order.
    Sequence(Vec<Node>),
    /// `a then b`: all of the one before any of the other.
    Then(Vec<Node>),
    /// `a & b`: either before the other, or both at once.
    Both(Vec<Node>),
    /// `optional { a }`: all of it may be left out.
    Optional(Box<Node>),
    /// `repeat { a }`: any number of times, none included.
    Repeat(Box<Node>),
    /// `on S { a }`: after S was taken, in its handler or outside.
    On {
        /// Which signal.
        signal: SignalArg,
        /// What is done for it.
        body: Box<Node>,
        /// The head's place.
        span: Span,
    },
    /// `each x in {items}: a`: once for each item.
    Each {
        /// The variable, without braces.
        variable: String,
        /// The items.
        list: List,
        /// `in any order`: the rounds may overlap and change places.
        any_order: bool,
        /// What is done for an item.
        body: Box<Node>,
        /// The head's place.
        span: Span,
    },
    /// `each worker killed S: a`: once for each member of a family that the signal ended.
    EachKilled {
        /// The family; in the body it stands for that member.
        family: RoleName,
        /// By what it was ended.
        signal: SignalArg,
        /// What is done for it.
        body: Box<Node>,
        /// The head's place.
        span: Span,
    },
}

/// A step, with a name where another line refers to it: `take TERM as stop`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// Its name.
    pub label: Option<String>,
    /// Its place.
    pub span: Span,
}

/// What a step says is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// `pipe a, b`, `mkfifo f`, `queue q`, `shm m`, `sem s`.
    Make {
        /// Of which kind.
        kind: Maker,
        /// What; in any order.
        names: Vec<ObjectName>,
    },
    /// `fork child`, `fork each worker`, `fork 3 worker`.
    Fork {
        /// Whom.
        who: Who,
        /// By this very process, not through others.
        directly: bool,
    },
    /// `exec "tool"`.
    Exec(Text),
    /// `open names`.
    Open(ObjectName),
    /// `unlink names`.
    Unlink(ObjectName),
    /// `write data "text"`; the text is absent in a `never` line only.
    Write(ObjectName, Option<Text>),
    /// `read data "text"`.
    Read(ObjectName, Option<Text>),
    /// `end data`: its end was seen.
    End(ObjectName),
    /// `stdout "text"`.
    Stdout(Option<Text>),
    /// `stderr "text"`.
    Stderr(Option<Text>),
    /// `send jobs "text" priority 3`.
    Send(ObjectName, Option<Text>, Option<Number>),
    /// `receive jobs "text"`, `receive jobs ?j in {jobs}`.
    Receive(ObjectName, Option<Payload>, Option<Number>),
    /// `store ring {x}`, `store "/{name}" 4 u32 {answer}`.
    Store(ObjectName, Option<Cell>, Option<Text>),
    /// `load ring {x}`.
    Load(ObjectName, Option<Cell>, Option<Text>),
    /// `acquire full`.
    Acquire(ObjectName),
    /// `release full`.
    Release(ObjectName),
    /// `ready INT`.
    Ready(SignalArg),
    /// `take INT`.
    Take(SignalArg),
    /// `signal worker TERM`, `signal each live worker TERM`.
    Signal(Who, Option<SignalArg>),
    /// `wait child -> exit 0`: collected by this role.
    Wait(Who, Vec<Ending>),
    /// `reaped a, b -> exit 0`: collected, by whomever.
    Reaped(Vec<Who>, Vec<Ending>),
    /// `exit 0 or killed TERM`: its own end.
    Ends(Vec<Ending>),
}

/// How an object comes to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Maker {
    /// A byte stream: a pipe, a FIFO, one direction of a socket pair.
    Pipe,
    /// A FIFO with a path.
    Fifo,
    /// A message queue of either family.
    Queue,
    /// Shared memory of any family.
    Shm,
    /// A semaphore or a lock of any family.
    Sem,
}

impl Maker {
    const ALL: [(&'static str, Self); 5] =
        [("pipe", Self::Pipe), ("mkfifo", Self::Fifo), ("queue", Self::Queue), ("shm", Self::Shm), ("sem", Self::Sem)];

    /// The kind that this word makes.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == word).map(|(_, kind)| *kind)
    }

    /// The word.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }
}

/// An object as the trace calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectName {
    /// A variable, or the path of a FIFO or file; `stdin` is the program's.
    Word(String),
    /// A declared name: `"/{name}"`.
    Named(Template),
}

/// A text, with its alternatives: `"yes\n" | "no\n"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// At least one.
    pub alternatives: Vec<Template>,
}

/// What a message must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// This text.
    Text(Text),
    /// `?j in {jobs}`: one of the items, which the steps after it call `{?j}`.
    Capture {
        /// The variable, with its question mark.
        variable: String,
        /// What it may be.
        list: List,
    },
}

/// A drawn list, or one made of it: `{jobs|square}`. Its template is one hole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List(pub Template);

/// A number: literally, or a hole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Number {
    /// `7`.
    Literal(i64),
    /// `{n}`.
    Hole(Template),
}

/// How many: `3`, `{k}`, `{k}-1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The number.
    pub base: Number,
    /// What is added to it.
    pub plus: i64,
}

/// A place in shared memory: offset in bytes and the type of what stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Bytes from the object's start.
    pub offset: Number,
    /// What stands there.
    pub scalar: Scalar,
}

/// A signal: by name, or a hole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignalArg {
    /// `TERM`.
    Literal(Signal),
    /// `{sig}`.
    Hole(Template),
}

/// Whom a step is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// `child`.
    One(RoleName),
    /// `each worker`: every member of the family.
    Each(RoleName),
    /// `each live worker`: every member that has not ended yet.
    Live(RoleName),
    /// `any worker`: one member, whichever.
    Any(RoleName),
    /// `3 worker`: so many members.
    Some(Count, RoleName),
}

impl Who {
    /// The role or family.
    pub fn role(&self) -> &RoleName {
        match self {
            Self::One(role) | Self::Each(role) | Self::Live(role) | Self::Any(role) | Self::Some(_, role) => role,
        }
    }
}

/// How a process may end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// `exit 0`.
    Exit(Number),
    /// `killed TERM`.
    Killed(SignalArg),
}

/// What holds over several lanes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// `share {jobs} among worker`: the members together receive each item once.
    Share {
        /// The items.
        list: List,
        /// Who shares them.
        family: RoleName,
        /// Its place.
        span: Span,
    },
    /// `free messages on jobs: not in {jobs}`: other messages there are nobody's business.
    Free {
        /// The queue.
        queue: ObjectName,
        /// The messages that are not free.
        list: List,
        /// Its place.
        span: Span,
    },
    /// `reaped a, each worker -> exit 0`: collected, by whomever, whenever.
    Reaped {
        /// Who.
        who: Vec<Who>,
        /// How they may have ended; empty for anyhow.
        endings: Vec<Ending>,
        /// Its place.
        span: Span,
    },
    /// `never child: write data`, `never: unlink names`.
    Never {
        /// By whom; none for anybody of the learner's.
        role: Option<RoleName>,
        /// What.
        action: Action,
        /// Its place.
        span: Span,
    },
    /// `always between started and stop: live worker >= {k}-1`.
    Always {
        /// From the last event of the one step to the first of the other; none for the whole run.
        between: Option<(String, String)>,
        /// What is measured.
        measure: Measure,
        /// At least; else at most.
        at_least: bool,
        /// The bound.
        bound: Count,
        /// Its place.
        span: Span,
    },
    /// `asked before answered`: two labelled steps.
    Before {
        /// Comes first.
        first: String,
        /// Comes second.
        second: String,
        /// Its place.
        span: Span,
    },
}

/// A number that changes during the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measure {
    /// `live worker`: its members that were forked and have not ended.
    Live(RoleName),
    /// `unread ring`: values that a step stored there and no step loaded yet.
    Unread(ObjectName),
}
