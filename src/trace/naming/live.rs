//! Questions that a run in progress is asked: the facts that peers wait for.
//!
//! Answers are raw events, by their index: what made the fact true.

use super::Namer;
use super::objects::{Naming, Objects};
use crate::model::Signal;
use crate::trace::Bytes;
use crate::trace::canonical::{LifeId, ObjectId, ThreadId};
use crate::trace::raw::{InnerPid, Tid};

/// What kind of name is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// A path: absolute, or relative to the working directory.
    Path,
    /// A POSIX shared memory object's name.
    Shm,
    /// A POSIX queue's name.
    Queue,
}

/// What a process has got from one object, with the raw events that brought it.
#[derive(Debug, Default)]
pub(super) struct Received {
    bytes: Vec<u8>,
    /// For each piece its end and its raw event.
    pieces: Vec<(usize, u32)>,
}

impl Namer {
    /// Whether a name was made (or opened with O_CREAT) in this run and is not unlinked.
    pub fn exists(&self, kind: NameKind, name: &str) -> Option<u32> {
        let path = match kind {
            NameKind::Path => self.objects.long(name),
            NameKind::Shm => Objects::shm_path(name),
            NameKind::Queue => Objects::queue_path(name),
        };
        self.objects.linked(&path).filter(|link| link.made).map(|link| link.since)
    }

    /// Whether the process has a handler for a signal, or masks it in every thread.
    pub fn ready(&self, process: Tid, signal: Signal) -> Option<u32> {
        let life = self.process_of(process)?;
        self.processes[life.index()].ready_since.get(&signal).copied()
    }

    /// Whether some thread of the process sleeps in that call; call names as in
    /// [`Wait::call`](crate::trace::Wait::call), the object by its name.
    pub fn waits_in(&self, process: Tid, call: &str, object: Option<&str>) -> Option<u32> {
        self.sleeps_in(self.process_of(process)?, call, object)
    }

    fn sleeps_in(&self, life: LifeId, call: &str, object: Option<&str>) -> Option<u32> {
        self.processes[life.index()].threads.iter().find_map(|thread| {
            let entered = self.threads[thread.index()].entered.as_ref()?;
            let waits = self.waiting_in(*thread, &entered.call);
            let same = object.is_none_or(|name| waits.object.is_some_and(|object| self.name_of(object) == name));
            (waits.call == call && same).then_some(entered.raw)
        })
    }

    /// Whether the process ended.
    pub fn exited(&self, process: Tid) -> Option<u32> {
        let life = (0..self.processes.len()).rev().find(|index| self.processes[*index].tid == process)?;
        self.processes[life].exited
    }

    /// Whether the process of this id, as it saw it itself, ended: the youngest of them.
    pub fn exited_inner(&self, inner: InnerPid) -> Option<u32> {
        self.processes.iter().rev().find(|process| process.inner == inner)?.exited
    }

    /// Whether the process has read or received these bytes: in a stream wherever the pieces were cut, in a
    /// message as a part of one. Only asked where there are peers: without them nothing is kept.
    pub fn received(&self, process: Tid, text: &[u8]) -> Option<u32> {
        self.got(self.process_of(process)?, text)
    }

    /// A living child of the program, or a process below one, that has read or received these bytes: its id as it sees
    /// it itself, and the raw event that brought them. Of several the first to have them.
    pub fn some_child_received(&self, text: &[u8]) -> Option<(InnerPid, u32)> {
        let got = |life: LifeId| Some((self.got(life, text)?, self.processes[life.index()].inner));
        self.living_children().filter_map(got).min().map(|(raw, inner)| (inner, raw))
    }

    /// Whether at least so many processes of the program's are alive, besides itself: the raw event that made the last
    /// of them.
    pub fn children(&self, count: usize) -> Option<u32> {
        at_least(count, self.living_children().map(|life| self.processes[life.index()].since))
    }

    /// Whether so many of these sleep in that call, as in [`waits_in`](Self::waits_in): the raw event by which the last of
    /// them did.
    pub fn children_wait_in(&self, count: usize, call: &str, object: Option<&str>) -> Option<u32> {
        at_least(count, self.living_children().filter_map(|life| self.sleeps_in(life, call, object)))
    }

    fn living_children(&self) -> impl Iterator<Item = LifeId> {
        let lives = (0..self.processes.len()).map(|index| LifeId(index as u32));
        lives.filter(|life| {
            let alive = self.processes[life.index()].exited.is_none();
            alive && self.is_learner(*life) && Some(*life) != self.program
        })
    }

    /// The raw event by which a process had these bytes.
    fn got(&self, life: LifeId, text: &[u8]) -> Option<u32> {
        let found = |received: &Received| {
            let at = if text.is_empty() {
                0
            } else {
                received.bytes.windows(text.len()).position(|window| window == text)?
            };
            let end = at + text.len();
            received.pieces.iter().find(|(piece_end, _)| *piece_end >= end).map(|(_, raw)| *raw)
        };
        self.processes[life.index()].received.values().filter_map(found).min()
    }

    /// The process under judgement.
    pub fn program(&self) -> Option<Tid> {
        self.program.map(|life| self.processes[life.index()].tid)
    }

    fn process_of(&self, tid: Tid) -> Option<LifeId> {
        let by_thread = self.by_tid.get(&tid).map(|thread| self.life_of(*thread));
        by_thread.or_else(|| {
            (0..self.processes.len()).rev().find(|index| self.processes[*index].tid == tid).map(|i| LifeId(i as u32))
        })
    }

    /// Keeps what a process got, for [`Namer::received`].
    pub(super) fn note_received(&mut self, thread: ThreadId, object: ObjectId, bytes: &Bytes) {
        let life = self.life_of(thread);
        if self.has_peers {
            let index = self.index();
            let received = self.processes[life.index()].received.entry(object).or_default();
            received.bytes.extend_from_slice(&bytes.0);
            received.pieces.push((received.bytes.len(), index));
        }
    }

    /// An object's name as far as it is known by now: of objects without a name of their own the number may still
    /// change, if one before turns out not to matter.
    pub(super) fn name_of(&self, object: ObjectId) -> String {
        let thing = &self.objects[object];
        let stem = match &thing.naming {
            Naming::Fixed(name) => name.clone(),
            Naming::Ordinal(word, number) => self.ordinal_name(thing.creator, word, *number),
            Naming::Within(base) => {
                let base = &self.objects[*base];
                match &base.naming {
                    Naming::Fixed(name) => name.clone(),
                    Naming::Ordinal(word, number) => self.ordinal_name(base.creator, word, *number),
                    Naming::Within(_) => String::new(),
                }
            }
        };
        stem + &thing.suffix
    }

    /// `main.pipe1`.
    pub(super) fn ordinal_name(&self, creator: Option<LifeId>, word: &str, number: u32) -> String {
        let creator = creator.map_or("outside", |creator| self.lives[creator.index()].name.as_str());
        format!("{creator}.{word}{number}")
    }
}

/// The raw event with which there were so many, of those that each brought one.
fn at_least(count: usize, raw: impl Iterator<Item = u32>) -> Option<u32> {
    let mut raw: Vec<u32> = raw.collect();
    raw.sort_unstable();
    count.checked_sub(1).map_or(Some(0), |last| raw.get(last).copied())
}
