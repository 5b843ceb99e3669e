//! The canonical trace: what people read, what the judge matches, what does not change from run to run.
//!
//! No pid, address, descriptor number or time stands in it. Processes are named by their place in the fork tree
//! (`main`, `main.1`, `main.1.2`; a peer by its own name), objects by creator and ordinal (`main.pipe1`) or by path or
//! key. Neighbouring writes are *not* merged here (each keeps its place and causes): the judge and the printer see
//! streams, in which chunks do not matter.

mod verb;

use serde::{Deserialize, Serialize};
pub use verb::Verb;

use crate::model::Signal;

macro_rules! id {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(pub u32);

        impl $type {
            /// Its place in the trace's list of such things.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

id! {
    /// An event: its index in [`Trace::events`].
    EventId
}
id! {
    /// A process from fork to exit, through exec: its index in [`Trace::lives`].
    LifeId
}
id! {
    /// A thread: numbered from 0 in order of creation over the whole run; a life's first thread comes with it.
    ThreadId
}
id! {
    /// A kernel object: its index in [`Trace::objects`].
    ObjectId
}

/// A whole run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// In order of creation; the first of the kind [`LifeKind::Learner`] is the program that was started.
    pub lives: Vec<Life>,
    /// In order of first use.
    pub objects: Vec<Object>,
    /// In the order in which they happened.
    pub events: Vec<Event>,
    /// How the run ended.
    pub end: RunEnd,
}

/// A process from fork to exit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// `main`, `main.1` …, or the peer's name.
    pub name: String,
    /// Whose it is.
    pub kind: LifeKind,
    /// Who forked it; none for the program started and for peers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<LifeId>,
    /// Its exit or death, the last of its events; none where the run ended before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<EventId>,
    /// The event by which it was reaped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reaped: Option<EventId>,
    /// It was alive when its parent ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub orphaned: bool,
    /// Nobody need reap it: its parent ignores SIGCHLD or set SA_NOCLDWAIT (wait(2), NOTES).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub self_reaping: bool,
}

/// Whose process it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LifeKind {
    /// The program under judgement, and all that it forked.
    Learner,
    /// The harness's.
    Peer,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// By itself, with this status.
    Exit(i32),
    /// By a signal.
    Killed(Signal),
}

/// A kernel object that events are about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// A path (`names`, relative to the working directory), a POSIX name (`/ring`), or creator and ordinal
    /// (`main.pipe1`). Unique among the objects of one kind.
    pub name: String,
    /// What it is.
    pub kind: ObjectKind,
    /// Who made it, where it was made in this run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creator: Option<LifeId>,
    /// It has a name in a file system or a key, and still had it at the end of the run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left_behind: bool,
}

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKind {
    /// An anonymous pipe (pipe(7)).
    Pipe,
    /// A FIFO (fifo(7)).
    Fifo,
    /// One direction of a pair of connected sockets (socketpair(2), unix(7)); a pair is two objects.
    Socket,
    /// The program's standard input.
    Stdin,
    /// The program's standard output.
    Stdout,
    /// The program's standard error.
    Stderr,
    /// A regular file.
    File,
    /// A terminal.
    Terminal,
    /// A POSIX shared memory object (shm_overview(7)).
    Shm,
    /// A System V shared memory segment (shmget(2)).
    SysvShm,
    /// An anonymous mapping made with MAP_SHARED (mmap(2)).
    SharedMapping,
    /// Memory behind a descriptor (memfd_create(2)).
    Memfd,
    /// A POSIX message queue (mq_overview(7)).
    Queue,
    /// A System V message queue (msgget(2)).
    SysvQueue,
    /// A semaphore: POSIX named or unnamed (sem_overview(7)), or one of a System V set (semget(2)).
    Semaphore,
    /// A mutex, rwlock or condition variable in memory that processes share (pthreads(7)).
    Lock,
    /// A word that futex calls wait on, where nothing better is known of it (futex(2)).
    Futex,
    /// An eventfd(2).
    Eventfd,
    /// Anything else with a descriptor.
    Other,
}

impl ObjectKind {
    /// A byte stream with two ends: what the expected-trace language calls a `pipe`.
    pub fn is_channel(self) -> bool {
        matches!(self, Self::Pipe | Self::Fifo | Self::Socket)
    }

    /// A message queue of either family.
    pub fn is_queue(self) -> bool {
        matches!(self, Self::Queue | Self::SysvQueue)
    }

