//! Calls on modelled objects: what will come of them is known before they are made ([`super::kernel`]).
//!
//! A call that would wait is held at its entry until the model says that it need not; one that would not is told as
//! returned and then made, which costs one stop where every other call costs two and a look at who sleeps. Some of them
//! keep their exit stop all the same, as an *audit*: what the kernel says is compared with what was told. A disagreement
//! is our fault and ends the run.
//!
//! A run ends as blocked only after the kernel has agreed: calls that are held go in then, and have to sleep.

use std::num::NonZeroU64;

use nix::errno::Errno;

use super::engine::{Engine, Fallible};
use super::kernel::{Answer, PAGE, PipeId};
use super::tracee::{Resume, State};
use super::{RecorderError, decode, stops};
use crate::model::seed::split_mix;
use crate::sys::arch::{Invocation, Sys};
use crate::sys::memory;
use crate::trace::Bytes;
use crate::trace::raw::{Call, Fd, InnerPid, RawKind, Tid};

/// One foreseen call in so many is audited where nothing else is asked for; every one where debug assertions are on, so
/// that tests check the model.
pub const AUDITS: NonZeroU64 = NonZeroU64::new(if cfg!(debug_assertions) { 1 } else { 64 }).expect("neither is 0");

/// A call of more bytes than this is left to the kernel, which cuts it short (MAX_RW_COUNT in read(2), NOTES).
const MOST: u64 = 1 << 30;

/// How a step into a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Into the kernel, to the call's exit.
    Enter,
    /// Not at all: the call is held.
    Held,
    /// It has been told as returned: to the next stop.
    Told,
    /// The same, by way of the call's exit.
    Audited,
}

/// What a held call waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// Bytes, so many at most.
    Read(Fd, usize),
    /// Room for so many bytes.
    Write(Fd, usize),
    /// This child, or any.
    Wait(Option<InnerPid>),
}

/// What a call was told to have given, until the kernel has said it too.
#[derive(Debug)]
pub(super) struct Audit {
    call: Invocation,
    result: i64,
    /// Where bytes were to go, and which.
    read: Vec<(u64, Vec<u8>)>,
    /// The exit stop is there for more than the audit.
    pub(super) stays: bool,
}

