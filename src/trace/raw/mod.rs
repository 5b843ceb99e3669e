//! Raw events: what the kernel told the recorder, decoded but not yet named.
//!
//! Pids, descriptor numbers, addresses and identifiers stand here as the kernel gave them. Naming
//! ([`super::naming`]) folds these into canonical events. The recorder emits an event when a call has *returned*, and
//! before that one more ([`RawKind::Entered`]) when the thread went to sleep inside the call, so that bytes of a write
//! that waits for room can be read before the write returns.

mod call;

pub use call::{Call, Disposition, SysvFamily};
use serde::{Deserialize, Serialize};

use super::Bytes;
use super::canonical::{Ending, Site};
use crate::model::Signal;

/// A thread's id as the tracer sees it. A process is named by its first thread's.
pub type Tid = i32;
/// A process's or thread's id as the tracees see it, inside their pid namespace.
pub type InnerPid = i32;
/// A descriptor's number.
pub type Fd = i32;

/// One thing that the kernel told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawEvent {
    /// The thread that it happened to.
    pub tid: Tid,
    /// What happened.
    #[serde(flatten)]
    pub kind: RawKind,
    /// The learner's own source line, where the recorder was asked for it. In a box, for most runs have none of them and
    /// a long one has a million events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<Box<Site>>,
}

/// What happened to a thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum RawKind {
    /// A process that the recorder itself started: the program, or a peer.
    Started {
        /// Its own view of its id.
        inner: InnerPid,
        /// The peer's name; none for the program under judgement.
        peer: Option<String>,
        /// Its working directory; paths below it are named relative to it.
        cwd: String,
        /// What it has open at the start.
        descriptors: Vec<(Fd, RawFile)>,
    },
    /// A process or thread was made by this thread.
    Forked {
        /// Its first thread.
        child: Tid,
        /// Its own view of its id.
        inner: InnerPid,
        /// CLONE_THREAD: a thread of the same process.
        thread: bool,
        /// CLONE_FILES: one descriptor table for both.
        shares_files: bool,
        /// CLONE_SIGHAND: one table of dispositions for both.
        shares_handlers: bool,
    },
    /// execve succeeded. If it was called by another thread than the first, that thread goes on under the first's id.
    Exec {
        /// The file, resolved.
        path: String,
        /// Its arguments, the first its own name.
        args: Vec<String>,
        /// The thread that called it, where that is not `tid`.
        former: Option<Tid>,
    },
    /// A thread ended while others of its process may go on.
    ThreadExited,
    /// The process ended (its last thread did). The event's `tid` is the process's.
    Exited {
        /// How.
        ending: Ending,
    },
    /// A signal reached the thread and was not a stop.
    Delivered {
        /// Which.
        signal: Signal,
        /// A handler begins to run.
        handled: bool,
        /// The sender as the tracees see it, where a process sent it (siginfo's si_pid; 0 is the kernel).
        sender: InnerPid,
    },
    /// The thread went to sleep inside the call, or is held at its entry because it could not go on.
    Entered {
        /// With its arguments; results are not there yet.
        call: Call,
    },
    /// The call came back.
    Returned {
        /// With its arguments and, where it succeeded, its results.
        call: Call,
        /// The value, or the errno as a positive number.
        result: Result<i64, i32>,
    },
    /// Memory that several processes can see was changed since the last event, by this thread.
    Stored {
        /// Which memory.
        file: RawFile,
        /// Bytes from its start.
        offset: u64,
        /// What stands there now.
        bytes: Bytes,
        /// How it was done; none where only the change was seen.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        access: Option<Access>,
    },
    /// Shared memory was looked at, by a peer or by an access of the learner's.
    Loaded {
        /// Which memory.
        file: RawFile,
        /// Bytes from its start.
        offset: u64,
        /// What stood there.
        bytes: Bytes,
        /// How it was done; none where a peer only tells of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        access: Option<Access>,
    },
    /// A function of libc's that synchronises without a call came back, or began to wait (sem_overview(7), pthreads(7)).
    Synced {
        /// The semaphore, lock, condition variable or barrier.
        object: SyncObject,
        /// What was done to it.
        op: SyncOp,
    },
    /// A function of libc's or of the language's library was called that a signal handler must not call, while a handler
    /// of this thread runs (signal-safety(7)).
    Called {
        /// As the manual has it, or the macro that stands for it: `printf`, `println!`.
        function: String,
    },
    /// From here on accesses to this memory are not told one by one: the run made more of them than its budget allows.
    Unexamined {
        /// Which memory.
        file: RawFile,
    },
    /// At its end the process's private memory held a value that the harness asked for.
    Holds {
        /// The value.
        value: u64,
        /// What other living processes of the learner's held at the same address.
        elsewhere: Vec<(Tid, u64)>,
    },
    /// A peer's step was done, or met something else than it expected.
    Step {
        /// The step's index.
        step: u32,
        /// What it met instead.
        instead: Option<String>,
    },
    /// A peer's `when` was answered; what made its facts true had happened in these threads, and comes before.
    Resumed {
        /// Raw events (their index in the recording) that made the facts true.
        because: Vec<u32>,
    },
    /// The thread was stopped by a signal (SIGSTOP, SIGTSTP …) or goes on again.
    Stopped {
        /// By which signal; none when it goes on.
        signal: Option<Signal>,
    },
}

