//! Peers without holes: the course's steps with the drawn values in them.

use serde::{Deserialize, Serialize};

use crate::model::peer::{Access, Action, Fact, Scalar, Step, Target, Waiting};
use crate::model::{PeerName, PeerSpec, Signal, Template, Values};
use crate::trace::Bytes;

/// A process on the other side, ready to play.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvedPeer {
    /// Its name.
    pub name: PeerName,
    /// What it does, in order; the indices are the course file's.
    pub steps: Vec<ResolvedStep>,
}

/// A step of a peer: [`Action`] with its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResolvedStep {
    /// Go on once all facts are true, or as soon as everything else waits.
    When {
        /// All of these.
        facts: Vec<ResolvedFact>,
        /// Or as soon as everything else waits.
        or_idle: bool,
    },
    /// Open a path.
    Open {
        /// The path.
        path: Bytes,
        /// Which way.
        access: Access,
    },
    /// Open a shared memory object and map it.
    OpenShm {
        /// With its slash.
        name: Bytes,
    },
    /// Open a message queue.
    OpenQueue {
        /// With its slash.
        name: Bytes,
        /// Which way.
        access: Access,
    },
    /// Write all of a text.
    Write {
        /// Opened before, or `main.stdin`.
        path: Bytes,
        /// What.
        text: Bytes,
    },
    /// Read as many bytes as the text has.
    Read {
        /// Opened before.
        path: Bytes,
        /// What is expected.
        text: Bytes,
    },
    /// Read, and find the end.
    ReadEnd {
        /// Opened before.
        path: Bytes,
    },
    /// Close.
    Close {
        /// Opened before.
        path: Bytes,
    },
    /// Look at the shared object opened last.
    Expect {
        /// Bytes from its start.
        offset: u64,
        /// What kind of number it is.
        scalar: Scalar,
        /// The number's bytes in memory.
        bytes: Bytes,
    },
    /// Change the shared object opened last.
    Store {
        /// Bytes from its start.
        offset: u64,
        /// The number's bytes in memory.
        bytes: Bytes,
    },
    /// Send a message.
    Send {
        /// Opened before.
        queue: Bytes,
        /// What.
        text: Bytes,
        /// How urgent.
        priority: u32,
    },
    /// Receive a message.
    Receive {
        /// Opened before.
        queue: Bytes,
        /// What is expected.
        text: Bytes,
        /// How urgent; any where it is none.
        priority: Option<u32>,
    },
    /// Send a signal.
    Signal {
        /// To whom.
        #[serde(default)]
        target: Target,
        /// Which.
        signal: Signal,
    },
    /// End with a status.
    Exit {
        /// Which.
        status: u8,
    },
    /// End by SIGKILL.
    Die,
}

/// [`Fact`] with its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResolvedFact {
    /// This path is there.
    Exists(String),
    /// This shared memory object is there.
    ShmExists(String),
    /// This queue is there.
    QueueExists(String),
    /// The program handles or masks this signal.
    Ready(Signal),
    /// A thread of the program sleeps there.
    WaitsIn(ResolvedWaiting),
    /// The peer itself has read or received this.
    Received(Bytes),
    /// A process of the program's, another than itself, has read or received this; a step after it may mean it.
    SomeChildReceived(Bytes),
    /// The process that a fact before has meant has ended.
    ItExited,
    /// At least so many processes of the program's are alive, besides itself; where a call is named, of those that sleep
    /// there.
    Children {
        /// How many.
        count: u32,
        /// Where they sleep.
        waiting: Option<ResolvedWaiting>,
    },
    /// The program has ended.
    MainExited,
}

/// [`Waiting`] with its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvedWaiting {
    /// The call's plain name.
    pub call: String,
    /// The object's name.
    pub object: Option<String>,
}

/// The name by which steps mean the program's standard input.
pub(super) const STDIN: &str = "main.stdin";

impl ResolvedStep {
    /// Whether it needs the write end of the program's standard input.
    pub(super) fn uses_stdin(&self) -> bool {
        match self {
            Self::Write { path, .. } | Self::Close { path } => path.0 == STDIN.as_bytes(),
            _ => false,
        }
    }
}

/// A step that the drawn values do not fit: the author's mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem} in the step `{step}` of the peer `{peer}`")]
pub struct ResolveError {
    /// Whose step.
    pub peer: PeerName,
    /// The step as the author wrote it.
    pub step: String,
    /// Its line in `exercise.toml`, from 1.
    pub line: u32,
    /// What is wrong.
    pub problem: Unresolved,
}

