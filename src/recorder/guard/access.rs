//! One access to guarded memory: from its fault to its event.

use std::rc::Rc;

use super::super::engine::{Engine, Fallible, failed};
use super::super::tracee::{Resume, State};
use super::images::Class;
use super::inject::At;
use super::{MOST_ACCESSES, Mapping};
use crate::model::Signal;
use crate::sys::arch::{Instruction, LONGEST_INSTRUCTION, Registers, Simple, Touch};
use crate::sys::wait::{Status, Stop, wait};
use crate::sys::{memory, ptrace};
use crate::trace::Bytes;
use crate::trace::raw::{Access, RawFile, RawKind, Tid};

/// The bytes of struct sigaction as the kernel has it: handler, flags, restorer and mask.
pub(super) const SIGACTION: usize = 32;
/// So many loads in a row that see nothing new are a wait by looking again and again: others go first.
const SPIN: u32 = 8;

/// An instruction that accessed guarded memory, and the function it stands in.
#[derive(Debug)]
pub(super) struct Code {
    instruction: Instruction,
    class: Class,
}

/// What the guard knows of one thread.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// The kind of stop it is in.
    pub(crate) at: At,
    /// It stands before an access.
    access: Option<Pending>,
    /// It has loaded and not yet stored: an instruction that does both and is not locked.
    half: Option<Half>,
    /// Accesses of one function of libc's that are told as one.
    run: Option<Run>,
    /// The arguments of its call as the program gave them, where they were moved.
    pub(super) args: Option<[u64; 6]>,
    /// It masked SIGSEGV when it went on.
    masks_segv: bool,
    /// Its last loads, of a few places, and how often it has seen no more than these since.
    seen: Vec<(Touch, Vec<u8>)>,
    again: u32,
}

#[derive(Debug)]
struct Pending {
    registers: Registers,
    code: Option<Rc<Code>>,
    /// The address that faulted.
    addr: u64,
    /// libc makes it inside of a function that is told itself.
    silent: bool,
}

#[derive(Debug)]
struct Half {
    instruction: u64,
    stack: u64,
    loaded: Vec<u8>,
}

/// Stretches of one object, each with its bytes.
type Stretches = Vec<(RawFile, u64, Vec<u8>)>;

#[derive(Debug, Default)]
struct Run {
    stack: u64,
    /// Where the function returns to, and where its first access stands: the same again is the next call of it, unless it
    /// goes on where it was, as a loop inside does.
    caller: Option<u64>,
    first: u64,
    /// A function on strings: what it looks at ends with the string.
    text: bool,
    loaded: Stretches,
    /// What stood there before.
    stored: Stretches,
}

impl Run {
    /// Whether this place lies at the end of what was accessed, before its start or inside.
    fn adjoins(&self, identity: super::Identity, offset: u64) -> bool {
        /// The widest access that comes before what is there already, when a copy goes downwards.
        const WIDEST: u64 = 64;
        self.loaded.iter().chain(&self.stored).any(|(file, start, bytes)| {
            (file.dev, file.ino) == identity
                && (start.saturating_sub(WIDEST)..=start + bytes.len() as u64).contains(&offset)
        })
    }
}

/// A touch of guarded memory.
#[derive(Debug, Clone)]
struct Place {
    touch: Touch,
    open: u64,
    mapping: Mapping,
}

impl Place {
    fn offset(&self) -> u64 {
        self.mapping.offset + (self.touch.addr - self.mapping.addr)
    }
}

/// How a step ended.
enum Stepped {
    /// The instruction is done.
    Done(Box<Registers>),
    /// Something else came first; the thread is as before.
    Instead(Status),
}

impl Standing {
    /// Whether it stands before an access: a place where the schedule decides.
    pub(crate) fn is_before_access(&self) -> bool {
        self.access.is_some()
    }

