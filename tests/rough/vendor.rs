//! Crates that travel with the course: no network, no registry, and the grader builds them all the same.

use std::fs;
use std::process::Command;

use super::course::{LIMITS, Ran, SmallCourse, right};

/// What a lab without a network has: nothing in cargo's home, and a proxy that nobody answers at.
fn in_a_lab(course: &SmallCourse) -> Ran {
    let mut command = course.command(&["check", "--format", "json"]);
    for name in ["http_proxy", "https_proxy", "ALL_PROXY"] {
        command.env(name, "http://127.0.0.1:9");
    }
    let (home, cache) = (course.path("no-cargo"), course.path("cache"));
    Ran::of(command.env("CARGO_HOME", home).env("IPC_GRADE_CACHE", cache).env_remove("RUSTC_WRAPPER"))
}

#[test]
fn a_lab_without_a_network() {
    let course = SmallCourse::new(LIMITS);
    if !super::require::grading() {
        return;
    }
    course.write(&format!("{}/src/main.rs", course.exercise()), right());
    // With a network, where one is needed: from now on cargo has the sources.
    assert_eq!(course.run(&["check"]).exit, 0);
    let ran = in_a_lab(&course);
    ran.complains(4, &["failed to build the crates that grader.toml allows"]);

    let manifest = "[package]\nname = \"all\"\nversion = \"0.0.0\"\n[workspace]\n[lib]\npath = \"lib.rs\"\n[dependencies]\nlibc = \"0.2\"\n";
    course.write("all/Cargo.toml", manifest);
    course.write("all/lib.rs", "");
    // The versions that the course has, but for what else its Cargo.lock names.
    fs::copy(course.path("exercises/Cargo.lock"), course.path("all/Cargo.lock")).expect("a lock");
    let mut vendor = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    vendor.args(["vendor", "--quiet", "--offline", "--manifest-path"]).arg(course.path("all/Cargo.toml"));
    let output = vendor.arg(course.path("exercises/vendor")).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let ran = in_a_lab(&course);
    assert_eq!((ran.exit, ran.graded()["status"].as_str()), (0, Some("pass")), "{}{}", ran.out, ran.err);
    // From now on not even cargo is needed.
    let mut again = course.command(&["check", "--no-cache", "--format", "json"]);
    let ran = Ran::of(again.env("CARGO", "/bin/false").env("IPC_GRADE_CACHE", course.path("cache")));
    assert_eq!(ran.graded()["status"], "pass", "{}", ran.err);
}
