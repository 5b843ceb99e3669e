//! Runs written by hand, with the causes that a kernel would give.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, unreachable_pub, missing_docs, reason = "tests")]

pub mod extension;
pub mod programs;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ipc_grade::model::Signal;
use ipc_grade::trace::{
    Bytes, Ending, Event, EventId, Life, LifeId, LifeKind, Object, ObjectId, ObjectKind, RunEnd, ThreadId, Trace, Verb,
    Wait,
};

/// Choices from a seed.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound.max(1)
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        if from.is_empty() { None } else { Some(from[self.below(from.len())]) }
    }
}

/// A thread of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    pub life: LifeId,
    pub thread: ThreadId,
}

/// A run in the making: each call appends one event with its causes.
#[derive(Debug, Default)]
pub struct Run {
    lives: Vec<Life>,
    objects: Vec<Object>,
    events: Vec<Event>,
    threads: u32,
    /// Bytes in a stream: which write carried how many of them that are still unread.
    streams: BTreeMap<ObjectId, VecDeque<(EventId, Vec<u8>)>>,
    queues: BTreeMap<ObjectId, Vec<(EventId, Vec<u8>, i64)>>,
    /// Posts of a semaphore that nobody took yet; none stands for one of its first value.
    posts: BTreeMap<ObjectId, VecDeque<Option<EventId>>>,
    last_close: BTreeMap<ObjectId, EventId>,
    stores: BTreeMap<(ObjectId, u64), EventId>,
    memory: BTreeMap<(ObjectId, u64), u8>,
    signals: BTreeMap<(LifeId, Signal), EventId>,
    handlers: BTreeMap<ThreadId, EventId>,
}

impl Run {
    pub fn new() -> (Self, Process) {
        let mut run = Self::default();
        let main = run.begin("main".into(), LifeKind::Learner, None);
        (run, main)
    }

    fn begin(&mut self, name: String, kind: LifeKind, parent: Option<LifeId>) -> Process {
        let life = LifeId(self.lives.len() as u32);
        let (ended, reaped, orphaned, self_reaping) = (None, None, false, false);
        self.lives.push(Life { name, kind, parent, ended, reaped, orphaned, self_reaping });
        Process { life, thread: self.new_thread() }
    }

    fn new_thread(&mut self) -> ThreadId {
        self.threads += 1;
        ThreadId(self.threads - 1)
    }

    pub fn peer(&mut self, name: &str) -> Process {
        self.begin(name.into(), LifeKind::Peer, None)
    }

    pub fn object(&mut self, kind: ObjectKind, name: &str) -> ObjectId {
        let known = self.objects.iter().position(|it| it.kind == kind && it.name == name);
        let index = known.unwrap_or_else(|| {
            let name = name.into();
            self.objects.push(Object { name, kind, creator: None, left_behind: false });
            self.objects.len() - 1
        });
        ObjectId(index as u32)
    }

    pub fn event(&mut self, by: Process, verb: Verb, causes: Vec<EventId>) -> EventId {
        let handler = self.handlers.get(&by.thread).copied();
        let event =
            Event { life: by.life, thread: by.thread, verb, causes, reads_from: Vec::new(), handler, site: None };
        self.events.push(event);
        EventId(self.events.len() as u32 - 1)
    }

    pub fn plain(&mut self, by: Process, verb: Verb) -> EventId {
        self.event(by, verb, Vec::new())
    }

    /// The last event so far, for a peer that waited for it.
    pub fn last(&self) -> EventId {
        EventId(self.events.len() as u32 - 1)
    }

    /// A call of no meaning.
    pub fn call(&mut self, by: Process, name: &str) {
        self.plain(by, Verb::Call { name: name.into() });
    }

    pub fn make(&mut self, by: Process, kind: ObjectKind, name: &str) -> ObjectId {
        let object = self.object(kind, name);
        self.objects[object.index()].creator = Some(by.life);
        self.plain(by, Verb::Create { object });
        object
    }

    pub fn fork(&mut self, by: Process) -> Process {
        let brothers = self.lives.iter().filter(|life| life.parent == Some(by.life)).count();
        let name = format!("{}.{}", self.lives[by.life.index()].name, brothers + 1);
        let child = self.begin(name, LifeKind::Learner, Some(by.life));
        self.plain(by, Verb::Fork { child: child.life });
        child
    }

    pub fn thread(&mut self, by: Process) -> Process {
        let child = self.new_thread();
        self.plain(by, Verb::Thread { child });
        Process { life: by.life, thread: child }
    }

    /// Waits for another thread's end.
    pub fn join(&mut self, by: Process, thread: Process) {
        let last = self.events.iter().rposition(|event| event.thread == thread.thread).unwrap();
        self.event(by, Verb::Call { name: "futex".into() }, vec![EventId(last as u32)]);
    }

