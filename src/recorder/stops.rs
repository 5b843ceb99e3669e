//! What each stop of a tracee means, and what follows from it.

use nix::errno::Errno;

use super::auxiliary::Auxiliary;
use super::engine::{Engine, Fallible, failed};
use super::foresee::Then;
use super::tracee::{Resume, State};
use super::{decode, proc};
use crate::model::Signal;
use crate::sys::arch::{Invocation, Sys};
use crate::sys::wait::{Status, Stop, wait};
use crate::sys::{memory, ptrace};
use crate::trace::canonical::Ending;
use crate::trace::raw::{Call, RawKind, Tid};

/// The kernel's own results of a call that a signal interrupted, before it is known what becomes of it
/// (include/linux/errno.h): restart if the handler asks for it, always, if there is no handler, by restart_syscall.
pub(super) const ERESTARTSYS: i64 = -512;
const ERESTARTNOINTR: i64 = -513;
pub(super) const ERESTARTNOHAND: i64 = -514;
pub(super) const ERESTART_RESTARTBLOCK: i64 = -516;

/// Whether a call's result says that a signal interrupted it, and the call is made again unless a handler runs.
pub(super) fn is_restart(result: i64) -> bool {
    matches!(result, ERESTARTSYS | ERESTARTNOINTR | ERESTARTNOHAND | ERESTART_RESTARTBLOCK)
}

/// How many polls in a row that find nothing a tracee makes before others go first.
const PATIENCE: u32 = 2;

