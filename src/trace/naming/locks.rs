//! Semaphores, locks, condition variables and barriers in memory, as libc's own functions told of them.
//!
//! A semaphore is a counter, as those of System V are: the acquire that takes a unit comes after the release, or the
//! init, that made it. A lock's acquire comes after its last release; one taken for reading after the last release of a
//! writer, one for writing after those of all readers since. Who waits for a condition comes after the signal that woke
//! it, who leaves a barrier after all who came to it in its round.
//!
//! The futex calls inside these functions are part of them: they are no events, and a wait in one is a wait for the
//! object.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use super::Namer;
use super::objects::{Naming, Word};
use crate::trace::canonical::{EventId, LifeId, ObjectId, ObjectKind, ThreadId, Verb};
use crate::trace::raw::{SyncKind, SyncObject, SyncOp};

/// The errors that functions give back (errno(3), on Linux).
const EPERM: i32 = 1;
const EINTR: i32 = 4;
const EAGAIN: i32 = 11;
const EBUSY: i32 = 16;
const EINVAL: i32 = 22;
const EDEADLK: i32 = 35;
const EOVERFLOW: i32 = 75;
const ETIMEDOUT: i32 = 110;

/// All that functions were called for, by where it lies, and what each thread that is in one waits for.
#[derive(Debug, Default)]
pub(super) struct Locks(BTreeMap<Word, Lock>, HashMap<ThreadId, ObjectId>);

/// One of them.
#[derive(Debug, Clone)]
struct Lock {
    kind: SyncKind,
    /// None for what a child has of its parent and has not used yet.
    object: Option<ObjectId>,
    /// Who holds it, since when, how many times.
    holders: BTreeMap<ThreadId, Hold>,
    /// The last release; of a read-write lock the last by a writer.
    released: Option<EventId>,
    /// Releases by readers since then.
    read: Vec<EventId>,
    /// For each thread whose last word to it was a release, that: it may turn out to have failed.
    last: HashMap<ThreadId, Undo>,
    /// A condition's signals that may wake somebody yet.
    signals: Vec<Signals>,
    /// Who waits for a condition.
    waiting: Vec<ThreadId>,
    /// How many a barrier waits for.
    count: usize,
    /// Who came to a barrier, by round.
    rounds: Vec<Vec<EventId>>,
    /// The round that each thread came to last.
    round: HashMap<ThreadId, usize>,
}

#[derive(Debug, Clone, Copy)]
struct Hold {
    since: EventId,
    times: u32,
    /// For reading only.
    shared: bool,
}

/// A release, and what was true before it.
#[derive(Debug, Clone)]
struct Undo {
    event: EventId,
    holders: BTreeMap<ThreadId, Hold>,
    released: Option<EventId>,
    read: Vec<EventId>,
}

/// A signal that may wake as many of these as `left`.
#[derive(Debug, Clone)]
struct Signals {
    event: EventId,
    left: usize,
    whom: Vec<ThreadId>,
}

impl Lock {
    fn new(kind: SyncKind) -> Self {
        Self {
            kind,
            object: None,
            holders: BTreeMap::new(),
            released: None,
            read: Vec::new(),
            last: HashMap::new(),
            signals: Vec::new(),
            waiting: Vec::new(),
            count: 0,
            rounds: Vec::new(),
            round: HashMap::new(),
        }
    }

    fn take(&mut self, thread: ThreadId, event: EventId, shared: bool) {
        self.holders.entry(thread).or_insert(Hold { since: event, times: 0, shared }).times += 1;
    }

    /// A thread gives it back; whether it had it for reading only.
    fn give_back(&mut self, thread: ThreadId, event: EventId) -> bool {
        let Some(hold) = self.holders.get_mut(&thread) else {
            // Given back by one that does not have it: whoever has it has it no more.
            self.holders.clear();
            return false;
        };
        let shared = hold.shared;
        hold.times -= 1;
        if hold.times == 0 {
            self.holders.remove(&thread);
        }
        if shared {
            self.read.push(event);
        }
        shared
    }

    fn wait(&mut self, thread: ThreadId) {
        self.no_longer_waits(thread);
        self.waiting.push(thread);
    }

    fn signal(&mut self, event: EventId, all: bool) {
        let whom = self.waiting.clone();
        if !whom.is_empty() {
            self.signals.push(Signals { event, left: if all { whom.len() } else { 1 }, whom });
        }
    }

