//! What a peer does: the steps of the process that the harness forks beside the learner's.

use serde::{Deserialize, Serialize};

use super::Template;

/// One step, with the line of the course file that it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The line in `exercise.toml`, from 1.
    pub line: u32,
    /// As the author wrote it, trimmed: findings quote it.
    pub text: String,
    /// What is done.
    pub action: Action,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// `when FACT and FACT or idle`: go on once the trace shows all of the facts.
    When {
        /// All of these.
        facts: Vec<Fact>,
        /// Or as soon as everything else waits.
        or_idle: bool,
    },
    /// `open NAME read|write`: a FIFO or file in the working directory, blocking.
    Open {
        /// The path.
        path: Template,
        /// For reading or for writing.
        access: Access,
    },
    /// `open shm "/n"`: open a POSIX object and map it whole, for reading and writing.
    OpenShm {
        /// The object's name, with its slash.
        name: Template,
    },
    /// `open queue "/n" read|write|both`.
    OpenQueue {
        /// The queue's name, with its slash.
        name: Template,
        /// Which way.
        access: Access,
    },
    /// `write NAME "TEXT"`; `main.stdin` is the program's standard input.
    Write {
        /// The path opened before.
        path: Template,
        /// What is written.
        text: Template,
    },
    /// `read NAME "TEXT"`: as many bytes as the text has; a difference is a finding.
    Read {
        /// The path opened before.
        path: Template,
        /// What is expected.
        text: Template,
    },
    /// `read NAME end`: the end of the stream is expected.
    ReadEnd {
        /// The path opened before.
        path: Template,
    },
    /// `close NAME`.
    Close {
        /// The path, object or queue opened before.
        path: Template,
    },
    /// `expect OFFSET TYPE VALUE`, in the shared object opened last.
    Expect {
        /// Bytes from its start.
        offset: u64,
        /// How many bytes are a number, and which.
        scalar: Scalar,
        /// The number.
        value: Template,
    },
    /// `store OFFSET TYPE VALUE`, in the shared object opened last.
    Store {
        /// Bytes from its start.
        offset: u64,
        /// How many bytes are a number, and which.
        scalar: Scalar,
        /// The number.
        value: Template,
    },
    /// `send NAME "TEXT" priority N`.
    Send {
        /// The queue opened before.
        queue: Template,
        /// The message.
        text: Template,
        /// 0 unless said.
        priority: Template,
    },
    /// `receive NAME "TEXT" priority N`: the next message must be this one.
    Receive {
        /// The queue opened before.
        queue: Template,
        /// The message.
        text: Template,
        /// Any unless said.
        priority: Option<Template>,
    },
    /// `signal main SIGNAL`, or `signal it SIGNAL`.
    Signal {
        /// To whom.
        target: Target,
        /// The signal, by name or as a hole.
        signal: Template,
    },
    /// `exit N`.
    Exit {
        /// The exit status.
        status: u8,
    },
    /// `die`: by SIGKILL, halfway.
    Die,
}

/// What a peer waits for; true in the trace, never after a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// `exists NAME`: a path in the working directory.
    Exists(Template),
    /// `exists shm "/n"`.
    ShmExists(Template),
    /// `exists queue "/n"`.
    QueueExists(Template),
    /// `main ready SIGNAL`: its disposition is a handler, or every thread masks it.
    Ready(Template),
    /// `main waits in CALL [OBJECT]`.
    WaitsIn(Waiting),
    /// `received "TEXT"`: this peer has read or received the text.
    Received(Template),
    /// `some child received "TEXT"`: a process of the program's, another than itself, has read or received the text; `it`
    /// in a later step is that process.
    SomeChildReceived(Template),
    /// `it exited`: the process that a fact before has singled out has ended.
    ItExited,
    /// `children N [wait in CALL [OBJECT]]`: at least so many processes of the program's are alive, besides itself.
    Children {
        /// How many.
        count: Template,
        /// Only those that wait there.
        waiting: Option<Waiting>,
    },
    /// `main exited`.
    MainExited,
}

/// A call that somebody sleeps in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The call, by its plain name: read, write, open, wait, receive, send, pause.
    pub call: String,
    /// On this path, object or stream (`stdin`).
    pub object: Option<Template>,
}

/// Whom a peer's signal is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// The program.
    #[default]
    Main,
    /// The process that a fact has singled out.
    It,
}

/// Which way something is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// For reading.
    Read,
    /// For writing.
    Write,
    /// For both.
    Both,
}

/// A number in memory, in the machine's own byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scalar {
    /// One byte.
    U8,
    /// Four bytes, unsigned.
    U32,
    /// Four bytes, signed.
    I32,
    /// Eight bytes, unsigned.
    U64,
    /// Eight bytes, signed.
    I64,
}

impl Scalar {
    const ALL: [(&'static str, Self); 5] =
        [("u8", Self::U8), ("u32", Self::U32), ("i32", Self::I32), ("u64", Self::U64), ("i64", Self::I64)];

    /// The type of this name, as Rust writes it.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, scalar)| *scalar)
    }

    /// As Rust writes it.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, scalar)| *scalar == self).map_or("", |(name, _)| name)
    }

    /// Bytes in memory.
    pub fn size(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::U32 | Self::I32 => 4,
            Self::U64 | Self::I64 => 8,
        }
    }

    /// The number's bytes in memory, or `None` where it does not fit.
    pub fn encode(self, value: i128) -> Option<Vec<u8>> {
        Some(match self {
            Self::U8 => u8::try_from(value).ok()?.to_ne_bytes().to_vec(),
            Self::U32 => u32::try_from(value).ok()?.to_ne_bytes().to_vec(),
            Self::I32 => i32::try_from(value).ok()?.to_ne_bytes().to_vec(),
            Self::U64 => u64::try_from(value).ok()?.to_ne_bytes().to_vec(),
            Self::I64 => i64::try_from(value).ok()?.to_ne_bytes().to_vec(),
        })
    }

    /// The number that these bytes are, or `None` where they are too few or too many.
    pub fn decode(self, bytes: &[u8]) -> Option<i128> {
        Some(match self {
            Self::U8 => u8::from_ne_bytes(bytes.try_into().ok()?).into(),
            Self::U32 => u32::from_ne_bytes(bytes.try_into().ok()?).into(),
            Self::I32 => i32::from_ne_bytes(bytes.try_into().ok()?).into(),
            Self::U64 => u64::from_ne_bytes(bytes.try_into().ok()?).into(),
            Self::I64 => i64::from_ne_bytes(bytes.try_into().ok()?).into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_encode_and_decode() {
        for (_, scalar) in Scalar::ALL {
            assert_eq!(Scalar::named(scalar.name()), Some(scalar));
            let bytes = scalar.encode(77).expect("77 fits everywhere");
            assert_eq!((bytes.len(), scalar.decode(&bytes)), (scalar.size(), Some(77)));
        }
        assert_eq!(Scalar::U8.encode(256), None);
        assert_eq!(Scalar::U32.encode(-1), None);
        assert_eq!(Scalar::I32.encode(-1).and_then(|b| Scalar::I32.decode(&b)), Some(-1));
    }
}
