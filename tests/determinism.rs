//! The same exercise, source and seeds: the same verdict and the same canonical trace, byte for byte, however busy the
//! machine is.
//!
//! Each is graded a few times in a plain run. Two hundred times, half of them with every core busy:
//!
//! ```text
//! IPC_GRADE_TIMES=200 cargo test --release --test determinism
//! ```
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "support/traced.rs"]
mod traced;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// How often each is graded in a plain run.
const TIMES: usize = 3;

fn times() -> usize {
    let said = std::env::var("IPC_GRADE_TIMES").ok();
    said.map_or(TIMES, |times| times.parse().expect("IPC_GRADE_TIMES is a number"))
}

/// A loop for each core, ended with this value.
struct Busy(Vec<Child>);

impl Busy {
    fn start() -> Self {
        let cores = std::thread::available_parallelism().unwrap().get();
        let spin = || Command::new("sh").args(["-c", "while :; do :; done"]).stdin(Stdio::null()).spawn().unwrap();
        Self((0..cores).map(|_| spin()).collect())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It runs until this moment, so both succeed.
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

/// What one grading gave: the exit code and the report, and the traces by their file's name.
#[derive(PartialEq, Eq)]
struct Graded {
    verdict: (Option<i32>, String),
    traces: BTreeMap<String, String>,
}

fn grade(arguments: &[&str], seed: &str) -> Graded {
    let folder = tempfile::tempdir().unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_ipc-grade"));
    check.arg("check").args(arguments).args(["--seed", seed, "--format", "json", "--record"]).arg(folder.path());
    let output = traced::run(check.current_dir(env!("CARGO_MANIFEST_DIR")));
    assert!(matches!(output.status.code(), Some(0 | 1)), "{arguments:?} under {seed}: {output:?}");
    let trace = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), std::fs::read_to_string(entry.path()).unwrap())
    };
    let traces = std::fs::read_dir(folder.path()).unwrap().map(trace).collect();
    Graded { verdict: (output.status.code(), String::from_utf8(output.stdout).unwrap()), traces }
}

/// Grades again and again, the second half with every core busy.
#[track_caller]
fn same(arguments: &[&str], seeds: &[&str]) {
    let times = times();
    let idle = times.div_ceil(2);
    let firsts: Vec<Graded> = seeds.iter().map(|seed| grade(arguments, seed)).collect();
    let mut busy = None;
    for time in 1..times {
        if time >= idle {
            busy.get_or_insert_with(Busy::start);
        }
        let load = if busy.is_some() { "with every core busy" } else { "as the machine is" };
        for (seed, first) in seeds.iter().zip(&firsts) {
            let now = grade(arguments, seed);
            for (name, trace) in &first.traces {
                let other = now.traces.get(name).map_or("", String::as_str);
                let at = trace.lines().zip(other.lines()).position(|(one, other)| one != other);
                let line = |text: &str| at.and_then(|at| text.lines().nth(at)).unwrap_or("it ends").to_owned();
                assert!(
                    trace == other,
                    "{name} of {arguments:?} under {seed}, run {time} {load}, from line {at:?}:\n{}\n{}",
                    line(trace),
                    line(other)
                );
            }
            assert_eq!(now.verdict, first.verdict, "{arguments:?} under {seed}, run {time} {load}");
            assert!(now == *first, "{arguments:?} under {seed}, run {time} {load}: other traces");
        }
    }
}

const SCHEDULES: [&str; 4] = ["7f.0", "7f.1", "7f.2", "7f.3"];

#[test]
fn the_references_of_all_exercises() {
    same(&["--source", "solutions"], &SCHEDULES);
}

/// Programs with threads, deadlocks, kills of several at once, orphans and polls.
#[test]
fn right_and_wrong_programs() {
    for (exercise, program) in [
        ("05_signals/handle_interrupt", "accepted/sigwait_in_a_thread.rs"),
        ("05_signals/handle_interrupt", "rejected/passes_it_on_to_the_group.rs"),
        ("02_pipes/fifo_greeter", "accepted/a_thread_for_each_fifo.rs"),
        ("02_pipes/fifo_greeter", "rejected/crosses_the_opens.rs"),
        ("02_pipes/one_line", "rejected/child_keeps_its_write_end.rs"),
        ("02_pipes/one_line", "rejected/never_waits.rs"),
        ("01_processes/separate_memory", "rejected/leaves_the_child_running.rs"),
        ("04_message_queues/send_and_receive", "accepted/polls_for_replies.rs"),
    ] {
        let source = Path::new("solutions").join(exercise).join(program);
        let name = exercise.rsplit('/').next().unwrap();
        same(&[name, "--source", source.to_str().unwrap()], &["7f.0", "7f.3"]);
    }
}
