//! Data races: accesses to the same bytes of shared memory, one of them a store, that nothing puts in order.
//!
//! The detector walks over a trace once and keeps, for each stretch of bytes, the accesses that a later one could still
//! be unordered with: the *latest* ones in sync order. A stretch nearly always has one or two of them, so that a
//! comparison of two clocks decides instead of a comparison of two vectors. That is the idea of the epochs of FastTrack
//! (Flanagan and Freund, PLDI 2009, <https://doi.org/10.1145/1542476.1542490>); here the clocks are those of
//! [`Order`], and an epoch is an event. Unlike FastTrack it goes on after the first race of a place.
//!
//! It says that a race is *possible*, which is a suspicion. Whether it costs anything is the diagnosis's to say.

use std::collections::{BTreeMap, HashMap, HashSet};

use smallvec::{SmallVec, smallvec};

use crate::trace::{Bytes, Event, EventId, LifeKind, ObjectId, Order, Site, ThreadId, Trace, Verb};

/// More places than this tell nothing new.
const KEPT: usize = 256;

/// Two accesses that nothing puts in order, the earlier one of this run first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Race {
    /// The memory.
    pub object: ObjectId,
    /// The first byte that both touch, from the object's start.
    pub offset: u64,
    /// Which came first in this run.
    pub first: EventId,
    /// Which came second.
    pub second: EventId,
}

/// A look at a number, another thread's store in the same place, and a store that was computed from the look: what the
/// other one stored is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LostUpdate {
    /// The memory.
    pub object: ObjectId,
    /// Where the number begins.
    pub offset: u64,
    /// The look.
    pub load: EventId,
    /// What the other thread stored meanwhile.
    pub lost: EventId,
    /// The store over it.
    pub store: EventId,
}

/// All that a trace's accesses to shared memory show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Races {
    /// The first race of each pair of places, in the order of the run. A place is a line of the source, or a thread and
    /// an offset where lines are not known.
    pub races: Vec<Race>,
    /// Lost updates, in the order of the run.
    pub lost: Vec<LostUpdate>,
}

/// How an access stands to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    event: EventId,
    store: bool,
    atomic: bool,
}

impl Seen {
    /// Unordered, these two are a race.
    fn conflicts(self, other: Seen) -> bool {
        (self.store || other.store) && !(self.atomic && other.atomic)
    }

    /// Whether all that races with an earlier access races with this later one as well.
    fn stands_for(self, earlier: Seen) -> bool {
        (self.store || !earlier.store) && (!self.atomic || earlier.atomic)
    }
}

/// The accesses to a stretch of bytes that count: none of them comes before another that stands for it. Nearly always
/// one or two, which then lie where the stretch does.
type Latest = SmallVec<[Seen; 2]>;

/// Stretches of bytes by where they begin: where they end, and the accesses that count.
type Stretches = BTreeMap<u64, (u64, Latest)>;

/// An access to shared memory as the trace tells it.
struct Access<'a> {
    object: ObjectId,
    offset: u64,
    bytes: &'a Bytes,
    store: bool,
    atomic: bool,
}

impl<'a> Access<'a> {
    fn of(event: &'a Event) -> Option<Self> {
        match &event.verb {
            Verb::Store { object, offset, bytes, atomic, .. } => {
                Some(Self { object: *object, offset: *offset, bytes, store: true, atomic: *atomic })
            }
            Verb::Load { object, offset, bytes, atomic } => {
                Some(Self { object: *object, offset: *offset, bytes, store: false, atomic: *atomic })
            }
            _ => None,
        }
        .filter(|access| !access.bytes.is_empty())
    }

    fn end(&self) -> u64 {
        self.offset.saturating_add(self.bytes.len() as u64)
    }
}

/// The memory of which the learner's every access is told. Of other memory the trace has what was found changed now and
/// then, which says nothing about single accesses: such a store has no bytes from before.
pub fn examined(trace: &Trace) -> Vec<bool> {
    let mut examined = vec![true; trace.objects.len()];
    for event in &trace.events {
        if let Verb::Store { object, before: None, .. } = &event.verb
            && trace.life(event.life).kind == LifeKind::Learner
            && let Some(slot) = examined.get_mut(object.index())
        {
            *slot = false;
        }
    }
    examined
}

impl Races {
    /// Finds the races and lost updates of a trace whose order is `order`.
    pub fn of(trace: &Trace, order: &Order) -> Self {
        let mut finder = Finder {
            trace,
            order,
            memory: vec![Stretches::new(); trace.objects.len()],
            words: vec![BTreeMap::new(); trace.objects.len()],
            threads: Vec::new(),
            told: HashSet::new(),
            sites: HashMap::new(),
            found: Self::default(),
        };
        let examined = examined(trace);
        for (id, event) in trace.iter() {
            match Access::of(event).filter(|access| examined.get(access.object.index()) == Some(&true)) {
                Some(access) => {
                    finder.race(id, &access);
                    finder.update(id, event.thread, &access);
                }
                None => finder.went_on(id, event),
            }
        }
        finder.found
    }
}

/// What a thread did last, as far as it matters to what it knows.
#[derive(Debug, Clone, Copy, Default)]
struct Doings {
    /// Its last store in shared memory.
    store: Option<EventId>,
    /// The last of what is neither an access nor an affair of locks.
    other: Option<EventId>,
}

/// A number in memory, and who has looked at it.
#[derive(Debug, Clone, Default)]
struct Word {
    /// For each thread its last look since it stored there itself, and what another stored after it.
    looks: SmallVec<[(ThreadId, EventId, Option<EventId>); 1]>,
}

/// What a place is, for telling a race once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Place {
    Site(usize),
    Cell(ThreadId, u64, bool),
}