    /// A thread that waited for the condition goes on; the signal that woke it, unless none did.
    fn woken(&mut self, thread: ThreadId) -> Option<EventId> {
        let signal = self.signals.iter_mut().find(|signal| signal.left > 0 && signal.whom.contains(&thread));
        let woken = signal.map(|signal| {
            signal.left -= 1;
            signal.event
        });
        self.no_longer_waits(thread);
        woken
    }

    fn no_longer_waits(&mut self, thread: ThreadId) {
        self.waiting.retain(|other| *other != thread);
        self.signals.iter_mut().for_each(|signal| signal.whom.retain(|other| *other != thread));
        self.signals.retain(|signal| signal.left > 0 && !signal.whom.is_empty());
    }

    fn arrive(&mut self, thread: ThreadId, event: EventId) {
        if self.rounds.last().is_none_or(|round| self.count > 0 && round.len() >= self.count) {
            self.rounds.push(Vec::new());
        }
        let at = self.rounds.len() - 1;
        self.rounds[at].push(event);
        self.round.insert(thread, at);
    }
}

impl Locks {
    /// The object that a thread waits for inside of libc's function for it.
    pub(super) fn awaited(&self, thread: ThreadId) -> Option<ObjectId> {
        self.1.get(&thread).copied()
    }

    /// The place of the one that a word lies in.
    fn around(&self, word: &Word) -> Option<Word> {
        let (place, lock) = self.0.range(..=word).next_back()?;
        let (from, at) = match (place, word) {
            (Word::Shared(one, from), Word::Shared(other, at)) if one == other => (*from, *at),
            (Word::Own(one, from), Word::Own(other, at)) if one == other => (*from, *at),
            _ => return None,
        };
        (at - from < size(lock.kind)).then(|| place.clone())
    }

    fn of(&self, object: ObjectId) -> Option<&Lock> {
        self.0.values().find(|lock| lock.object == Some(object))
    }

    /// Who holds an object, and since when.
    pub(super) fn holders(&self, object: ObjectId) -> impl Iterator<Item = (ThreadId, EventId)> {
        let locks = self.of(object).filter(|lock| lock.kind != SyncKind::Semaphore);
        locks.into_iter().flat_map(|lock| lock.holders.iter().map(|(thread, hold)| (*thread, hold.since)))
    }

    /// Whether functions told of it.
    pub(super) fn knows(&self, object: ObjectId) -> bool {
        self.of(object).is_some()
    }

    /// A child has copies of what its parent has in private memory. What the thread that forked holds, the child's only
    /// thread holds; what another holds, nobody can give back there.
    pub(super) fn forked(&mut self, (parent, thread): (LifeId, ThreadId), (child, its): (LifeId, ThreadId)) {
        let copies: Vec<(Word, Lock)> = self
            .0
            .range(Word::Own(parent, 0)..=Word::Own(parent, u64::MAX))
            .filter_map(|(place, lock)| {
                let Word::Own(_, addr) = place else { return None };
                let holders = lock.holders.get(&thread).map(|hold| (its, *hold)).into_iter().collect();
                let copy = Lock { object: None, holders, waiting: Vec::new(), signals: Vec::new(), ..lock.clone() };
                Some((Word::Own(child, *addr), copy))
            })
            .collect();
        self.0.extend(copies);
    }

    /// A process runs another program: its private memory is gone.
    pub(super) fn exec(&mut self, life: LifeId) {
        self.0.retain(|place, _| !matches!(place, Word::Own(owner, _) if *owner == life));
    }
}

/// How many bytes one has (glibc on 64-bit machines: bits/pthreadtypes-arch.h, bits/semaphore.h).
fn size(kind: SyncKind) -> u64 {
    match kind {
        SyncKind::Semaphore | SyncKind::Barrier => 32,
        SyncKind::Mutex => 40,
        SyncKind::Condition => 48,
        SyncKind::ReadWriteLock => 56,
    }
}

/// What stands in the name of one in private memory.
fn word(kind: SyncKind) -> &'static str {
    match kind {
        SyncKind::Semaphore => "semaphore",
        SyncKind::Mutex | SyncKind::ReadWriteLock => "lock",
        SyncKind::Condition => "condition",
        SyncKind::Barrier => "barrier",
    }
}