impl Engine<'_> {
    /// Asks the model about a call that is about to be made, and tells of it where it is foreseen.
    pub(super) fn foresee(&mut self, tid: Tid, call: &Invocation) -> Fallible<Way> {
        let [a, b, c, ..] = call.args;
        let fd = a as Fd;
        if self.faults.cuts(tid) {
            // Its count is put back at its exit, so it stops there.
            return Ok(self.leave_to_the_kernel(tid, &[fd]));
        }
        match call.sys {
            Sys::Read | Sys::Write if self.kernel.pipe_of(tid, fd).is_some() => {
                self.foresee_transfer(tid, call, &[(b, c)])
            }
            Sys::Readv | Sys::Writev if self.kernel.pipe_of(tid, fd).is_some() => {
                let parts = decode::vectors(tid, b, c);
                self.foresee_transfer(tid, call, &parts)
            }
            Sys::Wait4 | Sys::Waitid => Ok(self.foresee_wait(tid, call)),
            Sys::Splice | Sys::CopyFileRange => Ok(self.leave_to_the_kernel(tid, &[fd, c as Fd])),
            Sys::Tee | Sys::Sendfile => Ok(self.leave_to_the_kernel(tid, &[fd, b as Fd])),
            Sys::Vmsplice | Sys::Preadv | Sys::Pwritev => Ok(self.leave_to_the_kernel(tid, &[fd])),
            Sys::Sendmsg | Sys::Sendmmsg => {
                let sent = decode::sent_descriptors(tid, call);
                Ok(self.leave_to_the_kernel(tid, &sent))
            }
            _ => Ok(Way::Enter),
        }
    }

    /// What these lead to is not modelled from now on.
    fn leave_to_the_kernel(&mut self, tid: Tid, descriptors: &[Fd]) -> Way {
        for fd in descriptors {
            if let Some(pipe) = self.kernel.pipe_of(tid, *fd) {
                self.kernel.abandon(pipe);
            }
        }
        Way::Enter
    }

    fn foresee_transfer(&mut self, tid: Tid, call: &Invocation, parts: &[(u64, u64)]) -> Fallible<Way> {
        let fd = call.args[0] as Fd;
        let writes = matches!(call.sys, Sys::Write | Sys::Writev);
        let len: u64 = parts.iter().fold(0, |sum, (_, len)| sum.saturating_add(*len));
        let vectored = matches!(call.sys, Sys::Readv | Sys::Writev);
        if len > MOST || vectored && parts.len() as u64 != call.args[2] {
            return Ok(self.leave_to_the_kernel(tid, &[fd]));
        }
        let len = len as usize;
        let answer = if writes { self.kernel.write(tid, fd, len) } else { self.kernel.read(tid, fd, len) };
        match answer {
            Answer::Unknown => Ok(Way::Enter),
            Answer::Waits => Ok(self.hold(tid, call, if writes { Ask::Write(fd, len) } else { Ask::Read(fd, len) })),
            Answer::Fails(errno) => {
                let decoded = decode::call(tid, call, Some(-i64::from(errno as i32)));
                Ok(self.told(tid, call, decoded, -i64::from(errno as i32), Vec::new()))
            }
            Answer::Reads(pipe, got) => Ok(self.foresee_read(tid, call, pipe, parts, (got, len))),
            Answer::Writes(pipe, count) => {
                let Some(bytes) = gathered(tid, parts, len) else { return Ok(self.leave_to_the_kernel(tid, &[fd])) };
                let taken = self.kernel.pipe(pipe).write(&bytes);
                self.kernel.changed = true;
                debug_assert_eq!(taken, count);
                Ok(self.told(tid, call, Call::Write { fd, bytes: Bytes(bytes) }, count as i64, Vec::new()))
            }
            Answer::Part(..) => Ok(self.leave_to_the_kernel(tid, &[fd])),
        }
    }

    fn foresee_read(
        &mut self,
        tid: Tid,
        call: &Invocation,
        pipe: PipeId,
        parts: &[(u64, u64)],
        (got, want): (usize, usize),
    ) -> Way {
        let fd = call.args[0] as Fd;
        let audited = self.audits() || self.needs_its_exit(tid);
        let bytes = self.kernel.pipe(pipe).peek(got);
        let stack = self.tracee(tid).map_or(0, |tracee| tracee.stack);
        let mut spread = Vec::new();
        let mut rest = &bytes[..];
        for (addr, len) in parts {
            let (part, others) = rest.split_at((*len).min(rest.len() as u64) as usize);
            rest = others;
            // The call writes the same bytes to the same place, so nobody can see that they are there already: what
            // matters is that they can be. An audit must not find what it has put there itself.
            let fits = if audited {
                let other: Vec<u8> = part.iter().map(|byte| !byte).collect();
                memory::fill(tid, *addr, &other)
            } else {
                is_at_top(stack, *addr, part.len()) || memory::fill(tid, *addr, part)
            };
            if !fits {
                return self.leave_to_the_kernel(tid, &[fd]);
            }
            if audited {
                spread.push((*addr, part.to_vec()));
            }
        }
        self.kernel.pipe(pipe).take(got);
        self.kernel.changed |= got > 0;
        let decoded = Call::Read { fd, want: want as u64, bytes: Bytes(bytes), descriptors: Vec::new() };
        let way = self.tell_foreseen(tid, decoded, got as i64);
        if audited { self.audit_later(tid, call, got as i64, spread) } else { way }
    }

    /// Whether something that is changed for the length of the call has to be put back at its exit: bytes that were
    /// exchanged, pointers into guarded memory.
    fn needs_its_exit(&mut self, tid: Tid) -> bool {
        self.tracee(tid).is_some_and(|tracee| !tracee.exchanged.is_empty() || tracee.standing.has_moved_args())
    }

    /// Whether this one is audited.
    fn audits(&mut self) -> bool {
        self.foreseen += 1;
        // Drawn, so that a program's own rhythm does not decide which of its calls are looked at.
        split_mix(self.foreseen).is_multiple_of(self.options.audits.get())
    }

    fn told(&mut self, tid: Tid, call: &Invocation, decoded: Call, result: i64, read: Vec<(u64, Vec<u8>)>) -> Way {
        let audited = self.audits() || self.needs_its_exit(tid);
        let way = self.tell_foreseen(tid, decoded, result);
        if audited { self.audit_later(tid, call, result, read) } else { way }
    }

    fn audit_later(&mut self, tid: Tid, call: &Invocation, result: i64, read: Vec<(u64, Vec<u8>)>) -> Way {
        let stays = self.needs_its_exit(tid);
        if let Some(tracee) = self.tracee(tid) {
            tracee.audit = Some(Audit { call: *call, result, read, stays });
        }
        Way::Audited
    }

    fn tell_foreseen(&mut self, tid: Tid, decoded: Call, result: i64) -> Way {
        self.steps += 1;
        self.note_poll(tid, result == -i64::from(libc::EAGAIN));
        if let Some(tracee) = self.tracee(tid) {
            tracee.call = None;
            tracee.entered = false;
            tracee.foreseen = true;
        }
        let result = if result < 0 { Err(-result as i32) } else { Ok(result) };
        self.tell(tid, RawKind::Returned { call: decoded, result });
        Way::Told
    }

    fn foresee_wait(&mut self, tid: Tid, call: &Invocation) -> Way {
        let Some(which) = asked_child(call) else { return Way::Enter };
        let Some(tgid) = self.tracee(tid).map(|tracee| tracee.tgid) else { return Way::Enter };
        if self.kernel.children.sleeps(tgid, which) { self.hold(tid, call, Ask::Wait(which)) } else { Way::Enter }
    }

    /// Holds a call that would wait; but where a signal ends it, that is the kernel's to see to.
    fn hold(&mut self, tid: Tid, call: &Invocation, ask: Ask) -> Way {
        let signals = self.signals;
        let Some(tracee) = self.tracee(tid) else { return Way::Enter };
        if tracee.signals_before != signals && stops::signal_waits(tid) {
            return Way::Enter;
        }
        tracee.state = State::Held;
        tracee.ask = Some(ask);
        if std::mem::replace(&mut tracee.entered, true) {
            // Another took what it waited for: it stands at one more place of the schedule.
            tracee.comes_to(false);
        } else {
            self.tell(tid, RawKind::Entered { call: decode::call(tid, call, None) });
        }
        Way::Held
    }

    /// Looks which held calls need not wait any more.
    pub(super) fn refresh_held(&mut self) {
        if !std::mem::take(&mut self.kernel.changed) {
            return;
        }
        let kernel = &self.kernel;
        for tracee in self.tracees.values_mut().filter(|tracee| tracee.state == State::Held) {
            let waits = match tracee.ask {
                Some(Ask::Read(fd, len)) => kernel.read(tracee.tid, fd, len) == Answer::Waits,
                Some(Ask::Write(fd, len)) => kernel.write(tracee.tid, fd, len) == Answer::Waits,
                Some(Ask::Wait(which)) => kernel.children.sleeps(tracee.tgid, which),
                None => false,
            };
            if !waits {
                tracee.state = State::Ready;
                tracee.resume = Resume::Exit;
            }
        }
    }

    /// A signal that somebody whose call is held would take ends the call: it goes into the kernel, which sees to that,
    /// before anything else happens. It has been told that it waits there.
    pub(super) fn interrupt_held(&mut self) -> Fallible<()> {
        self.refresh_held();
        let held = self.tracees.iter().filter(|(_, tracee)| tracee.state == State::Held);
        let interrupted: Vec<u32> =
            held.filter(|(_, tracee)| stops::signal_waits(tracee.tid)).map(|(order, _)| *order).collect();
        for order in interrupted {
            self.enter(order, |_| false)?;
        }
        Ok(())
    }

    /// Nothing can go on: held calls go into the kernel, which has to agree that they wait. Whether there were any.
    pub(super) fn enter_held(&mut self) -> Fallible<bool> {
        let held: Vec<u32> =
            self.tracees.iter().filter(|(_, tracee)| tracee.state == State::Held).map(|(order, _)| *order).collect();
        for order in &held {
            // About children the model does not claim to know all (PR_SET_CHILD_SUBREAPER in prctl(2)).
            self.enter(*order, |ask| !matches!(ask, Some(Ask::Wait(_))))?;
        }
        Ok(!held.is_empty())
    }

    /// Lets a held call into the kernel, at once: nobody chooses, for it has been told that it waits there.
    fn enter(&mut self, order: u32, proves: impl Fn(Option<Ask>) -> bool) -> Fallible<()> {
        let Some(tracee) = self.tracees.get_mut(&order).filter(|tracee| tracee.state == State::Held) else {
            return Ok(());
        };
        tracee.state = State::Ready;
        tracee.resume = Resume::Exit;
        tracee.enters = true;
        tracee.proves = proves(tracee.ask);
        self.step(order)
    }

    /// A call sleeps in the kernel: the model does not know what comes of it, so its object is not modelled any more.
    pub(super) fn sleeps_unforeseen(&mut self, tid: Tid, call: &Invocation) {
        if matches!(call.sys, Sys::Read | Sys::Readv | Sys::Write | Sys::Writev) {
            self.leave_to_the_kernel(tid, &[call.args[0] as Fd]);
        }
    }

    /// An audited call came back.
    pub(super) fn audit(&mut self, tid: Tid, audit: Audit, result: i64) -> Fallible<()> {
        self.put_back(tid);
        if result != audit.result {
            return Err(self.disagreement(tid, &audit.call, format!("{}", audit.result), format!("{result}")));
        }
        for (addr, believed) in audit.read {
            let got = memory::read_vec(tid, addr, believed.len());
            if got != believed {
                let (believed, got) = (believed.escape_ascii().to_string(), got.escape_ascii().to_string());
                return Err(self.disagreement(tid, &audit.call, believed, got));
            }
        }
        Ok(())
    }

    /// A call that was told as returned must not sleep.
    pub(super) fn check_foreseen(&mut self, tid: Tid) -> Fallible<()> {
        let Some(tracee) = self.tracee(tid).filter(|tracee| tracee.foreseen) else { return Ok(()) };
        if !tracee.sleeps(b"S") {
            return Ok(());
        }
        Err(RecorderError::Model {
            call: "a call that was told as returned".to_owned(),
            object: format!("thread {tid}"),
            believed: "it returns".to_owned(),
            kernel: "it sleeps".to_owned(),
        })
    }

    /// A process was stopped or goes on: its parent may hear of it from wait.
    pub(super) fn note_stopped(&mut self, tid: Tid) {
        if let Some(tgid) = self.tracee(tid).map(|tracee| tracee.tgid) {
            self.kernel.children.changed(tgid);
            self.kernel.changed = true;
        }
    }

    /// The kernel did something else than the model said.
    pub(super) fn disagreement(
        &mut self,
        tid: Tid,
        call: &Invocation,
        believed: String,
        kernel: String,
    ) -> RecorderError {
        let pipe = self.kernel.pipe_of(tid, call.args[0] as Fd);
        let object = pipe.map_or_else(|| "nothing".to_owned(), |pipe| format!("{:?}", self.kernel.pipe(pipe)));
        RecorderError::Model { call: format!("{call:?}"), object, believed, kernel }
    }
}

