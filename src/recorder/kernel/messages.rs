//! System V message queues: what is in them, and who gets it (msgop(2), msgctl(2), ipc/msg.c).
//!
//! Who waits is not known here, as for [`super::Semaphores`]. A message that comes goes to the first that waits for one of
//! its kind. Room is given to nobody: the kernel wakes each sender whose message would fit (ss_wakeup), and the quickest
//! has it. So one alone goes on; of several the schedule says who is the quickest, and those who come too late wait again.

use std::collections::{HashMap, VecDeque};

use nix::errno::Errno;

/// How many bytes a new queue may hold, and how many messages without any (MSGMNB in msgget(2)).
const CAPACITY: usize = 16_384;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) kind: i64,
    pub(crate) bytes: Vec<u8>,
}

/// What msgrcv(2) asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// 0: any; above: this one; below: the lowest up to its absolute value.
    pub(crate) kind: i64,
    /// MSG_EXCEPT: any but this one.
    pub(crate) except: bool,
    /// Most bytes.
    pub(crate) room: usize,
    /// MSG_NOERROR: of a longer one its beginning.
    pub(crate) cuts: bool,
    /// IPC_NOWAIT.
    pub(crate) nowait: bool,
}

/// What would come of sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sends {
    /// Only the kernel knows.
    Unknown,
    Waits,
    Fails(Errno),
    Fits,
}

/// What would come of receiving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receives {
    /// Only the kernel knows.
    Unknown,
    Waits,
    Fails(Errno),
    /// The message at this place.
    Takes(usize),
}

/// A call that waits.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Waiting<'a> {
    Send(i32, &'a Message),
    Receive(i32, Wanted),
}

/// What has become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Woken {
    Sent,
    /// It has got as much of this one as it has room for.
    Received(Message),
    Failed(Errno),
    /// There may be room, for it or for others: it has to look once more.
    Races,
}

/// A queue: its messages, the oldest first.
#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Message>,
    bytes: usize,
}

/// All queues of a run, by their identifiers.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    /// None where the queue is not modelled.
    queues: HashMap<i32, Option<Queue>>,
    /// Those that wait may not have to any more.
    changed: bool,
}

impl Wanted {
    /// Which of these comes out, whatever its length: the oldest, or the oldest of the lowest type.
    fn find(self, messages: &VecDeque<Message>) -> Option<usize> {
        let mut all = messages.iter().enumerate();
        let place = |found: Option<(usize, &Message)>| found.map(|(place, _)| place);
        match self.kind {
            0 => place(all.next()),
            1.. => place(all.find(|(_, message)| (message.kind == self.kind) != self.except)),
            _ => {
                let most = self.kind.checked_neg().unwrap_or(i64::MAX);
                place(all.filter(|(_, message)| message.kind <= most).min_by_key(|(_, message)| message.kind))
            }
        }
    }
}

impl Queue {
    /// A message without bytes takes a place too (msgop(2)).
    fn fits(&self, len: usize) -> bool {
        self.bytes + len <= CAPACITY && self.messages.len() < CAPACITY
    }
}

impl Messages {
    /// msgget(2) gave this identifier. One that nobody has had before is a new queue; `known`: all that are in the run may
    /// use it.
    pub(crate) fn got(&mut self, id: i32, known: bool) {
        self.queues.entry(id).or_insert_with(|| known.then(Queue::default));
    }

    /// Whether the queue is modelled.
    pub(crate) fn models(&self, id: i32) -> bool {
        matches!(self.queues.get(&id), Some(Some(_)))
    }

    /// The queue is not modelled any more, or is gone.
    pub(crate) fn abandon(&mut self, id: i32) {
        self.queues.insert(id, None);
    }

    /// No queue is modelled any more.
    pub(crate) fn abandon_all(&mut self) {
        self.queues.values_mut().for_each(|queue| *queue = None);
    }

    /// What would come of sending so many bytes.
    pub(crate) fn ask_send(&self, id: i32, len: usize, nowait: bool) -> Sends {
        match self.queues.get(&id) {
            Some(Some(queue)) if queue.fits(len) => Sends::Fits,
            Some(Some(_)) if nowait => Sends::Fails(Errno::EAGAIN),
            Some(Some(_)) => Sends::Waits,
            _ => Sends::Unknown,
        }
    }