    /// Memory that several processes can see.
    pub fn is_memory(self) -> bool {
        matches!(self, Self::Shm | Self::SysvShm | Self::SharedMapping | Self::Memfd | Self::File)
    }
}

/// One thing that a thread did or that happened to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The process.
    pub life: LifeId,
    /// The thread of it.
    pub thread: ThreadId,
    /// What.
    #[serde(flatten)]
    pub verb: Verb,
    /// Events of other threads that made this one possible: sync order beyond program order. Never a matter of which
    /// came first, never a plain load of a plain store.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<EventId>,
    /// The plain stores that a plain load saw: data flow, which orders nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads_from: Vec<EventId>,
    /// The take in whose handler this happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handler: Option<EventId>,
    /// The learner's own source line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<Box<Site>>,
}

/// A place in the learner's source.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Site {
    /// The file, as the learner knows it: `src/main.rs`.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1, in bytes of UTF-8 as the compiler's line tables count; 0 where unknown.
    pub column: u32,
    /// The function, with its module's path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum RunEnd {
    /// Every process of the learner's ended.
    Finished,
    /// All that live wait for one another, and nothing outside the run could wake them: a proof.
    Deadlock {
        /// Who waits in what.
        waits: Vec<Wait>,
    },
    /// All that live wait, some of them for something outside the run.
    AllBlocked {
        /// Who waits in what.
        waits: Vec<Wait>,
    },
    /// A limit was hit and the run was ended there.
    Limit {
        /// Which: `processes`, `memory`, `output`, `files`, `cpu`, `steps`, `time`, `stopped`.
        limit: String,
        /// The figure, with its unit.
        figure: String,
        /// Who was running, or over the limit.
        life: Option<LifeId>,
        /// Where in the learner's source that one was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        site: Option<Site>,
    },
}

/// A thread that waits at the end of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// The process.
    pub life: LifeId,
    /// The thread of it.
    pub thread: ThreadId,
    /// The call by its plain name: `read`, `write`, `open`, `wait`, `receive`, `send`, `acquire`, `pause`, `sigsuspend`,
    /// `sigwait`, `poll`, `futex`, `when` (a peer's step), `stopped`.
    pub call: String,
    /// What it waits on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectId>,
    /// The child waited for, if one is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<LifeId>,
    /// Who could wake it: who holds the other end, or lives and has not exited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holders: Vec<Holder>,
    /// The learner's own source line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<Site>,
}

/// A process that holds the end that a waiting one waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub life: LifeId,
    /// How many descriptors of that end it has.
    pub descriptors: u32,
    /// The fork, pipe, open or receive that gave it the first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<EventId>,
}

/// Which event of a thread: 0 is before its first.
pub type Clock = u32;

impl Trace {
    /// The program that was started.
    pub fn main(&self) -> Option<LifeId> {
        self.lives.iter().position(|life| life.kind == LifeKind::Learner).map(|index| LifeId(index as u32))
    }

    /// A life by its id.
    ///
    /// # Panics
    /// Where the id is of another trace.
    pub fn life(&self, id: LifeId) -> &Life {
        &self.lives[id.index()]
    }

    /// An object by its id.
    ///
    /// # Panics
    /// Where the id is of another trace.
    pub fn object(&self, id: ObjectId) -> &Object {
        &self.objects[id.index()]
    }

    /// An event by its id.
    ///
    /// # Panics
    /// Where the id is of another trace.
    pub fn event(&self, id: EventId) -> &Event {
        &self.events[id.index()]
    }

    /// All events with their ids, in the order in which they happened.
    pub fn iter(&self) -> impl Iterator<Item = (EventId, &Event)> {
        self.events.iter().enumerate().map(|(index, event)| (EventId(index as u32), event))
    }

    /// The events of one life with their ids, in order.
    pub fn of(&self, life: LifeId) -> impl Iterator<Item = (EventId, &Event)> {
        self.iter().filter(move |(_, event)| event.life == life)
    }

    /// How a life ended, if it did.
    pub fn ending(&self, life: LifeId) -> Option<Ending> {
        match self.event(self.life(life).ended?).verb {
            Verb::Exit { status } => Some(Ending::Exit(status)),
            Verb::Killed { signal } => Some(Ending::Killed(signal)),
            _ => None,
        }
    }
}
