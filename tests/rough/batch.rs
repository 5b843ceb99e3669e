//! A folder of submissions: what each student gets, what is kept, what is done again.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::Stdio;

use serde_json::Value;

use super::course::{SmallCourse, right, right_after};
use super::processes::{Process, assert_none_left, of, until};

const WRONG: &str = "fn main() {\n    println!(\"nothing of the kind\");\n}\n";

/// A second in which a worker can be killed; a sleep would cost no time.
const SLOW: &str = "for round in 0..60_000_000 { std::hint::black_box(round); }";

/// Room for that.
const PATIENT: &str = "wall_ms = 60000\ncpu_ms = 60000";

fn batch(course: &SmallCourse) -> super::course::Ran {
    course.run(&["batch", "submissions", "--out", "out", "--jobs", "2"])
}

fn student(course: &SmallCourse, name: &str) -> Value {
    let text = fs::read_to_string(course.path(&format!("out/students/{name}.json"))).expect("a student's file");
    serde_json::from_str(&text).expect("JSON")
}

/// Files are put in place anew, so another inode is another grade.
fn identity(course: &SmallCourse, name: &str) -> (u64, i64, i64) {
    let seen = fs::metadata(course.path(&format!("out/students/{name}.json"))).expect("a student's file");
    (seen.ino(), seen.mtime(), seen.mtime_nsec())
}

fn table(course: &SmallCourse) -> String {
    fs::read_to_string(course.path("out/grades.csv")).expect("a table")
}

