//! Limits of the program and of all that it forks (setrlimit(2)).

use std::path::Path;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::model::Limits;
use crate::sys::namespace::write_once;

/// Descriptors of a process.
const DESCRIPTORS: u64 = 256;

/// A thread's stack, the first's in particular.
const STACK_MIB: u64 = 8;

/// Sets the program's limits on this process.
///
/// The processes of the attempt are counted exactly by the recorder, whose outcome names the figure; the limit here
/// is the wall behind that, and only there where the kernel counts by user namespace (Linux 5.14): before, it would
/// count all that the user runs on the machine, as it does where the process has no such namespace (`own_users`).
pub(super) fn apply(limits: &Limits, own_users: bool) -> nix::Result<()> {
    let mib = |count: u64| count.saturating_mul(1 << 20);
    lower(Resource::RLIMIT_AS, mib(limits.memory_mib))?;
    lower(Resource::RLIMIT_FSIZE, mib(limits.files_mib))?;
    lower(Resource::RLIMIT_STACK, mib(STACK_MIB))?;
    lower(Resource::RLIMIT_NOFILE, DESCRIPTORS)?;
    lower(Resource::RLIMIT_CORE, 0)?;
    if own_users && counts_by_namespace() {
        lower(Resource::RLIMIT_NPROC, processes(limits))?;
    }
    Ok(())
}

/// Where memory runs out, this process goes before the grader (proc_pid_oom_score_adj(5)); a wish, no bound.
pub(super) fn go_first() {
    let _unwished = write_once(Path::new("/proc/self/oom_score_adj"), "1000");
}

/// What a tool of ours may use: its input is not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Address space of each process, in bytes.
    pub memory: u64,
    /// A file that it writes, in bytes.
    pub file: u64,
    /// All files in its /tmp together, in bytes.
    pub scratch: u64,
    /// CPU time of each process, in seconds.
    pub cpu_s: u64,
    /// Real time: past it the machine is to blame.
    pub wall: Duration,
    /// Bytes of its output that are kept.
    pub said: usize,
}

/// Threads and processes of a tool.
const TOOL_PROCESSES: u64 = 64;

/// Sets a tool's bounds on this process. `alone` says that it is in a user namespace of its own.
pub(super) fn bind(bounds: &Bounds, alone: bool) -> nix::Result<()> {
    lower(Resource::RLIMIT_AS, bounds.memory)?;
    lower(Resource::RLIMIT_FSIZE, bounds.file)?;
    lower(Resource::RLIMIT_CORE, 0)?;
    if alone && counts_by_namespace() {
        lower(Resource::RLIMIT_NPROC, TOOL_PROCESSES)?;
    }
    // The soft limit tells by SIGXCPU, which no other cause sends; the hard one is behind it.
    let (_, hard) = getrlimit(Resource::RLIMIT_CPU)?;
    setrlimit(Resource::RLIMIT_CPU, bounds.cpu_s.min(hard), (bounds.cpu_s + 1).min(hard))
}

/// How many processes and threads the box allows at the very most.
pub(super) fn processes(limits: &Limits) -> u64 {
    u64::from(limits.processes).saturating_mul(4).max(64)
}

/// Sets the soft and the hard limit, as far as the hard one allows.
fn lower(resource: Resource, value: u64) -> nix::Result<()> {
    let (_, hard) = getrlimit(resource)?;
    let value = value.min(hard);
    setrlimit(resource, value, value)
}

fn counts_by_namespace() -> bool {
    let release = nix::sys::utsname::uname().map(|name| name.release().to_string_lossy().into_owned());
    release.is_ok_and(|release| version(&release) >= (5, 14))
}

fn version(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        for (release, expected) in
            [("6.1.0-13-amd64", (6, 1)), ("5.15.153.1-microsoft-standard-WSL2", (5, 15)), ("5.9", (5, 9)), ("", (0, 0))]
        {
            assert_eq!(version(release), expected, "{release}");
        }
    }
}
