//! How the processes of one run take turns: by a seed, or in order but for some turns.
//!
//! # From a seed to a strategy
//!
//! The mapping is fixed, so that a token holds all that a run depends on. No seed may ever be given another strategy:
//! tokens stand in reports.
//!
//! | seed | strategy |
//! |---|---|
//! | 0 | in order: the one that ran goes on while it can, then the first by creation |
//! | 3, 11, 19 … (mod 8 = 3) | PCT, d = 1: a drawn priority for each, the highest runs |
//! | 5, 13, 21 … (mod 8 = 5) | PCT, d = 2: the same, with one drawn step at which the one that runs becomes the lowest |
//! | 7, 15, 23 … (mod 8 = 7) | PCT, d = 3: two such steps |
//! | 4, 8, 12 … (mod 4 = 0) | a slow walk: the one that ran stays in three cases of four |
//! | all others | a random walk: an even choice at each decision |
//!
//! PCT is probabilistic concurrency testing (Burckhardt, Kothari, Musuvathi, Nagarakatti: A randomized scheduler with
//! probabilistic guarantees of finding bugs, ASPLOS 2010). Of n processes that make k steps it finds a bug that d orders
//! must come together for with a probability of at least 1/(n·k^(d-1)). On most small programs a walk finds more, so it
//! has more seeds; PCT finds what a walk hardly ever reaches, one that must stand still for very long.

use serde::{Deserialize, Serialize};

use super::ScheduleSeed;

/// The order in which the processes of one run take their steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// By the strategy that the seed stands for.
    Seeded {
        /// The seed.
        seed: ScheduleSeed,
        /// How many decisions the run is going to have, as far as is known: what a run in order had ([`Played::steps`]).
        /// Only PCT looks at it ([`Strategy::needs_steps`]).
        steps: u32,
    },
    /// In order, but for these turns.
    Turns(Vec<Turn>),
}

impl Schedule {
    /// In order.
    pub const IN_ORDER: Self = Self::Seeded { seed: ScheduleSeed(0), steps: 0 };
}

/// A way to choose who goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// The one that ran goes on while it can, then the first by creation.
    InOrder,
    /// At each decision one of those that may go on is drawn.
    Walk {
        /// The one that ran stays unless a draw of one in so many says otherwise; 1 is an even choice each time.
        one_in: u32,
    },
    /// Priorities, of which `depth - 1` change on the way.
    Pct {
        /// The d of the paper, from 1.
        depth: u32,
    },
}

impl Strategy {
    /// The strategy of a seed; the table stands above.
    pub fn of(seed: ScheduleSeed) -> Self {
        match (seed.0, seed.0 % 8) {
            (0, _) => Self::InOrder,
            (_, 3) => Self::Pct { depth: 1 },
            (_, 5) => Self::Pct { depth: 2 },
            (_, 7) => Self::Pct { depth: 3 },
            (_, 0 | 4) => Self::Walk { one_in: 4 },
            _ => Self::Walk { one_in: 1 },
        }
    }

    /// Whether the number of decisions must be known before the run: PCT draws the steps at which priorities change.
    pub fn needs_steps(self) -> bool {
        matches!(self, Self::Pct { depth: 2.. })
    }
}

/// Where a run left the order that goes by itself. Processes and threads are counted in order of creation, from 0; a
/// place is how many calls and accesses to shared memory that one had come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// Another went on than would have by itself.
    Switch {
        /// The one that ran; none at the very start.
        after: Option<u32>,
        /// Where that one stood, or in which call it went to sleep.
        at: u32,
        /// Whether it could have gone on itself.
        could: bool,
        /// The one that went on.
        to: u32,
    },
    /// A signal was delivered just before a call that waits, and not in it.
    SignalFirst {
        /// Whose call.
        by: u32,
        /// Where it stood.
        at: u32,
    },
}

/// How a run was played.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Played {
    /// How many decisions were passed: steps that others could see, taken while more than one could go on.
    pub steps: u32,
    /// The turns by which the run differs from one in order. Played as [`Schedule::Turns`], they give the same run.
    pub turns: Vec<Turn>,
    /// What came of holding one back ([`Hold`]).
    pub held: Option<Held>,
}

/// Where a process or thread stands in a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Place {
    /// Its place in the order of creation, from 0.
    pub order: u32,
    /// How many calls and accesses to shared memory it has come to.
    pub at: u32,
}

/// One is held back until another has come further: to see whether an order was forced or luck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Who is held back, before it leaves this place.
    pub who: Place,
    /// Who has to leave that place first.
    pub until: Place,
}

/// What came of holding one back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// It never came to its place, or has not been let go by the end of the run.
    Never,
    /// The other came past its place first.
    Overtaken,
    /// Everything else was blocked without it: something forces the order.
    Forced,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mapping_is_fixed() {
        let walk = Strategy::Walk { one_in: 1 };
        let slow = Strategy::Walk { one_in: 4 };
        let pct = |depth| Strategy::Pct { depth };
        let first: Vec<Strategy> = (0..17).map(|seed| Strategy::of(ScheduleSeed(seed))).collect();
        let expected = [
            [Strategy::InOrder, walk, walk, pct(1), slow, pct(2), walk, pct(3)],
            [slow, walk, walk, pct(1), slow, pct(2), walk, pct(3)],
        ];
        assert_eq!(first[..16], expected.concat());
        assert_eq!(first[16], slow);
    }
}
