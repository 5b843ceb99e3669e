//! A POSIX message queue: how much goes in, and what comes out first (mq_overview(7), ipc/mqueue.c).
//!
//! Who waits is not known here, as for [`super::Semaphores`]. A message that comes goes to the first that waits for one,
//! and a place that comes free to the first that waits with one; who has the better priority stands before others.

use nix::errno::Errno;

use super::{Answer, Message};

/// A queue, with its messages in the order in which they come out: the highest priority first, of these the oldest.
#[derive(Debug)]
pub(crate) struct Queue {
    messages: Vec<Message>,
    /// How many it holds (`mq_maxmsg`).
    most: usize,
    /// How many bytes each may have (`mq_msgsize`).
    longest: usize,
}

impl Queue {
    /// An empty queue with these attributes (mq_getattr(3)).
    pub(crate) fn new(most: usize, longest: usize) -> Self {
        Self { messages: Vec::new(), most, longest }
    }

    /// What would come of sending so many bytes.
    pub(super) fn ask_send(&self, len: usize, nonblocking: bool) -> Answer {
        match self.messages.len() < self.most {
            _ if len > self.longest => Answer::Fails(Errno::EMSGSIZE),
            true => Answer::Writes(len),
            false if nonblocking => Answer::Fails(Errno::EAGAIN),
            false => Answer::Waits,
        }
    }

    /// What would come of receiving with so much room: every message has to fit, whichever there is (mq_receive(3)).
    pub(super) fn ask_receive(&self, room: usize, nonblocking: bool) -> Answer {
        match self.messages.first() {
            _ if room < self.longest => Answer::Fails(Errno::EMSGSIZE),
            Some(first) => Answer::Reads(first.bytes.len()),
            None if nonblocking => Answer::Fails(Errno::EAGAIN),
            None => Answer::Waits,
        }
    }

    /// A message goes in; its kind is its priority.
    pub(crate) fn send(&mut self, message: Message) {
        let place = self.messages.partition_point(|there| there.kind >= message.kind);
        self.messages.insert(place, message);
    }

    /// The first message comes out.
    pub(crate) fn receive(&mut self) -> Option<Message> {
        (!self.messages.is_empty()).then(|| self.messages.remove(0))
    }

    /// The first message, which stays.
    pub(crate) fn first(&self) -> Option<&Message> {
        self.messages.first()
    }

    /// Whether there is something to receive, and room to send (poll(2); whichever way it was opened).
    pub(super) fn ready(&self) -> i16 {
        let some = if self.messages.is_empty() { 0 } else { libc::POLLIN | libc::POLLRDNORM };
        let room = if self.messages.len() < self.most { libc::POLLOUT | libc::POLLWRNORM } else { 0 };
        some | room
    }

    /// Sends and receives for those that need not wait any more: their places among `waiting`, who is to be first
    /// stands first; none stands for one that receives. With what the one that receives gets.
    pub(crate) fn wake(&mut self, waiting: &[Option<&Message>]) -> Vec<(usize, Option<Message>)> {
        let mut woken: Vec<(usize, Option<Message>)> = Vec::new();
        loop {
            let waits = |place: &usize| woken.iter().all(|(other, _)| other != place);
            let next = (0..waiting.len()).filter(waits).find(|place| match waiting[*place] {
                Some(_) => self.messages.len() < self.most,
                None => !self.messages.is_empty(),
            });
            let Some(place) = next else { return woken };
            let got = match waiting[place] {
                Some(message) => {
                    self.send(message.clone());
                    None
                }
                None => self.receive(),
            };
            woken.push((place, got));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: i64, text: &str) -> Message {
        Message { kind, bytes: text.into() }
    }

    #[test]
    fn the_highest_priority_is_first_and_of_these_the_oldest() {
        let mut queue = Queue::new(4, 8);
        for (kind, text) in [(1, "low"), (9, "high"), (1, "lower"), (9, "higher")] {
            queue.send(message(kind, text));
        }
        let out: Vec<Message> = std::iter::from_fn(|| queue.receive()).collect();
        assert_eq!(out, [message(9, "high"), message(9, "higher"), message(1, "low"), message(1, "lower")]);
    }

    #[test]
    fn lengths_count_before_anything_else() {
        let mut queue = Queue::new(1, 8);
        assert_eq!(queue.ask_send(9, true), Answer::Fails(Errno::EMSGSIZE));
        assert_eq!(queue.ask_send(8, false), Answer::Writes(8));
        assert_eq!(queue.ask_receive(7, true), Answer::Fails(Errno::EMSGSIZE));
        assert_eq!(queue.ask_receive(8, true), Answer::Fails(Errno::EAGAIN));
        assert_eq!(queue.ask_receive(9, false), Answer::Waits);
        assert_eq!(queue.ready(), libc::POLLOUT | libc::POLLWRNORM);
        queue.send(message(0, "one"));
        assert_eq!(queue.ask_receive(8, false), Answer::Reads(3));
        assert_eq!(queue.ask_send(0, true), Answer::Fails(Errno::EAGAIN));
        assert_eq!(queue.ask_send(0, false), Answer::Waits);
        assert_eq!(queue.ask_send(9, false), Answer::Fails(Errno::EMSGSIZE));
        assert_eq!(queue.ready(), libc::POLLIN | libc::POLLRDNORM);
    }

    #[test]
    fn who_came_first_goes_on_first() {
        let mut queue = Queue::new(1, 8);
        queue.send(message(1, "one"));
        let expected = [(0, Some(message(1, "one")))];
        assert_eq!(queue.wake(&[None, None]), expected);
        queue.send(message(2, "two"));
        let (three, four) = (message(3, "three"), message(4, "four"));
        assert_eq!(queue.wake(&[Some(&three), Some(&four)]), []);
        assert_eq!(queue.receive(), Some(message(2, "two")));
        assert_eq!(queue.wake(&[Some(&three), Some(&four)]), [(0, None)]);
        assert_eq!(queue.first(), Some(&three));
    }
}
