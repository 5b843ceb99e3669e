//! What runs on this machine, by /proc: who is left of a test, and who is there to be killed.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The variable by which the processes of a test's grader, workers among them, are told from all others.
pub(crate) const MARK: &str = "IPC_GRADE_TEST";

/// A running process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    /// Its program and arguments, a space between each.
    pub(crate) command: String,
    /// A process of the grader itself, none of the box.
    pub(crate) grader: bool,
}

impl Process {
    pub(crate) fn is_worker(&self) -> bool {
        self.grader && self.command.contains(" worker ")
    }

    pub(crate) fn kill(&self) {
        kill(Pid::from_raw(self.pid), Signal::SIGKILL).expect("it is still there to be killed");
    }
}

/// The processes that belong to a test: its grader's, and those of the exercise's name. Zombies are none.
pub(crate) fn of(name: &str) -> Vec<Process> {
    let mark = format!("{MARK}={name}");
    let folders = fs::read_dir("/proc").expect("a /proc").flatten();
    let pids = folders.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| {
        // One that is gone, or is not ours to look into, is none of ours.
        let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let command = String::from_utf8_lossy(&read("cmdline")).trim_end_matches('\0').replace('\0', " ");
        let grader = read("environ").split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes());
        let stat = String::from_utf8_lossy(&read("stat")).into_owned();
        let (comm, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
        let living = !matches!(rest.trim_start().chars().next(), Some('Z' | 'X') | None);
        let boxed = comm == name || command.split(' ').next() == Some(name);
        (living && (grader || boxed)).then_some(Process { pid, command, grader })
    })
    .collect()
}

/// Looks until this is true. Nothing tells of somebody else's process, so it looks again and again; never for long.
pub(crate) fn until<T>(what: &str, mut seen: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(seen) = seen() {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::yield_now();
    }
}

/// Fails where something of a test is still there after its grader has ended.
///
/// The kernel is given a moment for those that SIGKILL has reached already.
#[track_caller]
pub(crate) fn assert_none_left(name: &str) {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let left = of(name);
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "still there: {left:?}");
        std::thread::yield_now();
    }
}
