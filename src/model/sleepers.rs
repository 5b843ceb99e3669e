//! When those that sleep wake, on the virtual clock of a run.

use serde::{Deserialize, Serialize};

use super::ScheduleSeed;

/// When sleepers wake. Time-outs and timers keep to the clock in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sleepers {
    /// When nothing else can run, the one with the nearest end first: sleeps order things.
    #[default]
    OnTime,
    /// At any step, as the schedule has it: sleeps order nothing.
    Early,
}

impl Sleepers {
    /// What holds under a schedule where the scenario does not say: in order they keep to the clock, which is how the
    /// program runs by hand; schedules that look for other orders take them early.
    pub fn under(schedule: ScheduleSeed) -> Self {
        if schedule.0 == 0 { Self::OnTime } else { Self::Early }
    }
}
