//! What happens to a process: the verbs of the canonical trace.

use serde::{Deserialize, Serialize};

use super::{Ending, LifeId, ObjectId, ThreadId};
use crate::model::Signal;
use crate::trace::Bytes;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Verb {
    /// A process began (fork, vfork, clone, posix_spawn).
    Fork {
        /// The new process.
        child: LifeId,
    },
    /// A thread began.
    Thread {
        /// The new thread.
        child: ThreadId,
    },
    /// Another program took the process over (execve(2)).
    Exec {
        /// The file's name without its folders.
        program: String,
    },
    /// The process ended by itself.
    Exit {
        /// 0 to 255.
        status: i32,
    },
    /// The process was ended by a signal.
    Killed {
        /// Which.
        signal: Signal,
    },
    /// A wait call collected a child (wait, waitpid, waitid), or an ignored SIGCHLD did: then the event is of the parent's,
    /// in a thread of its own, since nothing that the parent does comes after it for that reason.
    Reaped {
        /// The child.
        child: LifeId,
        /// How it had ended.
        ending: Ending,
    },
    /// An object was made: pipe, mkfifo, socketpair, shm_open with O_CREAT, mq_open with O_CREAT, mmap, shmget …
    Create {
        /// The object.
        object: ObjectId,
    },
    /// An existing object with a name was opened.
    Open {
        /// The object.
        object: ObjectId,
        /// It can be read.
        read: bool,
        /// It can be written.
        write: bool,
    },
    /// A descriptor was closed, by close, exec or dup2 (not by the process's end).
    Close {
        /// What it was open on.
        object: ObjectId,
        /// It could be written: closing the last of these is what readers see as the end.
        write: bool,
        /// No descriptor of this end is left in any process.
        last: bool,
    },
    /// A name or key was removed.
    Unlink {
        /// The object.
        object: ObjectId,
    },
    /// Bytes went in.
    Write {
        /// Where.
        object: ObjectId,
        /// What.
        bytes: Bytes,
    },
    /// Bytes came out.
    Read {
        /// From where.
        object: ObjectId,
        /// What.
        bytes: Bytes,
    },
    /// A read found the end of file: no writer is left.
    End {
        /// Of what.
        object: ObjectId,
    },
    /// A message went in.
    Send {
        /// Where.
        object: ObjectId,
        /// What.
        bytes: Bytes,
        /// POSIX: its priority; System V: its type.
        priority: i64,
    },
    /// A message came out.
    Receive {
        /// From where.
        object: ObjectId,
        /// What.
        bytes: Bytes,
        /// POSIX: its priority; System V: its type.
        priority: i64,
    },
    /// A semaphore went down, a lock was taken.
    Acquire {
        /// Which.
        object: ObjectId,
    },
    /// A semaphore went up, a lock was given back.
    Release {
        /// Which.
        object: ObjectId,
    },
    /// Memory was mapped.
    Map {
        /// What.
        object: ObjectId,
        /// MAP_SHARED, not MAP_PRIVATE.
        shared: bool,
    },
    /// The object was given a size (ftruncate(2)).
    Resize {
        /// Which.
        object: ObjectId,
        /// Bytes.
        len: u64,
    },
    /// Shared memory was changed.
    Store {
        /// Which.
        object: ObjectId,
        /// Bytes from its start.
        offset: u64,
        /// What stands there now.
        bytes: Bytes,
        /// One indivisible step that orders, not a plain store.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        atomic: bool,
        /// What stood there before, where that was seen.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Bytes>,
        /// Its bytes are an address in the private memory of the process that stores.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        pointer: bool,
    },
    /// Shared memory was looked at.
    Load {
        /// Which.
        object: ObjectId,
        /// Bytes from its start.
        offset: u64,
        /// What stood there.
        bytes: Bytes,
        /// One indivisible step that orders, not a plain load.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        atomic: bool,
    },
    /// From here on accesses to this memory are not told one by one: there are more of them than the budget allows.
    Unexamined {
        /// Which.
        object: ObjectId,
    },
    /// A semaphore, lock, condition variable or barrier in memory was given its first state (sem_init(3),
    /// pthread_mutex_init(3)).
    Init {
        /// Which.
        object: ObjectId,
        /// A semaphore's value, a barrier's count; 0 of others.
        value: u32,
        /// Other processes may use it.
        shared: bool,
    },
    /// The process became ready for a signal: its disposition is a handler, or every thread masks it.
    Ready {
        /// Which.
        signal: Signal,
    },
    /// The process is no longer ready for it.
    Unready {
        /// Which.
        signal: Signal,
    },
    /// The process chose to ignore a signal.
    Ignore {
        /// Which.
        signal: Signal,
    },
    /// A signal was taken: a handler began to run, signalfd was read, or sigwait returned.
    Take {
        /// Which.
        signal: Signal,
    },
    /// A handler returned.
    Return {
        /// Of which signal.
        signal: Signal,
    },
    /// A signal was sent (kill, sigqueue, pthread_kill across processes).
    Signal {
        /// To which process; none for one outside the run.
        target: Option<LifeId>,
        /// Which.
        signal: Signal,
        /// The call named a process group, so others may have got it too.
        group: bool,
    },
    /// A call failed, where that says something.
    Failed {
        /// The call's name in the manual.
        call: String,
        /// The error's name: `EMSGSIZE`.
        errno: String,
        /// What it was about.
        object: Option<ObjectId>,
    },
    /// At a process's end its private memory held a drawn value, and at the same address others held these.
    Holds {
        /// The drawn value.
        value: u64,
        /// What other living processes of the learner's held at that address.
        elsewhere: Vec<(LifeId, u64)>,
    },
    /// A peer's step was done, or found something else than it expected.
    Step {
        /// The step's index in the scenario's list for that peer.
        step: u32,
        /// What it met instead, as text; none where all was as expected.
        instead: Option<String>,
    },
    /// Another call that the trace keeps because a person may want to see it.
    Call {
        /// Its name in the manual.
        name: String,
    },
}