/// What is wrong with a step's values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// No such value is drawn.
    #[error("no value is called `{0}`")]
    Value(String),
    /// A number is needed.
    #[error("`{0}` is no number")]
    Number(String),
    /// The number has more bits than the type.
    #[error("{0} does not fit into {1}")]
    Size(i128, &'static str),
    /// A priority is from 0 to 32,767 (mq_overview(7)).
    #[error("{0} is no priority: they go from 0 to 32767")]
    Priority(i128),
    /// Processes are counted from 0.
    #[error("{0} is no number of processes")]
    Count(i128),
    /// A signal is needed.
    #[error("`{0}` is no signal")]
    Signal(String),
}

/// MQ_PRIO_MAX - 1 on Linux (mq_overview(7)).
const HIGHEST_PRIORITY: i128 = 32_767;

/// Puts the drawn values into a peer's steps.
///
/// # Errors
/// The first step that they do not fit.
pub fn resolve(peer: &PeerSpec, values: &Values) -> Result<ResolvedPeer, ResolveError> {
    let steps = peer.steps.iter().map(|step| {
        let failed =
            |problem| ResolveError { peer: peer.name.clone(), step: step.text.clone(), line: step.line, problem };
        Resolver(values).step(step).map_err(failed)
    });
    Ok(ResolvedPeer { name: peer.name.clone(), steps: steps.collect::<Result<_, _>>()? })
}

struct Resolver<'a>(&'a Values);

type Resolved<T> = Result<T, Unresolved>;

