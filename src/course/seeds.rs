//! `[seeds]`: which values and orders are tried, in `grader.toml` for all exercises and in `exercise.toml` for one.
//!
//! ```toml
//! [seeds]
//! values    = [1, 2]        # of `verify`; grader.toml only
//! schedules = 16            # seeds 0 to 15; or a list of seeds
//! ```

use super::Seeds;
use super::document::{Fields, Item};
use crate::model::{ScheduleSeed, ValueSeed};

/// How many orders a grade tries where nobody says otherwise.
pub(super) const SCHEDULES: u32 = 16;

/// The course's seeds.
pub(super) fn of_course(fields: Option<Fields<'_, '_>>) -> Seeds {
    let mut seeds = Seeds::default();
    let Some(fields) = fields else { return seeds };
    if let Some(values) = fields.optional("values").and_then(|item| numbers(&item)) {
        seeds.values = values.into_iter().map(ValueSeed).collect();
    }
    if let Some(schedules) = fields.optional("schedules").and_then(|item| schedules(&item)) {
        seeds.schedules = schedules;
    }
    fields.finish();
    seeds
}

/// The orders that an exercise asks for itself.
pub(super) fn of_exercise(fields: Option<Fields<'_, '_>>) -> Option<Vec<ScheduleSeed>> {
    let fields = fields?;
    let schedules = fields.required("schedules", "16").and_then(|item| schedules(&item));
    fields.finish();
    schedules
}

/// A number of seeds from 0 on, or a list of seeds.
fn schedules(item: &Item<'_, '_>) -> Option<Vec<ScheduleSeed>> {
    let seeds = if item.is_number() { (0..item.number(1)?).collect() } else { numbers(item)? };
    Some(seeds.into_iter().map(ScheduleSeed).collect())
}

fn numbers(item: &Item<'_, '_>) -> Option<Vec<u32>> {
    let list = item.list()?;
    if list.is_empty() {
        item.wrong("there is no seed in it", "expected: one at least");
        return None;
    }
    Some(list.iter().filter_map(|item| item.number(0)).collect())
}