impl Verb {
    /// The object that the event is about.
    pub fn object(&self) -> Option<ObjectId> {
        match self {
            Self::Create { object }
            | Self::Open { object, .. }
            | Self::Close { object, .. }
            | Self::Unlink { object }
            | Self::Write { object, .. }
            | Self::Read { object, .. }
            | Self::End { object }
            | Self::Send { object, .. }
            | Self::Receive { object, .. }
            | Self::Acquire { object }
            | Self::Release { object }
            | Self::Map { object, .. }
            | Self::Resize { object, .. }
            | Self::Store { object, .. }
            | Self::Load { object, .. }
            | Self::Unexamined { object }
            | Self::Init { object, .. } => Some(*object),
            Self::Failed { object, .. } => *object,
            Self::Fork { .. }
            | Self::Thread { .. }
            | Self::Exec { .. }
            | Self::Exit { .. }
            | Self::Killed { .. }
            | Self::Reaped { .. }
            | Self::Ready { .. }
            | Self::Unready { .. }
            | Self::Ignore { .. }
            | Self::Take { .. }
            | Self::Return { .. }
            | Self::Signal { .. }
            | Self::Holds { .. }
            | Self::Step { .. }
            | Self::Call { .. } => None,
        }
    }

    /// The object that the event is about, to be renumbered.
    pub(in crate::trace) fn object_mut(&mut self) -> Option<&mut ObjectId> {
        match self {
            Self::Create { object }
            | Self::Open { object, .. }
            | Self::Close { object, .. }
            | Self::Unlink { object }
            | Self::Write { object, .. }
            | Self::Read { object, .. }
            | Self::End { object }
            | Self::Send { object, .. }
            | Self::Receive { object, .. }
            | Self::Acquire { object }
            | Self::Release { object }
            | Self::Map { object, .. }
            | Self::Resize { object, .. }
            | Self::Store { object, .. }
            | Self::Load { object, .. }
            | Self::Unexamined { object }
            | Self::Init { object, .. } => Some(object),
            Self::Failed { object, .. } => object.as_mut(),
            Self::Fork { .. }
            | Self::Thread { .. }
            | Self::Exec { .. }
            | Self::Exit { .. }
            | Self::Killed { .. }
            | Self::Reaped { .. }
            | Self::Ready { .. }
            | Self::Unready { .. }
            | Self::Ignore { .. }
            | Self::Take { .. }
            | Self::Return { .. }
            | Self::Signal { .. }
            | Self::Holds { .. }
            | Self::Step { .. }
            | Self::Call { .. } => None,
        }
    }
}