impl Engine<'_> {
    /// Takes in what wait told of a thread.
    pub(super) fn handle(&mut self, tid: Tid, status: Status) -> Fallible<()> {
        if !self.order_of.contains_key(&tid) {
            // A child whose parent's fork stop has not come yet, or a thread that an exec swept away.
            if matches!(status, Status::Stopped(_)) {
                self.early.insert(tid);
            }
            return Ok(());
        }
        match status {
            Status::Exited(status) => self.gone(tid, Ending::Exit(status)),
            Status::Killed(signal) => self.gone(tid, Ending::Killed(signal)),
            Status::Stopped(stop) => return self.on_stop(tid, stop).or_else(killed_meanwhile),
        }
        Ok(())
    }

    fn on_stop(&mut self, tid: Tid, stop: Stop) -> Fallible<()> {
        self.note_stop(tid, stop);
        match stop {
            Stop::Signal(Signal::SEGV) if self.on_fault(tid)? => Ok(()),
            Stop::Seccomp => self.on_entry(tid),
            Stop::Call => self.on_return(tid),
            Stop::Fork { vfork } => self.on_fork(tid, vfork),
            Stop::Exec => self.on_exec(tid),
            Stop::Exit => self.on_last_stop(tid),
            Stop::Signal(signal) => self.on_signal(tid, signal),
            Stop::Group(signal) => {
                ptrace::listen(tid).map_err(|errno| failed("leave stopped", tid, errno))?;
                self.set(tid, State::Stopped, Resume::Next(None));
                self.note_stopped(tid);
                self.tell(tid, RawKind::Stopped { signal: Some(signal) });
                Ok(())
            }
            Stop::VforkDone => {
                self.set(tid, State::Ready, Resume::Exit);
                Ok(())
            }
            Stop::Trap | Stop::Other(_) => {
                let stopped = self.tracee(tid).is_some_and(|tracee| tracee.state == State::Stopped);
                if stopped {
                    self.note_stopped(tid);
                    self.tell(tid, RawKind::Stopped { signal: None });
                }
                self.set(tid, State::Ready, Resume::Next(None));
                Ok(())
            }
        }
    }

    pub(super) fn set(&mut self, tid: Tid, state: State, resume: Resume) {
        if let Some(tracee) = self.tracee(tid) {
            tracee.state = state;
            tracee.resume = resume;
        }
    }

    /// A call came back.
    fn on_return(&mut self, tid: Tid) -> Fallible<()> {
        let result = ptrace::result(tid).map_err(|errno| failed("read the registers of", tid, errno))?;
        let result = self.after_call(tid, result)?;
        self.restore_pointers(tid)?;
        self.set(tid, State::Ready, Resume::Next(None));
        let Some(tracee) = self.tracee(tid) else { return Ok(()) };
        if let Some(audit) = tracee.audit.take() {
            tracee.foreseen = false;
            let then = audit.then;
            self.audit(tid, audit, result)?;
            match then {
                Then::Stays => return Ok(()),
                // It would not have stopped here without the audit, and nobody chooses where nobody would have: the run is
                // the same, however many are audited.
                Then::GoesOn => {
                    ptrace::cont(tid, None).map_err(|errno| failed("continue", tid, errno))?;
                    self.set(tid, State::Running, Resume::Next(None));
                    return Ok(());
                }
                Then::IsTold => {}
            }
        }
        let Some(tracee) = self.tracee(tid) else { return Ok(()) };
        let call = tracee.call.take();
        if let Some(call) = call.filter(|_| tracee.split.is_some()) {
            return self.on_piece(tid, &call, result);
        }
        self.undrained |= call.is_none_or(|call| may_print(call.sys));
        let Some(call) = call else { return Ok(()) };
        let Some(tracee) = self.tracee(tid) else { return Ok(()) };
        tracee.enters = false;
        if is_restart(result) {
            tracee.restart = Some((result, call));
            return Ok(());
        }
        tracee.entered = false;
        self.check_proof(tid, &call, result)?;
        self.returned(tid, &call, result)?;
        self.give_back(tid)
    }

    /// What was carried has been read; now the writer's buffer is as it was.
    pub(super) fn put_back(&mut self, tid: Tid) {
        let exchanged = self.tracee(tid).map(|tracee| std::mem::take(&mut tracee.exchanged)).unwrap_or_default();
        for (addr, bytes) in exchanged {
            // Where the buffer is gone nobody will miss it.
            let _ = memory::write(tid, addr, &bytes);
        }
    }

    /// Tells of a call's return and draws the conclusions that the recorder needs itself.
    pub(super) fn returned(&mut self, tid: Tid, call: &Invocation, result: i64) -> Fallible<()> {
        self.steps += 1;
        let errno = (result < 0).then(|| Errno::from_raw(-result as i32));
        let mut decoded = decode::call(tid, call, Some(result));
        if let Call::Wait { child: Some(child), ending: ending @ None, .. } = &mut decoded {
            // A wait without a place for the status; one of a stopped child leaves it unknown.
            *ending = self.endings.get(child).copied();
        }
        match (&decoded, call.args) {
            (Call::SemGet { count: count @ 1.., .. }, _) if errno.is_none() => {
                self.semaphores.insert(result as i32, *count);
            }
            (Call::Other { .. }, [id, _, command, values, ..])
                if call.sys == Sys::Semctl && command as i32 == libc::SETALL =>
            {
                let count = self.semaphores.get(&(id as i32)).copied().unwrap_or(1);
                decoded = Call::SemSet { id: id as i32, values: decode::semaphore_values(tid, values, count) };
            }
            _ => {}
        }
        self.put_back(tid);
        self.note_in_the_model(tid, call, &decoded, result);
        let polled = match &decoded {
            Call::Wait { nohang, child, .. } => *nohang && child.is_none() && errno.is_none(),
            Call::Poll { .. } => result == 0,
            _ => matches!(errno, Some(Errno::EAGAIN)) && call.sys != Sys::Futex,
        };
        self.note_poll(tid, polled);
        if let (Call::SetDisposition { signal, restart, .. }, None) = (&decoded, errno)
            && let Some(tgid) = self.tracee(tid).map(|tracee| tracee.tgid)
        {
            let signals = self.restarting.entry(tgid).or_default();
            if *restart {
                signals.insert(*signal)
            } else {
                signals.remove(signal)
            };
        }
        match call.sys {
            Sys::Setitimer | Sys::TimerSettime | Sys::TimerfdSettime if errno.is_none() => self.kernel_timers = true,
            Sys::Alarm if call.args[0] != 0 => self.kernel_timers = true,
            Sys::Kill | Sys::Tkill | Sys::Tgkill | Sys::RtSigqueueinfo | Sys::PidfdSendSignal => {
                self.deaths = true;
                self.signals += 1;
            }
            _ => {}
        }
        self.note_random_device(&decoded, result);
        self.note_timer(tid, call, result);
        let learner = self.tracee(tid).is_some_and(|tracee| !tracee.peer);
        self.note_mappings(tid, call, &decoded, result)?;
        if matches!(call.sys, Sys::Munmap | Sys::Mprotect | Sys::Mremap) {
            return Ok(());
        }
        if learner {
            self.shadows.note(tid, &decoded, result, &self.guard);
            match call.sys {
                Sys::Mmap | Sys::Shmat | Sys::Shmdt => self.functions.remapped(tid),
                Sys::Linkat if errno.is_none() => self.functions.linked(tid),
                _ => {}
            }
        }
        if let Some(errno) = errno.filter(|_| learner) {
            self.note_wall(tid, call, errno);
        } else if learner {
            self.note_growth(tid, call, result);
        }
        let forked = matches!(call.sys, Sys::Fork | Sys::Vfork | Sys::Clone) && errno.is_none();
        if !forked {
            let moved = decode::bytes_moved(tid, call, result);
            let mut decoded = decoded;
            if let Call::Write { bytes, .. } = &mut decoded {
                // Of a long text that went in piece by piece each piece is kept once, not all that was still to go.
                bytes.0.truncate(if errno.is_some() { 0 } else { usize::try_from(moved).unwrap_or(0) });
            }
            let result = errno.map_or(Ok(moved), |errno| Err(errno as i32));
            self.tell(tid, RawKind::Returned { call: decoded, result });
        }
        Ok(())
    }

    /// Counts polls that found nothing, and lets those that poll stand back.
    pub(super) fn note_poll(&mut self, tid: Tid, polled: bool) {
        if polled {
            self.polls += 1;
        } else {
            self.polls = 0;
        }
        if let Some(tracee) = self.tracee(tid) {
            // One that yields or looks but once or twice is as quick as it likes to be; one that goes on waits for others.
            tracee.polls = if polled { tracee.polls + 1 } else { 0 };
            tracee.demoted = tracee.polls > PATIENCE;
        }
    }

    fn on_fork(&mut self, tid: Tid, vfork: bool) -> Fallible<()> {
        let child = ptrace::event_message(tid).map_err(|errno| failed("ask for the child of", tid, errno))?;
        let Some(tracee) = self.tracee(tid) else { return Ok(()) };
        tracee.past = true;
        let (parent_tgid, peer, call) = (tracee.tgid, tracee.peer, tracee.call);
        let flags = match call {
            Some(Invocation { sys: Sys::Clone, args }) => args[0] as i32,
            _ => 0,
        };
        let thread = flags & libc::CLONE_THREAD != 0;
        let (clones, shares_files) = (call.is_some_and(|call| call.sys == Sys::Clone), flags & libc::CLONE_FILES != 0);
        // Whose end nobody is told of by SIGCHLD, or somebody else (clone(2)).
        let odd = clones && (flags & 0xff != libc::SIGCHLD || flags & libc::CLONE_PARENT != 0);
        let vfork_call = matches!(call, Some(Invocation { sys: Sys::Vfork, .. }));
        if !self.early.remove(&child) && !first_stop(child)? {
            self.kernel.children.born(parent_tgid, child, 0, false);
            self.set(tid, State::Ready, Resume::Exit);
            return Ok(());
        }
        let inner = inner_id(child);
        self.adopt(child, if thread { parent_tgid } else { child }, inner, peer);
        self.kernel.forked(tid, child, shares_files);
        self.kernel.semaphores.forked(tid, child, flags & libc::CLONE_SYSVSEM != 0);
        if !thread {
            let shares = vfork || flags & libc::CLONE_VM != 0;
            self.guard.forked(parent_tgid, child, shares);
            self.kernel.children.born(parent_tgid, child, inner, !odd);
            self.shadows.forked(parent_tgid, child);
            if let Some(stacks) = &mut self.stacks {
                stacks.forked(parent_tgid, child);
            }
            let inherited = self.restarting.get(&parent_tgid).cloned().unwrap_or_default();
            self.restarting.insert(child, inherited);
        }
        let shares_memory = vfork_call || flags & libc::CLONE_VM != 0;
        self.functions.forked(tid, child, thread, shares_memory);
        self.steps += 1;
        self.note_poll(tid, false);
        self.tell(
            tid,
            RawKind::Forked { child, inner, thread, shares_files, shares_handlers: flags & libc::CLONE_SIGHAND != 0 },
        );
        if vfork {
            // It sleeps until the child execs or ends (vfork(2)).
            let name = call.map_or_else(|| "vfork".to_owned(), |call| decode::name_of(call.sys));
            self.tell(tid, RawKind::Entered { call: Call::Other { name, fd: None } });
            ptrace::cont_to_exit(tid, None).map_err(|errno| failed("continue", tid, errno))?;
            self.set(tid, State::Vfork, Resume::Exit);
        } else {
            self.set(tid, State::Ready, Resume::Exit);
        }
        Ok(())
    }

    /// Another program took the process over; its other threads are gone, and the caller has the first one's id.
    pub(super) fn on_exec(&mut self, tid: Tid) -> Fallible<()> {
        let former = ptrace::event_message(tid).map_err(|errno| failed("ask for the thread of", tid, errno))?;
        let told = self.tracee(former).and_then(|tracee| tracee.exec.take());
        let others: Vec<Tid> =
            self.tracees.values().filter(|t| t.tgid == tid && t.tid != tid).map(|tracee| tracee.tid).collect();
        for other in others {
            self.forget(other);
            if other != former {
                self.kernel.gone(other);
            }
        }
        self.kernel.exec(tid, former);
        if let Some(tracee) = self.tracee(tid) {
            tracee.call = None;
            tracee.enters = false;
            tracee.restart = None;
            tracee.entered = false;
            tracee.exchanged.clear();
            tracee.rewritten.clear();
            tracee.deadline = None;
            tracee.prelude = true;
        }
        self.timers.exec(tid);
        self.set(tid, State::Ready, Resume::Next(None));
        self.shadows.exec(tid);
        if let Some(stacks) = &mut self.stacks {
            stacks.exec(tid);
        }
        self.guard.exec(tid);
        let auxiliary = Auxiliary::of(tid);
        self.look_for_functions(tid, &auxiliary);
        let (path, args) = told.unwrap_or_else(|| (decode::files::link(format!("/proc/{tid}/exe")), arguments(tid)));
        if let Some(entropy) = self.options.entropy {
            auxiliary.fix_random(tid, entropy);
        }
        if self.options.boxed {
            auxiliary.hide_vdso(tid);
        }
        self.steps += 1;
        self.tell(tid, RawKind::Exec { path, args, former: (former != tid).then_some(former) });
        Ok(())
    }

    /// The thread is about to end; its memory is still there.
    fn on_last_stop(&mut self, tid: Tid) -> Fallible<()> {
        self.note_stack(tid);
        self.tell_stores(tid, true);
        self.leave_robust_locks(tid);
        let Some(tracee) = self.tracee(tid) else { return Ok(()) };
        let (last, peer) = (tracee.tid == tracee.tgid, tracee.peer);
        tracee.state = State::Exiting;
        self.deaths = true;
        if last && !peer {
            let others: Vec<Tid> = self
                .tracees
                .values()
                .filter(|other| !other.peer && other.tid == other.tgid && other.tid != tid)
                .map(|other| other.tid)
                .collect();
            for (value, elsewhere) in super::memory::holds(tid, &self.options.holds, &others) {
                self.tell(tid, RawKind::Holds { value, elsewhere });
            }
        }
        match ptrace::cont(tid, None) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(errno) => Err(failed("continue", tid, errno)),
        }
    }

    /// A signal is about to be delivered.
    fn on_signal(&mut self, tid: Tid, signal: Signal) -> Fallible<()> {
        if signal == Signal::TRAP && self.on_breakpoint(tid)? {
            return Ok(());
        }
        self.amend_timer_signal(tid);
        let sender = ptrace::signal_sender(tid).unwrap_or(0);
        let handled = decode::status_signals(tid, "SigCgt").contains(&signal);
        self.cut_short(tid, signal, handled)?;
        let restart = self.tracee(tid).and_then(|tracee| tracee.restart.take());
        if let Some((how, call)) = restart {
            let again = match how {
                ERESTARTNOINTR => true,
                ERESTARTSYS => !handled || self.restarts(tid, signal),
                _ => !handled,
            };
            if again {
                // It comes through the filter once more, or through restart_syscall.
                if let Some(tracee) = self.tracee(tid) {
                    tracee.restart = Some((how, call));
                }
            } else {
                if let Some(tracee) = self.tracee(tid) {
                    tracee.entered = false;
                }
                self.returned(tid, &call, -i64::from(libc::EINTR))?;
            }
        }
        if self.tracee(tid).is_some_and(|tracee| !tracee.peer) {
            self.note_fatal_wall(tid, signal);
        }
        // The two that glibc keeps for itself: what their handlers do is libc's own business (nptl(7)).
        if handled {
            self.functions.delivering(tid, matches!(signal.number(), 32 | 33));
        }
        self.tell(tid, RawKind::Delivered { signal, handled, sender });
        self.set(tid, State::Ready, Resume::Next(Some(signal)));
        Ok(())
    }

    /// Whether the process asked for calls to be restarted after this signal (SA_RESTART).
    fn restarts(&mut self, tid: Tid, signal: Signal) -> bool {
        let tgid = self.tracee(tid).map(|tracee| tracee.tgid);
        tgid.and_then(|tgid| self.restarting.get(&tgid)).is_some_and(|signals| signals.contains(&signal))
    }
}

