//! Naming: raw events folded into canonical ones.
//!
//! The namer is a model of what the kernel told: processes and threads, descriptor tables and open file descriptions,
//! objects with their names, bytes and messages on their way, pending signals. Each raw event moves the model and may
//! give canonical events; causes are read off the model, never off the order in which things happened.
//!
//! What only later turns out not to matter (a library that was opened and never written, a write that was interrupted
//! before it wrote) is marked on the way and left out at the end (`tidy`), so that an event's place never changes.
//!
//! Architecture invariant: it trusts raw events to be well formed and never fails on odd ones. A recording may be cut
//! or broken; then a stranger's name stands where the true one is not known.

mod calls;
mod descriptors;
mod ending;
mod failures;
mod files;
mod live;
mod locks;
mod memory;
mod messages;
mod objects;
mod processes;
mod signals;
mod streams;
mod tidy;
mod transfers;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

pub use live::NameKind;

use self::descriptors::Files;
use self::locks::Locks;
use self::objects::Objects;
use self::processes::{Process, Thread};
use self::signals::Dispositions;
use super::canonical::{Event, EventId, Life, LifeId, LifeKind, ObjectKind, Site, ThreadId, Trace, Verb};
use super::raw::{InnerPid, RawEnd, RawEvent, RawKind, Recording, Tid};

/// Folds raw events into a canonical trace, one at a time.
///
/// The n-th call of [`Namer::feed`] is raw event n: the live questions answer with such numbers.
#[derive(Debug, Default)]
pub struct Namer {
    /// What has been told, with what turned out not to matter still among it.
    events: Vec<Event>,
    /// For each event whether it is left out of the trace.
    left_out: Vec<bool>,
    /// For each event the raw event in hand when it was told: where it began.
    began: Vec<u32>,
    lives: Vec<Life>,
    /// Beside `lives`, by the same index.
    processes: Vec<Process>,
    threads: Vec<Thread>,
    by_tid: HashMap<Tid, ThreadId>,
    by_inner: HashMap<InnerPid, ThreadId>,
    files: Files,
    objects: Objects,
    locks: Locks,
    /// Tables of dispositions, shared where CLONE_SIGHAND says so.
    dispositions: Vec<Dispositions>,
    /// For each raw event the last canonical event of its thread when it had been fed.
    after: Vec<Option<EventId>>,
    /// The line of the raw event in hand.
    site: Option<Box<Site>>,
    program: Option<LifeId>,
    has_peers: bool,
}

/// The canonical trace of a whole recording.
pub fn name(recording: &Recording) -> Trace {
    let mut namer = Namer::new();
    for event in &recording.events {
        namer.feed(event);
    }
    namer.finish(&recording.end)
}

impl Namer {
    /// A namer that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in the next raw event.
    pub fn feed(&mut self, event: &RawEvent) {
        self.site.clone_from(&event.site);
        let thread = match &event.kind {
            RawKind::Started { inner, peer, cwd, descriptors } => {
                self.start(event.tid, *inner, peer.as_deref(), cwd, descriptors)
            }
            _ => self.thread_of(event.tid),
        };
        self.tell_failed_exec(thread, &event.kind);
        self.take_in(thread, &event.kind);
        self.after.push(self.threads[thread.index()].last);
    }

