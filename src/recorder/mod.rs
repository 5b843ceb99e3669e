//! The recorder: runs processes one at a time under ptrace and tells what they did as raw events.
//!
//! # Theory of operation
//!
//! The caller has forked the *roots* (the program under judgement and the harness's peers); each sleeps in a read and
//! waits to be seized. [`record`] seizes them, lets them go, and from then on everything they fork is traced too. A
//! seccomp filter, which each root installs before it goes on, stops a tracee at the entry of each call of interest; the
//! rest runs at full speed.
//!
//! A tracee is *ready* (stopped, and may go on), *asleep* (inside a call that has not returned, its exit stop armed),
//! *held* (by us, at a call's entry) or in a group-stop. Each turn of the loop lets one ready tracee take one step: into
//! its call and to the call's exit, or to its next call. Before the next step every other tracee is stopped or asleep,
//! so nothing depends on the machine's load. A tracee that a step woke is waited for until it has stopped at its call's
//! exit. Who is asleep is read from /proc/PID/stat: between the resume and that look nobody else runs.
//!
//! When none is ready, first the sleepers' time passes, then peers that wait for idleness go on; when nothing is left
//! that time or the outside world could wake, the run is over: a deadlock.
//!
//! Architecture invariant: knows no exercise, no verdict and no names; [`Script`] is all that it asks the harness.

mod auxiliary;
mod budget;
mod change;
mod clock;
mod decides;
mod decode;
mod engine;
mod entry;
mod faults;
mod filter;
mod footprint;
mod foresee;
mod functions;
mod guard;
mod hold;
mod kept;
mod kernel;
mod lives;
mod memory;
mod proc;
mod randomness;
mod schedule;
mod socket_times;
mod soon;
mod stacks;
mod still;
mod stops;
mod strangers;
mod substitute;
mod timeouts;
mod timer_list;
mod timers;
mod tracee;
mod walls;
mod world;

use std::num::NonZeroU64;
use std::os::fd::OwnedFd;

pub use change::{Change, Deed};
pub use filter::{filter, is_denied_in_the_box};
pub use foresee::AUDITS;
pub use stacks::Sites;
pub use substitute::Substitution;

use crate::model::{Fault, Hold, Limits, Place, Played, Schedule, Sleepers};
use crate::trace::raw::{Call, RawEvent, Recording, Tid};

/// A process that waits to be seized.
#[derive(Debug, Clone)]
pub struct Root {
    /// Its id as this process sees it.
    pub pid: i32,
    /// Its id as it sees itself.
    pub inner: i32,
    /// What it is going to be.
    pub kind: RootKind,
    /// Its working directory; paths below it are named relative to it.
    pub cwd: String,
}

/// What a root is going to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootKind {
    /// The program under judgement: it installs the filter and execs.
    Program,
    /// A peer of this name: it installs the filter and runs our own code.
    Peer(String),
}

/// How to record.
#[derive(Debug)]
pub struct Options {
    /// Bounds of the run; none for a program that is only watched.
    pub limits: Option<Limits>,
    /// The order of steps.
    pub schedule: Schedule,
    /// When sleepers wake.
    pub sleepers: Sleepers,
    /// Who is held back, and until when.
    pub hold: Option<Hold>,
    /// What getrandom(2), AT_RANDOM and the devices of random(4) give; none leaves them alone.
    pub entropy: Option<u64>,
    /// Drawn values to look for in a process's private memory at its end.
    pub holds: Vec<u64>,
    /// Bytes to exchange in transit.
    pub substitution: Option<Substitution>,
    /// What goes wrong with the learner's calls.
    pub faults: Vec<Fault>,
    /// The world is closed, and what would leave the box is denied.
    pub boxed: bool,
    /// The ids of processes are the machine's: what is no tracee's is a stranger's, whom the program must not reach.
    pub strangers: bool,
    /// Read ends, non-blocking, of the pipes that the program's output goes to: emptied as the run goes on.
    pub drains: Vec<OwnedFd>,
    /// Each event carries the learner's own place; none for a run that is to be fast.
    pub sites: Option<Sites>,
    /// What is done to processes on the way; nothing in a run that is graded.
    pub changes: Vec<Change>,
    /// Threads are followed by hand from one access to guarded memory to the next, where that is simple. Without it they
    /// run there themselves: the same run, more slowly.
    pub by_hand: bool,
    /// One call in so many of those that the model foresees is compared with what the kernel says of it.
    pub audits: NonZeroU64,
}

