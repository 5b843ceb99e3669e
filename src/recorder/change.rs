//! Changes to a run, to see whether they mend it: a descriptor is closed that the program left open.
//!
//! The process makes the call itself: as soon as what the change waits for has happened and the process stands behind a
//! call of its own, its registers are set so that it closes the descriptor next, and put back when that call returns.
//! So the change goes the way of every other call, through filter, schedule and naming, and shows in the trace.

use serde::{Deserialize, Serialize};

use super::decode;
use super::engine::{Engine, Fallible, failed};
use super::tracee::{Resume, State};
use crate::sys::ptrace;
use crate::trace::raw::{Call, Fd, RawEvent, RawFile, RawKind, Tid};

/// Something that is done to a process in a run that is otherwise the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Which process: its place in the order in which processes were made, peers too.
    pub process: u32,
    /// The raw event after which it is done.
    pub after: u32,
    /// What.
    pub deed: Deed,
}

/// What is done to a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// Every descriptor is closed by which the process could write to what a raw event made: pipe, open.
    CloseWriteEnds {
        /// That raw event.
        made: u32,
    },
}

/// The changes that a run still has before it.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pending: Vec<Change>,
    /// In the order in which they were made.
    processes: Vec<Tid>,
}

impl Changes {
    pub(super) fn new(pending: Vec<Change>) -> Self {
        Self { pending, processes: Vec::new() }
    }

    pub(super) fn note(&mut self, event: &RawEvent) {
        match event.kind {
            RawKind::Started { .. } => self.processes.push(event.tid),
            RawKind::Forked { child, thread: false, .. } => self.processes.push(child),
            _ => {}
        }
    }
}

impl Engine<'_> {
    /// Lets a process begin what a change asks of it, where it is time.
    pub(super) fn make_changes(&mut self) -> Fallible<()> {
        for index in (0..self.changes.pending.len()).rev() {
            let Change { process, after, deed: Deed::CloseWriteEnds { made } } = self.changes.pending[index].clone();
            let Some(tid) = self.changes.processes.get(process as usize).copied() else { continue };
            let behind_a_call = |tracee: &mut super::tracee::Tracee| {
                tracee.state == State::Ready
                    && tracee.resume == Resume::Next(None)
                    && tracee.restart.is_none()
                    && tracee.lent.is_none()
            };
            if self.events.len() <= after as usize || !self.tracee(tid).is_some_and(behind_a_call) {
                continue;
            }
            match self.write_ends(tid, made).first() {
                // Rust ends a program that closes a descriptor which is closed already, so the number stays open, on
                // something that keeps nobody waiting: standard input (std, OwnedFd: "IO Safety violation").
                Some(fd) => self.lend(tid, libc::SYS_dup3, [0, *fd as u64, libc::O_CLOEXEC as u64, 0, 0, 0])?,
                None => drop(self.changes.pending.remove(index)),
            }
        }
        Ok(())
    }

    /// The descriptors by which a process can write to what an event made.
    fn write_ends(&self, tid: Tid, made: u32) -> Vec<Fd> {
        let Some(&RawFile { dev, ino, .. }) = self.events.get(made as usize).and_then(file_of) else {
            return Vec::new();
        };
        let folder = std::fs::read_dir(format!("/proc/{tid}/fd")).into_iter().flatten().flatten();
        let mut numbers: Vec<Fd> = folder.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        numbers.sort_unstable();
        numbers.retain(|fd| {
            let file = decode::files::file(tid, *fd, None);
            file.write && (file.dev, file.ino) == (dev, ino)
        });
        numbers
    }

    /// Makes a thread do a call of ours next.
    fn lend(&mut self, tid: Tid, number: i64, args: [u64; 6]) -> Fallible<()> {
        let registers = ptrace::registers(tid).map_err(|errno| failed("read the registers of", tid, errno))?;
        let Some(mut lent) = registers.lent_to(tid, number, args) else { return Ok(()) };
        ptrace::set_registers(tid, &mut lent).map_err(|errno| failed("set the registers of", tid, errno))?;
        if let Some(tracee) = self.tracee(tid) {
            tracee.lent = Some(registers);
        }
        Ok(())
    }

    /// The call that just came back may have been one of ours: the thread stands again where it stood.
    pub(super) fn give_back(&mut self, tid: Tid) -> Fallible<()> {
        let Some(mut kept) = self.tracee(tid).and_then(|tracee| tracee.lent.take()) else { return Ok(()) };
        ptrace::set_registers(tid, &mut kept).map_err(|errno| failed("set the registers of", tid, errno))
    }
}

/// What the event made, where it made something with ends.
fn file_of(event: &RawEvent) -> Option<&RawFile> {
    match &event.kind {
        RawKind::Returned { call: Call::Pipe { file, .. } | Call::Open { file, .. }, .. } => file.as_ref(),
        _ => None,
    }
}
