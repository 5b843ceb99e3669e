//! A tracee at the entry of a call: let it in, hold it, refuse it, or do the call's work for it.

use super::engine::{Engine, Fallible, failed};
use super::filter::{denial, is_looked_at};
use super::tracee::{Resume, State};
use super::{decode, peer_call};
use crate::sys::arch::{Invocation, Registers, Sys, invocation};
use crate::sys::{memory, ptrace};
use crate::trace::Bytes;
use crate::trace::raw::{Call, FileKind, RawKind, Tid};

impl Engine<'_> {
    /// The seccomp filter stopped it before a call.
    pub(super) fn on_entry(&mut self, tid: Tid) -> Fallible<()> {
        // Most calls need no more of the registers than the call itself.
        let error = |errno| failed("read the registers of", tid, errno);
        let registers = || ptrace::registers(tid).map_err(error);
        let entry = ptrace::entry(tid).map_err(error)?;
        self.note_stack(tid);
        self.set(tid, State::Ready, Resume::Next(None));
        let Some(mut call) = invocation(entry.number, entry.args).filter(is_looked_at) else {
            return self.move_arguments(tid);
        };
        let mut resumed = false;
        if call.sys == Sys::RestartSyscall
            && let Some((_, interrupted)) = self.tracee(tid).and_then(|tracee| tracee.restart.take())
        {
            call = interrupted;
            resumed = true;
        }
        if self.tracee(tid).is_some_and(|tracee| !tracee.peer) {
            self.before_growth(tid, &call);
        }
        if self.maps_privately(tid, &call) {
            self.note_unmapped_privately(tid, &call);
            return Ok(());
        }
        self.move_pointers(tid, &mut call)?;
        self.comes_to_call(tid, &call);
        let signals = self.signals;
        let mut again = false;
        if let Some(tracee) = self.tracee(tid) {
            tracee.signals_before = signals;
            tracee.stack = entry.stack;
            // An interrupted call that comes back by itself goes on; a handler's own calls have nothing to do with it.
            again = resumed || tracee.restart.is_some_and(|(_, interrupted)| interrupted == call);
            tracee.restart = None;
            tracee.changes.clear();
            tracee.foreseen = false;
            tracee.enters = false;
            tracee.proves = false;
            tracee.outlives = false;
            tracee.ask = None;
            tracee.computes_since = None;
            tracee.yielded = false;
            tracee.outlasts = false;
        }
        if let Some(tracee) = self.tracee(tid).filter(|tracee| tracee.split.is_some()) {
            // The rest of a write that was seen to when it began.
            tracee.call = Some(call);
            tracee.resume = Resume::Exit;
            return Ok(());
        }
        if call.sys == Sys::Peer {
            return self.on_peer_call(tid, &call);
        }
        self.tell_of_making(tid, &call);
        if let Some(errno) = denial(&call, self.options.boxed).or_else(|| self.denied_target(tid, &call)) {
            let name = decode::name_of(call.sys);
            self.tell(tid, RawKind::Returned { call: Call::Refused { name }, result: Err(errno) });
            return self.skip(tid, registers()?, -i64::from(errno));
        }
        if self.goes_wrong(tid, &call, again)? {
            return Ok(());
        }
        match call.sys {
            Sys::Fork | Sys::Vfork | Sys::Clone => {
                let registers = registers()?;
                self.guard_before_fork(tid, &call, &registers)?;
                self.before_fork(tid, &mut call, registers)?;
            }
            Sys::Execve => self.before_exec(tid, call.args[0], call.args[1]),
            Sys::Execveat => self.before_exec(tid, call.args[1], call.args[2]),
            Sys::Getrandom | Sys::Read | Sys::Readv | Sys::Pread if self.gives_random(tid, &call)? => {
                return Ok(());
            }
            Sys::SchedYield => {
                self.steps += 1;
                self.note_poll(tid, true);
                return self.skip(tid, registers()?, 0);
            }
            Sys::Exit => {
                // It ends by a call that never returns: others may go on before they can notice.
                if let Some(tracee) = self.tracee(tid) {
                    tracee.before = true;
                }
                return Ok(());
            }
            Sys::RtSigreturn => {
                self.functions.handler_returned(tid);
                if self.tracee(tid).map(|tracee| tracee.tgid).is_some_and(|tgid| self.guard.guards(tgid)) {
                    // The mask that comes back has to be known before code of the program's runs.
                    self.set(tid, State::Ready, Resume::Exit);
                }
                self.tell(tid, RawKind::Returned { call: decode::call(tid, &call, None), result: Ok(0) });
                return Ok(());
            }
            Sys::Nanosleep | Sys::ClockNanosleep => {
                self.before_sleep(tid, call, again);
                return Ok(());
            }
            Sys::ClockGettime | Sys::Gettimeofday | Sys::Time => {
                if !self.read_clock(tid, &call, registers()?)? {
                    self.set(tid, State::Ready, Resume::Next(None));
                }
                return Ok(());
            }
            Sys::Alarm
            | Sys::Setitimer
            | Sys::Getitimer
            | Sys::TimerSettime
            | Sys::TimerGettime
            | Sys::TimerGetoverrun
            | Sys::TimerDelete
            | Sys::TimerfdSettime
            | Sys::TimerfdGettime
            | Sys::Read
            | Sys::Readv
                if self.timer_call(tid, &call)? =>
            {
                return Ok(());
            }
            Sys::Setsockopt | Sys::Getsockopt if self.socket_option(tid, &call, registers()?)? => return Ok(()),
            // Others say nothing of descriptors (ioctl(2)).
            Sys::Ioctl if !matches!(call.args[1], libc::FIONBIO | libc::FIOASYNC | libc::FIOCLEX | libc::FIONCLEX) => {
                return Ok(());
            }
            // mq_getattr(3) changes nothing.
            Sys::MqGetsetattr if call.args[1] == 0 => return Ok(()),
            Sys::Write | Sys::Pwrite | Sys::Sendto | Sys::Writev | Sys::MqTimedsend => self.exchange(tid, &call),
            _ => {}
        }
        self.note_deadline(tid, &call, again);
        if let Some(tracee) = self.tracee(tid) {
            tracee.call = Some(call);
            tracee.resume = Resume::Exit;
        }
        Ok(())
    }

    /// Takes the call away from it; the call returns `result`.
    pub(super) fn skip(&mut self, tid: Tid, mut registers: Registers, result: i64) -> Fallible<()> {
        if let Some(args) = self.tracee(tid).and_then(|tracee| tracee.standing.take_args()) {
            registers.set_raw_args(args);
        }
        registers.skip(result);
        ptrace::set_registers(tid, &mut registers).map_err(|errno| failed("set the registers of", tid, errno))?;
        self.set(tid, State::Ready, Resume::Next(None));
        Ok(())
    }

    /// Answers a held call with a result. One that was killed meanwhile needs no answer.
    pub(super) fn answer(&mut self, tid: Tid, result: i64) {
        if let Ok(registers) = ptrace::registers(tid) {
            let _ = self.skip(tid, registers, result);
        }
    }

    fn before_fork(&mut self, tid: Tid, call: &mut Invocation, mut registers: Registers) -> Fallible<()> {
        let learners = self.tracees.values().filter(|tracee| !tracee.peer).count() as u64;
        if let Some(limits) = self.options.limits
            && learners >= u64::from(limits.processes)
        {
            self.hit("processes", format!("{} at a time", limits.processes), Some(tid));
        }
        let untraced = libc::CLONE_UNTRACED as u64;
        if call.sys == Sys::Clone && call.args[0] & untraced != 0 {
            call.args[0] &= !untraced;
            registers.set_arg(0, call.args[0]);
            ptrace::set_registers(tid, &mut registers).map_err(|errno| failed("set the registers of", tid, errno))?;
        }
        Ok(())
    }

    fn before_exec(&mut self, tid: Tid, path: u64, args: u64) {
        let args: Vec<String> = (0..64)
            .map_while(|i| memory::read_u64(tid, args + 8 * i).filter(|addr| *addr != 0))
            .map(|addr| decode::text(tid, addr))
            .collect();
        let path = decode::text(tid, path);
        if let Some(tracee) = self.tracee(tid) {
            tracee.exec = Some((path, args));
        }
    }

    /// Changes the bytes that are about to go into a channel, where the scenario asks for it.
    fn exchange(&mut self, tid: Tid, call: &Invocation) {
        if self.exchange.is_none() {
            return;
        }
        let [fd, addr, len, ..] = call.args;
        let file = decode::files::file(tid, fd as i32, None);
        let path = match file.kind {
            FileKind::Pipe | FileKind::Socket => String::new(),
            // A queue's descriptor leads to its name in the queues' own file system.
            _ if call.sys == Sys::MqTimedsend => {
                file.path.rsplit('/').next().map_or_else(String::new, |n| format!("/{n}"))
            }
            FileKind::Fifo => file.path.clone(),
            _ => return,
        };
        let concerned = self.exchange.as_ref().is_some_and(|exchange| exchange.concerns(&path, &self.cwd));
        if !concerned || self.inherited.contains(&(file.dev, file.ino)) {
            return;
        }
        let parts = if call.sys == Sys::Writev { decode::vectors(tid, addr, len) } else { vec![(addr, len)] };
        for (addr, len) in parts {
            let before = memory::read_vec(tid, addr, len as usize);
            let mut bytes = before.clone();
            let exchange = self.exchange.as_mut().expect("asked above");
            if exchange.apply((file.dev, file.ino), &mut bytes)
                && memory::write(tid, addr, &bytes).is_ok()
                && let Some(tracee) = self.tracee(tid)
            {
                tracee.exchanged.push((addr, before));
            }
        }
    }

    /// A peer speaks.
    fn on_peer_call(&mut self, tid: Tid, call: &Invocation) -> Fallible<()> {
        let [operation, a, b, c, d, _] = call.args;
        let peer = self.tracee(tid).is_some_and(|tracee| tracee.peer);
        if !peer {
            self.answer(tid, -i64::from(libc::ENOSYS));
            return Ok(());
        }
        let kind = match operation {
            peer_call::WHEN => {
                self.set(tid, State::When(a as u32), Resume::Next(None));
                return Ok(());
            }
            peer_call::DONE => {
                let instead = memory::read_vec(tid, b, c.min(4096) as usize);
                let instead = (!instead.is_empty()).then(|| String::from_utf8_lossy(&instead).into_owned());
                RawKind::Step { step: a as u32, instead }
            }
            peer_call::LOADED | peer_call::STORED => {
                let file = decode::files::file(tid, a as i32, None);
                let bytes = Bytes(memory::read_vec(tid, c, d.min(4096) as usize));
                if operation == peer_call::LOADED {
                    RawKind::Loaded { file, offset: b, bytes, access: None }
                } else {
                    self.shadows.stored_by_peer(&file, b, &bytes);
                    RawKind::Stored { file, offset: b, bytes, access: None }
                }
            }
            _ => {
                self.answer(tid, -i64::from(libc::EINVAL));
                return Ok(());
            }
        };
        self.tell(tid, kind);
        self.answer(tid, 0);
        Ok(())
    }
}
