//! The `[limits]` table, of the course and of an exercise.

use super::document::Fields;
use crate::model::Limits;

/// Reads limits; what is not said stays as it is in `limits`.
pub(super) fn read(fields: Option<Fields<'_, '_>>, mut limits: Limits) -> Limits {
    let Some(fields) = fields else { return limits };
    let set = |key, limit: &mut u64| {
        if let Some(number) = fields.optional(key).and_then(|item| item.number(1)) {
            *limit = number;
        }
    };
    set("memory_mib", &mut limits.memory_mib);
    set("output_kib", &mut limits.output_kib);
    set("files_mib", &mut limits.files_mib);
    set("cpu_ms", &mut limits.cpu_ms);
    set("steps", &mut limits.steps);
    set("wall_ms", &mut limits.wall_ms);
    if let Some(number) = fields.optional("processes").and_then(|item| item.number(1)) {
        limits.processes = number;
    }
    fields.finish();
    limits
}