/// How shared memory was accessed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// One indivisible step that orders: a locked instruction, or an access inside of the language's own atomics.
    pub atomic: bool,
    /// A store's: what stood there before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Bytes>,
    /// A store's: its bytes are an address in the private memory of the process that stores.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pointer: bool,
}

/// Something in memory that processes or threads synchronise by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SyncObject {
    /// What it is.
    pub kind: SyncKind,
    /// The shared memory that it lies in; none where it lies in a process's private memory.
    pub file: Option<RawFile>,
    /// Bytes from the memory's start, or its address in private memory.
    pub offset: u64,
}

/// The kinds of things that processes or threads synchronise by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncKind {
    /// sem_t.
    Semaphore,
    /// pthread_mutex_t, pthread_spinlock_t.
    Mutex,
    /// pthread_rwlock_t.
    ReadWriteLock,
    /// pthread_cond_t.
    Condition,
    /// pthread_barrier_t.
    Barrier,
}

/// What was done to something that processes or threads synchronise by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum SyncOp {
    /// sem_init, pthread_mutex_init and their like.
    Init {
        /// A semaphore's value, a barrier's count; 0 of others.
        value: u32,
        /// pshared: other processes may use it.
        shared: bool,
    },
    /// It is about to be acquired; told where that may have to wait.
    Wait,
    /// A semaphore went down, a lock was taken, a condition was met, a barrier was passed.
    Acquire,
    /// A read-write lock was taken for reading, beside others that read.
    Share,
    /// A semaphore went up, a lock was given back, a condition was signalled, a barrier was reached: told before anybody
    /// can have noticed.
    Release,
    /// A condition was signalled to all who wait for it.
    Broadcast,
    /// The function failed with this errno: EAGAIN, EPERM, EDEADLK …
    Failed {
        /// As a positive number.
        errno: i32,
    },
}

/// What a descriptor or mapping is open on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RawFile {
    /// What it is.
    pub kind: FileKind,
    /// Its path as the tracees see it; empty where it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// With `ino` its identity while the run lasts (stat(2)).
    pub dev: u64,
    /// With `dev` its identity.
    pub ino: u64,
    /// Open for reading.
    #[serde(default)]
    pub read: bool,
    /// Open for writing.
    #[serde(default)]
    pub write: bool,
}

/// What a file is, as far as the trace cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// An anonymous pipe.
    Pipe,
    /// A FIFO with a path.
    Fifo,
    /// A socket.
    Socket,
    /// A regular file.
    Regular,
    /// A folder.
    Folder,
    /// A terminal.
    Terminal,
    /// A POSIX shared memory object: a file directly below /dev/shm.
    Shm,
    /// Memory behind an anonymous or System V shared mapping, or a memfd.
    Memory,
    /// A POSIX message queue.
    Queue,
    /// eventfd, signalfd, timerfd, epoll, pidfd, inotify.
    Anonymous,
    /// Anything else: /dev/null, devices.
    Other,
}

/// How a recording ended, beside what its events say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum RawEnd {
    /// Every process of the learner's ended, or those that were left were ended with the run.
    Finished,
    /// Every thread waits in the call of its last [`RawKind::Entered`] or is stopped, and no timer is armed.
    Blocked,
    /// A limit was hit and the run was ended there.
    Limit {
        /// `processes`, `memory`, `output`, `files`, `cpu`, `steps`, `time`.
        limit: String,
        /// The figure, with its unit.
        figure: String,
        /// Who was running, or over the limit.
        tid: Option<Tid>,
        /// Where in the learner's source that one was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        site: Option<Site>,
    },
}

/// A whole recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// In the order in which they happened.
    pub events: Vec<RawEvent>,
    /// How it ended.
    pub end: RawEnd,
}