struct Finder<'a> {
    trace: &'a Trace,
    order: &'a Order,
    memory: Vec<Stretches>,
    /// For each object by offset and length, in the order in which memory is mostly walked over.
    words: Vec<BTreeMap<(u64, usize), Word>>,
    /// By thread.
    threads: Vec<Doings>,
    told: HashSet<(Place, Place)>,
    sites: HashMap<&'a Site, usize>,
    found: Races,
}

impl Finder<'_> {
    fn went_on(&mut self, id: EventId, event: &Event) {
        if !matches!(event.verb, Verb::Acquire { .. } | Verb::Release { .. } | Verb::Call { .. } | Verb::Load { .. }) {
            self.doings(event.thread).other = Some(id);
        }
    }

    fn doings(&mut self, thread: ThreadId) -> &mut Doings {
        let index = thread.index();
        if self.threads.len() <= index {
            self.threads.resize(index + 1, Doings::default());
        }
        &mut self.threads[index]
    }

    fn race(&mut self, id: EventId, access: &Access<'_>) {
        let (start, end) = (access.offset, access.end());
        let seen = Seen { event: id, store: access.store, atomic: access.atomic };
        let mut stretches = std::mem::take(&mut self.memory[access.object.index()]);
        match stretches.get_mut(&start) {
            // The usual case: the same bytes as before.
            Some((its_end, there)) if *its_end == end => self.meet(there, seen, access.object, start),
            _ => {
                split(&mut stretches, start);
                split(&mut stretches, end);
                let mut at = start;
                let mut pieces: Vec<(u64, u64, Latest)> = Vec::new();
                for (from, (to, there)) in stretches.range_mut(start..end) {
                    if at < *from {
                        pieces.push((at, *from, smallvec![seen]));
                    }
                    self.meet(there, seen, access.object, *from);
                    pieces.push((*from, *to, std::mem::take(there)));
                    at = *to;
                }
                if at < end {
                    pieces.push((at, end, smallvec![seen]));
                }
                // Neighbours of which the same is known become one again, or a memory cleared byte by byte would stay
                // in pieces for ever.
                pieces.dedup_by(|next, piece| {
                    let same = piece.1 == next.0 && piece.2 == next.2;
                    if same {
                        stretches.remove(&next.0);
                        piece.1 = next.1;
                    }
                    same
                });
                stretches.extend(pieces.into_iter().map(|(from, to, there)| (from, (to, there))));
            }
        }
        self.memory[access.object.index()] = stretches;
    }

    /// An access meets those before it in a stretch, and takes the place of what it stands for.
    fn meet(&mut self, there: &mut Latest, seen: Seen, object: ObjectId, offset: u64) {
        let order = self.order;
        there.retain(|earlier: &mut Seen| {
            let before = order.le(earlier.event, seen.event);
            if !before && earlier.conflicts(seen) {
                self.tell(Race { object, offset, first: earlier.event, second: seen.event });
            }
            !(before && seen.stands_for(*earlier))
        });
        there.push(seen);
    }

    fn tell(&mut self, race: Race) {
        let learner = |event| self.trace.life(self.trace.event(event).life).kind == LifeKind::Learner;
        if self.found.races.len() >= KEPT || !learner(race.first) && !learner(race.second) {
            return;
        }
        let (a, b) = (self.place(race.first, race.offset), self.place(race.second, race.offset));
        if self.told.insert((a.min(b), a.max(b))) {
            self.found.races.push(race);
        }
    }

    fn place(&mut self, event: EventId, offset: u64) -> Place {
        let event = self.trace.event(event);
        match &event.site {
            Some(site) => {
                let next = self.sites.len();
                Place::Site(*self.sites.entry(site).or_insert(next))
            }
            None => Place::Cell(event.thread, offset, matches!(event.verb, Verb::Store { .. })),
        }
    }

    /// Load, foreign store, store: what is found here was stored by a thread that did not see the foreign store.
    fn update(&mut self, id: EventId, thread: ThreadId, access: &Access<'_>) {
        let word = self.words[access.object.index()].entry((access.offset, access.bytes.len())).or_default();
        let own = word.looks.iter().position(|(by, ..)| *by == thread);
        if !access.store {
            match own {
                Some(own) => word.looks[own] = (thread, id, None),
                None => word.looks.push((thread, id, None)),
            }
            return;
        }
        let own = own.map(|own| word.looks.swap_remove(own));
        for (_, look, lost) in &mut word.looks {
            let bytes = |event: EventId| Access::of(self.trace.event(event)).map(|access| access.bytes);
            // Storing what stands there anyway changes nothing that could be lost.
            if lost.is_none() && bytes(*look) != Some(access.bytes) {
                *lost = Some(id);
            }
        }
        let doings = *self.doings(thread);
        if let Some((_, load, Some(lost))) = own {
            // What a thread stores elsewhere in between has its own reasons, as in Peterson's algorithm. And what comes
            // after another's store for other causes than a lock (a wait, a message) was meant to replace it.
            let at_once = doings.store.is_none_or(|store| store < load);
            let ordered = self.order.le(load, lost) && self.order.le(lost, id);
            if at_once && (!ordered || doings.other.is_none_or(|other| other < load)) && self.found.lost.len() < KEPT {
                let (object, offset) = (access.object, access.offset);
                self.found.lost.push(LostUpdate { object, offset, load, lost, store: id });
            }
        }
        self.doings(thread).store = Some(id);
    }
}

/// Makes a stretch begin at `at` where one reaches over it.
fn split(stretches: &mut Stretches, at: u64) {
    if let Some((_, (end, there))) = stretches.range_mut(..at).next_back()
        && *end > at
    {
        let rest = (std::mem::replace(end, at), there.clone());
        stretches.insert(at, rest);
    }
}
