//! Which processor a thread runs on (sched_setaffinity(2)).

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The processors that this thread may run on, by number.
///
/// # Errors
/// What sched_getaffinity(2) says.
pub fn allowed() -> nix::Result<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0))?;
    Ok((0..CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false)).collect())
}

/// Binds this thread, and what it forks from now on, to one processor.
///
/// A tracer and its tracees on one processor hand over without waking another: the largest single win in recording.
///
/// # Errors
/// What sched_setaffinity(2) says.
pub fn pin(cpu: usize) -> nix::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    sched_setaffinity(Pid::from_raw(0), &set)
}

/// Lets this thread, and what it forks from now on, run on any of these.
///
/// # Errors
/// What sched_setaffinity(2) says.
pub fn allow(cpus: &[usize]) -> nix::Result<()> {
    let mut set = CpuSet::new();
    cpus.iter().try_for_each(|cpu| set.set(*cpu))?;
    sched_setaffinity(Pid::from_raw(0), &set)
}
