//! What is hard by its size or by its number: a thousand processes, a long stream, kills at any moment, and one attempt
//! after another in the same worker.
//!
//! The soak runs a small number of attempts in a plain run. As many as a night's batch:
//!
//! ```text
//! IPC_GRADE_TIMES=2000 cargo test --release --test attempt -- "one after another"
//! ```

use ipc_grade::harness::Attempt;
use ipc_grade::model::{Limits, Signal};
use ipc_grade::trace::canonical::{Ending, RunEnd, Verb};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::cases::{described, printed, run, seeded};

/// How many attempts the soak makes in a plain run.
const TIMES: usize = 120;
/// Attempts until caches and allocators have what they keep.
const WARM: usize = 60;
/// What a process may grow by over all later attempts: allocators keep a few pages more or less.
const GROWTH_KIB: u64 = 1024;

fn attempt_of(program: &str, limits: Limits) -> Attempt {
    Attempt { limits, ..described(program, Vec::new()) }
}

pub(crate) fn thousand_processes() {
    let limits = Limits { processes: 1200, wall_ms: 600_000, ..Limits::default() };
    let trace = run(&attempt_of("a thousand", limits));
    assert_eq!(trace.end, RunEnd::Finished);
    assert_eq!(trace.lives.len(), 1001);
    let reaped = trace.iter().filter(|(_, event)| matches!(event.verb, Verb::Reaped { .. })).count();
    assert_eq!((reaped, printed(&trace).as_str()), (1000, "2997\n"));
}

pub(crate) fn long_stream() {
    const MIB: usize = 64;
    let limits = Limits { files_mib: 2 * MIB as u64, wall_ms: 600_000, ..Limits::default() };
    let trace = run(&attempt_of("a long stream", limits));
    assert_eq!(trace.end, RunEnd::Finished);
    assert_eq!(printed(&trace), format!("{}\n", MIB << 20));
    // The bytes that were read are those that were written, whatever the pieces.
    let (mut written, mut read): (Vec<u8>, Vec<u8>) = Default::default();
    for (_, event) in trace.iter() {
        match &event.verb {
            Verb::Write { object, bytes } if trace.object(*object).kind.is_channel() => written.extend(&bytes.0),
            Verb::Read { bytes, .. } => read.extend(&bytes.0),
            _ => {}
        }
    }
    assert_eq!(written.len(), MIB << 20);
    assert!(written == read, "other bytes came out");
    assert!(written.iter().enumerate().all(|(at, byte)| *byte == (at >> 16) as u8), "other bytes went in");
}

/// Under several schedules, so that each kill meets its victim somewhere else.
pub(crate) fn killed_at_any_moment() {
    for seed in 0..6 {
        let attempt = Attempt { schedule: seeded(seed), ..described("kills at any moment", Vec::new()) };
        let trace = run(&attempt);
        assert_eq!(trace.end, RunEnd::Finished, "under {seed}");
        assert_eq!(printed(&trace), "20 killed\n", "under {seed}");
        let killed = trace.iter().filter(
            |(_, event)| matches!(event.verb, Verb::Reaped { ending: Ending::Killed(signal), .. } if signal == Signal::KILL),
        );
        assert_eq!(killed.count(), 20, "under {seed}");
    }
}

/// What this process and its machine have that an attempt might leave behind.
#[derive(Debug, PartialEq, Eq)]
struct Possessions {
    descriptors: usize,
    children: String,
    system_v: String,
    names: Vec<std::ffi::OsString>,
}

impl Possessions {
    fn now() -> Self {
        let list = |folder: &str| -> Vec<_> {
            std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name()).collect()
        };
        let text = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
        let pid = std::process::id();
        let mut names: Vec<_> = ["/dev/shm", "/dev/mqueue"].into_iter().flat_map(list).collect();
        names.sort();
        Self {
            descriptors: list("/proc/self/fd").len(),
            children: text(&format!("/proc/self/task/{pid}/children")),
            system_v: ["shm", "msg", "sem"].map(|family| text(&format!("/proc/sysvipc/{family}"))).concat(),
            names,
        }
    }
}

/// The resident set of this process.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a resident set");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Lists of System V and POSIX objects of this process's own: other tests have theirs on the machine's.
fn leave_the_machines_lists() {
    const NONE: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWIPC).expect("the attempts so far gave this process a user namespace");
    for (kind, place) in [("tmpfs", "/dev/shm"), ("mqueue", "/dev/mqueue")] {
        if std::path::Path::new(place).is_dir() {
            mount(Some(kind), place, Some(kind), MsFlags::empty(), NONE).expect(place);
        }
    }
}

pub(crate) fn one_after_another() {
    let said = std::env::var("IPC_GRADE_TIMES").ok();
    let times = said.map_or(TIMES, |times| times.parse().expect("IPC_GRADE_TIMES is a number")).max(2 * WARM);
    let programs = ["one line", "leaves everything behind", "deadlock", "daemon", "kill all", "queue"];
    let mut before = None;
    for time in 0..times {
        if time == WARM {
            leave_the_machines_lists();
            before = Some((Possessions::now(), resident_kib()));
        }
        let attempt =
            Attempt { schedule: seeded(time as u32), ..described(programs[time % programs.len()], Vec::new()) };
        run(&attempt);
    }
    let (possessions, resident) = before.expect("more attempts than that");
    assert_eq!(Possessions::now(), possessions, "after {times} attempts");
    let grown = resident_kib().saturating_sub(resident);
    assert!(grown <= GROWTH_KIB, "grown by {grown} KiB over {} attempts", times - WARM);
}