    fn take_in(&mut self, thread: ThreadId, kind: &RawKind) {
        match kind {
            RawKind::Started { .. } => {}
            RawKind::Forked { child, inner, thread: true, .. } => self.new_thread(thread, *child, *inner),
            RawKind::Forked { child, inner, thread: false, shares_files, shares_handlers } => {
                self.fork(thread, *child, *inner, *shares_files, *shares_handlers);
            }
            RawKind::Exec { path, former, .. } => self.exec(thread, path, *former),
            RawKind::ThreadExited => self.thread_exited(thread),
            RawKind::Exited { ending } => self.exited_as(thread, *ending),
            RawKind::Delivered { signal, handled, sender } => self.delivered(thread, *signal, *handled, *sender),
            RawKind::Entered { call } => self.entered(thread, call),
            RawKind::Returned { call, result } => self.returned(thread, call, *result),
            RawKind::Stored { file, offset, bytes, access } => {
                self.stored(thread, file, *offset, bytes, access.as_ref())
            }
            RawKind::Loaded { file, offset, bytes, access } => {
                self.loaded(thread, file, *offset, bytes, access.as_ref())
            }
            RawKind::Called { function } => {
                self.emit(thread, Verb::Call { name: function.clone() }, Vec::new());
            }
            RawKind::Synced { object, op } => self.synced(thread, object, *op),
            RawKind::Unexamined { file } => {
                let object = self.objects.of_file(file, None);
                self.emit(thread, Verb::Unexamined { object }, Vec::new());
            }
            RawKind::Holds { value, elsewhere } => {
                let elsewhere = elsewhere
                    .iter()
                    .filter_map(|(tid, value)| Some((self.threads[self.by_tid.get(tid)?.index()].life, *value)))
                    .collect();
                self.emit(thread, Verb::Holds { value: *value, elsewhere }, Vec::new());
            }
            RawKind::Step { step, instead } => {
                self.emit(thread, Verb::Step { step: *step, instead: instead.clone() }, Vec::new());
            }
            RawKind::Resumed { because } => {
                let facts = because.iter().filter_map(|index| *self.after.get(*index as usize)?);
                self.threads[thread.index()].incoming.extend(facts);
                self.threads[thread.index()].entered = None;
            }
            RawKind::Stopped { signal } => self.stopped(thread, *signal),
        }
    }

    /// The trace of all that was fed.
    pub fn finish(self, end: &RawEnd) -> Trace {
        self.finish_with_beginnings(end).0
    }

    /// The same, and for each event of the trace the raw event with which it began.
    pub fn finish_with_beginnings(mut self, end: &RawEnd) -> (Trace, Vec<u32>) {
        let began = std::mem::take(&mut self.began);
        self.cut_unfinished_writes();
        let end = self.run_end(end);
        self.note_left_behind();
        self.tidy(end, began)
    }

    /// The raw event in hand, by its index.
    fn index(&self) -> u32 {
        self.after.len() as u32
    }

    /// Adds an event with what made it possible. Causes in the thread itself go without saying.
    fn emit(&mut self, thread: ThreadId, verb: Verb, mut causes: Vec<EventId>) -> EventId {
        let id = EventId(self.events.len() as u32);
        let this = &mut self.threads[thread.index()];
        causes.append(&mut this.incoming);
        causes.retain(|cause| self.events[cause.index()].thread != thread);
        causes.sort_unstable();
        causes.dedup();
        let life = this.life;
        let handler = this.handlers.last().map(|(take, _)| *take);
        this.last = Some(id);
        if self.ends_prelude(&verb) {
            self.processes[life.index()].prelude = false;
        }
        let site = self.site.clone();
        self.events.push(Event { life, thread, verb, causes, reads_from: Vec::new(), handler, site });
        self.left_out.push(false);
        self.began.push(self.index());
        id
    }

    /// Whether an event shows that the loader and the language's runtime are done: they open, map and close files
    /// that exist already, and set a few dispositions.
    fn ends_prelude(&self, verb: &Verb) -> bool {
        match verb {
            Verb::Open { object, .. }
            | Verb::Map { object, .. }
            | Verb::Read { object, .. }
            | Verb::End { object }
            | Verb::Close { object, .. } => !matches!(self.objects[*object].kind, ObjectKind::File | ObjectKind::Other),
            Verb::Ready { .. } | Verb::Unready { .. } | Verb::Ignore { .. } | Verb::Failed { .. } => false,
            _ => true,
        }
    }

    fn life_of(&self, thread: ThreadId) -> LifeId {
        self.threads[thread.index()].life
    }

    fn is_learner(&self, life: LifeId) -> bool {
        self.lives[life.index()].kind == LifeKind::Learner
    }
}
