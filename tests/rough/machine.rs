//! What the machine must give for these tests.

#![allow(clippy::print_stderr, reason = "a test that is skipped says so aloud")]

use std::sync::OnceLock;

use super::course::SmallCourse;

/// Whether there is a box here. Where there is none it says so aloud, and fails if IPC_GRADE_REQUIRE names namespaces.
pub(crate) fn gives_a_box(course: &SmallCourse) -> bool {
    static DOCTOR: OnceLock<(i32, String)> = OnceLock::new();
    let (exit, said) = DOCTOR.get_or_init(|| {
        let ran = course.run(&["doctor"]);
        (ran.exit, ran.out)
    });
    if *exit == 0 {
        return true;
    }
    let required = std::env::var("IPC_GRADE_REQUIRE").is_ok_and(|list| list.split(',').any(|x| x == "namespaces"));
    assert!(!required, "this machine must give a box:\n{said}");
    eprintln!("SKIPPED: this machine gives no box (ipc-grade doctor says what to change)\n{said}");
    false
}