/// The function that fails so, as far as it is told apart.
fn function(kind: SyncKind, errno: i32) -> &'static str {
    match (kind, errno) {
        (SyncKind::Semaphore, EOVERFLOW) => "sem_post",
        (SyncKind::Semaphore, ETIMEDOUT) => "sem_timedwait",
        (SyncKind::Semaphore, EAGAIN) => "sem_trywait",
        (SyncKind::Semaphore, _) => "sem_wait",
        (SyncKind::Mutex, EPERM) => "pthread_mutex_unlock",
        (SyncKind::Mutex, ETIMEDOUT) => "pthread_mutex_timedlock",
        (SyncKind::Mutex, EBUSY) => "pthread_mutex_trylock",
        (SyncKind::Mutex, _) => "pthread_mutex_lock",
        (SyncKind::ReadWriteLock, EPERM) => "pthread_rwlock_unlock",
        (SyncKind::ReadWriteLock, EDEADLK) => "pthread_rwlock_wrlock",
        (SyncKind::ReadWriteLock, _) => "pthread_rwlock",
        (SyncKind::Condition, ETIMEDOUT) => "pthread_cond_timedwait",
        (SyncKind::Condition, _) => "pthread_cond_wait",
        (SyncKind::Barrier, _) => "pthread_barrier_wait",
    }
}

impl Namer {
    /// A function that synchronises without a call came back, or began to wait.
    pub(super) fn synced(&mut self, thread: ThreadId, object: &SyncObject, op: SyncOp) {
        let place = self.place(thread, object);
        let kind = object.kind;
        let id = self.lock(thread, &place, kind);
        match op {
            SyncOp::Wait => self.locks.1.insert(thread, id),
            _ => self.locks.1.remove(&thread),
        };
        match op {
            SyncOp::Init { value, shared } => self.init(thread, place, kind, (id, value, shared)),
            SyncOp::Wait => {
                let lock = self.at(&place);
                lock.last.remove(&thread);
                if kind == SyncKind::Condition {
                    lock.wait(thread);
                }
            }
            SyncOp::Acquire | SyncOp::Share => self.acquired(thread, &place, id, op == SyncOp::Share),
            SyncOp::Release | SyncOp::Broadcast => self.released(thread, &place, id, op == SyncOp::Broadcast),
            SyncOp::Failed { errno } => self.sync_failed(thread, &place, id, errno),
        }
    }

    fn at(&mut self, place: &Word) -> &mut Lock {
        self.locks.0.get_mut(place).expect("made before it is used")
    }

    fn place(&mut self, thread: ThreadId, object: &SyncObject) -> Word {
        match &object.file {
            Some(file) => Word::Shared(self.objects.of_file(file, None), object.offset),
            None => Word::Own(self.life_of(thread), object.offset),
        }
    }

    /// What lies at a place, made up where nothing is known of it.
    fn lock(&mut self, thread: ThreadId, place: &Word, kind: SyncKind) -> ObjectId {
        let known = self.locks.0.get(place).filter(|lock| lock.kind == kind);
        if let Some(object) = known.and_then(|lock| lock.object) {
            return object;
        }
        let inherited = known.cloned();
        let canonical = if kind == SyncKind::Semaphore { ObjectKind::Semaphore } else { ObjectKind::Lock };
        let object = match place {
            // A named semaphore is the whole of its memory.
            Word::Shared(memory, _) if self.objects[*memory].kind == ObjectKind::Semaphore => *memory,
            Word::Shared(memory, offset) => {
                let creator = self.objects[*memory].creator;
                let object = self.objects.add(canonical, creator, Naming::Within(*memory));
                self.objects[object].suffix = format!("+{offset}");
                object
            }
            Word::Own(..) => {
                let life = self.life_of(thread);
                self.objects.add_ordinal(canonical, Some(life), word(kind))
            }
        };
        self.objects.set_word(place.clone(), object);
        let lock = Lock { object: Some(object), ..inherited.unwrap_or_else(|| Lock::new(kind)) };
        self.locks.0.insert(place.clone(), lock);
        object
    }

