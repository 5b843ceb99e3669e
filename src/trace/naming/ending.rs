//! How the run ended: who waits in what, who could wake it, and whether anybody outside could.

use std::collections::BTreeMap;

use super::Namer;
use super::objects::Thing;
use crate::trace::canonical::{EventId, Holder, LifeId, LifeKind, ObjectId, ObjectKind, RunEnd, ThreadId, Wait};
use crate::trace::raw::{Call, RawEnd, SysvFamily};

/// What a call that has not come back waits for.
#[derive(Debug)]
pub(super) struct Waiting {
    /// The call by its plain name.
    pub(super) call: String,
    pub(super) object: Option<ObjectId>,
    /// The child that a wait names.
    child: Option<LifeId>,
    wakers: Wakers,
}

/// Who could end a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wakers {
    /// Whoever can write the object.
    Writers,
    /// Whoever can read it.
    Readers,
    /// A child that ends.
    Children,
    /// Any process of the run: by a signal, a futex call, a step.
    Anybody,
    /// Something outside the run, or time.
    Outside,
}

impl Namer {
    /// The end of the run as the canonical trace tells it.
    pub(super) fn run_end(&self, end: &RawEnd) -> RunEnd {
        match end {
            RawEnd::Finished => RunEnd::Finished,
            RawEnd::Limit { limit, figure, tid, site } => RunEnd::Limit {
                site: site.clone(),
                limit: limit.clone(),
                figure: figure.clone(),
                life: tid.and_then(|tid| self.by_tid.get(&tid)).map(|thread| self.life_of(*thread)),
            },
            RawEnd::Blocked => {
                let learner_lives =
                    self.lives.iter().any(|life| life.kind == LifeKind::Learner && life.ended.is_none());
                if !learner_lives {
                    return RunEnd::Finished;
                }
                let (waits, closed): (Vec<Wait>, Vec<bool>) = self.waits().into_iter().unzip();
                if !waits.is_empty() && closed.iter().all(|closed| *closed) {
                    RunEnd::Deadlock { waits }
                } else {
                    RunEnd::AllBlocked { waits }
                }
            }
        }
    }

    /// Each thread that waits, and whether only processes of the run could wake it.
    fn waits(&self) -> Vec<(Wait, bool)> {
        let mut waits = Vec::new();
        let living = (0..self.lives.len()).filter(|life| self.lives[*life].ended.is_none());
        for thread in living.flat_map(|life| self.processes[life].threads.iter().copied()) {
            let this = &self.threads[thread.index()];
            let wait = |waiting: Waiting, holders, site| Wait {
                life: this.life,
                thread,
                call: waiting.call,
                object: waiting.object,
                child: waiting.child,
                holders,
                site,
            };
            if this.stopped.is_some() {
                let waiting =
                    Waiting { call: "stopped".to_owned(), object: None, child: None, wakers: Wakers::Anybody };
                waits.push((wait(waiting, Vec::new(), None), true));
            } else if let Some(entered) = &this.entered {
                let waiting = self.waiting_in(thread, &entered.call);
                let holders = self.holders(this.life, &waiting);
                let closed = self.is_closed(&waiting, &holders);
                waits.push((wait(waiting, holders, entered.site.as_deref().cloned()), closed));
            }
        }
        waits
    }

    /// What a call waits for.
    pub(super) fn waiting_in(&self, thread: ThreadId, call: &Call) -> Waiting {
        let file = |fd| self.file_of(thread, fd).map(|file| self.files.file(file));
        let reads = |fd| file(fd).map(|f| f.reads.unwrap_or(f.about));
        let writes = |fd| file(fd).map(|f| f.writes.unwrap_or(f.about));
        let id = |family, id| self.objects.by_id(family, id);
        let mut child = None;
        let (name, object, wakers) = match call {
            Call::Read { fd, .. } => ("read", reads(*fd), Wakers::Writers),
            Call::Write { fd, .. } => ("write", writes(*fd), Wakers::Readers),
            Call::Move { from, to, .. } => match reads(*from).filter(|from| self.is_dry(*from)) {
                Some(from) => ("read", Some(from), Wakers::Writers),
                None => ("write", writes(*to), Wakers::Readers),
            },
            Call::Open { path, read, .. } => {
                let object = self.objects.linked(path).map(|link| link.object);
                ("open", object, if *read { Wakers::Writers } else { Wakers::Readers })
            }
            Call::Wait { which, .. } => {
                child = self.by_inner.get(which).filter(|_| *which > 0).map(|child| self.life_of(*child));
                ("wait", None, Wakers::Children)
            }
            Call::MsgReceive { id: which, .. } => ("receive", id(SysvFamily::Msg, *which), Wakers::Writers),
            Call::MqReceive { fd, .. } => ("receive", reads(*fd), Wakers::Writers),
            Call::MsgSend { id: which, .. } => ("send", id(SysvFamily::Msg, *which), Wakers::Readers),
            Call::MqSend { fd, .. } => ("send", writes(*fd), Wakers::Readers),
            Call::SemOp { id: which, ops, .. } => {
                let object = id(SysvFamily::Sem, *which).map(|set| self.objects.lacking(set, ops));
                ("acquire", object, Wakers::Writers)
            }
            Call::Pause => ("pause", None, Wakers::Anybody),
            Call::SigSuspend { .. } => ("sigsuspend", None, Wakers::Anybody),
            Call::SigWait { .. } => ("sigwait", None, Wakers::Anybody),
            Call::Futex { addr, shared, .. } => {
                // Of a word that the kernel was told to be private (pshared 0) only the function says what it is.
                let word = self.futex_word(thread, *addr, shared.as_ref());
                let is_known =
                    |object: &ObjectId| matches!(self.objects[*object].kind, ObjectKind::Semaphore | ObjectKind::Lock);
                let word = self.objects.known_word(&word);
                let lock = word.filter(is_known).or_else(|| self.locks.awaited(thread));
                let (object, known) = (lock.or(word), lock.is_some());
                (if known { "acquire" } else { "futex" }, object, Wakers::Anybody)
            }
            Call::Poll { descriptors, timed } => {
                let (object, wakers) = descriptors
                    .iter()
                    .find_map(|(fd, read, _)| {
                        let object = if *read { reads(*fd) } else { writes(*fd) };
                        Some((object?, if *read { Wakers::Writers } else { Wakers::Readers }))
                    })
                    .map_or((None, Wakers::Anybody), |(object, wakers)| (Some(object), wakers));
                ("poll", object, if *timed { Wakers::Outside } else { wakers })
            }
            Call::Sleep { .. } => ("sleep", None, Wakers::Outside),
            // Somebody has to accept: who has the socket of that name open.
            Call::Socket { name, address: Some(address), .. } if name == "connect" => {
                ("connect", self.objects.at_address(address), Wakers::Readers)
            }
            Call::Socket { name, fd, .. } => (name.as_str(), reads(*fd), Wakers::Outside),
            // A peer's step, which the recorder holds until its facts are true.
            Call::Other { name, .. } if name == "when" => ("when", None, Wakers::Anybody),
            Call::Other { name, .. } if matches!(name.as_str(), "vfork" | "clone" | "clone3") => {
                ("vfork", None, Wakers::Children)
            }
            Call::Other { name, fd } => (name.as_str(), fd.and_then(reads), Wakers::Outside),
            Call::Refused { name } | Call::NewDescriptor { name, .. } | Call::Leave { name } | Call::Group { name } => {
                (name.as_str(), None, Wakers::Outside)
            }
            _ => ("call", None, Wakers::Outside),
        };
        Waiting { call: name.to_owned(), object, child, wakers }
    }

