//! From one access to the next by hand: the thread is not let go where the few instructions between them can be followed.
//!
//! # Theory of operation
//!
//! A stop costs far more than all else about an access: a fault, two switches of process, three calls of ours. After an
//! access the thread's next instructions are therefore carried out here ([`ByHand`]), on its registers and private memory
//! ([`View`]), until one comes to guarded memory: then it stands before that access as if it had faulted there, and the
//! schedule decides as it would have. Before anybody else looks, registers and memory are written back.
//!
//! Wherever anything is not plain the thread is let go from where it has got to, and runs there itself: an instruction
//! that is not known, or breakpoints (bytes are read as they stand in memory, `int3` among them); libc's code, of which
//! the accesses are told as one; memory that is shared, or that the kernel does not let the thread read or write; a signal
//! that awaits it; flags that make instructions special. Nothing can come between meanwhile: nobody runs.
//!
//! What is followed uses none of the process's CPU time. It is bounded by [`MOST`] for each access, and accesses are by
//! [`MOST_ACCESSES`](super::MOST_ACCESSES).

use std::rc::Rc;

use super::super::engine::{Engine, Fallible, failed};
use super::super::proc;
use super::super::tracee::State;
use super::Space;
use super::private::View;
use super::standing::Code;
use crate::sys::arch::{ByHand, LONGEST_INSTRUCTION, Registers};
use crate::sys::ptrace;
use crate::trace::raw::Tid;

/// So many instructions are followed at most: as many as take as long as a stop.
const MOST: usize = 256;
/// After so many attempts in a row that came to no access it is tried seldom.
const PATIENCE: u32 = 4;
/// One time in so many.
const SELDOM: u32 = 32;

/// An instruction as it was met.
#[derive(Debug)]
pub(super) struct Step {
    bytes: [u8; LONGEST_INSTRUCTION],
    /// Of these.
    length: usize,
    /// None where it has to run itself.
    known: Option<ByHand>,
}

impl Code {
    /// Whether it is worth while to follow the thread from here.
    fn is_promising(&self) -> bool {
        let futile = self.futile.get();
        if futile >= PATIENCE && !futile.is_multiple_of(SELDOM) {
            self.futile.set(futile.wrapping_add(1));
            return false;
        }
        true
    }
}

impl Space {
    /// The instruction that stands at an address now.
    fn step(&self, at: u64, view: &mut View<'_>) -> Option<Rc<Step>> {
        let (bytes, got) = view.code(at);
        let mut steps = self.steps.borrow_mut();
        if let Some(step) = steps.get(&at)
            && step.length <= got
            && step.bytes[..step.length] == bytes[..step.length]
        {
            return Some(Rc::clone(step));
        }
        let known = ByHand::decode(&bytes[..got], at).filter(|_| !self.images.borrow_mut().is_libcs(view.tid, at));
        let length = known.as_ref().map_or(got, ByHand::length);
        let step = Rc::new(Step { bytes, length, known });
        steps.insert(at, Rc::clone(&step));
        Some(step)
    }
}

impl Engine<'_> {
    /// Lets a thread go on from an access that was carried out, with these registers: by hand, if it comes to its next
    /// access so. Whether it stands before that; if not it is still to be resumed.
    pub(super) fn go_ahead(&mut self, tid: Tid, code: Option<&Code>, mut registers: Registers) -> Fallible<bool> {
        let code = code.filter(|code| code.is_promising());
        let (Some(code), true) = (code, self.may_go_ahead(tid, &registers)?) else {
            self.put(tid, &mut registers)?;
            return Ok(false);
        };
        let met = self.follow_by_hand(tid, &mut registers)?;
        self.put(tid, &mut registers)?;
        let Some(access) = met.and_then(|addr| self.access_at(tid, registers, addr)) else {
            code.futile.set(code.futile.get().wrapping_add(1));
            return Ok(false);
        };
        code.futile.set(0);
        self.guard.by_hand += 1;
        self.stand_before(tid, access);
        Ok(true)
    }

    /// Whether nothing awaits the thread but its own instructions.
    fn may_go_ahead(&mut self, tid: Tid, registers: &Registers) -> Fallible<bool> {
        let Some(tracee) = self.order_of.get(&tid).and_then(|order| self.tracees.get(order)) else { return Ok(false) };
        let (tgid, undisturbed) = (tracee.tgid, tracee.standing.undisturbed);
        let plain = tracee.standing.run.is_none() && tracee.lent.is_none() && registers.are_ordinary();
        // One thread's group-stop is the others' too, as soon as they go on.
        let stops = |it: &super::super::tracee::Tracee| it.tgid == tgid && it.state == State::Stopped;
        if !self.options.by_hand
            || !plain
            || self.functions.inside_sync(tid)
            || self.tracees.values().any(stops)
            || !self.is_plain_space(tid, tgid)
        {
            return Ok(false);
        }
        let now = Some(ptrace::disturbances());
        if undisturbed == now {
            return Ok(true);
        }
        if ptrace::awaits_signal(tid).map_err(|errno| failed("look at the signals of", tid, errno))? {
            return Ok(false);
        }
        if let Some(tracee) = self.tracee(tid) {
            tracee.standing.undisturbed = now;
        }
        Ok(true)
    }

    /// Whether all guards stand, and calls and returns are no more than they seem.
    fn is_plain_space(&mut self, tid: Tid, tgid: Tid) -> bool {
        let Some(space) = self.guard.space_mut(tgid) else { return false };
        let shadow_stack = *space.shadow_stack.get_or_insert_with(|| has_shadow_stack(tid));
        !shadow_stack && !space.pending && space.mappings.iter().all(|mapping| !mapping.open)
    }

    /// Follows a thread as far as that goes by hand: to the guarded memory that it is about to access, or to where it has
    /// to run itself.
    fn follow_by_hand(&mut self, tid: Tid, registers: &mut Registers) -> Fallible<Option<u64>> {
        let space = self.tracee(tid).map(|tracee| tracee.tgid).and_then(|tgid| self.guard.space_mut(tgid));
        let Some(space) = space else { return Ok(None) };
        let mut pages = std::mem::take(&mut space.pages);
        pages.refresh();
        let mut view = View { tid, mappings: &space.mappings, pages: &mut pages, met: None };
        let mut met = None;
        for _ in 0..MOST {
            let Some(step) = space.step(registers.instruction(), &mut view) else { break };
            if step.known.as_ref().and_then(|known| known.run(registers, &mut view)).is_none() {
                met = view.met;
                break;
            }
        }
        let written = pages.write_back(tid, registers.stack());
        space.pages = pages;
        written.map_err(|errno| failed("write into the memory of", tid, errno))?;
        Ok(met)
    }
}

/// Whether the processor keeps return addresses for itself too (x86_Thread_features in proc_pid_status(5), Linux 6.6): what
/// calls by hand would not show there.
fn has_shadow_stack(tid: Tid) -> bool {
    let status = proc::text(tid, "status");
    status.lines().any(|line| line.starts_with("x86_Thread_features:") && line.contains("shstk"))
}
