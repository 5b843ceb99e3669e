//! Outside parts: programs that a test needs and that a machine may lack.
//!
//! Where one is missing the test says so aloud and passes; where `IPC_GRADE_REQUIRE` names it (a list with commas: CI
//! names all), the test fails.
#![allow(dead_code, reason = "each test file uses its part")]

use std::io::Write;
use std::path::PathBuf;

/// A program by its name, or nothing with a line on standard error.
///
/// # Panics
/// Where it is missing and required.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    found(name, on_path(name))
}

/// Python. Debian's own comes first: what PATH has may be a script that looks for a version.
pub(crate) fn python() -> Option<PathBuf> {
    let debians = PathBuf::from("/usr/bin/python3");
    found("python3", debians.is_file().then_some(debians).or_else(|| on_path("python3")))
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn found(name: &str, place: Option<PathBuf>) -> Option<PathBuf> {
    if place.is_none() {
        missing(name, &format!("this machine has no {name}"));
    }
    place
}

/// Whether this machine can grade, as `ipc-grade doctor` says. The part is called `namespaces`.
///
/// # Panics
/// Where it cannot and `namespaces` is required.
pub(crate) fn grading() -> bool {
    let doctor = assert_cmd::Command::cargo_bin("ipc-grade").expect("the program is built").arg("doctor").output();
    let can = doctor.is_ok_and(|output| output.status.success());
    if !can {
        missing("namespaces", "this machine cannot grade (ipc-grade doctor says what to change)");
    }
    can
}

/// Says aloud that a part is missing; a failure where it is required.
fn missing(part: &str, why: &str) {
    let required = std::env::var("IPC_GRADE_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|name| name == part), "{why}, and IPC_GRADE_REQUIRE names {part}");
    // Not eprintln: the test harness would keep that to itself.
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    writeln!(std::io::stderr(), "{test}: SKIPPED: {why}").expect("standard error takes it");
}
