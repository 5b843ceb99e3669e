//! Recordings of the course's own programs, for the eight exercises of the language's acceptance test: the reference,
//! other right answers and wrong ones, each as `check --record` wrote it.
//!
//! `tests/traces/EXERCISE.PROGRAM.SEED.jsonl` is the run that the program's report shows. Two things are held: judged
//! from its file alone each comes to what the program stands for, and recording it again under its seed gives the same
//! file, byte for byte (but for where in its loop a program is that never ends). So the files cannot grow old. After a change that they are meant to follow, record them again:
//!
//! ```text
//! IPC_GRADE_BLESS=1 cargo test --test recorded
//! ```
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "support/require.rs"]
mod require;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const EXERCISES: [&str; 8] = [
    "02_pipes/one_line",
    "02_pipes/both_ways",
    "02_pipes/pipeline",
    "03_shared_memory/producer_consumer",
    "04_message_queues/work_queue",
    "05_signals/handle_interrupt",
    "05_signals/reap_on_sigchld",
    "05_signals/supervisor",
];

/// What two exercises carry makes large files: of these no more are kept than it takes to have a right and a wrong one.
const LARGE: [(&str, &[&str]); 2] = [
    ("both_ways", &["rejected-one_read_for_one_block", "rejected-writes_all_then_reads_all"]),
    ("pipeline", &["accepted-nested", "rejected-goes_on_after_a_failed_exec", "rejected-keeps_a_write_end"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn folder() -> PathBuf {
    root().join("tests/traces")
}

/// A program of the course, and the code that it is rejected with.
struct Program {
    exercise: &'static str,
    /// `accepted-lines_until_the_end`
    name: String,
    source: PathBuf,
    code: Option<String>,
}

/// All of an exercise, but for those that do not compile and so have no trace.
fn programs(id: &'static str) -> Vec<Program> {
    let exercise = id.rsplit('/').next().unwrap();
    let solutions = root().join("solutions").join(id);
    let mut sources = vec![("reference".to_owned(), solutions.join("main.rs"))];
    for kind in ["accepted", "rejected"] {
        for entry in std::fs::read_dir(solutions.join(kind)).unwrap() {
            let path = entry.unwrap().path();
            // A folder is a whole crate, there for what it brings besides a program.
            if path.is_dir() {
                continue;
            }
            sources.push((format!("{kind}-{}", path.file_stem().unwrap().to_str().unwrap()), path));
        }
    }
    sources.sort();
    let program = |(name, source): (String, PathBuf)| {
        let text = std::fs::read_to_string(&source).unwrap();
        let code = text.lines().next().unwrap().strip_prefix("//! expect: ").map(|code| code.trim().to_owned());
        Program { exercise, name, source, code }
    };
    let large = LARGE.iter().find(|(of, _)| *of == exercise);
    let kept = |it: &Program| large.is_none_or(|(_, kept)| kept.contains(&it.name.as_str()));
    sources.into_iter().map(program).filter(|it| it.code.as_deref() != Some("B001")).filter(kept).collect()
}

/// The stored recordings of an exercise: by program the seed and the file.
fn stored(exercise: &str) -> BTreeMap<String, (String, PathBuf)> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder()).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let parts: Vec<&str> = name.split('.').collect();
        let [of, program, values, schedule, "jsonl"] = parts[..] else { panic!("{name} is not named as it should be") };
        if of == exercise {
            found.insert(program.to_owned(), (format!("{values}.{schedule}"), path));
        }
    }
    found
}

fn ipc_grade(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_ipc-grade"))
        .args(arguments)
        .args(["--format", "json"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(matches!(output.status.code(), Some(0 | 1)), "{arguments:?}: {output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    report["exercises"][0].clone()
}

/// Records a program: the report's seed and the file's text.
fn record(program: &Program, seed: Option<&str>) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let (source, into) = (program.source.to_str().unwrap(), folder.path().to_str().unwrap());
    let mut arguments = vec!["check", program.exercise, "--source", source, "--record", into];
    if let Some(seed) = seed {
        arguments.extend(["--seed", seed]);
    }
    let report = ipc_grade(&arguments);
    let text = std::fs::read_to_string(folder.path().join(format!("{}.jsonl", program.exercise))).unwrap();
    (report["seed"].as_str().unwrap().to_owned(), text)
}

/// The first cause that costs points.
fn cause(report: &Value) -> Option<String> {
    let errors = |finding: &&Value| finding["severity"] == "error";
    let first = report["findings"].as_array().unwrap().iter().find(errors)?;
    Some(first["code"].as_str().unwrap().to_owned())
}

/// Without the places of an endless loop: where it was when its processor time was up, and where it was when a signal
/// came to it, which others could send when its turn was up, and where it went on when the handler was done.
fn comparable(text: &str) -> String {
    let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let end = lines.last_mut().unwrap();
    if end["end"]["limit"] == "cpu" {
        end["end"]["site"] = Value::Null;
        let events = lines.iter_mut().map(|line| &mut line["event"]);
        let taken = events.filter(|event| event["verb"] == "take" || event["verb"] == "return");
        taken.for_each(|event| event["site"] = Value::Null);
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[track_caller]
fn check(id: &'static str) {
    if !require::grading() {
        return;
    }
    let programs = programs(id);
    let exercise = programs[0].exercise;
    if std::env::var_os("IPC_GRADE_BLESS").is_some() {
        std::fs::create_dir_all(folder()).unwrap();
        stored(exercise).values().for_each(|(_, path)| std::fs::remove_file(path).unwrap());
        for program in &programs {
            let (seed, text) = record(program, None);
            std::fs::write(folder().join(format!("{exercise}.{}.{seed}.jsonl", program.name)), text).unwrap();
        }
    }
    let stored = stored(exercise);
    let names: Vec<&String> = programs.iter().map(|program| &program.name).collect();
    assert_eq!(stored.keys().collect::<Vec<_>>(), names, "a recording for each program (IPC_GRADE_BLESS=1)");
    for program in &programs {
        let (seed, path) = &stored[&program.name];
        let report = ipc_grade(&["judge", "--exercise", exercise, path.to_str().unwrap()]);
        assert_eq!(cause(&report), program.code, "{}: {report:#}", path.display());
        let text = std::fs::read_to_string(path).unwrap();
        let (_, again) = record(program, Some(seed));
        let (text, again) = (comparable(&text), comparable(&again));
        let parted = text.lines().zip(again.lines()).find(|(one, other)| one != other);
        assert!(text == again, "{} is not what is recorded now: {parted:?}", path.display());
    }
}

#[test]
fn one_line() {
    check(EXERCISES[0]);
}

#[test]
fn both_ways() {
    check(EXERCISES[1]);
}

#[test]
fn pipeline() {
    check(EXERCISES[2]);
}

#[test]
fn producer_consumer() {
    check(EXERCISES[3]);
}

#[test]
fn work_queue() {
    check(EXERCISES[4]);
}

#[test]
fn handle_interrupt() {
    check(EXERCISES[5]);
}

#[test]
fn reap_on_sigchld() {
    check(EXERCISES[6]);
}

#[test]
fn supervisor() {
    check(EXERCISES[7]);
}
