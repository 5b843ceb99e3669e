//! What matching a trace with an expected one gives.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::RoleName;
use crate::trace::{EventId, LifeId, ObjectId};

/// The best assignment of lives to roles and objects to names, and what remains wrong under it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matching {
    /// The lives that play each role; a family has several, in order of creation.
    pub roles: BTreeMap<RoleName, Vec<LifeId>>,
    /// The objects that the expected trace's names stand for.
    pub objects: BTreeMap<String, ObjectId>,
    /// What does not fit, in the order of the run; empty where the trace is as expected.
    pub problems: Vec<Problem>,
    /// Required orders that held while nothing forced them.
    pub unforced: Vec<Unforced>,
    /// The run beside the expected one.
    pub lanes: Vec<LaneStep>,
}

/// Something that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub kind: ProblemKind,
    /// The role in whose lane, where one is known.
    pub role: Option<RoleName>,
    /// The life that should have done it, or did it, where one is bound.
    pub life: Option<LifeId>,
    /// The step of the expected trace, as it prints, with its values resolved: `read data "kettle\n"`.
    pub step: Option<String>,
    /// The step's line in `expected.trace`, from 1; 0 without a step.
    pub line: u32,
    /// The event at fault; for what is missing, the last event before the gap.
    pub event: Option<EventId>,
    /// The object that the step is about, where one is bound.
    pub object: Option<ObjectId>,
}

/// In what way something does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProblemKind {
    /// The step did not happen (T001).
    Missing,
    /// A strict event that no step asks for (T002).
    Surplus,
    /// Both happened, in an order that the expected trace rules out (T003).
    WrongOrder {
        /// The step that had to come first, as it prints.
        first: String,
        /// Its event.
        first_event: EventId,
    },
    /// The step happened with other bytes, another status, another priority (T005).
    WrongData {
        /// What the step asks for.
        expected: Vec<u8>,
        /// What happened.
        saw: Vec<u8>,
        /// The first byte at which they part.
        at: usize,
    },
    /// A `never` line happened, or an `always` line did not hold.
    Forbidden,
}

/// A required order that held in the run while nothing forced it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unforced {
    /// The step that has to come first, as it prints.
    pub first: String,
    /// Its last event.
    pub first_event: EventId,
    /// The step that has to come second.
    pub second: String,
    /// Its first event.
    pub second_event: EventId,
    /// A run in which the first side was held back and the other order came about; none where nobody has tried, or
    /// where it did not.
    #[serde(default)]
    pub witness: Option<Witness>,
}

/// What became of a run in which an unforced order came the other way round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Witness {
    /// Nothing but the order was different.
    GoesWell,
    /// It goes visibly wrong: its cause, in a line.
    GoesWrong(String),
}

/// A row of the picture: one thing that one role did, or should have done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneStep {
    /// The role, or the life's name where it plays none.
    pub lane: String,
    /// As a person reads it: `write "kettle\n"`.
    pub text: String,
    /// The row that this one's data, end or exit comes from, by its index, for an arrow.
    pub from: Option<usize>,
    /// Whether it was expected.
    pub mark: Mark,
}

/// How a row stands to the expected trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// Expected, and it happened.
    Expected,
    /// Neither asked for nor forbidden.
    Free,
    /// Expected, and it did not happen.
    Missing,
    /// It happened and was not expected.
    Surplus,
    /// It happened otherwise than expected.
    Wrong,
    /// It happened before what had to come first.
    Early,
    /// It never came back: stuck here.
    Stuck,
}
