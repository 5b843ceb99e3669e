//! Values in shared memory: found where they stand, however many accesses carried them.

use std::collections::HashMap;

use super::assign::Domain;
use crate::trace::{Event, EventId, ThreadId, Verb};

/// What a process has stored (or seen) at each byte, and by which access. In pages, since accesses lie close together.
#[derive(Default)]
struct Image(HashMap<u64, Box<[Option<(u8, EventId)>; PAGE as usize]>>);

const PAGE: u64 = 256;

impl Image {
    fn get(&self, at: u64) -> Option<(u8, EventId)> {
        self.0.get(&(at / PAGE)).and_then(|page| page[(at % PAGE) as usize])
    }

    fn put(&mut self, at: u64, byte: u8, by: EventId) {
        let page = self.0.entry(at / PAGE).or_insert_with(|| Box::new([None; PAGE as usize]));
        page[(at % PAGE) as usize] = Some((byte, by));
    }
}

/// The accesses by which a value came to stand, or was seen, in an object. The events are one process's stores to it,
/// or its loads from it.
///
/// Each access is laid over what the same process stored (or loaded) there before, so that a value carried in two
/// halves is found at the second. Without an offset the value may stand anywhere.
///
/// A process that looks again and again sees the value as often. Between two events of other kinds a thread's accesses
/// stand alike to all that causes order: of these stretches the first and the last time are kept.
pub(super) fn touches<'a>(
    events: impl Iterator<Item = (EventId, &'a Event)>,
    stretch: impl Fn(ThreadId, EventId) -> usize,
    offset: Option<u64>,
    wanted: &[Vec<u8>],
) -> Domain {
    let mut image = Image::default();
    let mut domain = Domain::new();
    // For each thread the stretch in which it met the value last, and where that stands in the domain if it is not the
    // first time there: it gives way to the next.
    let mut last: HashMap<ThreadId, (usize, Option<usize>)> = HashMap::new();
    for (id, event) in events {
        let (at, bytes) = match &event.verb {
            Verb::Store { offset, bytes, .. } | Verb::Load { offset, bytes, .. } => (*offset, bytes),
            _ => continue,
        };
        for (offset, byte) in (at..).zip(&bytes.0) {
            image.put(offset, *byte, id);
        }
        let end = at.saturating_add(bytes.len() as u64);
        let mut found = None;
        for value in wanted.iter().filter(|value| !value.is_empty()) {
            let length = value.len() as u64;
            let starts = match offset {
                Some(offset) => offset..offset.saturating_add(1),
                None => at.saturating_sub(length - 1)..end,
            };
            let overlaps = |start: u64| start < end && at < start.saturating_add(length);
            found = found.or_else(|| {
                starts.filter(|start| overlaps(*start)).find_map(|start| stands(&image, start, value, at, &bytes.0))
            });
        }
        let Some(extent) = found else { continue };
        let here = stretch(event.thread, id);
        match last.insert(event.thread, (here, None)) {
            Some((there, place)) if there == here => {
                let place = place.unwrap_or(domain.len());
                match domain.get_mut(place) {
                    Some(slot) => *slot = extent,
                    None => domain.push(extent),
                }
                last.insert(event.thread, (here, Some(place)));
            }
            _ => domain.push(extent),
        }
    }
    domain
}

/// The first and last access that carried a value which stands at `start`; `seen` is what the last one saw at `at`.
fn stands(image: &Image, start: u64, value: &[u8], at: u64, seen: &[u8]) -> Option<(EventId, EventId)> {
    // Nearly always one byte decides: of those that this access touched the first.
    let touched = at.max(start);
    if value.get((touched - start) as usize) != seen.get((touched - at) as usize) {
        return None;
    }
    let mut extent: Option<(EventId, EventId)> = None;
    for (offset, byte) in (start..).zip(value) {
        let (_, by) = image.get(offset).filter(|(held, _)| held == byte)?;
        extent = Some(extent.map_or((by, by), |(first, last)| (first.min(by), last.max(by))));
    }
    extent
}