/// What a run gave.
#[derive(Debug)]
pub struct Recorded {
    /// What happened.
    pub recording: Recording,
    /// The turns that it was made of.
    pub played: Played,
    /// For each event whose it is, and where that one stood in the schedule.
    pub places: Vec<Place>,
    /// In how many calls somebody had to look whether the caller sleeps: those that nobody could foresee.
    pub looks: u64,
    /// How many accesses to guarded memory were come to by hand.
    pub by_hand: u64,
}

/// What the recorder asks the harness.
pub trait Script {
    /// Tells of an event; `index` counts from 0.
    fn event(&mut self, index: u32, event: &RawEvent);

    /// Whether the peer that waits before its step `step` may go on, and the events that make it so.
    ///
    /// `idle`: everything else waits, and no time that passes would change that.
    fn may_go_on(&mut self, peer: Tid, step: u32, idle: bool) -> Option<Vec<u32>>;

    /// Tells of a call before it is made that may make something which outlives this process, where names are the
    /// machine's ([`Options::strangers`]).
    fn may_make(&mut self, _process: Tid, _call: &Call) {}

    /// What the peer that may go on is told: a process's id as it sees it itself, where its facts have singled one out.
    fn answer(&mut self, _peer: Tid) -> i64 {
        0
    }
}

/// A script without peers.
#[derive(Debug)]
pub struct NoScript;

impl Script for NoScript {
    fn event(&mut self, _: u32, _: &RawEvent) {}

    fn may_go_on(&mut self, _: Tid, _: u32, _: bool) -> Option<Vec<u32>> {
        Some(Vec::new())
    }
}

/// Why there is no recording: the machine's fault or ours, never the learner's. Reads well after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    /// A call of ours failed.
    #[error("{operation} process {pid}: {errno} (ptrace(2) must be allowed: see `ipc-grade doctor`)")]
    Trace {
        /// What was tried.
        operation: &'static str,
        /// On whom.
        pid: i32,
        /// Why it failed.
        errno: nix::errno::Errno,
    },
    /// The program did not start.
    #[error("start the program: it ended before it could be executed")]
    NotStarted,
    /// Letting the roots go failed.
    #[error("let the processes go: {0}")]
    Go(std::io::Error),
    /// The recorder's model of the kernel said something else than the kernel.
    #[error(
        "foresee {call} on {object}: the model said {believed}, the kernel {kernel} (this is a fault of ipc-grade)"
    )]
    Model {
        /// With its arguments.
        call: String,
        /// What it was about, as the model had it afterwards.
        object: String,
        /// What was foreseen.
        believed: String,
        /// What happened.
        kernel: String,
    },
    /// The run took longer than it may, by the machine's clock.
    #[error(
        "end the run within {millis} ms: the machine is too busy or too slow for it; nothing is held against the \
         program. Try again, or raise `wall_ms` in grader.toml"
    )]
    Slow {
        /// Real time that it may take, in milliseconds.
        millis: u64,
    },
    /// The ticking that guards the run could not be set up.
    #[error("start the timer that guards the run: {0}")]
    Ticks(nix::errno::Errno),
}

/// Records the roots and all that they fork until the program's processes have ended, or nothing can go on, or a limit
/// is hit. Every tracee that is left is then killed and reaped. Also gives the turns that the run was made of.
///
/// To be called by the thread that forked the roots, with no other children whose statuses matter: all of them are
/// waited for here.
///
/// # Errors
/// [`RecorderError`]; all tracees are gone then too.
pub fn record(
    roots: &[Root],
    go: impl FnOnce() -> std::io::Result<()>,
    options: Options,
    script: &mut dyn Script,
) -> Result<Recorded, RecorderError> {
    engine::Engine::new(options, script).run(roots, go)
}

/// The operations of the call by which a peer speaks (number [`crate::sys::arch::PEER_CALL`]); the first argument.
pub mod peer_call {
    /// `(WHEN, step)`: returns when the step's facts are true.
    pub const WHEN: u64 = 0;
    /// `(DONE, step, text, length)`: the step is done; the text says what it met instead, none is as expected.
    pub const DONE: u64 = 1;
    /// `(LOADED, descriptor, offset, bytes, length)`: it looked at shared memory.
    pub const LOADED: u64 = 2;
    /// `(STORED, descriptor, offset, bytes, length)`: it changed shared memory.
    pub const STORED: u64 = 3;
}
