//! Messages and semaphores: which send a receive got, which release an acquire took.

use std::collections::{HashMap, VecDeque};

use super::processes::Entered;
use super::{Namer, objects::Word};
use crate::trace::Bytes;
use crate::trace::canonical::{Event, EventId, LifeId, ObjectId, ThreadId, Verb};
use crate::trace::raw::{RawFile, SysvFamily};

/// The messages that wait in a queue, by priority or type; which of them comes out is the kernel's choice and known
/// from what did.
#[derive(Debug, Default)]
pub(super) struct Messages(HashMap<i64, VecDeque<EventId>>);

impl Messages {
    fn send(&mut self, event: EventId, priority: i64) {
        self.0.entry(priority).or_default().push_back(event);
    }

    fn receive(&mut self, priority: i64, bytes: &Bytes, events: &[Event]) -> Option<EventId> {
        let waiting = self.0.get_mut(&priority)?;
        let same = |event: &EventId| matches!(&events[event.index()].verb, Verb::Send { bytes: b, .. } if b == bytes);
        // Exchanged on the way, a message is like none; then the oldest is it.
        let at = waiting.iter().position(same).unwrap_or(0);
        waiting.remove(at)
    }

    fn forget(&mut self, event: EventId, priority: i64) {
        if let Some(waiting) = self.0.get_mut(&priority) {
            waiting.retain(|other| *other != event);
        }
    }
}

impl Namer {
    /// A message is sent, or its sender waits for room.
    pub(super) fn send(&mut self, thread: ThreadId, object: ObjectId, bytes: &Bytes, priority: i64) -> EventId {
        let event = self.emit(thread, Verb::Send { object, bytes: bytes.clone(), priority }, Vec::new());
        self.objects[object].messages.send(event, priority);
        self.uses(thread, object, event);
        event
    }

    /// A send that waited failed after all.
    pub(super) fn unsend(&mut self, entered: Option<Entered>) {
        let Some(event) = entered.and_then(|entered| entered.event) else { return };
        if let Verb::Send { object, priority, .. } = self.events[event.index()].verb {
            self.objects[object].messages.forget(event, priority);
            self.left_out[event.index()] = true;
        }
    }

    /// A message came out.
    pub(super) fn receive(&mut self, thread: ThreadId, object: ObjectId, bytes: &Bytes, priority: i64) {
        let sent = self.objects[object].messages.receive(priority, bytes, &self.events);
        let event =
            self.emit(thread, Verb::Receive { object, bytes: bytes.clone(), priority }, sent.into_iter().collect());
        self.uses(thread, object, event);
        self.note_received(thread, object, bytes);
    }

    /// A System V object is used by a process: it has no descriptor that would say so.
    pub(super) fn uses(&mut self, thread: ThreadId, object: ObjectId, event: EventId) {
        let life = self.life_of(thread);
        if self.objects[object].sysv.is_some() {
            self.objects[object].users.entry(life).or_insert(event);
        }
    }

    /// The object of a System V identifier, made up where it is not known.
    pub(super) fn of_id(&mut self, family: SysvFamily, id: i32) -> ObjectId {
        if let Some(known) = self.objects.by_id(family, id) {
            return known;
        }
        let kind = sysv_kind(family);
        let object = self.objects.add_ordinal(kind, None, super::objects::word(kind));
        self.objects[object].outside = true;
        self.objects.set_id(family, id, object);
        object
    }

    /// shmget, msgget, semget succeeded.
    pub(super) fn got_id(&mut self, thread: ThreadId, family: SysvFamily, key: i32, id: i32, create: bool, count: u64) {
        let life = self.life_of(thread);
        if key != 0
            && let Some(object) = self.objects.by_id(family, id)
        {
            let event = self.emit(thread, Verb::Open { object, read: true, write: true }, Vec::new());
            self.uses(thread, object, event);
            return;
        }
        let kind = sysv_kind(family);
        let made = create || key == 0;
        let creator = made.then_some(life);
        let object = if key == 0 {
            self.objects.add_ordinal(kind, creator, super::objects::word(kind))
        } else {
            self.objects.add(kind, creator, super::objects::Naming::Fixed(format!("{key:#x}")))
        };
        if count > 1 {
            self.objects[object].suffix = "[0]".to_owned();
        }
        self.objects[object].outside = !made;
        self.objects.set_id(family, id, object);
        let verb = if made { Verb::Create { object } } else { Verb::Open { object, read: true, write: true } };
        let event = self.emit(thread, verb, Vec::new());
        self.uses(thread, object, event);
    }

