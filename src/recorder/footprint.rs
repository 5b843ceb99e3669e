//! The memory of a whole run: what its processes hold together, and what lies in memory that is no file.
//!
//! Each process has its own bound (RLIMIT_AS), the box's tmpfs and its System V segments have theirs. What is left are
//! many processes that are each below the bound, shared anonymous memory, which is nobody's when a process is counted,
//! and memfds, which need no process to have them mapped. A cgroup bounds all of it where there is one (`sandbox`); here
//! it is counted, with or without one, so that the run ends with the figure and not with a process killed.
//!
//! What processes hold is looked at after so many turns, at calls that make room, and at ticks. A process's peak counts
//! with the memory that it has, so it makes no difference when the look comes: what was too much at any moment is too
//! much at the next look. A first sum is cheap and never too small; only where it is too large the exact one is made,
//! in which pages that processes share after a fork count once (proc_pid_smaps_rollup(5)).

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt;

use super::decode::files;
use super::engine::Engine;
use super::proc;
use crate::model::Limits;
use crate::sys::arch::{Invocation, Sys};
use crate::trace::raw::{FileKind, Tid};

/// After so many turns memory is looked at.
const TURNS: u64 = 256;

/// What is known of memory that calls have made.
#[derive(Debug, Default)]
pub(super) struct Footprint {
    /// Bytes of shared anonymous memory, of all that was ever mapped.
    shared: u64,
    /// The length of each memfd; in a box without a bound on files of each file.
    files: HashMap<(u64, u64), u64>,
    /// Their sum.
    files_in_all: u64,
    /// Bytes of System V segments that were made.
    segments: u64,
    /// Descriptors may be under way in a socket, where nobody sees them (SCM_RIGHTS in unix(7)).
    passes_descriptors: bool,
}

impl Engine<'_> {
    /// At the end of a turn.
    pub(super) fn check_footprint(&mut self) {
        if self.turns.is_multiple_of(TURNS) {
            self.check_memory(None);
        }
    }

    /// Whether the processes hold too much together.
    pub(super) fn check_memory(&mut self, tid: Option<Tid>) {
        let Some(limits) = self.options.limits else { return };
        let most = limits.run_memory_mib();
        let processes: Vec<Tid> =
            self.tracees.values().filter(|it| !it.peer && it.tid == it.tgid).map(|it| it.tid).collect();
        let peaks: u64 = processes.iter().map(|tid| Resident::of(*tid).peak).sum();
        if peaks + self.footprint.shared > most << 20 && held(&processes) > most << 20 {
            self.hit("memory", format!("{most} MiB in all"), tid);
        }
    }

    /// A learner's call is about to make room: what would be too much is not made.
    pub(super) fn before_growth(&mut self, tid: Tid, call: &Invocation) {
        let Some(limits) = self.options.limits else { return };
        let [a, b, c, d, ..] = call.args;
        match call.sys {
            Sys::Mmap => {
                self.before_mapping(tid, b, d as i32, limits.memory_mib);
            }
            Sys::Ftruncate => self.grows(tid, a as i32, b),
            Sys::Fallocate => self.grows(tid, a as i32, c.saturating_add(d)),
            Sys::Shmget if self.options.strangers && c as i32 & libc::IPC_CREAT != 0 => {
                self.footprint.segments = self.footprint.segments.saturating_add(b);
                if self.footprint.segments > limits.files_mib << 20 {
                    self.hit_files(tid);
                }
            }
            Sys::Sendmsg | Sys::Sendmmsg => self.footprint.passes_descriptors = true,
            _ => {}
        }
    }

    fn before_mapping(&mut self, tid: Tid, len: u64, flags: i32, most_mib: u64) {
        if flags & libc::MAP_ANONYMOUS == 0 {
            return;
        }
        if flags & libc::MAP_SHARED != 0 {
            self.footprint.shared = self.footprint.shared.saturating_add(len);
            self.check_memory(Some(tid));
        }
        // The kernel's own bound (RLIMIT_AS): the program would be told ENOMEM, and nobody else.
        if self.options.boxed && mapped(tid).saturating_add(len) > most_mib << 20 {
            self.hit("memory", format!("{most_mib} MiB"), Some(tid));
        }
    }

    /// A learner's call has written to a file.
    pub(super) fn note_growth(&mut self, tid: Tid, call: &Invocation, result: i64) {
        let fd = match call.sys {
            Sys::Write | Sys::Writev | Sys::Pwrite | Sys::Pwritev | Sys::Sendfile => call.args[0],
            Sys::Splice | Sys::CopyFileRange => call.args[2],
            Sys::MemfdCreate => {
                self.memfds = true;
                return;
            }
            Sys::Openat if call.args[2] as i32 & libc::O_CREAT != 0 => result as u64,
            _ => return,
        };
        if self.memfds || self.options.strangers {
            self.grows(tid, fd as i32, 0);
        }
    }

    /// A file is, or is about to be, at least so long.
    fn grows(&mut self, tid: Tid, fd: i32, len: u64) {
        let Some(limits) = self.options.limits.filter(|_| self.options.boxed) else { return };
        let Ok(seen) = std::fs::metadata(format!("/proc/{tid}/fd/{fd}")) else { return };
        let counted = match files::file(tid, fd, None).kind {
            FileKind::Memory => true,
            // Elsewhere the size of the tmpfs bounds them.
            FileKind::Shm | FileKind::Regular => self.options.strangers,
            _ => false,
        };
        if !counted {
            return;
        }
        let length = self.footprint.files.entry((seen.dev(), seen.ino())).or_default();
        let longer = (*length).max(len).max(seen.len());
        self.footprint.files_in_all = self.footprint.files_in_all.saturating_add(longer - *length);
        *length = longer;
        if self.options.strangers && self.footprint.files.len() > Limits::FILES as usize {
            self.hit_file_count(tid);
        }
        let most = limits.files_mib << 20;
        if self.footprint.files_in_all > most {
            self.forget_closed_memfds();
            if self.footprint.files_in_all > most {
                self.hit_files(tid);
            }
        }
    }

    /// What nobody has open or mapped any more is gone, if it has no name.
    fn forget_closed_memfds(&mut self) {
        if self.options.strangers || self.footprint.passes_descriptors {
            return;
        }
        let mut there = HashSet::new();
        for tracee in self.tracees.values().filter(|tracee| !tracee.peer) {
            let open = std::fs::read_dir(format!("/proc/{}/fd", tracee.tid)).into_iter().flatten().flatten();
            there.extend(open.filter_map(|entry| {
                let seen = std::fs::metadata(entry.path()).ok()?;
                Some((seen.dev(), seen.ino()))
            }));
            there.extend(files::mappings(tracee.tid).into_iter().map(|mapping| (mapping.file.dev, mapping.file.ino)));
        }
        self.footprint.files.retain(|file, _| there.contains(file));
        self.footprint.files_in_all =
            self.footprint.files.values().fold(0, |sum: u64, length| sum.saturating_add(*length));
    }
}