/// Whether all of a buffer lies in the page that the stack pointer is in, which the thread writes to all the time.
fn is_at_top(stack: u64, addr: u64, len: usize) -> bool {
    let page = |addr: u64| addr / PAGE as u64;
    let last = addr.saturating_add((len as u64).saturating_sub(1));
    page(addr) == page(stack) && page(last) == page(stack)
}

/// All bytes of a write; none where they are not all there.
fn gathered(tid: Tid, parts: &[(u64, u64)], len: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(len);
    for (addr, len) in parts {
        bytes.append(&mut memory::read_vec(tid, *addr, *len as usize));
    }
    (bytes.len() == len).then_some(bytes)
}

/// Which child a wait is for, none standing for any; nothing where the call asks for more than that.
fn asked_child(call: &Invocation) -> Option<Option<InnerPid>> {
    let [a, b, c, d, ..] = call.args;
    let one = |pid: i32| (pid > 0).then_some(Some(pid));
    // Other options change who is asked for: __WALL, __WCLONE, __WNOTHREAD; WNOHANG never waits (wait(2)).
    let plain = |options: i32, known: i32| options & !known == 0;
    match call.sys {
        Sys::Wait4 if plain(c as i32, libc::WUNTRACED | libc::WCONTINUED) => match a as i32 {
            -1 => Some(None),
            pid => one(pid),
        },
        Sys::Waitid if plain(d as i32, libc::WEXITED | libc::WSTOPPED | libc::WCONTINUED | libc::WNOWAIT) => {
            match a as libc::idtype_t {
                libc::P_ALL => Some(None),
                libc::P_PID => one(b as i32),
                _ => None,
            }
        }
        _ => None,
    }
}

