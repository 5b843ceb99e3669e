//! One tracee is held back at a place until another has come past its own: whether an order was forced, or luck.
//!
//! Only the choice of who goes on is touched, so a run with the same schedule and the same hold repeats like any other.

use super::engine::Engine;
use super::tracee::{State, Tracee};
use crate::model::{Held, Hold};

/// What is held back, and what has come of it.
#[derive(Debug)]
pub(super) struct HeldBack {
    /// None once it was let go.
    hold: Option<Hold>,
    asked: bool,
    held: Held,
}

impl HeldBack {
    pub(super) fn new(hold: Option<Hold>) -> Self {
        Self { hold, asked: hold.is_some(), held: Held::Never }
    }

    /// None where nobody was to be held back.
    pub(super) fn came_of_it(&self) -> Option<Held> {
        self.asked.then_some(self.held)
    }
}

impl Engine<'_> {
    /// Whether this one stands at its place, and the other has still to come.
    pub(super) fn is_held_back(&self, order: u32, tracee: &Tracee) -> bool {
        self.held_back
            .hold
            .is_some_and(|hold| hold.who.order == order && tracee.at >= hold.who.at && !self.overtaken(hold))
    }

    /// The other has left its place, or is gone.
    fn overtaken(&self, hold: Hold) -> bool {
        hold.until.order < self.created
            && self.tracees.get(&hold.until.order).is_none_or(|other| {
                let stands = matches!(other.state, State::Ready | State::When(_) | State::Sleep(_));
                other.at > hold.until.at || other.at == hold.until.at && !stands
            })
    }

    /// Notes that the other came first; called after each step.
    pub(super) fn note_overtaking(&mut self) {
        let Some(hold) = self.held_back.hold else { return };
        let stands = self.tracees.get(&hold.who.order).is_some_and(|tracee| tracee.at >= hold.who.at);
        if self.overtaken(hold) {
            // Where the held one had not come to its place, the order was another anyway.
            self.held_back.held = if stands { Held::Overtaken } else { Held::Never };
            self.held_back.hold = None;
        }
    }

    /// Nothing else can go on: lets the held one go; whether there was one.
    pub(super) fn let_go(&mut self) -> bool {
        let Some(hold) = self.held_back.hold else { return false };
        let waits =
            self.tracees.get(&hold.who.order).is_some_and(|it| it.state == State::Ready && it.at >= hold.who.at);
        if waits {
            self.held_back.hold = None;
            self.held_back.held = Held::Forced;
        }
        waits
    }
}
