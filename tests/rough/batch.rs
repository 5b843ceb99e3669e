//! A folder of submissions: what each student gets, what is kept, what is done again.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
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
        "student,01_one/{0},total,not handed in\n'=1+1,10,10,\nada,10,10,\nbob,2,2,\ncleo,0,0,01_one/{0}\ndan,0,0,\n\
         eve,0,0,\nfay,0,0,\ngil,0,0,\n",
        course.name
    );
    assert_eq!(table(&course), expected);
    let summary = fs::read_to_string(course.path("out/summary.txt")).expect("a summary");
    assert!(summary.contains("8 students") && summary == ran.out, "{summary}");
    assert!(summary.contains("   2 pass    5 fail    1 not handed in    0 error\n"), "{summary}");
    assert!(summary.contains("\ncleo: nothing\n") && summary.contains("\nnotes.txt\n"), "{summary}");
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
    assert_eq!(table(&course), format!("student,01_one/{},total,not handed in\nada,,,\n", course.name));
    assert!(String::from_utf8_lossy(&output.stdout).contains("Not graded"), "the summary says so");

    // Started again, it is tried again.
    assert_eq!(batch(&course).exit, 0);
    assert_eq!(table(&course), format!("student,01_one/{},total,not handed in\nada,10,10,\n", course.name));
    assert_none_left(&course.name);
}

/// What stands in a folder of submissions: told apart, named once, and nobody left out.
#[test]
fn what_a_lecturer_gets_from_thirty_people() {
    let course = SmallCourse::new("");
    if !super::require::grading() {
        return;
    }
    let answer = |student: &[u8]| {
        let folder = course.path("submissions").join(OsStr::from_bytes(student)).join("01_one").join(&course.name);
        fs::create_dir_all(folder.join("src")).expect("folders");
        fs::write(folder.join("src/main.rs"), right()).expect("a file");
    };
    answer(b"with space");
    answer(b"caf\xe9");
    answer(b"two\nlines");
    for (file, text) in [
        ("ada/01_one/of_another_year/src/main.rs", "fn main() {}"),
        ("bob/lab1/x", ""),
        ("bob/lab2/x", ""),
        ("bob/lab3/x", ""),
        ("bob/lab4/x", ""),
        ("with space/notes/x", ""),
        ("__MACOSX/ada/._main.rs", ""),
        (".git/config", ""),
        ("late.zip", "PK"),
    ] {
        course.write(&format!("submissions/{file}"), text);
    }
    fs::create_dir(course.path("submissions/cyd")).expect("a folder");
    let ran = batch(&course);
    assert_eq!((ran.exit, ran.err.as_str()), (0, ""), "{}", ran.out);
    let missing = format!("01_one/{}", course.name);
    let expected = format!(
        "student,{missing},total,not handed in\nada,0,0,{missing}\nbob,0,0,{missing}\ncaf\\xe9,10,10,\ncyd,0,0,{missing}\n\
         \"two\nlines\",10,10,\nwith space,10,10,\n"
    );
    assert_eq!(table(&course), expected);
    let remarks = format!(
        "   3 pass    0 fail    3 not handed in    0 error\n\n\
         Folders that are no exercise of the course (one is {missing}/src/main.rs):\n\
         ada: 01_one/of_another_year, and no exercise\n\
         bob: lab1, lab2, lab3 and 1 more, and no exercise\n\
         cyd: nothing\n\
         with space: notes\n\n\
         Among the submissions, and no student's folder:\n__MACOSX\nlate.zip\n\nvalue seed"
    );
    assert!(ran.out.contains(&remarks), "{remarks}\n{}", ran.out);
    assert_eq!(student(&course, "ada")["exercises"][0]["not_handed_in"], true);
    assert_eq!(batch(&course).err, "6 of 6 students are graded already\n");
}

/// Ctrl-C in the midst: whose grades are there stay, and the next start goes on.
#[test]
fn an_interrupted_batch_goes_on() {
    let course = SmallCourse::new(PATIENT);
    if !super::require::grading() {
        return;
    }
    course.submit("ada", right());
    course.submit("bob", include_str!("programs/spins.rs"));
    let mut command = course.command(&["batch", "submissions", "--out", "out", "--jobs", "1"]);
    let grader = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the grader runs");
    until("ada's grade", || course.path("out/students/ada.json").exists().then_some(()));
    until("bob's program", || of(&course.name).iter().any(|process| !process.grader).then_some(()));
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(grader.id() as i32), nix::sys::signal::Signal::SIGINT)
        .expect("it is there");
    let ended = grader.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(
        (ended.status.code(), said.as_str()),
        (Some(130), "1 of 2 students are graded: start it again to go on\n")
    );
    let before = identity(&course, "ada");
    course.submit("bob", right());
    let again = batch(&course);
    assert_eq!((again.exit, again.err.as_str()), (0, "1 of 2 students are graded already\n"));
    assert_eq!((identity(&course, "ada"), student(&course, "bob")["points"].as_u64()), (before, Some(10)));
}

/// A file system of results that fills up: said by name, and what is there already stays.
#[test]
fn a_full_disk() {
    let course = SmallCourse::new("");
    if !super::require::grading() {
        return;
    }
    for index in 0..40 {
        course.write(&format!("submissions/s{index:02}/README"), "nothing handed in");
    }
    let out = course.path("full");
    fs::create_dir(&out).expect("a folder");
    // Mounts of its own, which go with it; how many files fit there is what it says last.
    let script = "mount -t tmpfs -o size=40k none full && \"$0\" batch submissions --out full; echo $?; \
                  for file in full/students/s*.json; do tail -n 1 $file; done | grep -c '^}$'";
    let mut command = std::process::Command::new("unshare");
    let own = if nix::unistd::geteuid().is_root() { "-m" } else { "-rm" };
    command.args([own, "sh", "-c", script]).arg(assert_cmd::cargo::cargo_bin("ipc-grade"));
    command.current_dir(course.path("")).env("IPC_GRADE_CACHE", super::course::cache());
    let ran = super::course::Ran::of(&mut command);
    let (exit, kept) = ran.out.split_once('\n').expect("two lines");
    let kept: usize = kept.trim().parse().expect("a number");
    assert!(exit == "4" && (1..40).contains(&kept), "{}{}", ran.out, ran.err);
    for word in ["failed to write full/students/s", "No space left on device", "stay graded: start it again"] {
        assert!(ran.err.contains(word), "no {word:?} in {}", ran.err);
    }
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
