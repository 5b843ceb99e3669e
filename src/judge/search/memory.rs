//! Values in shared memory: found where they stand, however many accesses carried them.

use std::collections::BTreeMap;

use super::assign::Domain;
use crate::trace::{Event, EventId, ObjectId, Verb};

/// The accesses by which a value came to stand, or was seen, in an object.
///
/// Each access is laid over what the same process stored (or loaded) there before, so that a value carried in two
/// halves is found at the second. Without an offset the value may stand anywhere.
pub(super) fn touches<'a>(
    events: impl Iterator<Item = (EventId, &'a Event)>,
    object: Option<ObjectId>,
    stores: bool,
    offset: Option<u64>,
    wanted: &[Vec<u8>],
) -> Domain {
    let mut image = BTreeMap::<u64, (u8, EventId)>::new();
    let mut domain = Domain::new();
    for (id, event) in events {
        let (at, bytes) = match &event.verb {
            Verb::Store { object: on, offset, bytes, .. } if stores && Some(*on) == object => (*offset, bytes),
            Verb::Load { object: on, offset, bytes, .. } if !stores && Some(*on) == object => (*offset, bytes),
            _ => continue,
        };
        for (offset, byte) in (at..).zip(&bytes.0) {
            image.insert(offset, (*byte, id));
        }
        let end = at.saturating_add(bytes.len() as u64);
        for value in wanted.iter().filter(|value| !value.is_empty()) {
            let length = value.len() as u64;
            let starts = match offset {
                Some(offset) => offset..offset.saturating_add(1),
                None => at.saturating_sub(length - 1)..end,
            };
            let overlaps = |start: u64| start < end && at < start.saturating_add(length);
            domain.extend(starts.filter(|start| overlaps(*start)).find_map(|start| stands(&image, start, value)));
        }
    }
    domain
}

/// The first and last access that carried a value which stands at `start`.
fn stands(image: &BTreeMap<u64, (u8, EventId)>, start: u64, value: &[u8]) -> Option<(EventId, EventId)> {
    let mut extent: Option<(EventId, EventId)> = None;
    for (offset, byte) in (start..).zip(value) {
        let (_, by) = image.get(&offset).filter(|(held, _)| held == byte)?;
        extent = Some(extent.map_or((*by, *by), |(first, last)| (first.min(*by), last.max(*by))));
    }
    extent
}
