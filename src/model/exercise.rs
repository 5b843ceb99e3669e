//! An exercise as the course states it, without its expected trace (which is the pattern layer's).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::peer::{Scalar, Step};
use super::{CheckId, Draw, ExerciseId, Fault, Limits, PeerName, ScenarioId, Sleepers, Template};

/// One exercise.
#[derive(Debug, Clone, PartialEq)]
pub struct Exercise {
    /// Its folder.
    pub id: ExerciseId,
    /// What a list shows.
    pub title: String,
    /// Core or extra.
    pub track: Track,
    /// Manual pages to read.
    pub read: Vec<String>,
    /// The exercises that it builds on.
    pub after: Vec<ExerciseId>,
    /// From gentle to plain.
    pub hints: Vec<String>,
    /// Special hints, by code (`F006`) or check.
    pub hints_for: BTreeMap<String, String>,
    /// Programs that the exercise brings for the learner's to run, by name; their sources are `tools/NAME.rs`.
    pub tools: Vec<String>,
    /// The limits of one attempt.
    pub limits: Limits,
    /// Invariants that would punish a right answer here, and why.
    pub off: BTreeMap<Invariant, String>,
    /// The ways in which the program is run.
    pub scenarios: Vec<Scenario>,
    /// What earns points.
    pub checks: Vec<CheckSpec>,
}

impl Exercise {
    /// The sum of the checks' points.
    pub fn max_points(&self) -> u32 {
        self.checks.iter().map(|check| check.points).sum()
    }
}

/// Whether everybody does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Track {
    /// Everybody does it.
    #[default]
    Core,
    /// For those who want more.
    Extra,
}

/// What holds in every exercise unless it says otherwise. Checks of the kind `clean` are about these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Invariant {
    /// No child is left unreaped at its parent's exit.
    Zombie,
    /// No child outlives its parent.
    Orphan,
    /// No FIFO, shared object, queue or semaphore is left behind.
    Leak,
    /// No deadlock.
    Deadlock,
    /// No process ends by a signal or a status that nobody asked for.
    Crash,
    /// Whatever two processes do to the same bytes of shared memory is put in order by something.
    Race,
    /// No process looks again and again where it could wait.
    BusyWait,
}

/// One way to run the program.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Its name.
    pub id: ScenarioId,
    /// The program's arguments, without its name.
    pub args: Vec<Template>,
    /// What its standard input is.
    pub stdin: Stdin,
    /// The values to draw, by name.
    pub values: BTreeMap<String, Draw>,
    /// Objects on which one run changes bytes in transit.
    pub substitute: Vec<String>,
    /// The processes on the other side.
    pub peers: Vec<PeerSpec>,
    /// What goes wrong with the program's calls.
    pub faults: Vec<Fault<Template>>,
    /// When sleepers wake; none leaves it to the schedule.
    pub sleepers: Option<Sleepers>,
}

/// A program's standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stdin {
    /// At its end from the start.
    Empty,
    /// This text, then the end.
    Text(Template),
    /// A pipe that a peer's steps write to as `main.stdin`.
    Peer,
}

/// A process on the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerSpec {
    /// Its name.
    pub name: PeerName,
    /// What it does, in order.
    pub steps: Vec<Step>,
}

/// A check: all of its points or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckSpec {
    /// Its name within the exercise.
    pub id: CheckId,
    /// What it looks at.
    pub kind: CheckKind,
    /// What it is worth.
    pub points: u32,
    /// Skipped while one of these fails.
    pub needs: Vec<CheckId>,
}

/// What a check looks at: the four kinds of evidence, the expected trace, and the invariants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckKind {
    /// Distinct processes, forked and not threaded, and optionally a value that differs at one address.
    Separation {
        /// How many processes of the learner's there are, the first included.
        processes: u32,
        /// A drawn 64-bit value: found in a child's memory …
        new: Option<Template>,
        /// … where its parent has this one at the same address.
        old: Option<Template>,
    },
    /// Bytes on stdout, on a pipe, a FIFO, a queue.
    Output {
        /// `stdout`, `stderr`, a path, or an object of the expected trace.
        on: String,
        /// The bytes; `None` where the expected trace's and the peers' own texts on that object say it.
        text: Option<Template>,
    },
    /// A value at an offset of a shared object.
    Memory {
        /// The object's name, with its slash.
        object: Template,
        /// Bytes from its start.
        offset: u64,
        /// The number's type.
        scalar: Scalar,
        /// The number.
        value: Template,
        /// When: a peer's step (`reader's expect`) or `end` (the last value before the object went).
        at: String,
    },
    /// Installed, masked, taken, died of.
    Signal {
        /// The signal, by name or as a hole.
        signal: Template,
        /// What must have become of it.
        fate: SignalFate,
    },
    /// The expected trace.
    Trace,
    /// The invariants.
    Clean,
}

impl CheckKind {
    /// The word of the course file and of reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Separation { .. } => "separation",
            Self::Output { .. } => "output",
            Self::Memory { .. } => "memory",
            Self::Signal { .. } => "signal",
            Self::Trace => "trace",
            Self::Clean => "clean",
        }
    }
}

/// What must have become of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignalFate {
    /// Its disposition was a handler, or every thread masked it.
    Ready,
    /// A handler ran, signalfd was read, or sigwait returned.
    Taken,
    /// A process of the learner's died of it.
    Died,
}