impl Resolver<'_> {
    fn step(&self, step: &Step) -> Resolved<ResolvedStep> {
        Ok(match &step.action {
            Action::When { facts, or_idle } => ResolvedStep::When {
                facts: facts.iter().map(|fact| self.fact(fact)).collect::<Resolved<_>>()?,
                or_idle: *or_idle,
            },
            Action::Open { path, access } => ResolvedStep::Open { path: self.bytes(path)?, access: *access },
            Action::OpenShm { name } => ResolvedStep::OpenShm { name: self.bytes(name)? },
            Action::OpenQueue { name, access } => ResolvedStep::OpenQueue { name: self.bytes(name)?, access: *access },
            Action::Write { path, text } => ResolvedStep::Write { path: self.bytes(path)?, text: self.bytes(text)? },
            Action::Read { path, text } => ResolvedStep::Read { path: self.bytes(path)?, text: self.bytes(text)? },
            Action::ReadEnd { path } => ResolvedStep::ReadEnd { path: self.bytes(path)? },
            Action::Close { path } => ResolvedStep::Close { path: self.bytes(path)? },
            Action::Expect { offset, scalar, value } => {
                ResolvedStep::Expect { offset: *offset, scalar: *scalar, bytes: self.scalar(*scalar, value)? }
            }
            Action::Store { offset, scalar, value } => {
                ResolvedStep::Store { offset: *offset, bytes: self.scalar(*scalar, value)? }
            }
            Action::Send { queue, text, priority } => ResolvedStep::Send {
                queue: self.bytes(queue)?,
                text: self.bytes(text)?,
                priority: self.priority(priority)?,
            },
            Action::Receive { queue, text, priority } => ResolvedStep::Receive {
                queue: self.bytes(queue)?,
                text: self.bytes(text)?,
                priority: priority.as_ref().map(|priority| self.priority(priority)).transpose()?,
            },
            Action::Signal { target, signal } => ResolvedStep::Signal { target: *target, signal: self.signal(signal)? },
            Action::Exit { status } => ResolvedStep::Exit { status: *status },
            Action::Die => ResolvedStep::Die,
        })
    }

    fn fact(&self, fact: &Fact) -> Resolved<ResolvedFact> {
        Ok(match fact {
            Fact::Exists(path) => ResolvedFact::Exists(self.text(path)?),
            Fact::ShmExists(name) => ResolvedFact::ShmExists(self.text(name)?),
            Fact::QueueExists(name) => ResolvedFact::QueueExists(self.text(name)?),
            Fact::Ready(signal) => ResolvedFact::Ready(self.signal(signal)?),
            Fact::WaitsIn(waiting) => ResolvedFact::WaitsIn(self.waiting(waiting)?),
            Fact::Received(text) => ResolvedFact::Received(self.bytes(text)?),
            Fact::SomeChildReceived(text) => ResolvedFact::SomeChildReceived(self.bytes(text)?),
            Fact::ItExited => ResolvedFact::ItExited,
            Fact::Children { count, waiting } => ResolvedFact::Children {
                count: self.count(count)?,
                waiting: waiting.as_ref().map(|waiting| self.waiting(waiting)).transpose()?,
            },
            Fact::MainExited => ResolvedFact::MainExited,
        })
    }

    fn waiting(&self, waiting: &Waiting) -> Resolved<ResolvedWaiting> {
        let object = waiting.object.as_ref().map(|object| self.text(object)).transpose()?;
        Ok(ResolvedWaiting { call: waiting.call.clone(), object })
    }

    fn bytes(&self, template: &Template) -> Resolved<Bytes> {
        template.resolve(self.0).map(Bytes).map_err(Unresolved::Value)
    }

    fn text(&self, template: &Template) -> Resolved<String> {
        self.bytes(template).map(|bytes| String::from_utf8_lossy(&bytes.0).into_owned())
    }

    fn number(&self, template: &Template) -> Resolved<i128> {
        let value = template.resolve_value(self.0).map_err(Unresolved::Value)?;
        value.as_int().ok_or_else(|| Unresolved::Number(Bytes(value.bytes()).to_string()))
    }

    fn scalar(&self, scalar: Scalar, template: &Template) -> Resolved<Bytes> {
        let number = self.number(template)?;
        scalar.encode(number).map(Bytes).ok_or(Unresolved::Size(number, scalar.name()))
    }

    fn priority(&self, template: &Template) -> Resolved<u32> {
        let number = self.number(template)?;
        let fits = (0..=HIGHEST_PRIORITY).contains(&number);
        u32::try_from(number).ok().filter(|_| fits).ok_or(Unresolved::Priority(number))
    }

    fn count(&self, template: &Template) -> Resolved<u32> {
        let number = self.number(template)?;
        u32::try_from(number).map_err(|_| Unresolved::Count(number))
    }

    fn signal(&self, template: &Template) -> Resolved<Signal> {
        let text = self.text(template)?;
        text.parse().map_err(|_| Unresolved::Signal(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Value;

    fn one(action: Action) -> Result<ResolvedStep, Unresolved> {
        let values = Values::from_iter([
            ("word".to_owned(), Value::Text("kettle".into())),
            ("n".to_owned(), Value::Int(300)),
            ("sig".to_owned(), Value::Signal(Signal::TERM)),
        ]);
        let peer = PeerSpec { name: "client".into(), steps: vec![Step { line: 7, text: "as written".into(), action }] };
        match resolve(&peer, &values) {
            Ok(mut resolved) => Ok(resolved.steps.remove(0)),
            Err(error) => {
                assert_eq!((error.line, error.step.as_str()), (7, "as written"));
                Err(error.problem)
            }
        }
    }

    fn template(text: &str) -> Template {
        Template::parse(text).expect("a template")
    }

    #[test]
    fn values_fill_the_holes() {
        let path = || template("names");
        assert_eq!(
            one(Action::Write { path: path(), text: template("{word}\n") }),
            Ok(ResolvedStep::Write { path: "names".into(), text: "kettle\n".into() })
        );
        assert_eq!(
            one(Action::Store { offset: 4, scalar: Scalar::U32, value: template("{n}") }),
            Ok(ResolvedStep::Store { offset: 4, bytes: Bytes(300u32.to_ne_bytes().to_vec()) })
        );
        assert_eq!(
            one(Action::Signal { target: Target::It, signal: template("{sig}") }),
            Ok(ResolvedStep::Signal { target: Target::It, signal: Signal::TERM })
        );
        assert_eq!(
            one(Action::When { facts: vec![Fact::Ready(template("INT"))], or_idle: true }),
            Ok(ResolvedStep::When { facts: vec![ResolvedFact::Ready(Signal::INT)], or_idle: true })
        );
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let number = |text: &str| Action::Store { offset: 0, scalar: Scalar::U8, value: template(text) };
        for (action, expected) in [
            (number("{x}"), Unresolved::Value("x".into())),
            (number("{word}"), Unresolved::Number("kettle".into())),
            (number("{n}"), Unresolved::Size(300, "u8")),
            (Action::Signal { target: Target::Main, signal: template("{word}") }, Unresolved::Signal("kettle".into())),
            (
                Action::When { facts: vec![Fact::Children { count: template("-1"), waiting: None }], or_idle: false },
                Unresolved::Count(-1),
            ),
            (
                Action::Send { queue: template("/q"), text: template(""), priority: template("32768") },
                Unresolved::Priority(32_768),
            ),
        ] {
            assert_eq!(one(action), Err(expected));
        }
    }

    #[test]
    fn peers_cross_the_pipe_to_the_worker() {
        let peer = ResolvedPeer {
            name: "client".into(),
            steps: vec![
                ResolvedStep::When { facts: vec![ResolvedFact::Received(Bytes(vec![0, 255]))], or_idle: false },
                ResolvedStep::Expect { offset: 0, scalar: Scalar::I64, bytes: Bytes(vec![1; 8]) },
                ResolvedStep::Die,
            ],
        };
        let text = serde_json::to_string(&peer).expect("JSON");
        assert_eq!(serde_json::from_str::<ResolvedPeer>(&text).expect("a peer"), peer, "{text}");
    }
}
