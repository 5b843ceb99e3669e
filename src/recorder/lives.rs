//! Beginnings and ends: the roots are seized and brought up, threads come and go, whatever is left is killed.

use std::time::Duration;

use nix::errno::Errno;

use super::engine::{Engine, Fallible, failed};
use super::tracee::Tracee;
use super::{RecorderError, Root, RootKind, decode};
use crate::sys::ptrace;
use crate::sys::tick::Ticks;
use crate::sys::wait::{Status, Stop, wait, without_signals_of_stops};
use crate::trace::canonical::Ending;
use crate::trace::raw::{InnerPid, RawKind, Tid};

/// How often a run that does nothing but compute is looked at.
const TICK: Duration = Duration::from_millis(20);

impl Engine<'_> {
    /// Seizes the roots and brings each to its first call: the program to its exec, a peer to its first step.
    pub(super) fn start(&mut self, roots: &[Root], go: impl FnOnce() -> std::io::Result<()>) -> Fallible<()> {
        without_signals_of_stops().map_err(|errno| failed("wait for", 0, errno))?;
        self.ticks = Some(Ticks::every(TICK).map_err(RecorderError::Ticks)?);
        for root in roots {
            ptrace::seize(root.pid).map_err(|errno| failed("seize", root.pid, errno))?;
            let peer = matches!(root.kind, RootKind::Peer(_));
            self.adopt(root.pid, root.pid, root.inner, peer);
            self.guard.started(root.pid, peer);
        }
        go().map_err(RecorderError::Go)?;
        for root in roots {
            self.bring_up(root)?;
        }
        Ok(())
    }

    pub(super) fn bring_up(&mut self, root: &Root) -> Fallible<()> {
        let pid = root.pid;
        let program = root.kind == RootKind::Program;
        loop {
            let status = match wait(Some(pid), true) {
                Ok(Some((_, status))) => status,
                Ok(None) | Err(Errno::EINTR) => continue,
                Err(errno) => return Err(failed("wait for", pid, errno)),
            };
            match status {
                Status::Exited(_) | Status::Killed(_) => {
                    self.forget(pid);
                    return Err(RecorderError::NotStarted);
                }
                // The program's own exec comes through the filter too.
                Status::Stopped(Stop::Seccomp) if program => {}
                Status::Stopped(Stop::Exec) => {
                    self.started(root);
                    return self.on_exec(pid);
                }
                Status::Stopped(Stop::Seccomp) => {
                    self.started(root);
                    return self.on_entry(pid);
                }
                Status::Stopped(_) => {}
            }
            ptrace::cont(pid, None).map_err(|errno| failed("continue", pid, errno))?;
        }
    }

    pub(super) fn started(&mut self, root: &Root) {
        let mut numbers: Vec<i32> = std::fs::read_dir(format!("/proc/{}/fd", root.pid))
            .map(|folder| folder.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
            .unwrap_or_default();
        numbers.sort_unstable();
        let descriptors: Vec<_> = numbers.into_iter().map(|fd| (fd, decode::files::file(root.pid, fd, None))).collect();
        if root.kind == RootKind::Program {
            self.inherited.extend(descriptors.iter().map(|(_, file)| (file.dev, file.ino)));
            self.faults.begin(&descriptors);
        }
        let peer = match &root.kind {
            RootKind::Program => {
                self.cwd.clone_from(&root.cwd);
                None
            }
            RootKind::Peer(name) => Some(name.clone()),
        };
        self.tell(root.pid, RawKind::Started { inner: root.inner, peer, cwd: root.cwd.clone(), descriptors });
    }

    /// Takes a thread in, at its first stop.
    pub(super) fn adopt(&mut self, tid: Tid, tgid: Tid, inner: InnerPid, peer: bool) {
        self.order_of.insert(tid, self.created);
        let mut tracee = Tracee::new(tid, tgid, inner, peer);
        // Peers are forked from us, and a child from a program that is under way.
        tracee.prelude = !peer && tid == tgid && self.events.is_empty();
        self.tracees.insert(self.created, tracee);
        self.created += 1;
    }

    /// Drops a thread that is gone.
    pub(super) fn forget(&mut self, tid: Tid) {
        self.functions.forget(tid);
        if let Some(order) = self.order_of.remove(&tid) {
            self.tracees.remove(&order);
        }
    }

    /// Tells of the end of a thread, and of its process where it was the last.
    pub(super) fn gone(&mut self, tid: Tid, ending: Ending) {
        let Some((tgid, inner)) = self.tracee(tid).map(|tracee| (tracee.tgid, tracee.inner)) else { return };
        self.forget(tid);
        self.kernel.gone(tid);
        if tid == tgid {
            self.kernel.children.gone(tid);
            self.guard.gone(tgid);
        }
        self.deaths = true;
        self.signals += 1;
        self.endings.insert(inner, ending);
        if tid == tgid {
            self.timers.ended(tgid);
        }
        self.tell(tid, if tid == tgid { RawKind::Exited { ending } } else { RawKind::ThreadExited });
    }

    /// Kills and reaps whatever is left.
    pub(super) fn end_all(&mut self) {
        for tid in self.order_of.keys() {
            // One that is gone already cannot be killed, which is as well.
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(*tid), nix::sys::signal::Signal::SIGKILL);
        }
        while !self.order_of.is_empty() {
            match wait(None, true) {
                Ok(Some((tid, Status::Exited(_) | Status::Killed(_)))) => self.forget(tid),
                // An exit stop, or the first stop of a child that came late.
                Ok(Some((tid, Status::Stopped(_)))) => {
                    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(tid), nix::sys::signal::Signal::SIGKILL);
                    let _ = ptrace::cont(tid, None);
                }
                Ok(None) | Err(Errno::EINTR) => {}
                Err(_) => break,
            }
        }
    }
}