    /// A message came in.
    pub(crate) fn send(&mut self, id: i32, message: Message) {
        if let Some(Some(queue)) = self.queues.get_mut(&id) {
            queue.bytes += message.bytes.len();
            queue.messages.push_back(message);
            self.changed = true;
        }
    }

    /// What would come of receiving.
    pub(crate) fn ask_receive(&self, id: i32, wanted: Wanted) -> Receives {
        let Some(Some(queue)) = self.queues.get(&id) else { return Receives::Unknown };
        match wanted.find(&queue.messages) {
            Some(place) if queue.messages[place].bytes.len() > wanted.room && !wanted.cuts => {
                Receives::Fails(Errno::E2BIG)
            }
            Some(place) => Receives::Takes(place),
            None if wanted.nowait => Receives::Fails(Errno::ENOMSG),
            None => Receives::Waits,
        }
    }

    /// Takes out the message at this place, as much of it as there is room for.
    pub(crate) fn take(&mut self, id: i32, place: usize, room: usize) -> Option<Message> {
        let queue = self.queues.get_mut(&id)?.as_mut()?;
        let mut message = queue.messages.remove(place)?;
        queue.bytes -= message.bytes.len();
        message.bytes.truncate(room);
        self.changed = true;
        Some(message)
    }

    /// Sends and receives for those that need not wait any more: their places among `waiting`, who came first stands
    /// first. Receivers go before senders: whoever sends finds them waiting.
    pub(crate) fn wake(&mut self, waiting: &[Waiting<'_>]) -> Vec<(usize, Woken)> {
        let mut woken: Vec<(usize, Woken)> = Vec::new();
        if !std::mem::take(&mut self.changed) {
            return woken;
        }
        loop {
            let mut left = (0..waiting.len()).filter(|place| woken.iter().all(|(other, _)| other != place));
            let next = left.clone().find_map(|place| Some((place, self.receive(&waiting[place])?)));
            let next = next.or_else(|| left.find_map(|place| Some((place, self.make_room(waiting, place)?))));
            let Some(next) = next else { break };
            woken.push(next);
        }
        self.changed = false;
        woken
    }

    /// Sends for one that waited, unless others wait for the same room; none where there is none.
    fn make_room(&mut self, waiting: &[Waiting<'_>], place: usize) -> Option<Woken> {
        let Waiting::Send(id, message) = waiting[place] else { return None };
        let fits = |len| self.ask_send(id, len, false) == Sends::Fits;
        if !fits(message.bytes.len()) {
            return None;
        }
        let mut others = (0..waiting.len()).filter(|other| *other != place);
        let races = |other| matches!(waiting[other], Waiting::Send(to, its) if to == id && fits(its.bytes.len()));
        if others.any(races) {
            return Some(Woken::Races);
        }
        self.send(id, message.clone());
        Some(Woken::Sent)
    }

    /// Receives for one that waited; none where it still does.
    fn receive(&mut self, waiting: &Waiting<'_>) -> Option<Woken> {
        match *waiting {
            Waiting::Send(..) => None,
            Waiting::Receive(id, wanted) => match self.ask_receive(id, wanted) {
                Receives::Takes(place) => self.take(id, place, wanted.room).map(Woken::Received),
                Receives::Fails(errno) => Some(Woken::Failed(errno)),
                Receives::Waits | Receives::Unknown => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: i32 = 5;

    fn message(kind: i64, text: &str) -> Message {
        Message { kind, bytes: text.into() }
    }

    fn with(messages: &[(i64, &str)]) -> Messages {
        let mut queues = Messages::default();
        queues.got(ID, true);
        messages.iter().for_each(|(kind, text)| queues.send(ID, message(*kind, text)));
        queues
    }

    fn wanted(kind: i64) -> Wanted {
        Wanted { kind, except: false, room: 100, cuts: false, nowait: false }
    }

    /// Which of some messages a call takes.
    #[track_caller]
    fn check(wanted: Wanted, expected: Receives) {
        let queues = with(&[(7, "seven"), (3, "three"), (9, ""), (3, "again")]);
        assert_eq!(queues.ask_receive(ID, wanted), expected, "{wanted:?}");
    }

    #[test]
    fn the_type_that_is_asked_for_comes_out() {
        check(wanted(0), Receives::Takes(0));
        check(wanted(3), Receives::Takes(1));
        check(wanted(9), Receives::Takes(2));
        check(wanted(8), Receives::Waits);
        check(Wanted { nowait: true, ..wanted(8) }, Receives::Fails(Errno::ENOMSG));
        check(wanted(-9), Receives::Takes(1));
        check(wanted(i64::MIN), Receives::Takes(1));
        check(wanted(-2), Receives::Waits);
        check(Wanted { except: true, ..wanted(7) }, Receives::Takes(1));
        check(Wanted { except: true, ..wanted(3) }, Receives::Takes(0));
        // Of those two there is none but the lowest and any.
        check(Wanted { except: true, ..wanted(0) }, Receives::Takes(0));
        check(Wanted { except: true, ..wanted(-9) }, Receives::Takes(1));
    }

    #[test]
    fn a_message_that_is_too_long_stays_or_is_cut() {
        check(Wanted { room: 4, ..wanted(7) }, Receives::Fails(Errno::E2BIG));
        check(Wanted { room: 4, cuts: true, ..wanted(7) }, Receives::Takes(0));
        let mut queues = with(&[(7, "seven")]);
        assert_eq!(queues.take(ID, 0, 4), Some(message(7, "seve")));
        assert_eq!(queues.ask_receive(ID, wanted(0)), Receives::Waits);
    }

    #[test]
    fn a_queue_is_full_of_bytes_or_of_messages() {
        let mut queues = with(&[(1, "1")]);
        assert_eq!(queues.ask_send(ID, CAPACITY - 1, false), Sends::Fits);
        assert_eq!(queues.ask_send(ID, CAPACITY, false), Sends::Waits);
        assert_eq!(queues.ask_send(ID, CAPACITY, true), Sends::Fails(Errno::EAGAIN));
        (1..CAPACITY).for_each(|_| queues.send(ID, message(1, "")));
        assert_eq!(queues.ask_send(ID, 0, false), Sends::Waits);
        queues.take(ID, 0, 1);
        assert_eq!(queues.ask_send(ID, CAPACITY, false), Sends::Fits);
    }

    #[test]
    fn a_message_goes_to_the_first_that_waits_for_its_type() {
        let mut queues = with(&[(3, "three")]);
        let small = Wanted { room: 1, ..wanted(3) };
        let waiting = [wanted(4), small, wanted(-5), wanted(0)].map(|wanted| Waiting::Receive(ID, wanted));
        let expected = [(1, Woken::Failed(Errno::E2BIG)), (2, Woken::Received(message(3, "three")))];
        assert_eq!(queues.wake(&waiting), expected);
        assert_eq!(queues.wake(&waiting), []);
    }

    #[test]
    fn for_room_those_race_whose_messages_fit() {
        let long = "x".repeat(CAPACITY - 10);
        let mut queues = with(&[(1, &long), (2, "0123456789")]);
        queues.changed = false;
        let (large, small, other) = (message(3, &"y".repeat(11)), message(4, "yy"), message(5, "zz"));
        let waiting = [
            Waiting::Send(ID, &large),
            Waiting::Receive(ID, wanted(4)),
            Waiting::Send(ID, &small),
            Waiting::Send(ID, &other),
        ];
        assert_eq!(queues.wake(&waiting), []);
        queues.take(ID, 1, 100);
        assert_eq!(queues.wake(&waiting), [(2, Woken::Races), (3, Woken::Races)]);
        queues.changed = true;
        let expected = [(2, Woken::Sent), (1, Woken::Received(small.clone()))];
        assert_eq!(queues.wake(&waiting[..3]), expected);
    }

    #[test]
    fn a_queue_that_left_the_model_is_the_kernels() {
        let mut queues = with(&[(1, "one")]);
        queues.abandon(ID);
        queues.got(ID, true);
        assert_eq!(queues.ask_receive(ID, wanted(0)), Receives::Unknown);
        assert_eq!(queues.ask_send(ID, 0, true), Sends::Unknown);
        assert_eq!(queues.take(ID, 0, 1), None);
        assert!(!queues.models(ID));
    }
}