#[test]
fn a_small_course_from_the_first_start_to_the_third() {
    let course = SmallCourse::new("");
    if !super::require::grading() {
        return;
    }
    course.submit("ada", right());
    course.submit("bob", WRONG);
    course.write("submissions/cleo/README", "nothing handed in");
    course.write("elsewhere/main.rs", right());
    course.submit("dan", "");
    course.remove(&course.submission("dan"));
    symlink(course.path("elsewhere/main.rs"), course.path(&course.submission("dan"))).expect("a link");
    course.submit("eve", b"fn main() {}\n// \xff\n");
    course.write(&format!("{}/deeper", course.submission("fay")), "a folder where the file should be");
    course.submit("=1+1", right());
    symlink(course.path("submissions/ada"), course.path("submissions/gil")).expect("a link");
    course.write("submissions/notes.txt", "no student");

    let ran = batch(&course);
    assert_eq!((ran.exit, ran.err.as_str()), (0, ""), "{}", ran.out);
    let points = |name: &str| student(&course, name)["points"].as_u64();
    assert_eq!([points("ada"), points("bob"), points("=1+1")], [Some(10), Some(2), Some(10)]);
    for (name, reason) in [
        ("cleo", "there is no 01_one/"),
        ("dan", "src/main.rs is a link that leads out of its folder"),
        ("eve", "src/main.rs is not UTF-8 text"),
        ("fay", "src/main.rs is a folder, not a file"),
        ("gil", "gil is a link that leads out of its folder"),
    ] {
        let exercise = student(&course, name)["exercises"][0].clone();
        assert_eq!((exercise["status"].as_str(), exercise["points"].as_u64()), (Some("fail"), Some(0)), "{name}");
        let message = exercise["findings"][0]["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.contains(reason), "{name}: {message}");
    }
    let expected = format!(
        "student,01_one/{},total\n'=1+1,10,10\nada,10,10\nbob,2,2\ncleo,0,0\ndan,0,0\neve,0,0\nfay,0,0\ngil,0,0\n",
        course.name
    );
    assert_eq!(table(&course), expected);
    let summary = fs::read_to_string(course.path("out/summary.txt")).expect("a summary");
    assert!(summary.contains("8 students") && summary == ran.out, "{summary}");
    let files =
        || fs::read_dir(course.path("out/students")).expect("a folder").flatten().map(|entry| entry.file_name());
    assert!(files().all(|name| name.to_string_lossy().ends_with(".json")), "nothing half written is left");

    // Again: nothing to do.
    let before: Vec<_> = ["ada", "bob", "eve"].map(|name| identity(&course, name)).into();
    let again = batch(&course);
    assert_eq!((again.exit, again.err.as_str()), (0, "8 of 8 students are graded already\n"));
    assert_eq!(again.out, ran.out);
    assert_eq!(["ada", "bob", "eve"].map(|name| identity(&course, name)).as_slice(), before);

    // One of them has learned something.
    course.submit("bob", right());
    let third = batch(&course);
    assert_eq!((third.exit, third.err.as_str()), (0, "7 of 8 students are graded already\n"));
    assert_eq!(points("bob"), Some(10));
    assert_ne!(identity(&course, "bob"), before[1]);
    assert_eq!(["ada", "eve"].map(|name| identity(&course, name)), [before[0], before[2]]);
    assert_none_left(&course.name);
}

/// Kills the worker that runs a student's program, this many times.
fn with_lost_workers(course: &SmallCourse, times: usize) -> std::process::Output {
    let mut command = course.command(&["batch", "submissions", "--out", "out", "--jobs", "1"]);
    let grader = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the grader runs");
    let mut killed = Vec::new();
    for _ in 0..times {
        let worker = until("a worker with a program", || {
            let all = of(&course.name);
            let runs = all.iter().any(|process| !process.grader);
            let fresh = |process: &Process| process.is_worker() && !killed.contains(&process.pid);
            // The box's first process is a copy of its worker: the worker is the older one.
            let worker = all.iter().filter(|process| fresh(process)).min_by_key(|process| process.pid)?;
            runs.then(|| worker.clone())
        });
        worker.kill();
        killed.push(worker.pid);
        until("the end of its program", || of(&course.name).iter().all(|process| process.grader).then_some(()));
    }
    grader.wait_with_output().expect("it ends")
}

#[test]
fn a_lost_worker_costs_nobody_a_point() {
    let course = SmallCourse::new(PATIENT);
    if !super::require::grading() {
        return;
    }
    course.submit("ada", right_after(SLOW));
    let output = with_lost_workers(&course, 1);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(student(&course, "ada")["points"], 10);
    assert_none_left(&course.name);
}

#[test]
fn two_lost_workers_are_an_error_and_no_zero() {
    let course = SmallCourse::new(PATIENT);
    if !super::require::grading() {
        return;
    }
    course.submit("ada", right_after(SLOW));
    let output = with_lost_workers(&course, 2);
    assert_eq!(output.status.code(), Some(4), "{}", String::from_utf8_lossy(&output.stderr));
    let exercise = student(&course, "ada")["exercises"][0].clone();
    assert_eq!(exercise["status"], "error");
    assert!(exercise["problem"].as_str().is_some_and(|problem| problem.contains("lost twice")), "{exercise}");
    assert_eq!(table(&course), format!("student,01_one/{},total\nada,,\n", course.name));
    assert!(String::from_utf8_lossy(&output.stdout).contains("Not graded"), "the summary says so");

    // Started again, it is tried again.
    assert_eq!(batch(&course).exit, 0);
    assert_eq!(table(&course), format!("student,01_one/{},total\nada,10,10\n", course.name));
    assert_none_left(&course.name);
}

/// A folder of results that cannot be written, whoever asks: it would have to be below a device.
#[test]
fn results_that_cannot_be_written() {
    let course = SmallCourse::new("");
    course.submit("ada", right());
    course.run(&["batch", "submissions", "--out", "/dev/full/out"]).complains(4, &["/dev/full/out", "Not a directory"]);
    course.run(&["batch", "submissions", "--out", "/dev/full"]).complains(2, &["/dev/full is a file"]);
    course.run(&["batch", "submissions", "--out", "/proc/out"]).complains(4, &["failed to make the folder /proc/out"]);
    course
        .run(&["batch", "nowhere", "--out", "out"])
        .complains(2, &["the folder of submissions cannot be opened: nowhere"]);
    course.run(&["batch", "grader.toml", "--out", "out"]).complains(2, &["grader.toml is a file"]);
}