    /// Notes a load: how many there were since one that showed something new.
    ///
    /// A loop that waits may look at several places in turn: at an index and at the one that it chases.
    fn looks_again(&mut self, load: (Touch, Vec<u8>)) -> u32 {
        /// Who looks at more places gets on.
        const PLACES: usize = 4;
        if self.seen.contains(&load) {
            self.again += 1;
            return self.again;
        }
        if self.seen.len() == PLACES || self.seen.iter().any(|(touch, _)| *touch == load.0) {
            self.seen.clear();
        }
        self.seen.push(load);
        self.again = 0;
        0
    }

    /// Whether arguments of its call were moved.
    pub(crate) fn has_moved_args(&self) -> bool {
        self.args.is_some()
    }

    /// The arguments of its call as the program gave them, where they were moved.
    pub(crate) fn take_args(&mut self) -> Option<[u64; 6]> {
        self.args.take()
    }
}

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
        self.guard.accesses += 1;
        self.set(tid, State::Ready, Resume::Next(None));
        let silent = self.functions.inside_sync(tid);
        if let Some(tracee) = self.tracee(tid) {
            tracee.computes_since = None;
            tracee.standing.access = Some(Pending { silent, ..fault });
            if !silent {
                tracee.comes_to(true);
            }
        }
        Ok(true)
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
        self.carry_out(tid, Pending { silent: true, ..pending })
    }

    fn tracee_space(&self, tid: Tid) -> Option<&super::Space> {
        self.guard.space(self.tracees.get(self.order_of.get(&tid)?)?.tgid)
    }

    fn pending_access(&mut self, tid: Tid) -> Fallible<Option<Pending>> {
        let Some(tgid) = self.tracee(tid).map(|tracee| tracee.tgid) else { return Ok(None) };
        let error = |errno| failed("look at the fault of", tid, errno);
        let Some(addr) = ptrace::denied_access(tid).map_err(error)? else { return Ok(None) };
        let Some(space) = self.guard.space(tgid) else { return Ok(None) };
        if space.guarded(addr).is_none() {
            return Ok(None);
        }
        let registers = ptrace::registers(tid).map_err(error)?;
        let at = registers.instruction();
        let known = space.code.borrow().get(&at).cloned();
        let code = known.unwrap_or_else(|| {
            let mut bytes = memory::read_vec(tid, at, LONGEST_INSTRUCTION);
            self.functions.put_back(tid, at, &mut bytes);
            let code = Instruction::decode(&bytes, at).map(|instruction| {
                let class = space.images.borrow_mut().class(tid, at);
                Rc::new(Code { instruction, class })
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
            return Ok(None);
        }
        Ok(Some(Pending { registers, code, addr, silent: false }))
    }

    /// A fault that the program masks or ignores takes the mask away and sets its disposition to the default
    /// (force_sig_info_to_task in kernel/signal.c): both are as before again.
    fn restore_segv(&mut self, tid: Tid) -> Fallible<()> {
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

    fn learn_segv(&mut self, tid: Tid, tgid: Tid) -> Fallible<()> {
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

    /// Lets a thread make the access that it stands before, and go on to its next stop; accesses of one function of
    /// libc's follow each other without a stop in between. Whether it stands before another access now.
    pub(crate) fn step_access(&mut self, tid: Tid) -> Fallible<bool> {
        loop {
            let Some(pending) = self.tracee(tid).and_then(|tracee| tracee.standing.access.take()) else {
                return Ok(false);
            };
            if !self.carry_out(tid, pending)? {
                return Ok(self.tracee(tid).is_some_and(|tracee| tracee.standing.is_before_access()));
            }
            self.set(tid, State::Running, Resume::Next(None));
            if let Some(tracee) = self.tracee(tid) {
                tracee.before = false;
            }
            match ptrace::cont(tid, None) {
                Ok(()) | Err(nix::errno::Errno::ESRCH) => {}
                Err(errno) => return Err(failed("continue", tid, errno)),
            }
            self.follow(tid, false)?;
            let Some(tracee) = self.tracee(tid) else { return Ok(false) };
            if !tracee.standing.is_before_access() || tracee.standing.run.is_none() {
                return Ok(tracee.standing.is_before_access());
            }
        }
    }

    /// Whether the thread can go on: the access is done. If not it stands before the same one, or met another stop.
    fn carry_out(&mut self, tid: Tid, pending: Pending) -> Fallible<bool> {
        let Some(tgid) = self.tracee(tid).map(|tracee| tracee.tgid) else { return Ok(false) };
        let Some(space) = self.guard.space(tgid) else { return Ok(true) };
        let Some(faulted) = space.guarded(pending.addr).cloned() else { return Ok(true) };
        if self.guard.accesses > MOST_ACCESSES || !self.guard.sees(&faulted.file) {
            self.open_for_good(tid, tgid, &faulted)?;
            return Ok(true);
        }
        let touches = pending.code.as_ref().and_then(|code| code.instruction.touches(&pending.registers));
        let places: Vec<Place> = touches
            .iter()
            .flatten()
            .filter_map(|touch| {
                let mapping = space.guarded(touch.addr)?;
                let open = mapping.alias? + (touch.addr - mapping.addr);
                Some(Place { touch: *touch, open, mapping: mapping.clone() })
            })
            .collect();
        let inside = |place: &Place| place.touch.addr + place.touch.len <= place.mapping.end();
        let (Some(code), false, true) = (pending.code.clone(), places.is_empty(), places.iter().all(inside)) else {
            // Nothing is known of it: it is done, and what it changed is seen by comparing.
            return self.step_opened(tid, &pending.registers, &[faulted]).map(|stepped| stepped.is_some());
        };
        match code.instruction.simple(&pending.registers) {
            Some(Simple::Load) => {
                let mut bytes = vec![0; places[0].touch.len as usize];
                if memory::read_open(tid, places[0].open, &mut bytes) == Ok(bytes.len()) {
                    let mut registers = pending.registers;
                    code.instruction.finish_load(&mut registers, &bytes);
                    self.put(tid, &mut registers)?;
                    self.loaded(tid, &code, &pending, &places[0], bytes);
                    return Ok(true);
                }
            }
            Some(Simple::Store) => {
                let bytes = code.instruction.stored(&pending.registers);
                if self.store(tid, &code, &pending, &places[0], bytes) {
                    let mut registers = pending.registers;
                    code.instruction.skip(&mut registers);
                    self.put(tid, &mut registers)?;
                    return Ok(true);
                }
            }
            Some(simple)
                if self.move_stretch(tid, simple, &code, &pending, &places, touches.as_deref().unwrap_or_default()) =>
            {
                let mut registers = pending.registers;
                code.instruction.skip(&mut registers);
                self.put(tid, &mut registers)?;
                return Ok(true);
            }
            _ => {}
        }
        self.run_instruction(tid, &code, pending, &places)
    }

    /// The general way: the instruction itself runs, with its operand at the alias.
    fn run_instruction(&mut self, tid: Tid, code: &Code, pending: Pending, places: &[Place]) -> Fallible<bool> {
        let read = |place: &Place| memory::read_vec(tid, place.open, place.touch.len as usize);
        let befores: Vec<Vec<u8>> = places.iter().map(read).collect();
        let locked = code.instruction.is_locked();
        let here = (pending.registers.instruction(), pending.registers.stack());
        let half = self.tracee(tid).and_then(|tracee| tracee.standing.half.take());
        let half = half.filter(|half| (half.instruction, half.stack) == here);
        if let ([place], false, Class::Plain) = (places, locked || pending.silent, code.class)
            && place.touch.reads
            && place.touch.writes
        {
            if let Some(half) = &half {
                // It works on what it loaded then, whatever stands there now.
                let _ = memory::write_open(tid, place.open, &half.loaded);
            } else {
                let loaded = befores[0].clone();
                self.loaded(tid, code, &pending, place, loaded.clone());
                if let Some(tracee) = self.tracee(tid) {
                    tracee.standing.half = Some(Half { instruction: here.0, stack: here.1, loaded });
                    tracee.standing.access = Some(pending);
                    tracee.comes_to(true);
                }
                return Ok(false);
            }
        }
        let distance = places.iter().map(|place| place.open.wrapping_sub(place.touch.addr));
        let moved = match places {
            [_] => distance.into_iter().next_back().and_then(|by| code.instruction.moved(&pending.registers, by)),
            _ => None,
        };
        let stepped = match moved {
            Some(registers) => match self.step_once(tid, &registers)? {
                Stepped::Done(mut after) => {
                    code.instruction.put_back(&pending.registers, &mut after);
                    self.put(tid, &mut after)?;
                    Some(())
                }
                Stepped::Instead(status) => {
                    self.put(tid, &mut pending.registers.clone())?;
                    if status == Status::Stopped(Stop::Signal(Signal::BUS)) {
                        // Beyond the end of its object: the program's own fault, where the program meant it.
                        let distance = places[0].open.wrapping_sub(places[0].touch.addr);
                        ptrace::move_fault(tid, distance).map_err(|errno| failed("set the signal of", tid, errno))?;
                    }
                    if let Some((half, place)) = half.as_ref().zip(places.first()) {
                        let _ = memory::write_open(tid, place.open, &befores[0]);
                        let loaded = half.loaded.clone();
                        if let Some(tracee) = self.tracee(tid) {
                            tracee.standing.half = Some(Half { instruction: here.0, stack: here.1, loaded });
                        }
                    }
                    self.handle(tid, status)?;
                    return Ok(false);
                }
            },
            None => {
                let mappings: Vec<_> = places.iter().map(|place| place.mapping.clone()).collect();
                self.step_opened(tid, &pending.registers, &mappings)?
            }
        };
        if stepped.is_none() {
            return Ok(false);
        }
        for (place, before) in places.iter().zip(befores) {
            if place.touch.reads && half.is_none() {
                self.loaded(tid, code, &pending, place, before.clone());
            }
            if place.touch.writes {
                let after = read(place);
                // A comparison that failed stored nothing.
                if after != before || !place.touch.reads || !locked {
                    self.stored(tid, code, &pending, place, before, after);
                }
            }
        }
        Ok(true)
    }

    /// Opens the mappings for one instruction; none where the thread met another stop, or is gone.
    fn step_opened(&mut self, tid: Tid, registers: &Registers, mappings: &[Mapping]) -> Fallible<Option<()>> {
        let protect = |engine: &mut Self, open: bool| {
            engine.inject(tid, |session| {
                for mapping in mappings {
                    let prot = if open { mapping.prot } else { libc::PROT_NONE };
                    session.call(libc::SYS_mprotect, [mapping.addr, mapping.len, prot as u64, 0, 0, 0])?;
                }
                Ok(())
            })
        };
        if protect(self, true)?.is_none() {
            return Ok(None);
        }
        match self.step_once(tid, registers)? {
            Stepped::Done(_) => protect(self, false),
            Stepped::Instead(status) => {
                // The signal would be lost if the thread made calls now: the guard is put back when it goes on.
                if let Some(space) = self.tracee(tid).map(|it| it.tgid).and_then(|tgid| self.guard.space_mut(tgid)) {
                    space.pending = true;
                    let opened = |it: &&mut Mapping| mappings.iter().any(|mapping| mapping.addr == it.addr);
                    space.mappings.iter_mut().filter(opened).for_each(|it| it.open = true);
                }
                self.handle(tid, status)?;
                Ok(None)
            }
        }
    }

    fn step_once(&mut self, tid: Tid, registers: &Registers) -> Fallible<Stepped> {
        self.put(tid, &mut registers.clone())?;
        let error = |errno| failed("step", tid, errno);
        self.functions.lift(tid, registers.instruction(), true);
        ptrace::step(tid, None).map_err(error)?;
        let status = loop {
            match wait(Some(tid), true) {
                Ok(Some((_, status))) => break status,
                Ok(None) | Err(nix::errno::Errno::EINTR) => {}
                Err(errno) => return Err(error(errno)),
            }
        };
        self.functions.lift(tid, registers.instruction(), false);
        if status == Status::Stopped(Stop::Signal(Signal::TRAP)) {
            return ptrace::registers(tid).map(|after| Stepped::Done(Box::new(after))).map_err(error);
        }
        Ok(Stepped::Instead(status))
    }

    fn put(&self, tid: Tid, registers: &mut Registers) -> Fallible<()> {
        ptrace::set_registers(tid, registers).map_err(|errno| failed("set the registers of", tid, errno))
    }

    /// `rep movs` and `rep stos` in one go; false where they have to run themselves.
    fn move_stretch(
        &mut self,
        tid: Tid,
        simple: Simple,
        code: &Code,
        pending: &Pending,
        places: &[Place],
        touches: &[Touch],
    ) -> bool {
        /// More than that has no place in an exercise.
        const MOST: u64 = 16 << 20;
        let open = |addr: u64| places.iter().find(|it| it.touch.addr == addr).map_or(addr, |it| it.open);
        let Some(to) = touches.last().copied().filter(|to| to.len <= MOST) else { return false };
        let bytes = match (simple, touches) {
            (Simple::Copy, [from, _]) => {
                let mut bytes = vec![0; from.len as usize];
                // Upwards onto itself it repeats what it copied.
                let onto_itself = from.addr < to.addr && to.addr < from.addr + from.len;
                if onto_itself || memory::read_open(tid, open(from.addr), &mut bytes) != Ok(bytes.len()) {
                    return false;
                }
                bytes
            }
            (Simple::Fill, _) => {
                let element = code.instruction.filling(&pending.registers);
                element.iter().copied().cycle().take(to.len as usize).collect()
            }
            _ => return false,
        };
        let from = places.iter().find(|place| place.touch.reads);
        let target = places.iter().find(|place| place.touch.writes);
        let done = match target {
            Some(place) => {
                let before = memory::read_vec(tid, place.open, place.touch.len as usize);
                if memory::write_open(tid, place.open, &bytes).is_err() {
                    return false;
                }
                Some((place, before))
            }
            None if memory::write_open(tid, to.addr, &bytes).is_err() => return false,
            None => None,
        };
        if let Some(place) = from {
            self.loaded(tid, code, pending, place, bytes.clone());
        }
        if let Some((place, before)) = done {
            self.stored(tid, code, pending, place, before, bytes);
        }
        true
    }

    fn store(&mut self, tid: Tid, code: &Code, pending: &Pending, place: &Place, bytes: Vec<u8>) -> bool {
        let before = memory::read_vec(tid, place.open, bytes.len());
        if memory::write_open(tid, place.open, &bytes).is_err() {
            return false;
        }
        self.stored(tid, code, pending, place, before, bytes);
        true
    }

    fn loaded(&mut self, tid: Tid, code: &Code, pending: &Pending, place: &Place, bytes: Vec<u8>) {
        let Some(tracee) = self.tracee(tid) else { return };
        let spins = tracee.standing.looks_again((place.touch, bytes.clone())) >= SPIN;
        if self.takes_as_one(tid, code, pending, place, &bytes, false) {
            return;
        }
        if spins {
            self.note_poll(tid, true);
        } else if self.tracee(tid).is_some_and(|tracee| tracee.standing.again == 0) {
            self.note_poll(tid, false);
        }
        if pending.silent || self.is_libcs_own(code, place) {
            return;
        }
        let access = Some(Access { atomic: is_atomic(code), before: None, pointer: false });
        let (file, offset) = (place.mapping.file.clone(), place.offset());
        self.tell(tid, RawKind::Loaded { file, offset, bytes: Bytes(bytes), access });
    }

    fn stored(&mut self, tid: Tid, code: &Code, pending: &Pending, place: &Place, before: Vec<u8>, bytes: Vec<u8>) {
        self.shadows.stored_by_access(&place.mapping.file, place.offset(), &bytes);
        if before != bytes
            && let Some(tracee) = self.tracee(tid)
        {
            tracee.standing.seen.clear();
            tracee.standing.again = 0;
            self.note_poll(tid, false);
        }
        if self.takes_as_one(tid, code, pending, place, &before, true) {
            return;
        }
        if pending.silent || self.is_libcs_own(code, place) {
            return;
        }
        let pointer = is_pointer(tid, &bytes);
        let access = Some(Access { atomic: is_atomic(code), before: Some(Bytes(before)), pointer });
        let (file, offset) = (place.mapping.file.clone(), place.offset());
        self.tell(tid, RawKind::Stored { file, offset, bytes: Bytes(bytes), access });
    }

    /// Whether it is libc that works on one of its locks or semaphores, by a function that nobody waits in
    /// (pthread_mutex_consistent, what a jump out of sem_wait leaves to be done).
    fn is_libcs_own(&self, code: &Code, place: &Place) -> bool {
        is_atomic(code) && self.functions.is_in_object(place.mapping.identity(), place.offset())
    }

    /// Whether the access belongs to a run of accesses that are told as one.
    fn takes_as_one(
        &mut self,
        tid: Tid,
        code: &Code,
        pending: &Pending,
        place: &Place,
        bytes: &[u8],
        store: bool,
    ) -> bool {
        if !code.class.is_one() || code.instruction.is_locked() || pending.silent {
            return false;
        }
        let Some(tracee) = self.tracee(tid) else { return false };
        let (stack, first) = (pending.registers.stack(), pending.registers.instruction());
        let run = tracee.standing.run.get_or_insert_with(|| Run {
            stack,
            caller: memory::read_u64(tid, stack),
            first,
            text: code.class == Class::Text,
            ..Run::default()
        });
        let stretches = if store { &mut run.stored } else { &mut run.loaded };
        stretches.push((place.mapping.file.clone(), place.offset(), bytes.to_vec()));
        true
    }

    /// A function of libc's has come back, or is interrupted: its accesses are told.
    fn end_run(&mut self, tid: Tid) {
        let Some(tracee) = self.tracee(tid) else { return };
        let tgid = tracee.tgid;
        let Some(run) = tracee.standing.run.take() else { return };
        for (file, offset, mut bytes) in joined(run.loaded) {
            if run.text
                && let Some(end) = bytes.iter().position(|byte| *byte == 0)
            {
                bytes.truncate(end + 1);
            }
            let access = Some(Access { atomic: false, before: None, pointer: false });
            self.tell(tid, RawKind::Loaded { file, offset, bytes: Bytes(bytes), access });
        }
        for (file, offset, before) in joined(run.stored) {
            let place = self.guard.space(tgid).and_then(|space| space.open_offset(&file, offset));
            let now = place.map(|place| memory::read_vec(tid, place, before.len())).unwrap_or_default();
            let access = Some(Access { atomic: false, before: Some(Bytes(before)), pointer: false });
            self.tell(tid, RawKind::Stored { file, offset, bytes: Bytes(now), access });
        }
    }

    fn open_for_good(&mut self, tid: Tid, tgid: Tid, mapping: &Mapping) -> Fallible<()> {
        let Some(alias) = mapping.alias else { return Ok(()) };
        let (addr, len, prot) = (mapping.addr, mapping.len, mapping.prot as u64);
        self.inject(tid, |session| {
            session.call(libc::SYS_mprotect, [addr, len, prot, 0, 0, 0])?;
            session.call(libc::SYS_munmap, [alias, len, 0, 0, 0, 0])
        })?;
        if let Some(space) = self.guard.space_mut(tgid) {
            for it in space.mappings.iter_mut().filter(|it| it.addr == addr) {
                it.alias = None;
            }
        }
        self.leave_open(tid, &mapping.file);
        Ok(())
    }
}

fn is_atomic(code: &Code) -> bool {
    code.class == Class::Atomic || code.instruction.is_locked()
}

/// Whether these bytes are an address in the private memory of the process.
fn is_pointer(tid: Tid, bytes: &[u8]) -> bool {
    /// Below it nothing is mapped (vm.mmap_min_addr), above no program is.
    const USER: std::ops::Range<u64> = 0x1_0000..1 << 47;
    let Ok(value) = bytes.try_into().map(u64::from_ne_bytes) else { return false };
    if !USER.contains(&value) {
        return false;
    }
    let maps = std::fs::read_to_string(format!("/proc/{tid}/maps")).unwrap_or_default();
    maps.lines().any(|line| {
        let mut fields = line.split_whitespace();
        let range = fields.next().and_then(|range| range.split_once('-'));
        let number = |hex| u64::from_str_radix(hex, 16).unwrap_or(0);
        range.is_some_and(|(from, to)| (number(from)..number(to)).contains(&value))
            && fields.next().is_some_and(|rights| rights.ends_with('p'))
    })
}

/// Stretches that touch or overlap as one; of a byte that stands in several the first counts.
fn joined(stretches: Stretches) -> Stretches {
    let mut all: Vec<(RawFile, u64, Vec<u8>)> = Vec::new();
    let mut sorted: Vec<_> = stretches.into_iter().enumerate().collect();
    sorted.sort_by_key(|(index, (file, offset, _))| ((file.dev, file.ino), *offset, *index));
    // By offset the later one in time may come first: byte by byte the earliest wins.
    let mut owner: Vec<usize> = Vec::new();
    for (index, (file, offset, bytes)) in sorted {
        match all.last_mut() {
            Some((last, start, joined))
                if (last.dev, last.ino) == (file.dev, file.ino) && offset <= *start + joined.len() as u64 =>
            {
                let from = (offset - *start) as usize;
                for (at, byte) in (from..).zip(bytes) {
                    if at >= joined.len() {
                        joined.push(byte);
                        owner.push(index);
                    } else if index < owner[at] {
                        joined[at] = byte;
                        owner[at] = index;
                    }
                }
            }
            _ => {
                owner = vec![index; bytes.len()];
                all.push((file, offset, bytes));
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::raw::FileKind;

    #[test]
    fn stretches_join_where_they_touch_and_the_first_look_counts() {
        let file = RawFile { kind: FileKind::Memory, path: String::new(), dev: 1, ino: 7, read: true, write: true };
        let stretch = |offset: u64, text: &str| (file.clone(), offset, text.as_bytes().to_vec());
        let check = |stretches: Stretches, expected: &[(u64, &str)]| {
            let joined = joined(stretches);
            let shown: Vec<_> =
                joined.iter().map(|(_, at, b)| (*at, std::str::from_utf8(b).expect("a text"))).collect();
            assert_eq!(shown, expected);
        };
        check(vec![stretch(0, "abcd"), stretch(4, "efgh")], &[(0, "abcdefgh")]);
        check(vec![stretch(4, "efgh"), stretch(0, "abcd")], &[(0, "abcdefgh")]);
        check(vec![stretch(0, "abcd"), stretch(2, "XXef")], &[(0, "abcdef")]);
        check(vec![stretch(2, "cdef"), stretch(0, "abXX")], &[(0, "abcdef")]);
        check(vec![stretch(0, "ab"), stretch(8, "cd")], &[(0, "ab"), (8, "cd")]);
    }
}
