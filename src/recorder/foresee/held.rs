//! Calls that would wait: held at their entries until they need not, or until the kernel has to agree that they wait.

use nix::errno::Errno;

use super::super::engine::{Engine, Fallible};
use super::super::kernel::{Answer, LetsIn};
use super::super::tracee::{Resume, State};
use super::super::{decode, stops};
use super::{Ask, Way};
use crate::sys::arch::{Invocation, Sys};
use crate::trace::raw::{Fd, InnerPid, RawKind, Tid};

impl Engine<'_> {
    pub(super) fn foresee_wait(&mut self, tid: Tid, call: &Invocation) -> Way {
        let Some(which) = asked_child(call) else { return Way::Enter };
        let Some(tgid) = self.tracee(tid).map(|tracee| tracee.tgid) else { return Way::Enter };
        if self.kernel.children.sleeps(tgid, which) { self.hold(tid, call, Ask::Wait(which)) } else { Way::Enter }
    }

    /// Holds a call that would wait; but where a signal ends it, that is the kernel's to see to.
    pub(super) fn hold(&mut self, tid: Tid, call: &Invocation, ask: Ask) -> Way {
        let (signals, since) = (self.signals, self.turns);
        let Some(tracee) = self.tracee(tid) else { return Way::Enter };
        if tracee.signals_before != signals && stops::signal_waits(tid) {
            return Way::Enter;
        }
        tracee.state = State::Held;
        // The kernel keeps those who wait at a POSIX queue by priority (wq_add in ipc/mqueue.c).
        let by_priority = matches!(ask, Ask::MqSend(..) | Ask::MqReceive(..));
        tracee.line = (if by_priority { tracee.priority() } else { 0 }, since);
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
    pub(crate) fn refresh_held(&mut self) {
        self.look_at_waiters();
        if !std::mem::take(&mut self.kernel.changed) {
            return;
        }
        let kernel = &self.kernel;
        for tracee in self.tracees.values_mut().filter(|it| it.state == State::Held && it.granted.is_none()) {
            let waits = match &tracee.ask {
                Some(Ask::Read(fd, len)) => kernel.read(tracee.tid, *fd, *len) == Answer::Waits,
                Some(Ask::Write(fd, len, value)) => kernel.write(tracee.tid, *fd, *len, *value) == Answer::Waits,
                Some(Ask::Signals(fd)) => kernel.has_signal(tracee.tid, *fd) == Some(false),
                Some(Ask::Wait(which)) => kernel.children.sleeps(tracee.tgid, *which),
                Some(Ask::Poll(about)) => !kernel.any_ready(tracee.tid, about),
                // Until they are let go on (`granted`), or what they wait for leaves the model.
                Some(Ask::Operate(id, _)) => kernel.semaphores.models(*id),
                Some(Ask::Send(id, _) | Ask::Receive(id, _)) => kernel.messages.models(*id),
                Some(Ask::MqSend(fd, _) | Ask::MqReceive(fd, _)) => kernel.object_of(tracee.tid, *fd).is_some(),
                Some(Ask::Epoll(fd)) => kernel.finds(tracee.tid, *fd) == Some(false),
                Some(Ask::Accept(fd)) => kernel.waits_to_accept(tracee.tid, *fd).is_some(),
                Some(Ask::Connect(to)) => kernel.lets_in(*to) != LetsIn::Unknown,
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
    pub(crate) fn interrupt_held(&mut self) -> Fallible<()> {
        self.refresh_held();
        let held = self.tracees.iter().filter(|(_, it)| it.state == State::Held && it.granted.is_none());
        let interrupted: Vec<u32> =
            held.filter(|(_, tracee)| stops::signal_waits(tracee.tid)).map(|(order, _)| *order).collect();
        for order in interrupted {
            self.enter(order, |_| false)?;
        }
        Ok(())
    }

    /// Nothing can go on: held calls go into the kernel, which has to agree that they wait. Whether there were any.
    pub(crate) fn enter_held(&mut self) -> Fallible<bool> {
        let held: Vec<u32> =
            self.tracees.iter().filter(|(_, tracee)| tracee.state == State::Held).map(|(order, _)| *order).collect();
        for order in &held {
            // About children the model does not claim to know all (PR_SET_CHILD_SUBREAPER in prctl(2)).
            self.enter(*order, |ask| !matches!(ask, Some(Ask::Wait(_))))?;
        }
        Ok(!held.is_empty())
    }

    /// Lets a held call into the kernel, at once: nobody chooses, for it has been told that it waits there.
    pub(super) fn enter(&mut self, order: u32, proves: impl Fn(Option<&Ask>) -> bool) -> Fallible<()> {
        let kernel = &self.kernel;
        let Some(tracee) = self.tracees.get_mut(&order).filter(|tracee| tracee.state == State::Held) else {
            return Ok(());
        };
        // Some signals come unseen (mq_notify(3), timers of CPU time).
        let of_signals = tracee.ask.as_ref().is_some_and(|ask| ask.is_about_signals(kernel, tracee.tid));
        tracee.state = State::Ready;
        tracee.resume = Resume::Exit;
        tracee.enters = true;
        tracee.proves = !of_signals && proves(tracee.ask.as_ref());
        if let Some(Ask::Epoll(fd)) = tracee.ask {
            // It looks, finds nothing, and forgets what was not ready after all.
            self.kernel.collect(tracee.tid, fd, 1);
        }
        self.step(order)
    }

    /// The time of a held call has come: it goes into the kernel, which has to agree that it waits until then. Whether it
    /// does.
    pub(crate) fn enter_expired(&mut self, tid: Tid) -> Fallible<bool> {
        let Some(order) = self.order_of.get(&tid).copied() else { return Ok(false) };
        self.enter(order, |_| true)?;
        Ok(self.tracee(tid).is_some_and(|tracee| matches!(tracee.state, State::Asleep { .. })))
    }

    /// A call sleeps in the kernel: the model does not know what comes of it, so its object is not modelled any more.
    pub(crate) fn sleeps_unforeseen(&mut self, tid: Tid, call: &Invocation) {
        let now = self.clock.now();
        let only_until_now = self.tracee(tid).is_some_and(|tracee| {
            // Held until its time came, it is about to be interrupted: others have not met it in the kernel.
            tracee.proves && tracee.deadline.is_some_and(|deadline| deadline.until <= now)
        });
        if !only_until_now {
            self.leaves_the_model(tid, call);
        }
    }

    /// What a call is about is not modelled any more.
    pub(super) fn leaves_the_model(&mut self, tid: Tid, call: &Invocation) {
        let object = call.args[0];
        match call.sys {
            Sys::Read
            | Sys::Readv
            | Sys::Recvfrom
            | Sys::Recvmsg
            | Sys::Write
            | Sys::Writev
            | Sys::Sendto
            | Sys::Sendmsg
            | Sys::MqTimedsend
            | Sys::MqTimedreceive
            | Sys::Accept => {
                self.leave_to_the_kernel(tid, &[object as Fd]);
            }
            Sys::Semtimedop | Sys::Msgsnd | Sys::Msgrcv => self.abandon_id(call.sys, object as i32),
            Sys::Connect => {
                self.leave_to_the_kernel(tid, &[object as Fd]);
                if let Some(to) = self.connects_to(tid, call) {
                    self.kernel.abandon(to);
                }
            }
            // It looked, and found nothing.
            Sys::EpollWait => self.note_collected(tid, call, 0),
            _ => {}
        }
    }

    /// A process was stopped or goes on: its parent may hear of it from wait.
    pub(crate) fn note_stopped(&mut self, tid: Tid) {
        if let Some(tgid) = self.tracee(tid).map(|tracee| tracee.tgid) {
            self.kernel.children.changed(tgid);
            self.kernel.changed = true;
            self.looked_at_signals = None;
        }
    }

    /// A call that was to prove that it waits came back.
    pub(crate) fn check_proof(&mut self, tid: Tid, call: &Invocation, result: i64) -> Fallible<()> {
        let proves = self.tracee(tid).is_some_and(|tracee| std::mem::take(&mut tracee.proves));
        if proves && Errno::from_raw(-result as i32) != Errno::EINTR {
            return Err(self.disagreement(tid, call, "it waits".to_owned(), format!("{result}")));
        }
        Ok(())
    }
}

/// Which child a wait is for, none standing for any; nothing where the call asks for more than that.
pub(in crate::recorder) fn asked_child(call: &Invocation) -> Option<Option<InnerPid>> {
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
