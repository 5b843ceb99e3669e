//! From a job to a grade: build, attempts, verdicts.
//!
//! There is one function that grades, [`grade`]. The commands differ only in where their jobs come from and where the
//! grades go.
//!
//! # Theory of operation
//!
//! The runner has a thread per worker ([`pool`]). Each thread takes jobs from one queue, compiles, and hands attempts to
//! its worker: this very program started again, one thread, one processor claimed by a lock, which lives for many
//! attempts ([`worker`]). Attempts and traces cross two pipes as lines of JSON. A worker that dies takes its tracees
//! with it (PTRACE_O_EXITKILL) and costs the attempt in hand, which is tried once more with a new worker; if that dies
//! too, the job's status is `error`. A worker whose runner dies is killed by the kernel (PR_SET_PDEATHSIG).

pub mod batch;
mod evidence;
mod grade;
mod known;
mod luck;
mod plan;
pub mod pool;
pub mod proof;
pub mod record;
mod repair;
mod replay;
mod shrink;
pub mod worker;

pub use grade::{Grade, Job, RunOutcome, Tools, grade, rejudge};
pub use known::Known;
pub use plan::{Plan, Run, allowed, by_hand, infer_values, preflight};
