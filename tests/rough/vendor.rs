//! Crates that travel with the course: no network, no registry, and the grader builds them all the same.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::course::{LIMITS, Ran, SmallCourse, right, vendor};

/// What a lab without a network has: nothing in cargo's home, and a proxy that nobody answers at.
fn in_a_lab(command: &mut Command, home: &Path) -> Ran {
    for name in ["http_proxy", "https_proxy", "ALL_PROXY"] {
        command.env(name, "http://127.0.0.1:9");
    }
    Ran::of(command.env("CARGO_HOME", home).env("CARGO_NET_OFFLINE", "true").env_remove("RUSTC_WRAPPER"))
}

#[test]
fn a_lab_without_a_network() {
    let course = SmallCourse::new(LIMITS);
    if !super::require::grading() {
        return;
    }
    course.write(&format!("{}/src/main.rs", course.exercise()), right());
    let check = || {
        let mut command = course.command(&["check", "--format", "json"]);
        in_a_lab(command.env("IPC_GRADE_CACHE", course.path("cache")), &course.path("no-cargo"))
    };
    course.remove("exercises/vendor");
    check().complains(4, &["failed to build the crates that grader.toml allows"]);
    symlink(vendor(), course.path("exercises/vendor")).expect("a link");
    let ran = check();
    assert_eq!((ran.exit, ran.graded()["status"].as_str()), (0, Some("pass")), "{}{}", ran.out, ran.err);
    // From now on not even cargo is needed.
    let mut again = course.command(&["check", "--no-cache", "--format", "json"]);
    let ran = Ran::of(again.env("CARGO", "/bin/false").env("IPC_GRADE_CACHE", course.path("cache")));
    assert_eq!(ran.graded()["status"], "pass", "{}", ran.err);
}

#[test]
fn a_crate_that_does_not_travel_with_the_course() {
    let course = SmallCourse::new(LIMITS);
    if !super::require::grading() {
        return;
    }
    let text = fs::read_to_string(course.path("grader.toml")).expect("a course");
    course.write("grader.toml", text.replace("libc = \"0.2\"", "libc = \"0.2\"\nsmallvec = \"1\""));
    let mut command = course.command(&["check"]);
    let ran = in_a_lab(command.env("IPC_GRADE_CACHE", course.path("cache")), &course.path("no-cargo"));
    let vendor = course.path("exercises/vendor").display().to_string();
    ran.complains(4, &["smallvec", "cargo vendor --manifest-path exercises/Cargo.toml", &vendor]);
}

/// The program, a toolchain and the course as it is published: nothing else of this repository, nothing of the user's.
#[test]
fn an_installed_program_grades_this_course_alone() {
    if !super::require::grading() {
        return;
    }
    let lab = tempfile::tempdir().expect("a folder");
    let home = lab.path().join("home");
    fs::create_dir(&home).expect("a folder");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for part in ["grader.toml", "exercises", "solutions"] {
        let copied = Command::new("cp").arg("-r").arg(here.join(part)).arg(lab.path()).status();
        assert!(copied.expect("cp runs").success());
    }
    let program = lab.path().join("ipc-grade");
    fs::copy(assert_cmd::cargo::cargo_bin("ipc-grade"), &program).expect("the program");
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output().expect("rustc runs").stdout;
    let sysroot = String::from_utf8(sysroot).expect("a path");
    let mut check = Command::new(program);
    // The semaphores of the course's own crate, and nix.
    check.args(["check", "producer_consumer", "--source", "solutions", "--format", "json"]).current_dir(lab.path());
    check.env_clear().env("PATH", format!("{}/bin:/usr/bin:/bin", sysroot.trim())).env("HOME", &home);
    let ran = in_a_lab(&mut check, &home.join("no-cargo"));
    assert_eq!((ran.exit, ran.graded()["status"].as_str()), (0, Some("pass")), "{}{}", ran.out, ran.err);
}
