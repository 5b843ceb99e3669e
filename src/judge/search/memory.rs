//! Values in shared memory: found where they stand, however many accesses carried them.

use std::collections::HashMap;

use super::assign::{Domain, Extent};
use crate::trace::{Event, EventId, ThreadId, Verb};

/// What a process has stored (or seen) at each byte, and by which access. In pages, since accesses lie close together.
#[derive(Default)]
struct Image(HashMap<u64, Box<Page>>);

/// A byte of it, and the access that brought it.
type Page = [Option<(u8, EventId)>; PAGE as usize];

const PAGE: u64 = 256;

impl Image {
    fn get(&self, at: u64) -> Option<(u8, EventId)> {
        self.0.get(&(at / PAGE)).and_then(|page| page[(at % PAGE) as usize])
    }

    /// Lays an access over what was there; a page is looked up once for all of its bytes.
    fn put(&mut self, at: u64, bytes: &[u8], by: EventId) {
        let (mut at, mut rest) = (at, bytes);
        while !rest.is_empty() {
            let start = (at % PAGE) as usize;
            let (here, later) = rest.split_at(rest.len().min(PAGE as usize - start));
            let page = self.0.entry(at / PAGE).or_insert_with(|| Box::new([None; PAGE as usize]));
            for (slot, byte) in page[start..].iter_mut().zip(here) {
                *slot = Some((*byte, by));
            }
            (at, rest) = (at.saturating_add(here.len() as u64), later);
        }
    }
}

/// A value that is asked for: one of these, and where, if that is said.
pub(super) type Wanted<'a> = (Option<u64>, &'a [Vec<u8>]);

/// The accesses by which a value came to stand, or was seen, in an object. The events are one process's stores to it,
/// or its loads from it.
///
/// Each access is laid over what the same process stored (or loaded) there before, so that a value carried in two
/// halves is found at the second. Without an offset the value may stand anywhere.
///
/// A process that looks again and again sees the value as often. Between two events of other kinds a thread's accesses
/// stand alike to all that causes order: of these stretches the first and the last time are kept.
///
/// Several are looked for in one pass, each with its own answer: there may be a million accesses.
pub(super) fn touches<'a>(
    events: impl Iterator<Item = (EventId, &'a Event)>,
    stretch: impl Fn(ThreadId, EventId) -> usize,
    wanted: &[Wanted<'_>],
) -> Vec<Domain> {
    let mut image = Image::default();
    let mut met: Vec<Met> = wanted.iter().map(|_| Met::default()).collect();
    for (id, event) in events {
        let (at, bytes) = match &event.verb {
            Verb::Store { offset, bytes, .. } | Verb::Load { offset, bytes, .. } => (*offset, &bytes.0[..]),
            _ => continue,
        };
        image.put(at, bytes, id);
        for (wanted, met) in wanted.iter().zip(&mut met) {
            if let Some(extent) = found(&image, wanted, at, bytes) {
                met.at(event.thread, stretch(event.thread, id), extent);
            }
        }
    }
    met.into_iter().map(|met| met.domain).collect()
}

/// Where one of the values stands after an access that touched it.
fn found(image: &Image, (offset, values): &Wanted<'_>, at: u64, bytes: &[u8]) -> Option<Extent> {
    let end = at.saturating_add(bytes.len() as u64);
    values.iter().filter(|value| !value.is_empty()).find_map(|value| {
        let length = value.len() as u64;
        let mut starts = match offset {
            Some(offset) => *offset..offset.saturating_add(1),
            None => at.saturating_sub(length - 1)..end,
        };
        let overlaps = |start: u64| start < end && at < start.saturating_add(length);
        starts.find_map(|start| overlaps(start).then(|| stands(image, start, value, at, bytes)).flatten())
    })
}

/// When a value was met.
#[derive(Default)]
struct Met {
    domain: Domain,
    /// For each thread the stretch in which it met the value last, and where that stands in the domain if it is not the
    /// first time there: it gives way to the next.
    last: HashMap<ThreadId, (usize, Option<usize>)>,
}

impl Met {
    fn at(&mut self, thread: ThreadId, here: usize, extent: Extent) {
        match self.last.insert(thread, (here, None)) {
            Some((there, place)) if there == here => {
                let place = place.unwrap_or(self.domain.len());
                match self.domain.get_mut(place) {
                    Some(slot) => *slot = extent,
                    None => self.domain.push(extent),
                }
                self.last.insert(thread, (here, Some(place)));
            }
            _ => self.domain.push(extent),
        }
    }
}

/// The first and last access that carried a value which stands at `start`; `seen` is what the last one saw at `at`.
fn stands(image: &Image, start: u64, value: &[u8], at: u64, seen: &[u8]) -> Option<Extent> {
    // Nearly always one byte decides: of those that this access touched the first.
    let touched = at.max(start);
    if value.get((touched - start) as usize) != seen.get((touched - at) as usize) {
        return None;
    }
    let mut extent: Option<Extent> = None;
    for (offset, byte) in (start..).zip(value) {
        let (_, by) = image.get(offset).filter(|(held, _)| held == byte)?;
        extent = Some(extent.map_or((by, by), |(first, last)| (first.min(by), last.max(by))));
    }
    extent
}