    pub fn exec(&mut self, by: Process, program: &str) {
        self.plain(by, Verb::Exec { program: program.into() });
    }

    pub fn write(&mut self, by: Process, object: ObjectId, bytes: &[u8]) -> EventId {
        let event = self.plain(by, Verb::Write { object, bytes: bytes.into() });
        self.streams.entry(object).or_default().push_back((event, bytes.to_vec()));
        event
    }

    /// Reads up to so many bytes of what was written.
    pub fn read(&mut self, by: Process, object: ObjectId, most: usize) -> Vec<u8> {
        let (mut bytes, mut causes) = (Vec::new(), Vec::new());
        let stream = self.streams.entry(object).or_default();
        while bytes.len() < most {
            let Some((event, chunk)) = stream.front_mut() else { break };
            let take = chunk.len().min(most - bytes.len());
            bytes.extend(chunk.drain(..take));
            causes.push(*event);
            if chunk.is_empty() {
                stream.pop_front();
            }
        }
        self.event(by, Verb::Read { object, bytes: Bytes(bytes.clone()) }, causes);
        bytes
    }

    pub fn read_all(&mut self, by: Process, object: ObjectId) -> Vec<u8> {
        self.read(by, object, usize::MAX)
    }

    pub fn close_last(&mut self, by: Process, object: ObjectId) {
        let event = self.plain(by, Verb::Close { object, write: true, last: true });
        self.last_close.insert(object, event);
    }

    pub fn end(&mut self, by: Process, object: ObjectId) {
        let causes = self.last_close.get(&object).copied().into_iter().collect();
        self.event(by, Verb::End { object }, causes);
    }

    pub fn print(&mut self, by: Process, text: &str) {
        let object = self.object(ObjectKind::Stdout, "stdout");
        self.plain(by, Verb::Write { object, bytes: text.into() });
    }

    pub fn grumble(&mut self, by: Process, text: &str) {
        let object = self.object(ObjectKind::Stderr, "stderr");
        self.plain(by, Verb::Write { object, bytes: text.into() });
    }

    pub fn send(&mut self, by: Process, object: ObjectId, bytes: &[u8], priority: i64) {
        let event = self.plain(by, Verb::Send { object, bytes: bytes.into(), priority });
        self.queues.entry(object).or_default().push((event, bytes.to_vec(), priority));
    }

    /// Receives the oldest of the messages with the highest priority.
    pub fn receive(&mut self, by: Process, object: ObjectId) -> Vec<u8> {
        let queue = self.queues.entry(object).or_default();
        let best = (0..queue.len()).max_by_key(|index| (queue[*index].2, std::cmp::Reverse(*index))).unwrap();
        let (event, bytes, priority) = queue.remove(best);
        self.event(by, Verb::Receive { object, bytes: Bytes(bytes.clone()), priority }, vec![event]);
        bytes
    }

    pub fn semaphore(&mut self, by: Process, kind: ObjectKind, name: &str, first: usize) -> ObjectId {
        let object = self.make(by, kind, name);
        self.posts.insert(object, std::iter::repeat_n(None, first).collect());
        object
    }

    pub fn acquire(&mut self, by: Process, object: ObjectId) {
        let post = self.posts.get_mut(&object).unwrap().pop_front().expect("the semaphore is not 0");
        self.event(by, Verb::Acquire { object }, post.into_iter().collect());
    }

    pub fn release(&mut self, by: Process, object: ObjectId) {
        let event = self.plain(by, Verb::Release { object });
        self.posts.get_mut(&object).unwrap().push_back(Some(event));
    }

    /// A plain store of some bytes, as one access.
    pub fn store(&mut self, by: Process, object: ObjectId, offset: u64, bytes: &[u8]) -> EventId {
        self.stores_as(by, object, offset, bytes, false)
    }

    pub fn store_atomic(&mut self, by: Process, object: ObjectId, offset: u64, bytes: &[u8]) -> EventId {
        self.stores_as(by, object, offset, bytes, true)
    }

    fn stores_as(&mut self, by: Process, object: ObjectId, offset: u64, bytes: &[u8], atomic: bool) -> EventId {
        let before = Some(Bytes(self.stands(object, offset, bytes.len() as u64)));
        let event = self.plain(by, Verb::Store { object, offset, bytes: bytes.into(), atomic, before, pointer: false });
        for (at, byte) in (offset..).zip(bytes) {
            self.stores.insert((object, at), event);
            self.memory.insert((object, at), *byte);
        }
        event
    }

    fn stands(&self, object: ObjectId, offset: u64, length: u64) -> Vec<u8> {
        (offset..offset + length).map(|at| self.memory.get(&(object, at)).copied().unwrap_or_default()).collect()
    }

    pub fn load(&mut self, by: Process, object: ObjectId, offset: u64, length: u64) -> Vec<u8> {
        self.loads_as(by, object, offset, length, false)
    }