    /// semop succeeded.
    pub(super) fn sem_op(&mut self, thread: ThreadId, id: i32, ops: &[(u16, i16)], undo: &[(u16, i16)]) {
        let set = self.of_id(SysvFamily::Sem, id);
        let life = self.life_of(thread);
        for (number, change) in undo {
            let object = self.objects.member(set, *number);
            *self.processes[life.index()].undo.entry(object).or_default() -= i64::from(*change);
        }
        for (number, change) in ops {
            let object = self.objects.member(set, *number);
            let units = u64::from(change.unsigned_abs());
            if *change > 0 {
                let event = self.emit(thread, Verb::Release { object }, Vec::new());
                self.objects[object].units.add(event, units);
                self.uses(thread, set, event);
            } else if *change < 0 {
                let causes = self.objects[object].units.take(units);
                let event = self.emit(thread, Verb::Acquire { object }, causes);
                self.objects[object].units.taken_by(thread, event);
                self.uses(thread, set, event);
            } else {
                // It waited for zero, or found it: nothing is taken, but what brought it there came before.
                let causes = self.objects[object].units.emptied_by().to_vec();
                let event = self.emit(thread, Verb::Call { name: "semop".to_owned() }, causes);
                self.uses(thread, set, event);
            }
        }
    }

    /// A process ended: what it did with SEM_UNDO is taken back, which may wake others, or leave less for them (semop(2)).
    pub(super) fn undo_semaphores(&mut self, life: LifeId, end: EventId) {
        for (object, change) in std::mem::take(&mut self.processes[life.index()].undo) {
            if change > 0 {
                self.objects[object].units.add(end, change.unsigned_abs());
            } else {
                self.objects[object].units.take(change.unsigned_abs());
                let thread = self.events[end.index()].thread;
                self.objects[object].units.taken_by(thread, end);
            }
        }
    }

    /// semctl set values.
    pub(super) fn sem_set(&mut self, thread: ThreadId, id: i32, values: &[(u16, u16)]) {
        let set = self.of_id(SysvFamily::Sem, id);
        let event = self.emit(thread, Verb::Call { name: "semctl".to_owned() }, Vec::new());
        for (number, value) in values {
            let object = self.objects.member(set, *number);
            self.objects[object].units.set(event, u64::from(*value));
            // Nothing that was done before is undone (semctl(2), SETVAL).
            for process in &mut self.processes {
                process.undo.remove(&object);
            }
        }
        self.uses(thread, set, event);
    }

    /// The word of a futex call.
    pub(super) fn futex_word(&self, thread: ThreadId, addr: u64, shared: Option<&(RawFile, u64)>) -> Word {
        match shared.and_then(|(file, offset)| Some((self.objects.known(file)?, *offset))) {
            Some((memory, offset)) => self.object_around(Word::Shared(memory, offset)),
            None => self.object_around(Word::Own(self.life_of(thread), addr)),
        }
    }

    /// A futex call came back: it woke some, or was woken.
    pub(super) fn futex(&mut self, thread: ThreadId, waits: bool, word: Word, value: u64, slept: Option<&Entered>) {
        if self.objects.known_word(&word).is_some_and(|object| self.locks.knows(object)) {
            // Libc's own, in a function that tells for itself what it does.
            return;
        }
        if !waits {
            if value > 0 {
                let object = self.objects.word(word);
                let event = self.emit(thread, Verb::Release { object }, Vec::new());
                self.objects[object].wakes.push_back((event, value));
            }
            return;
        }
        let Some(slept) = slept else { return };
        let mut causes = Vec::new();
        if let Some(known) = self.objects.known_word(&word)
            && let Some((wake, left)) = self.objects[known].wakes.front_mut()
        {
            causes.push(*wake);
            *left -= 1;
            if *left == 0 {
                self.objects[known].wakes.pop_front();
            }
        } else {
            // No call woke it: the kernel does where a thread ends that is to be joined (set_tid_address(2)).
            let life = self.life_of(thread);
            causes.extend(
                self.processes[life.index()]
                    .last_ended_thread
                    .filter(|(raw, _)| *raw > slept.raw)
                    .map(|(_, event)| event),
            );
        }
        let object = self.objects.word(word);
        self.emit(thread, Verb::Acquire { object }, causes);
    }
}

pub(super) fn sysv_kind(family: SysvFamily) -> crate::trace::ObjectKind {
    match family {
        SysvFamily::Shm => crate::trace::ObjectKind::SysvShm,
        SysvFamily::Msg => crate::trace::ObjectKind::SysvQueue,
        SysvFamily::Sem => crate::trace::ObjectKind::Semaphore,
    }
}
