//! The limits that the kernel keeps, recognised where a program runs into one.
//!
//! Address space, bytes in files and open descriptors are bounded by the box (setrlimit(2), the size of its tmpfs), not
//! counted here. A program meets such a bound as an error or a signal, and may go on as if nothing were: the run ends
//! there instead, and its end names the limit and the figure, as for the limits that the recorder counts itself.
//!
//! One of those is here too: how much the events of a run may carry, for they are kept until it is judged.

use nix::errno::Errno;

use super::engine::Engine;
use super::{decode, proc};
use crate::model::{Limits, Signal};
use crate::sys::arch::{Invocation, Sys};
use crate::trace::raw::{Call, Fd, FileKind, RawEvent, RawKind, Tid};

/// What Rust's runtime prints, in pieces, before it aborts (std::alloc::handle_alloc_error).
const OUT_OF_MEMORY: &[u8] = b"memory allocation of ";
/// How many events back its pieces are looked for.
const LAST_WORDS: usize = 16;

/// The bytes of a run's events are bounded by this many times what may lie in files.
const TIMES_FILES: u64 = 2;

impl Engine<'_> {
    /// Counts what an event carries.
    pub(super) fn count(&mut self, event: &RawEvent) {
        self.recorded += carried(event) as u64;
        let Some(limits) = self.options.limits else { return };
        let most = limits.files_mib * TIMES_FILES;
        if self.recorded > most << 20 {
            self.hit("data", format!("{most} MiB in all"), Some(event.tid));
        }
    }

    /// A learner's call failed with this error.
    pub(super) fn note_wall(&mut self, tid: Tid, call: &Invocation, errno: Errno) {
        let Some(limits) = self.options.limits else { return };
        let on_disk = |fd: u64| {
            let kind = decode::files::file(tid, fd as Fd, None).kind;
            matches!(kind, FileKind::Regular | FileKind::Shm | FileKind::Memory)
        };
        match (errno, call.sys) {
            // Queues answer so too, to attributes that are too large (mq_open(3)).
            (Errno::EMFILE, sys) if sys != Sys::MqOpen => {
                if let Some(most) = most_descriptors(tid) {
                    self.hit("descriptors", format!("{most} open at a time"), Some(tid));
                }
            }
            // Of semop(2) it says that the set has no such semaphore.
            (Errno::EFBIG, sys) if sys != Sys::Semtimedop => self.hit_files(tid),
            (Errno::ENOSPC, Sys::Write | Sys::Writev | Sys::Pwrite | Sys::Pwritev) if on_disk(call.args[0]) => {
                self.hit_files(tid);
            }
            // An empty file needs no room, but it is one.
            (Errno::ENOSPC, Sys::Openat | Sys::Mknodat) => self.hit_file_count(tid),
            (Errno::ENOSPC, Sys::Ftruncate | Sys::Shmget) => self.hit_files(tid),
            (Errno::ENOMEM, Sys::Mmap | Sys::Shmat) => {
                self.hit("memory", format!("{} MiB", limits.memory_mib), Some(tid));
            }
            _ => {}
        }
    }

    /// A learner's process is about to get a signal.
    pub(super) fn note_fatal_wall(&mut self, tid: Tid, signal: Signal) {
        let Some(limits) = self.options.limits else { return };
        if signal == Signal::XFSZ {
            self.hit_files(tid);
        } else if signal == Signal::ABRT && self.said(tid, OUT_OF_MEMORY) {
            self.hit("memory", format!("{} MiB", limits.memory_mib), Some(tid));
        }
    }

    pub(super) fn hit_file_count(&mut self, tid: Tid) {
        self.hit("files", format!("{} files", Limits::FILES), Some(tid));
    }

    pub(super) fn hit_files(&mut self, tid: Tid) {
        let Some(limits) = self.options.limits else { return };
        self.hit("files", format!("{} MiB", limits.files_mib), Some(tid));
    }

    /// Whether this is among the last that a thread wrote to its standard error.
    fn said(&self, tid: Tid, words: &[u8]) -> bool {
        let last = &self.events[self.events.len().saturating_sub(LAST_WORDS)..];
        let said: Vec<u8> = last
            .iter()
            .filter(|event| event.tid == tid)
            .filter_map(|event| match &event.kind {
                RawKind::Returned { call: Call::Write { fd: 2, bytes }, .. } => Some(bytes.0.as_slice()),
                _ => None,
            })
            .flatten()
            .copied()
            .collect();
        said.windows(words.len()).any(|window| window == words)
    }
}

/// The bytes that an event carries.
fn carried(event: &RawEvent) -> usize {
    match &event.kind {
        RawKind::Stored { bytes, .. } | RawKind::Loaded { bytes, .. } => bytes.len(),
        RawKind::Entered { call } | RawKind::Returned { call, .. } => match call {
            Call::Read { bytes, .. }
            | Call::Write { bytes, .. }
            | Call::Move { bytes, .. }
            | Call::MsgSend { bytes, .. }
            | Call::MsgReceive { bytes, .. }
            | Call::MqSend { bytes, .. }
            | Call::MqReceive { bytes, .. } => bytes.len(),
            _ => 0,
        },
        _ => 0,
    }
}

/// How many descriptors a process may have open (proc_pid_limits(5)).
fn most_descriptors(tid: Tid) -> Option<u64> {
    let limits = proc::text(tid, "limits");
    limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?.parse().ok()
}
