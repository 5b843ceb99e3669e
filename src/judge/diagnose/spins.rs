//! H003: a process looks at the same place again and again where it could wait.

use std::collections::{BTreeMap, HashMap};

use super::{Cause, Scene};
use crate::model::{Code, Invariant};
use crate::trace::{Event, EventId, ObjectId, RunEnd, ThreadId, Verb};

/// So many equal looks in a row, at one place or at a few in turn, are no check and no compiler's doing. The scheduler
/// turns to the others after a few more.
const LOOKS: u32 = 10;

/// What stood at a place, how often it was looked at, and the last time.
type Look<'a> = (&'a [u8], u32, EventId);

/// Looks at memory between which a thread saw nothing new and did nothing else.
#[derive(Debug, Default)]
struct Looks<'a> {
    /// For each place and width what stood there, how often it was looked at, and the last time.
    seen: BTreeMap<(ObjectId, u64, usize), Look<'a>>,
    /// The last of them.
    last: Option<EventId>,
}

pub(super) fn causes(scene: &Scene<'_>) -> Vec<Cause> {
    if !scene.holds(Invariant::BusyWait) {
        return Vec::new();
    }
    spin(scene).into_iter().collect()
}

/// The first spin: looks that show the same until somebody else changes what is looked at, or until the run is ended.
fn spin(scene: &Scene<'_>) -> Option<Cause> {
    let mut threads: HashMap<ThreadId, Looks<'_>> = HashMap::new();
    for (id, event) in scene.events() {
        let looks = threads.entry(event.thread).or_default();
        let so_many = looks.seen.values().map(|(_, count, _)| count).sum::<u32>() >= LOOKS;
        match &event.verb {
            Verb::Load { object, offset, bytes, .. } => match looks.seen.get_mut(&(*object, *offset, bytes.len())) {
                Some((before, count, at)) if *before == bytes.0 => {
                    *count += 1;
                    *at = id;
                    looks.last = Some(id);
                }
                Some((_, count, before)) => {
                    if so_many && changed_by_another(scene, event, *before) {
                        let count = *count;
                        return Some(told(scene, id, event, *object, *offset, count, false));
                    }
                    *looks = Looks::default();
                    looks.seen.insert((*object, *offset, bytes.len()), (&bytes.0, 1, id));
                }
                None => {
                    // Something new to look at: it gets on.
                    if looks.seen.values().any(|(_, count, _)| *count > 2) || looks.seen.len() > 4 {
                        *looks = Looks::default();
                    }
                    looks.seen.insert((*object, *offset, bytes.len()), (&bytes.0, 1, id));
                    looks.last = Some(id);
                }
            },
            // Yielding and sleeping are ways to spin too.
            Verb::Call { .. } => {}
            _ => *looks = Looks::default(),
        }
    }
    if !matches!(scene.trace().end, RunEnd::Limit { .. }) {
        return None;
    }
    let mut endless: Vec<(EventId, (ObjectId, u64, usize), u32)> = Vec::new();
    for looks in threads.values() {
        let most =
            looks.seen.iter().max_by_key(|(_, (_, count, _))| *count).filter(|(_, (_, count, _))| *count >= LOOKS);
        endless.extend(most.zip(looks.last).map(|((place, (_, count, _)), last)| (last, *place, *count)));
    }
    endless.sort_unstable();
    let (last, (object, offset, _), count) = *endless.first()?;
    Some(told(scene, last, scene.trace().event(last), object, offset, count, true))
}

/// Whether what a look found new was stored by another thread since the look before.
fn changed_by_another(scene: &Scene<'_>, look: &Event, before: EventId) -> bool {
    let stores = look.causes.iter().chain(&look.reads_from).filter(|id| **id > before);
    stores.map(|id| scene.trace().event(*id)).any(|store| store.thread != look.thread)
}

fn told(
    scene: &Scene<'_>,
    at: EventId,
    event: &Event,
    object: ObjectId,
    offset: u64,
    count: u32,
    endless: bool,
) -> Cause {
    let (who, name) = (scene.who(event.life), scene.name(object));
    let cause = Cause::new(Code::H003, scene.clean(), at, format!("{who} looks again and again instead of waiting"))
        .label(scene, at, format!("{who} looks here"))
        .expected(format!("{who} sleeps in the kernel until there is something to do"))
        .saw(format!("{who} looks {count} times at offset {offset} of {name}, and nothing has changed"))
        .why("a loop that looks takes a processor for nothing.")
        .why("a semaphore, a pipe or a message wakes it at the right moment.");
    match endless {
        true => cause.explains(scene.unfinished()).hangs(),
        false => cause,
    }
}