    fn init(&mut self, thread: ThreadId, place: Word, kind: SyncKind, (object, value, shared): (ObjectId, u32, bool)) {
        let event = self.emit(thread, Verb::Init { object, value, shared }, Vec::new());
        if kind == SyncKind::Semaphore {
            self.objects[object].units.set(event, u64::from(value));
        }
        let lock = Lock { object: Some(object), released: Some(event), count: value as usize, ..Lock::new(kind) };
        self.locks.0.insert(place, lock);
    }

    fn acquired(&mut self, thread: ThreadId, place: &Word, object: ObjectId, shared: bool) {
        let lock = self.at(place);
        lock.last.remove(&thread);
        let mut causes: Vec<EventId> = match lock.kind {
            SyncKind::Semaphore => Vec::new(),
            SyncKind::Mutex => lock.released.into_iter().collect(),
            SyncKind::ReadWriteLock if shared => lock.released.into_iter().collect(),
            SyncKind::ReadWriteLock => lock.released.into_iter().chain(lock.read.iter().copied()).collect(),
            SyncKind::Condition => lock.woken(thread).into_iter().collect(),
            SyncKind::Barrier => lock.round.get(&thread).map(|round| lock.rounds[*round].clone()).unwrap_or_default(),
        };
        let locks = matches!(lock.kind, SyncKind::Mutex | SyncKind::ReadWriteLock);
        if lock.kind == SyncKind::Semaphore {
            causes = self.objects[object].units.take(1);
        } else if locks {
            // A robust lock: its owner died with it.
            let holders: Vec<ThreadId> = self.at(place).holders.keys().copied().collect();
            let dead = |holder: &ThreadId| self.lives[self.threads[holder.index()].life.index()].ended;
            let ends: Vec<(ThreadId, EventId)> =
                holders.iter().filter_map(|holder| Some((*holder, dead(holder)?))).collect();
            for (holder, end) in ends {
                self.at(place).holders.remove(&holder);
                causes.push(end);
            }
        }
        let event = self.emit(thread, Verb::Acquire { object }, causes);
        if locks {
            self.at(place).take(thread, event, shared);
        }
    }

    fn released(&mut self, thread: ThreadId, place: &Word, object: ObjectId, all: bool) {
        let event = self.emit(thread, Verb::Release { object }, Vec::new());
        let lock = self.at(place);
        let (holders, released, read) = (lock.holders.clone(), lock.released, lock.read.clone());
        lock.last.insert(thread, Undo { event, holders, released, read });
        match lock.kind {
            SyncKind::Semaphore => self.objects[object].units.add(event, 1),
            SyncKind::Mutex | SyncKind::ReadWriteLock => {
                if !lock.give_back(thread, event) {
                    lock.released = Some(event);
                    lock.read.clear();
                }
            }
            SyncKind::Condition => lock.signal(event, all),
            SyncKind::Barrier => lock.arrive(thread, event),
        }
    }

    /// The function failed. A release was told before it could be known to.
    fn sync_failed(&mut self, thread: ThreadId, place: &Word, object: ObjectId, errno: i32) {
        let lock = self.at(place);
        let kind = lock.kind;
        if kind == SyncKind::Condition {
            lock.no_longer_waits(thread);
        }
        let undo = lock.last.remove(&thread).filter(|_| matches!(errno, EPERM | EOVERFLOW | EINVAL));
        if let Some(Undo { event, holders, released, read }) = undo {
            (lock.holders, lock.released, lock.read) = (holders, released, read);
            self.left_out[event.index()] = true;
            self.objects[object].units.forget(event);
        }
        // That there was nothing to be had says nothing; it would be told as often as it is tried.
        if !matches!(errno, EAGAIN | EBUSY | EINTR) {
            self.fail(thread, function(kind, errno), errno, Some(object), Vec::new());
        }
    }

    /// Memory is unmapped: what comes to lie where something of the process's own lay is something else.
    pub(super) fn unmapped(&mut self, thread: ThreadId, range: Range<u64>) {
        let life = self.life_of(thread);
        let gone = |place: &Word| matches!(place, Word::Own(owner, addr) if *owner == life && range.contains(addr));
        self.locks.0.retain(|place, _| !gone(place));
        self.objects.forget_words(gone);
    }

    /// A word of a futex call, or the object that it lies in.
    pub(super) fn object_around(&self, word: Word) -> Word {
        self.locks.around(&word).unwrap_or(word)
    }
}