/// What calls that came back did to the model.
impl Engine<'_> {
    /// A call came back that the model had not foreseen.
    pub(super) fn note_in_the_model(&mut self, tid: Tid, call: &Invocation, decoded: &Call, result: i64) {
        let Some(tgid) = self.tracee(tid).map(|tracee| tracee.tgid) else { return };
        if let (Call::Wait { which, child, ending, keeps, .. }, sent) = (decoded, result) {
            match child {
                Some(child) if ending.is_some() && !keeps => self.kernel.children.reaped(tgid, *child),
                None if sent == -i64::from(libc::ECHILD) => {
                    self.kernel.children.none_left(tgid, Some(*which).filter(|which| *which > 0));
                }
                _ => {}
            }
            return;
        }
        let [fd, b, c, ..] = call.args;
        let fd = fd as Fd;
        if result < 0 && call.sys != Sys::Close {
            return;
        }
        let number = result as Fd;
        match decoded {
            Call::Pipe { ends: Some(ends), file: Some(file), cloexec } => {
                let known = b as i32 & libc::O_DIRECT == 0;
                match crate::sys::descriptor::pipe_size(tgid, ends.0).ok().filter(|_| known) {
                    Some(size) => {
                        let nonblocking = b as i32 & libc::O_NONBLOCK != 0;
                        let pipe = self.kernel.new_pipe((file.dev, file.ino), size);
                        self.kernel.open(tid, ends.0, pipe, (true, false), nonblocking, *cloexec);
                        self.kernel.open(tid, ends.1, pipe, (false, true), nonblocking, *cloexec);
                    }
                    None => [ends.0, ends.1].into_iter().for_each(|fd| self.kernel.close(tid, fd)),
                }
            }
            Call::Dup { fd, cloexec } => self.kernel.dup(tid, Some(*fd), number, *cloexec),
            Call::Close { fd } => self.kernel.close(tid, *fd),
            Call::CloseRange { first, last, cloexec, unshare } => {
                self.kernel.close_range(tid, (*first, *last), *cloexec, *unshare);
            }
            Call::SetCloexec { fd, on } => self.kernel.set_cloexec(tid, *fd, *on),
            Call::Open { file: Some(file), .. } => {
                self.kernel.close(tid, number);
                // A pipe can be opened once more by its path in /proc (proc_pid_fd(5)).
                if let Some(pipe) = self.kernel.pipe_at((file.dev, file.ino)) {
                    self.kernel.abandon(pipe);
                }
            }
            Call::NewDescriptor { .. } | Call::MqOpen { .. } => self.kernel.close(tid, number),
            Call::SocketPair { ends: Some(ends), .. } => {
                [ends.0, ends.1].into_iter().for_each(|fd| self.kernel.close(tid, fd));
            }
            Call::Socket { file: Some(_), .. } => self.kernel.close(tid, number),
            Call::Read { descriptors, .. } if !descriptors.is_empty() => {
                descriptors.iter().for_each(|(fd, _)| self.kernel.close(tid, *fd));
            }
            Call::Read { bytes, .. } => {
                if let Some(pipe) = self.kernel.pipe_of(tid, fd) {
                    self.kernel.pipe(pipe).take(bytes.len());
                    self.kernel.changed = true;
                }
            }
            Call::Write { bytes, .. } => {
                if let Some(pipe) = self.kernel.pipe_of(tid, fd) {
                    if self.kernel.pipe(pipe).room_for(bytes.len()) == result as usize {
                        self.kernel.pipe(pipe).write(&bytes.0);
                        self.kernel.changed = true;
                    } else {
                        self.kernel.abandon(pipe);
                    }
                }
            }
            _ => match (call.sys, b as i32) {
                (Sys::Fcntl, libc::F_SETFL) => {
                    if c as i32 & (libc::O_ASYNC | libc::O_DIRECT) != 0 {
                        self.leave_to_the_kernel(tid, &[fd]);
                    }
                    self.kernel.set_nonblocking(tid, fd, c as i32 & libc::O_NONBLOCK != 0);
                }
                (Sys::Fcntl, libc::F_SETPIPE_SZ) => {
                    if let Some(pipe) = self.kernel.pipe_of(tid, fd) {
                        self.kernel.pipe(pipe).resize(result as usize);
                        self.kernel.changed = true;
                    }
                }
                (Sys::Ioctl, _) if b == libc::FIONBIO => {
                    let on = memory::read_u32(tid, c).unwrap_or(0) != 0;
                    self.kernel.set_nonblocking(tid, fd, on);
                }
                (Sys::Ioctl, _) if b == libc::FIOASYNC => {
                    self.leave_to_the_kernel(tid, &[fd]);
                }
                // Descriptors that come and go without anything being told of it; the box denies both.
                (Sys::PidfdGetfd | Sys::Unshare, _) => self.kernel.abandon_all(),
                _ => {}
            },
        }
    }

    /// A call that was to prove that it waits came back.
    pub(super) fn check_proof(&mut self, tid: Tid, call: &Invocation, result: i64) -> Fallible<()> {
        let proves = self.tracee(tid).is_some_and(|tracee| std::mem::take(&mut tracee.proves));
        if proves && Errno::from_raw(-result as i32) != Errno::EINTR {
            return Err(self.disagreement(tid, call, "it waits".to_owned(), format!("{result}")));
        }
        Ok(())
    }
}
