//! An access to guarded memory, carried out: by hand where it is simple, else by the instruction itself.

use super::super::engine::{Engine, Fallible, failed};
use super::super::tracee::{Resume, State};
use super::images::Class;
use super::standing::{Code, Half, Pending, Place, Stepped};
use super::{MOST_ACCESSES, Mapping};
use crate::model::Signal;
use crate::sys::arch::{Registers, Simple, Touch};
use crate::sys::wait::{Status, Stop, wait};
use crate::sys::{memory, ptrace};
use crate::trace::raw::Tid;

impl Engine<'_> {
    /// Lets a thread make the access that it stands before, and go on to its next stop; accesses of one function of
    /// libc's follow each other without a stop in between. Whether it stands before another access now.
    pub(crate) fn step_access(&mut self, tid: Tid) -> Fallible<bool> {
        loop {
            let Some(pending) = self.tracee(tid).and_then(|tracee| tracee.standing.access.take()) else {
                return Ok(false);
            };
            let code = pending.code.clone();
            let Some(registers) = self.carry_out(tid, pending)? else {
                return Ok(self.tracee(tid).is_some_and(|tracee| tracee.standing.is_before_access()));
            };
            if self.go_ahead(tid, code.as_deref(), registers)? {
                return Ok(true);
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

    /// The registers with which the thread is to go on: the access is done. None where it stands before the same one, or
    /// met another stop.
    pub(super) fn carry_out(&mut self, tid: Tid, pending: Pending) -> Fallible<Option<Registers>> {
        let Some(tgid) = self.tracee(tid).map(|tracee| tracee.tgid) else { return Ok(None) };
        let Some(space) = self.guard.space(tgid) else { return Ok(Some(pending.registers)) };
        let Some(faulted) = space.guarded(pending.addr).cloned() else { return Ok(Some(pending.registers)) };
        if self.guard.accesses > MOST_ACCESSES || !self.guard.sees(&faulted.file) {
            self.open_for_good(tid, tgid, &faulted)?;
            return Ok(Some(pending.registers));
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
            return self.step_opened(tid, &pending.registers, &[faulted]);
        };
        match code.instruction.simple(&pending.registers) {
            Some(Simple::Load) => {
                let mut bytes = vec![0; places[0].touch.len as usize];
                if memory::read_stopped(tid, places[0].open, &mut bytes) == Ok(bytes.len()) {
                    let mut registers = pending.registers;
                    code.instruction.finish_load(&mut registers, &bytes);
                    if self.stacks.is_some() {
                        // Where it happened is looked up behind it, as when the instruction ran itself.
                        self.put(tid, &mut registers)?;
                    }
                    self.loaded(tid, &code, &pending, &places[0], bytes);
                    return Ok(Some(registers));
                }
            }
            Some(Simple::Store) => {
                let bytes = code.instruction.stored(&pending.registers);
                if self.store(tid, &code, &pending, &places[0], bytes) {
                    let mut registers = pending.registers;
                    code.instruction.skip(&mut registers);
                    return Ok(Some(registers));
                }
            }
            Some(simple)
                if self.move_stretch(tid, simple, &code, &pending, &places, touches.as_deref().unwrap_or_default()) =>
            {
                let mut registers = pending.registers;
                code.instruction.skip(&mut registers);
                return Ok(Some(registers));
            }
            _ => {}
        }
        self.run_instruction(tid, &code, pending, &places)
    }

    /// The general way: the instruction itself runs, with its operand at the alias.
    pub(super) fn run_instruction(
        &mut self,
        tid: Tid,
        code: &Code,
        pending: Pending,
        places: &[Place],
    ) -> Fallible<Option<Registers>> {
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
                return Ok(None);
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
                    Some(*after)
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
                    return Ok(None);
                }
            },
            None => {
                let mappings: Vec<_> = places.iter().map(|place| place.mapping.clone()).collect();
                self.step_opened(tid, &pending.registers, &mappings)?
            }
        };
        let Some(registers) = stepped else { return Ok(None) };
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
        Ok(Some(registers))
    }

    /// Opens the mappings for one instruction: the registers behind it. None where the thread met another stop, or is gone.
    pub(super) fn step_opened(
        &mut self,
        tid: Tid,
        registers: &Registers,
        mappings: &[Mapping],
    ) -> Fallible<Option<Registers>> {
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
            Stepped::Done(after) => Ok(protect(self, false)?.map(|()| *after)),
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

    pub(super) fn step_once(&mut self, tid: Tid, registers: &Registers) -> Fallible<Stepped> {
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

    pub(super) fn put(&self, tid: Tid, registers: &mut Registers) -> Fallible<()> {
        ptrace::set_registers(tid, registers).map_err(|errno| failed("set the registers of", tid, errno))
    }

    /// `rep movs` and `rep stos` in one go; false where they have to run themselves.
    pub(super) fn move_stretch(
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

    pub(super) fn store(&mut self, tid: Tid, code: &Code, pending: &Pending, place: &Place, bytes: Vec<u8>) -> bool {
        let Ok(before) = memory::exchange_stopped(tid, place.open, &bytes) else { return false };
        self.stored(tid, code, pending, place, before, bytes);
        true
    }

    pub(super) fn open_for_good(&mut self, tid: Tid, tgid: Tid, mapping: &Mapping) -> Fallible<()> {
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