/// Whether the call may have put bytes into a pipe; of those that a program begins with none does.
fn may_print(sys: Sys) -> bool {
    !matches!(
        sys,
        Sys::Openat
            | Sys::Close
            | Sys::Read
            | Sys::Pread
            | Sys::Mmap
            | Sys::Munmap
            | Sys::Mprotect
            | Sys::Mremap
            | Sys::Fcntl
            | Sys::Dup
            | Sys::Dup3
            | Sys::Pipe2
            | Sys::Wait4
            | Sys::RtSigaction
            | Sys::RtSigprocmask
    )
}

/// A tracee that was killed while we looked at it is no failure: wait tells of its end.
pub(super) fn killed_meanwhile(error: super::RecorderError) -> Fallible<()> {
    match error {
        super::RecorderError::Trace { errno: Errno::ESRCH, .. } => Ok(()),
        other => Err(other),
    }
}

/// Waits for the first stop of a new tracee; false where it is gone already.
fn first_stop(child: Tid) -> Fallible<bool> {
    loop {
        match wait(Some(child), true) {
            Ok(Some((_, Status::Stopped(_)))) => return Ok(true),
            Ok(Some(_)) => return Ok(false),
            Ok(None) | Err(Errno::EINTR) => {}
            Err(Errno::ECHILD) => return Ok(false),
            Err(errno) => return Err(failed("wait for", child, errno)),
        }
    }
}

/// A thread's own view of its id: the last of NSpid (proc_pid_status(5)).
fn inner_id(tid: Tid) -> i32 {
    let status = proc::text(tid, "status");
    let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    ids.and_then(|ids| ids.split_whitespace().last()?.parse().ok()).unwrap_or(tid)
}

fn arguments(tid: Tid) -> Vec<String> {
    let line = proc::read(tid, "cmdline");
    let line = line.strip_suffix(b"\0").unwrap_or(&line);
    line.split(|byte| *byte == 0).map(|part| String::from_utf8_lossy(part).into_owned()).collect()
}

/// Whether a signal is pending that the thread would take, or that would end it.
pub(super) fn signal_waits(tid: Tid) -> bool {
    let status = proc::text(tid, "status");
    let set = |field: &str| decode::signals_in(&status, field);
    let (masked, ignored, caught) = (set("SigBlk"), set("SigIgn"), set("SigCgt"));
    let pending = set("SigPnd").into_iter().chain(set("ShdPnd"));
    pending
        .filter(|signal| !masked.contains(signal) && !ignored.contains(signal))
        .any(|signal| caught.contains(&signal) || !signal.default_is_harmless())
}
