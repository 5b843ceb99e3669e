//! What is hard to record: small C programs, each run in the box by `ipc-grade trace --box`, and their canonical traces
//! whole. Each ends by itself or as a deadlock, at once; no test looks at a clock.
#![allow(clippy::unwrap_used, reason = "tests")]

mod chance;
mod channels;
mod deadlocks;
mod epolls;
mod eventfds;
mod fifos;
mod held;
mod locks;
mod named;
mod objects;
mod pieces;
mod pipes;
mod polls;
mod processes;
mod queues;
mod signalfds;
mod signals;
#[path = "../support/story.rs"]
mod story;
mod streams;
mod sysv;
mod time;
mod timerfds;
#[path = "../support/traced.rs"]
mod traced;
mod watched;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex};

use ipc_grade::trace::{RunEnd, Trace};
use snapbox::{IntoData, assert_data_eq};

/// The programs, compiled once each.
static PROGRAMS: LazyLock<Mutex<(tempfile::TempDir, HashMap<String, PathBuf>)>> =
    LazyLock::new(|| Mutex::new((tempfile::tempdir().unwrap(), HashMap::new())));

fn compiled(name: &str) -> PathBuf {
    let mut programs = PROGRAMS.lock().unwrap();
    if let Some(known) = programs.1.get(name) {
        return known.clone();
    }
    // `NAME-static` is the same program with libc in it.
    let source = name.strip_suffix("-static").unwrap_or(name);
    let is_static = source != name;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorder/programs");
    let program = programs.0.path().join(name);
    let rust = folder.join(format!("{source}.rs"));
    let mut compiler;
    if rust.exists() {
        compiler = Command::new("rustc");
        compiler.args(["--edition", "2024", "-o"]).arg(&program).arg(&rust);
    } else {
        // Rust links by cc, so it is there.
        compiler = Command::new("cc");
        compiler.args(["-O0", "-pthread", "-Wall", "-Werror", "-o"]).arg(&program);
        compiler.arg(folder.join(format!("{source}.c"))).arg("-lrt");
    }
    if is_static {
        compiler.arg("-static");
    }
    let output = compiler.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    programs.1.insert(name.to_owned(), program.clone());
    program
}

fn record(program: &str, case: &str) -> Trace {
    record_under(program, case, 0)
}

fn record_under(program: &str, case: &str, seed: u32) -> Trace {
    let command = [compiled(program).to_str().unwrap().to_owned(), case.to_owned()];
    let run = traced::trace(&["--box", "--seed", &seed.to_string()], &command, Path::new(env!("CARGO_MANIFEST_DIR")));
    assert_eq!(run.code, Some(0), "{program} {case} under {seed}");
    run.trace
}

/// Runs a case of a program; its trace must read like this.
#[track_caller]
fn check(program: &str, case: &str, expected: impl IntoData) {
    assert_data_eq!(story::story(&record(program, case)), expected.into_data());
}

/// A program that checks for itself what its calls give ends with 0, in some orders.
#[track_caller]
fn ends_well(program: &str, case: &str) {
    let command = [compiled(program).to_str().unwrap().to_owned(), case.to_owned()];
    for seed in ["0", "1", "2", "3"] {
        let run = traced::trace(&["--box", "--seed", seed], &command, Path::new(env!("CARGO_MANIFEST_DIR")));
        assert_eq!(run.code, Some(0), "{program} {case} under {seed}");
        assert_eq!(run.trace.end, RunEnd::Finished, "{program} {case} under {seed}");
        let story = story::story(&run.trace);
        let main: Vec<&str> = story.lines().skip(1).take_while(|line| line.starts_with(' ')).collect();
        assert!(main.last().is_some_and(|last| last.starts_with("  exit 0")), "{case} under {seed}:\n{story}");
    }
}

/// A program that checks for itself ends with 0, and its twin `generic_CASE`, on objects that are left to the kernel, comes
/// to the same trace, event for event.
#[track_caller]
fn twins(program: &str, case: &str) {
    let (modelled, generic) = alike(program, case);
    let order = |trace: &Trace| trace.events.iter().map(|event| event.thread).collect::<Vec<_>>();
    assert!(order(&modelled) == order(&generic), "{case}: the same in another order");
}

/// The same, but who waits for bytes goes on when the schedule says so, and in the twin when they come: what each process
/// does is the same.
#[track_caller]
fn alike(program: &str, case: &str) -> (Trace, Trace) {
    ends_well(program, case);
    let (modelled, generic) = (record(program, case), record(program, &format!("generic_{case}")));
    let (told, other) = (story::story(&modelled), story::story(&generic));
    let differ = told.lines().zip(other.lines()).find(|(one, other)| one != other);
    assert!(told == other, "{differ:?} in\n{told}\nand its twin:\n{other}");
    (modelled, generic)
}

/// The same without what was stored: addresses are the machine's own.
fn check_without_stores(program: &str, case: &str, expected: impl IntoData) {
    let story = story::story(&record(program, case));
    let kept: Vec<&str> = story.lines().filter(|line| !line.trim_start().starts_with("store ")).collect();
    assert_data_eq!(format!("{}\n", kept.join("\n")), expected.into_data());
}