    /// An atomic load comes after the atomic stores that it saw.
    pub fn load_atomic(&mut self, by: Process, object: ObjectId, offset: u64, length: u64) -> Vec<u8> {
        self.loads_as(by, object, offset, length, true)
    }

    fn loads_as(&mut self, by: Process, object: ObjectId, offset: u64, length: u64, atomic: bool) -> Vec<u8> {
        let bytes = self.stands(object, offset, length);
        let seen = (offset..offset + length).filter_map(|at| self.stores.get(&(object, at)).copied());
        let seen: BTreeSet<EventId> = seen.collect();
        let orders = |event: &EventId| matches!(self.events[event.index()].verb, Verb::Store { atomic: true, .. });
        let (causes, seen) = seen.into_iter().partition(|event| atomic && orders(event));
        let event = self.event(by, Verb::Load { object, offset, bytes: Bytes(bytes.clone()), atomic }, causes);
        self.events[event.index()].reads_from = seen;
        bytes
    }

    /// One locked instruction adds to a number.
    pub fn fetch_add(&mut self, by: Process, object: ObjectId, offset: u64, add: u32) {
        let old = u32::from_ne_bytes(self.load_atomic(by, object, offset, 4).try_into().unwrap());
        self.store_atomic(by, object, offset, &(old + add).to_ne_bytes());
    }

    /// A semaphore in memory is given its first value.
    pub fn init(&mut self, by: Process, object: ObjectId, value: u32) {
        self.plain(by, Verb::Init { object, value, shared: true });
        self.posts.insert(object, std::iter::repeat_n(None, value as usize).collect());
    }

    pub fn unlink(&mut self, by: Process, object: ObjectId) {
        self.plain(by, Verb::Unlink { object });
    }

    pub fn ready(&mut self, by: Process, signal: Signal) -> EventId {
        self.plain(by, Verb::Ready { signal })
    }

    /// A peer's signal comes after the fact that it waited for.
    pub fn signal_after(&mut self, by: Process, target: Process, signal: Signal, because: Vec<EventId>) {
        let verb = Verb::Signal { target: Some(target.life), signal, group: false };
        let event = self.event(by, verb, because);
        self.signals.insert((target.life, signal), event);
    }

    pub fn signal(&mut self, by: Process, target: Process, signal: Signal) {
        self.signal_after(by, target, signal, Vec::new());
    }

    pub fn take(&mut self, by: Process, signal: Signal) -> EventId {
        let cause = self.signals.get(&(by.life, signal)).copied();
        self.event(by, Verb::Take { signal }, cause.into_iter().collect())
    }

    /// Runs a handler.
    pub fn handler(&mut self, by: Process, signal: Signal, body: impl FnOnce(&mut Self)) {
        let take = self.take(by, signal);
        self.handlers.insert(by.thread, take);
        body(self);
        self.handlers.remove(&by.thread);
        self.plain(by, Verb::Return { signal });
    }

    fn ended(&mut self, by: Process, event: EventId) {
        self.lives[by.life.index()].ended = Some(event);
        if let Some(parent) = self.lives[by.life.index()].parent {
            self.signals.insert((parent, Signal::CHLD), event);
        }
    }

    pub fn exit(&mut self, by: Process, status: i32) {
        let event = self.plain(by, Verb::Exit { status });
        self.ended(by, event);
    }

    pub fn killed(&mut self, by: Process, signal: Signal) {
        let cause = self.signals.get(&(by.life, signal)).copied();
        let event = self.event(by, Verb::Killed { signal }, cause.into_iter().collect());
        self.ended(by, event);
    }

    pub fn wait(&mut self, by: Process, child: Process) {
        let end = self.lives[child.life.index()].ended.expect("the child has ended");
        let ending = match self.events[end.index()].verb {
            Verb::Exit { status } => Ending::Exit(status),
            Verb::Killed { signal } => Ending::Killed(signal),
            _ => unreachable!("an end"),
        };
        let event = self.event(by, Verb::Reaped { child: child.life, ending }, vec![end]);
        self.lives[child.life.index()].reaped = Some(event);
    }

    pub fn finish(self) -> Trace {
        Trace { lives: self.lives, objects: self.objects, events: self.events, end: RunEnd::Finished }
    }

    /// The run ends with these stuck.
    pub fn stuck(self, waits: &[(Process, &str, Option<ObjectId>)]) -> Trace {
        let wait = |(process, call, object): &(Process, &str, Option<ObjectId>)| Wait {
            life: process.life,
            thread: process.thread,
            call: (*call).to_owned(),
            object: *object,
            child: None,
            holders: Vec::new(),
            site: None,
        };
        let waits = waits.iter().map(wait).collect();
        Trace { lives: self.lives, objects: self.objects, events: self.events, end: RunEnd::Deadlock { waits } }
    }
}
