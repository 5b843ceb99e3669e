//! How many schedules of a small exercise one processor tries in a second, in the box, named.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use ipc_grade::harness::{Attempt, attempt};
use ipc_grade::model::{Limits, Schedule, ScheduleSeed};

/// An attempt at a case of the benchmark's program.
pub(crate) fn described(program: &Path, args: &[&str], seed: u32) -> Attempt {
    Attempt {
        // Times are measured here, and not bounded.
        limits: Limits { wall_ms: 600_000, ..Limits::default() },
        schedule: Schedule::Seeded { seed: ScheduleSeed(seed), steps: 0 },
        ..Attempt::plain(program.to_owned(), "programs", args.iter().map(|arg| arg.as_bytes().to_vec()).collect())
    }
}

/// In a process of its own: the box's outer namespaces are for good.
pub(crate) fn inside(program: &Path, count: u32) {
    let mut description = described(program, &["exercise"], 0);
    // Namespaces, once.
    attempt(&description).unwrap();
    let start = Instant::now();
    for seed in 1..=count {
        description.schedule = Schedule::Seeded { seed: ScheduleSeed(seed), steps: 0 };
        let attempted = attempt(&description).unwrap();
        assert!(attempted.trace.events.len() > 8, "{:?}", attempted.trace);
    }
    println!("{}", f64::from(count) / start.elapsed().as_secs_f64());
}

pub(crate) fn measure(program: &Path, count: u32) {
    let mut again = Command::new(std::env::current_exe().unwrap());
    let output = again.arg("--attempts").arg(program).arg(count.to_string()).output().unwrap();
    match String::from_utf8_lossy(&output.stdout).trim().parse() {
        Ok(rate) if output.status.success() => {
            super::row_at_least("schedules in a second, on one processor", rate, 250.0, "/s");
        }
        _ => println!("schedules: there is no box here: {}", String::from_utf8_lossy(&output.stderr)),
    }
}