    /// Whether nothing is in the stream.
    fn is_dry(&self, object: ObjectId) -> bool {
        self.objects[object].stream.peek(1, |_| &[]).0.is_empty()
    }

    /// The living processes that hold what a wait is for.
    fn holders(&self, waiter: LifeId, waiting: &Waiting) -> Vec<Holder> {
        let alive = |life: &LifeId| self.lives[life.index()].ended.is_none();
        if let Some(object) = waiting.object.filter(|object| self.locks.knows(*object)) {
            let held = self.locks.holders(object).map(|(thread, since)| (self.life_of(thread), since));
            let held = held.filter(|(life, _)| alive(life));
            return held.map(|(life, since)| Holder { life, descriptors: 0, since: Some(since) }).collect();
        }
        match (waiting.wakers, waiting.object) {
            (Wakers::Children, _) => {
                let children = self.processes[waiter.index()].children.iter().copied();
                children
                    .filter(|child| alive(child) && waiting.child.is_none_or(|named| named == *child))
                    .map(|life| Holder { life, descriptors: 0, since: self.processes[life.index()].born })
                    .collect()
            }
            (Wakers::Writers | Wakers::Readers, Some(object))
                if self.objects[self.objects.set_of(object)].sysv.is_some() =>
            {
                let users = self.objects[self.objects.set_of(object)]
                    .users
                    .iter()
                    .filter(|(life, _)| alive(life) && **life != waiter);
                users.map(|(life, since)| Holder { life: *life, descriptors: 0, since: Some(*since) }).collect()
            }
            (Wakers::Writers | Wakers::Readers, Some(object)) => {
                let mut held: BTreeMap<LifeId, (u32, Option<EventId>)> = BTreeMap::new();
                for life in (0..self.lives.len() as u32).map(LifeId).filter(alive) {
                    for slot in self.files.slots(self.processes[life.index()].table) {
                        let file = self.files.file(slot.file);
                        let end = if waiting.wakers == Wakers::Writers { file.writes } else { file.reads };
                        if end == Some(object) {
                            let (count, since) = held.entry(life).or_insert((0, slot.since));
                            *count += 1;
                            *since = (*since).min(slot.since);
                        }
                    }
                }
                let holder = |(life, (descriptors, since))| Holder { life, descriptors, since };
                held.into_iter().map(holder).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether only processes of the run could end the wait.
    fn is_closed(&self, waiting: &Waiting, holders: &[Holder]) -> bool {
        match waiting.wakers {
            Wakers::Anybody | Wakers::Children => true,
            Wakers::Outside => false,
            Wakers::Writers | Wakers::Readers => {
                let Some(object) = waiting.object else { return false };
                let thing = &self.objects[self.objects.set_of(object)];
                // With its text from a peer, standard input is a pipe that nobody else can write.
                let from_peer = thing.kind == ObjectKind::Stdin
                    && holders.iter().any(|holder| self.lives[holder.life.index()].kind == LifeKind::Peer);
                !thing.outside || from_peer
            }
        }
    }

    /// Marks what the learner made, gave a name, and did not remove.
    pub(super) fn note_left_behind(&mut self) {
        let named = |thing: &Thing| {
            thing.sysv.is_some()
                || thing.links > 0
                    && matches!(
                        thing.kind,
                        ObjectKind::Fifo | ObjectKind::Shm | ObjectKind::Queue | ObjectKind::Semaphore
                    )
        };
        let left: Vec<ObjectId> = self
            .objects
            .iter()
            .filter(|(_, thing)| named(thing) && thing.creator.is_some_and(|creator| self.is_learner(creator)))
            .map(|(id, _)| id)
            .collect();
        for object in left {
            self.objects[object].left_behind = true;
        }
    }
}