/// Bytes that these processes hold together, shared pages once.
fn held(processes: &[Tid]) -> u64 {
    let mut shared: HashMap<(u64, u64), u64> = HashMap::new();
    let mut own = 0;
    for tid in processes {
        let resident = Resident::of(*tid);
        own += proportional(*tid) + resident.peak.saturating_sub(resident.now);
        for mapping in files::mappings(*tid).iter().filter(|mapping| mapping.shared && is_anonymous(&mapping.name)) {
            let length = shared.entry((mapping.file.dev, mapping.file.ino)).or_default();
            *length = (*length).max(mapping.start + mapping.to - mapping.from);
        }
        // Its peak has been counted (proc_pid_clear_refs(5)); where it cannot be forgotten it counts again.
        let _kept = std::fs::write(format!("/proc/{tid}/clear_refs"), "5");
    }
    own + shared.values().sum::<u64>()
}

/// The kernel's name for what MAP_SHARED and MAP_ANONYMOUS make.
fn is_anonymous(name: &str) -> bool {
    name.starts_with("/dev/zero")
}

/// What a process has in memory, in bytes (proc_pid_status(5)).
#[derive(Debug, Default)]
struct Resident {
    now: u64,
    peak: u64,
}

impl Resident {
    fn of(tid: Tid) -> Self {
        let text = proc::text(tid, "status");
        Self { now: kib(&text, "VmRSS:") << 10, peak: kib(&text, "VmHWM:") << 10 }
    }
}

/// A process's share of the private pages that it holds, in bytes.
fn proportional(tid: Tid) -> u64 {
    let text = proc::text(tid, "smaps_rollup");
    (kib(&text, "Pss_Anon:") + kib(&text, "SwapPss:")) << 10
}

fn kib(text: &str, field: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// The size of a process's address space, in bytes (proc_pid_statm(5)).
fn mapped(tid: Tid) -> u64 {
    let text = proc::text(tid, "statm");
    let pages: u64 = text.split_whitespace().next().and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages.saturating_mul(4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_resident() {
        let own = std::process::id() as i32;
        let resident = Resident::of(own);
        assert!(0 < resident.now && resident.now <= resident.peak, "{resident:?}");
        assert!(0 < proportional(own) && proportional(own) <= resident.peak);
        assert!(resident.now < mapped(own));
        assert!(proportional(own) <= held(&[own]));
    }
}
