//! `ipc-grade verify`: green on the course as it stands, red with the place where an exercise and its proof part.

#[path = "support/require.rs"]
mod require;

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;

/// A course with one exercise, one_line, and of its programs only these.
fn course(programs: &[&str]) -> tempfile::TempDir {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let there = folder.path();
    let exercise = "02_pipes/one_line";
    for file in ["README.md", "exercise.toml", "expected.trace", "src/main.rs"] {
        copy(&here.join("exercises").join(exercise).join(file), &there.join("exercises").join(exercise).join(file));
    }
    // It builds on an exercise that is not here.
    let manifest = there.join("exercises").join(exercise).join("exercise.toml");
    let text = fs::read_to_string(&manifest).expect("the exercise file");
    let alone: String = text.lines().filter(|line| !line.starts_with("after")).map(|l| format!("{l}\n")).collect();
    fs::write(&manifest, alone).expect("written");
    copy(&here.join("exercises/Cargo.lock"), &there.join("exercises/Cargo.lock"));
    for file in ["Cargo.toml", "src"] {
        copy_all(&here.join("exercises/unix_ipc").join(file), &there.join("exercises/unix_ipc").join(file));
    }
    for program in programs {
        let file = Path::new("solutions").join(exercise).join(program);
        copy(&here.join(&file), &there.join(&file));
    }
    let grader = fs::read_to_string(here.join("grader.toml")).expect("the course file");
    let head = grader.split("[[chapter]]").next().expect("what stands before the chapters");
    let head: String = head.lines().filter(|line| !line.starts_with("schedules")).map(|l| format!("{l}\n")).collect();
    let seeds = head.replace("[seeds]", "[seeds]\nschedules = [0, 1]");
    let chapter = "[[chapter]]\nid = \"02_pipes\"\ntitle = \"Pipes\"\nexercises = [\"one_line\"]\n";
    fs::write(there.join("grader.toml"), format!("{seeds}{chapter}")).expect("written");
    folder
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().expect("a file has a folder")).expect("a folder");
    fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
}

/// A file, or a folder with all that is below it.
fn copy_all(from: &Path, to: &Path) {
    if from.is_file() {
        return copy(from, to);
    }
    for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let name = entry.expect("an entry").file_name();
        copy_all(&from.join(&name), &to.join(&name));
    }
}

const PROGRAMS: [&str; 7] = [
    "main.rs",
    "accepted/socket_pair.rs",
    "accepted/lines_until_the_end.rs",
    "rejected/child_keeps_its_write_end.rs",
    "rejected/prints_twice.rs",
    "rejected/not_in_capitals.rs",
    "rejected/pipe_after_the_fork.rs",
];

fn verify(folder: &Path) -> (i32, String) {
    let mut command = Command::cargo_bin("ipc-grade").expect("the binary");
    let output = command.arg("--course").arg(folder).arg("verify").output().expect("it ran");
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.code().expect("an exit code"), text)
}

fn existing() -> Vec<&'static str> {
    let base = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("solutions/02_pipes/one_line");
    for program in PROGRAMS {
        assert!(base.join(program).is_file(), "{program} is gone: name another one here");
    }
    PROGRAMS.to_vec()
}

#[test]
fn a_course_whose_parts_agree_is_green() {
    if !require::grading() {
        return;
    }
    let folder = course(&existing());
    let (code, text) = verify(folder.path());
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("8 of 8 programs are judged as they must be"), "{text}");
}

#[test]
fn a_change_of_the_expected_trace_is_red_with_the_place() {
    if !require::grading() {
        return;
    }
    let folder = course(&existing());
    let file = folder.path().join("exercises/02_pipes/one_line/expected.trace");
    let before = fs::read_to_string(&file).expect("the expected trace");
    let after = before.replace("{word|upper}", "{word|lower}");
    assert_ne!(before, after, "the change finds its place");
    let line = after.lines().position(|line| line.contains("{word|lower}")).expect("it stands there") + 1;
    fs::write(&file, after).expect("written");
    let (code, text) = verify(folder.path());
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("WRONG solutions/02_pipes/one_line/main.rs: fails with T005"), "{text}");
    assert!(text.contains(&format!("exercises/02_pipes/one_line/expected.trace:{line}")), "{text}");
}

#[test]
fn a_program_that_lacks_its_code_is_the_authors_mistake() {
    let folder = course(&existing());
    let file = folder.path().join("solutions/02_pipes/one_line/rejected/prints_twice.rs");
    let text = fs::read_to_string(&file).expect("the program").replacen("expect: T002", "expect: T992", 1);
    fs::write(&file, text).expect("written");
    fs::remove_file(folder.path().join("solutions/02_pipes/one_line/accepted/socket_pair.rs")).expect("removed");
    let (code, text) = verify(folder.path());
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("prints_twice.rs:1:13") && text.contains("T992"), "{text}");
    assert!(text.contains("1 accepted programs") && text.contains("expected: 2 at least"), "{text}");
}

#[test]
fn a_value_that_nobody_draws_is_told_before_anything_runs() {
    let folder = course(&existing());
    let file = folder.path().join("exercises/02_pipes/one_line/expected.trace");
    let after = fs::read_to_string(&file).expect("the expected trace").replace("{word|upper}", "{wrod|upper}");
    let line = after.lines().position(|line| line.contains("{wrod|upper}")).expect("it stands there") + 1;
    fs::write(&file, after).expect("written");
    let (code, text) = verify(folder.path());
    assert_eq!(code, 3, "{text}");
    let place = format!("exercises/02_pipes/one_line/expected.trace:{line}:");
    assert!(text.contains(&place) && text.contains("no value is called `wrod`"), "{text}");
}
