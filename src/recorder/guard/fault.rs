//! A fault on guarded memory: whose it is, and that the program sees nothing of it.

use std::cell::Cell;
use std::rc::Rc;

use super::super::engine::{Engine, Fallible, failed};
use super::super::tracee::{Resume, State};
use super::images::Class;
use super::inject::At;
use super::standing::{Code, Pending};
use crate::model::Signal;
use crate::sys::arch::{Instruction, LONGEST_INSTRUCTION, Registers, Touch};
use crate::sys::wait::{Status, Stop, wait};
use crate::sys::{memory, ptrace};
use crate::trace::raw::Tid;

/// The bytes of struct sigaction as the kernel has it: handler, flags, restorer and mask.
pub(super) const SIGACTION: usize = 32;

impl Engine<'_> {
    /// A stop was told: what kind it is, and whether what was told as one is over.
    pub(crate) fn note_stop(&mut self, tid: Tid, stop: Stop) {
        if let Some(tracee) = self.tracee(tid) {
            tracee.standing.at = if stop == Stop::Seccomp { At::Entry } else { At::Elsewhere };
            tracee.standing.access = None;
        }
        if !matches!(stop, Stop::Signal(Signal::SEGV)) {
            self.end_run(tid);
        }
    }

    /// A thread stopped with SIGSEGV: whether it was about to access guarded memory. Then it stands before its access,
    /// and the signal is none of the program's.
    pub(crate) fn on_fault(&mut self, tid: Tid) -> Fallible<bool> {
        let fault = self.pending_access(tid)?;
        let goes_on =
            match (&fault, self.order_of.get(&tid).and_then(|order| self.tracees.get(order)?.standing.run.as_ref())) {
                (Some(Pending { registers, code: Some(code), addr, .. }), Some(run)) => {
                    let adjoins = || {
                        let shown = self.tracee_space(tid).and_then(|space| space.shown(*addr));
                        shown.is_some_and(|(identity, offset)| run.adjoins(identity, offset))
                    };
                    code.class.is_one()
                        && !code.instruction.is_locked()
                        && (code.class == Class::Text) == run.text
                        && registers.stack() == run.stack
                        && memory::read_u64(tid, registers.stack()) == run.caller
                        && (registers.instruction() != run.first || adjoins())
                }
                _ => false,
            };
        if !goes_on {
            self.end_run(tid);
        }
        let Some(fault) = fault else { return Ok(false) };
        self.restore_segv(tid)?;
        self.stand_before(tid, fault);
        Ok(true)
    }

    /// The thread has come to an access: a place where the schedule decides, but inside of a function that is told itself.
    pub(super) fn stand_before(&mut self, tid: Tid, access: Pending) {
        self.guard.accesses += 1;
        self.set(tid, State::Ready, Resume::Next(None));
        let silent = self.functions.inside_sync(tid);
        if let Some(tracee) = self.tracee(tid) {
            tracee.computes_since = None;
            tracee.standing.access = Some(Pending { silent, ..access });
            if !silent {
                tracee.comes_to(true);
            }
        }
    }

    /// Carries out the access that a thread stands before, untold: it is made by a function that is told itself. False
    /// where it stands before none, or something came between.
    pub(crate) fn access_in_passing(&mut self, tid: Tid) -> Fallible<bool> {
        let Some(pending) = self.tracee(tid).and_then(|tracee| {
            tracee.before = false;
            tracee.standing.access.take()
        }) else {
            return Ok(false);
        };
        let Some(mut registers) = self.carry_out(tid, Pending { silent: true, ..pending })? else { return Ok(false) };
        self.put(tid, &mut registers)?;
        Ok(true)
    }

    pub(super) fn tracee_space(&self, tid: Tid) -> Option<&super::Space> {
        self.guard.space(self.tracees.get(self.order_of.get(&tid)?)?.tgid)
    }

    pub(super) fn pending_access(&mut self, tid: Tid) -> Fallible<Option<Pending>> {
        let error = |errno| failed("look at the fault of", tid, errno);
        let Some(addr) = ptrace::denied_access(tid).map_err(error)? else { return Ok(None) };
        if self.tracee_space(tid).is_none_or(|space| space.guarded(addr).is_none()) {
            return Ok(None);
        }
        let registers = ptrace::registers(tid).map_err(error)?;
        Ok(self.access_at(tid, registers, addr))
    }

    /// The access of guarded memory at `addr` that an instruction makes with these registers; none where the program
    /// itself forbade it.
    pub(super) fn access_at(&mut self, tid: Tid, registers: Registers, addr: u64) -> Option<Pending> {
        let tgid = self.tracee(tid)?.tgid;
        let space = self.guard.space(tgid)?;
        let at = registers.instruction();
        let known = space.code.borrow().get(&at).cloned();
        let code = known.unwrap_or_else(|| {
            let mut bytes = memory::read_vec(tid, at, LONGEST_INSTRUCTION);
            self.functions.put_back(tid, at, &mut bytes);
            let code = Instruction::decode(&bytes, at).map(|instruction| {
                let class = space.images.borrow_mut().class(tid, at);
                Rc::new(Code { instruction, class, futile: Cell::new(0) })
            });
            space.code.borrow_mut().insert(at, code.clone());
            code
        });
        // What the program itself forbade is its own fault.
        let touches = code.as_ref().and_then(|code| code.instruction.touches(&registers)).unwrap_or_default();
        let denied = |touch: &Touch| {
            space
                .guarded(touch.addr)
                .is_some_and(|mapping| mapping.prot == libc::PROT_NONE || touch.writes && !mapping.writable())
        };
        if touches.iter().any(denied) || touches.is_empty() && space.guarded(addr).is_some_and(|it| it.prot == 0) {
            return None;
        }
        Some(Pending { registers, code, addr, silent: false })
    }

    /// A fault that the program masks or ignores takes the mask away and sets its disposition to the default
    /// (force_sig_info_to_task in kernel/signal.c): both are as before again.
    pub(super) fn restore_segv(&mut self, tid: Tid) -> Fallible<()> {
        const HANDLER: std::ops::Range<usize> = 0..8;
        let Some(tracee) = self.tracee(tid) else { return Ok(()) };
        let (masks, tgid) = (tracee.standing.masks_segv, tracee.tgid);
        let action = self.guard.space(tgid).and_then(|space| space.on_segv.clone());
        let handler = action.as_ref().and_then(|action| action.get(HANDLER)?.try_into().ok()).map(u64::from_ne_bytes);
        let ignored = handler == Some(libc::SIG_IGN as u64);
        let default = handler.is_none() || handler == Some(libc::SIG_DFL as u64);
        if masks {
            let error = |errno| failed("set the mask of", tid, errno);
            let mask = ptrace::masked(tid).map_err(error)?;
            ptrace::mask(tid, mask | 1 << (libc::SIGSEGV - 1)).map_err(error)?;
        }
        if let Some(action) = action.filter(|_| (masks || ignored) && !default) {
            self.inject(tid, |session| {
                let place = session.below_stack(action.len() as u64);
                let kept = memory::read_vec(tid, place, action.len());
                let _ = memory::write(tid, place, &action);
                let done = session.call(libc::SYS_rt_sigaction, [libc::SIGSEGV as u64, place, 0, 8, 0, 0]);
                let _ = memory::write(tid, place, &kept);
                done
            })?;
        }
        Ok(())
    }

    /// Before a thread goes on from a stop that is no fault of ours: what a fault would take away is kept in mind, and
    /// what has to be guarded is. A signal with a handler is delivered first, so that the handler's mask is known.
    ///
    /// False where the thread must not be let go on: it met another stop meanwhile.
    pub(crate) fn before_going_on(&mut self, tid: Tid) -> Fallible<bool> {
        let Some(tracee) = self.tracee(tid) else { return Ok(true) };
        let (tgid, resume, restart) = (tracee.tgid, tracee.resume, tracee.restart.is_some());
        let Some(space) = self.guard.space(tgid) else { return Ok(true) };
        if !space.pending && space.mappings.iter().all(|mapping| mapping.alias.is_none()) {
            return Ok(true);
        }
        match resume {
            // A call comes before any code of the program's: there is time at its exit.
            Resume::Exit => return Ok(true),
            Resume::Next(Some(signal)) => {
                let error = |errno| failed("continue", tid, errno);
                ptrace::step(tid, Some(signal)).map_err(error)?;
                loop {
                    match wait(Some(tid), true) {
                        // Where the signal has no handler (SIGCHLD seldom has one) the program's next instruction was
                        // made, and a breakpoint may have stood there: that stop is no step's end.
                        Ok(Some((_, status)))
                            if status != Status::Stopped(Stop::Signal(Signal::TRAP))
                                || ptrace::at_breakpoint(tid).unwrap_or(false) =>
                        {
                            self.handle(tid, status)?;
                            return Ok(false);
                        }
                        Ok(Some(_)) => break,
                        Ok(None) | Err(nix::errno::Errno::EINTR) => {}
                        Err(errno) => return Err(error(errno)),
                    }
                }
                self.note_stop(tid, Stop::Signal(Signal::TRAP));
                self.set(tid, State::Ready, Resume::Next(None));
            }
            // The kernel has not yet said whether the call is made again, and a mask of sigsuspend's is still to be
            // put back: the next stop will do.
            Resume::Next(None) if restart => return Ok(true),
            Resume::Next(None) => {}
        }
        self.guard_pending(tid)?;
        self.learn_segv(tid, tgid)?;
        // It may have ended meanwhile.
        Ok(self.tracee(tid).is_some_and(|tracee| tracee.state == State::Ready))
    }

    pub(super) fn learn_segv(&mut self, tid: Tid, tgid: Tid) -> Fallible<()> {
        let masked = match ptrace::masked(tid) {
            Ok(mask) => mask >> (libc::SIGSEGV - 1) & 1 == 1,
            Err(nix::errno::Errno::ESRCH) => return Ok(()),
            Err(errno) => return Err(failed("read the mask of", tid, errno)),
        };
        if let Some(tracee) = self.tracee(tid) {
            tracee.standing.masks_segv = masked;
        }
        if self.guard.space(tgid).is_some_and(|space| space.on_segv.is_none()) {
            let action = self.inject(tid, |session| {
                let place = session.below_stack(SIGACTION as u64);
                let kept = memory::read_vec(tid, place, SIGACTION);
                session.call(libc::SYS_rt_sigaction, [libc::SIGSEGV as u64, 0, place, 8, 0, 0])?;
                let action = memory::read_vec(tid, place, SIGACTION);
                let _ = memory::write(tid, place, &kept);
                Ok(action)
            })?;
            if let Some(space) = self.guard.space_mut(tgid) {
                space.on_segv = action;
            }
        }
        Ok(())
    }
}
