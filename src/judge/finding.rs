//! What a verdict is made of.

use serde::{Deserialize, Serialize};

use super::matching::{LaneStep, Unforced};
use crate::model::{CheckId, Code, Signal};
use crate::trace::{EventId, LifeId, Site, ThreadId, Wait};

/// The verdict on one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub struct Verdict {
    /// One for each check of the exercise, in its order.
    pub checks: Vec<CheckResult>,
    /// What was found, the most specific cause first.
    pub findings: Vec<Finding>,
    /// The line of the expected trace where the run first differs from it, from 1.
    pub differs_at: Option<u32>,
    /// Required orders that held while nothing forced them; a replay with the first side held back would tell.
    pub unforced: Vec<Unforced>,
    /// The memory of which not every access was looked at, by name. What rests on it did not pass.
    #[serde(default)]
    pub unexamined: Vec<String>,
    /// The run beside the expected one, in the order of the run, for the picture of lanes.
    pub lanes: Vec<LaneStep>,
}

impl Verdict {
    /// The cause: the code of the first finding that costs points.
    pub fn cause(&self) -> Option<Code> {
        self.findings.iter().find(|finding| finding.severity == Severity::Error).map(|finding| finding.code)
    }

    /// Whether every check passed.
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.status == CheckStatus::Pass)
    }
}

/// A check's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// Which check.
    pub id: CheckId,
    /// Its kind, as the course file writes it.
    pub kind: String,
    /// What came of it.
    pub status: CheckStatus,
    /// All of its points or 0.
    pub points: u32,
    /// What it is worth.
    pub max_points: u32,
}

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[must_use]
pub enum CheckStatus {
    /// As it should be.
    Pass,
    /// A finding cost its points.
    Fail,
    /// A check that it needs failed.
    Skipped,
    /// Nothing wrong was seen, and not all was looked at: the run accesses memory more often than the budget allows.
    Unexamined,
    /// The grader or the machine failed; no statement about the learner.
    Error,
}

/// Whether a finding costs points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[must_use]
pub enum Severity {
    /// It costs its check's points.
    Error,
    /// It costs nothing.
    Advice,
}

/// One thing that was found.
///
/// Texts are what a student reads: short and plain, the fact first, the reason second, no blame. Values stand in them as
/// in a Rust string (`"kettle\n"`), so that white space is seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The cause.
    pub code: Code,
    /// Whether it costs points.
    pub severity: Severity,
    /// The check that it belongs to.
    pub check: CheckId,
    /// The fact in a line, without the code: `the child waits for ever for the end of the text`.
    pub message: String,
    /// What was expected.
    pub expected: Option<String>,
    /// What happened.
    pub saw: Option<String>,
    /// The reason, a line each.
    pub why: Vec<String>,
    /// The learner's own line; none until the recorder gives lines.
    pub place: Option<Site>,
    /// Other lines that matter, each with what it says of them.
    pub also: Vec<(Site, String)>,
    /// What of the run it is about, each with a few words to stand under the line: the first is where it happened, the
    /// others are what led to it.
    #[serde(default)]
    pub labels: Vec<Label>,
    /// What happened, side by side, where that says more than the lanes of the whole run.
    #[serde(default)]
    pub columns: Option<Columns>,
    /// Who waits for whom, where the run came to a stop.
    #[serde(default)]
    pub waits: Vec<WaitFor>,
    /// What would mend it, to be tried.
    #[serde(default)]
    pub repairs: Vec<Repair>,
    /// Where expected and seen bytes part, as a unified diff or two lines with a caret; empty where there is none.
    pub diff: String,
    /// Only true because nothing is left that could wake anybody, not because time ran out.
    pub proved: bool,
}

/// A few events side by side: a column for each process, and one for what stands in memory.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Columns {
    /// What each column shows: `parent`, `counter in memory`, `child`.
    pub heads: Vec<String>,
    /// From top to bottom in the order of the run; each has as many texts as there are heads, empty where nothing is.
    pub rows: Vec<Vec<String>>,
}

/// An edge of the wait-for graph: a process that is stuck, on what, and who could wake it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitFor {
    /// Who waits.
    pub who: String,
    /// The call that it is stuck in, by its plain name: `read`.
    pub call: String,
    /// What it waits on: `request`; where that is no object, in words: `a signal`.
    pub on: String,
    /// Why it does not go on, and who alone could help: `full, only child can empty it`.
    pub because: String,
    /// Who could wake it; nobody where nothing is left that could.
    pub whom: Vec<String>,
}

/// Something of the run, and what is to be said of it in a few words: `parent`, `the child still has this open`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// What.
    pub at: Spot,
    /// What is said of it; empty where the finding's message says it all.
    pub text: String,
    /// The learner's own place of it, where the trace has places.
    #[serde(default)]
    pub site: Option<Site>,
    /// Which of the two things that were made there is meant.
    #[serde(default)]
    pub end: Option<End>,
}

/// A change to the run after which it may be right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repair {
    /// Whose doing it is.
    pub life: LifeId,
    /// The same as the finding calls it.
    pub who: String,
    /// Once this has happened.
    pub after: EventId,
    /// What it does.
    pub mend: Mend,
}

/// What a process does that it did not do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mend {
    /// It closes every end of this kind that it has of an object.
    Close {
        /// Which end.
        end: End,
        /// The event that made the object.
        made: EventId,
    },
    /// It posts a semaphore, or gives a lock back.
    Release {
        /// Its name.
        name: String,
        /// What is done is called that: `posted`, `released`.
        word: String,
        /// An event that was about it, or made the set of semaphores that it is in.
        of: EventId,
        /// Which semaphore of the set.
        number: u16,
    },
    /// A signal waits until it has a handler for it.
    Hold {
        /// Which.
        signal: Signal,
    },
    /// A signal is not masked while it sleeps until one comes.
    LetThrough {
        /// Which.
        signal: Signal,
    },
}

/// An end of a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The one to read from.
    Read,
    /// The one to write to.
    Write,
}

/// A moment of a run that a source line can be told for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spot {
    /// Something happened.
    Event(EventId),
    /// This thread waits at the end of the run.
    Wait(ThreadId),
}

impl From<EventId> for Spot {
    fn from(event: EventId) -> Self {
        Self::Event(event)
    }
}

impl From<&Wait> for Spot {
    fn from(wait: &Wait) -> Self {
        Self::Wait(wait.thread)
    }
}
