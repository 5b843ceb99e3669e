//! What one attempt may use.

use serde::{Deserialize, Serialize};

/// The bounds of one attempt. Each one that is hit is an outcome of its own, with the figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Processes and threads of the learner alive at a time.
    pub processes: u32,
    /// Address space of each process, in MiB. All together may hold twice as much.
    pub memory_mib: u64,
    /// Bytes written to standard output and standard error together, in KiB.
    pub output_kib: u64,
    /// Bytes in files, shared memory and queues, in MiB. Twice as many may be read, written and stored in all.
    pub files_mib: u64,
    /// A process's own CPU time between two recorded calls, in milliseconds.
    pub cpu_ms: u64,
    /// Recorded calls of all processes together.
    pub steps: u64,
    /// Wall time of the attempt, in milliseconds: guards the grader against itself, never part of a verdict.
    pub wall_ms: u64,
}

/// All processes of an attempt together may hold this many times what one may map.
const TIMES_PROCESS: u64 = 2;

impl Limits {
    /// Files and folders of an attempt; an empty file is one.
    pub const FILES: u32 = 4096;

    /// What all processes of an attempt may hold together, in MiB.
    pub fn run_memory_mib(&self) -> u64 {
        self.memory_mib.saturating_mul(TIMES_PROCESS)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            processes: 16,
            memory_mib: 512,
            output_kib: 1024,
            files_mib: 16,
            cpu_ms: 2000,
            steps: 200_000,
            wall_ms: 20_000,
        }
    }
}
