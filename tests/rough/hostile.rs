//! Programs that do harm or want to: each has a named outcome, costs nobody else anything, and leaves nothing behind.

use std::fs;

use super::course::{LIMITS, SmallCourse};
use super::processes::assert_none_left;

/// The code of the first finding, and something that its message or what was seen says.
#[track_caller]
fn check(program: &str, code: &str, says: &str) -> SmallCourse {
    with(LIMITS, program, code, says)
}

#[track_caller]
fn with(limits: &str, program: &str, code: &str, says: &str) -> SmallCourse {
    let course = SmallCourse::new(limits);
    if !super::require::grading() {
        return course;
    }
    let ran = course.check(program);
    let graded = ran.graded();
    assert_eq!((ran.exit, graded["status"].as_str()), (1, Some("fail")), "{}", ran.out);
    let finding = &graded["findings"][0];
    let said = format!("{} | {}", finding["message"], finding["saw"]);
    assert_eq!(finding["code"], code, "{said}");
    assert!(said.contains(says), "{said}");
    assert_none_left(&course.name);
    course
}

#[test]
fn output_without_end() {
    check("floods_stdout", "H002", "limit of 64 KiB");
}

#[test]
fn processes_without_end() {
    check("forks_for_ever", "P003", "limit of 6 at a time");
}

#[test]
fn threads_without_end() {
    check("starts_threads_for_ever", "P006", "6 threads");
}

#[test]
fn computing_without_end() {
    check("spins", "H002", "after 100 ms without a call");
}

#[test]
fn sleeping_without_end() {
    with("steps = 100000", "ignores_sigterm", "H002", "after 4000 sleeps and time-outs");
    with("steps = 100000", "arms_a_timer", "H002", "after 4000 sleeps and time-outs");
}

#[test]
fn memory_without_end() {
    let limits = "memory_mib = 256";
    with(limits, "grows_for_ever", "H002", "limit of 256 MiB");
    with(limits, "takes_four_gib", "H002", "limit of 256 MiB");
}

#[test]
fn files_without_end() {
    check("fills_the_disk", "H002", "limit of 1 MiB");
    check("one_large_file", "H002", "limit of 1 MiB");
}

#[test]
fn data_without_end() {
    check("churns_shared_memory", "H002", "limit of 2 MiB in all");
}

#[test]
fn steps_without_end() {
    check("passes_stops_around", "H002", "after 2000 calls");
}

/// Each exec ends all other threads of its process.
#[test]
fn exec_without_end() {
    check("execs_for_ever", "P006", "1 process");
}

#[test]
fn descriptors_without_end() {
    check("opens_ten_thousand", "H002", "256 open at a time");
}

#[test]
fn killing_its_group_or_everybody() {
    check("kills_its_group", "T005", "SIGKILL");
    // It is alone in the world: nobody else was hit, pid 1 of the box neither.
    check("kills_everybody", "S006", "outside the program");
}

#[test]
fn stopping_itself() {
    check("stops_itself", "H001", "is stopped, for somebody to continue it");
}

#[test]
fn keeping_its_parent_in_vfork() {
    check("vforks_and_waits", "H001", "waits in pause, for a signal");
}

/// What it does is seen even so.
#[test]
fn hiding_in_proc() {
    check("hides_itself", "H001", "waits in read, for bytes from the pipe");
}

#[test]
fn closing_everything() {
    check("closes_everything", "P005", "still running");
}

#[test]
fn leaving_a_daemon() {
    for program in ["leaves_a_daemon", "leaves_a_busy_daemon"] {
        let course = check(program, "P005", "still running");
        // What a daemon does after its parent's end is no second fault.
        let findings = course.check(program).graded()["findings"].to_string();
        assert!(!findings.contains("H00") && !findings.contains("P001"), "{findings}");
    }
}

#[test]
fn tracing_its_parent() {
    let course = check("traces_its_parent", "T005", r#"-1\\n"#);
    if course.path("traces").exists() {
        assert!(course.trace().contains(r#""call":"ptrace","errno":"EPERM""#), "{}", course.trace());
        let graded = course.check("traces_its_parent").graded();
        assert_eq!(graded["refused"][0], "ptrace", "{graded}");
    }
}

#[test]
fn looking_around() {
    let course = check("looks_around", "T002", r#"prints \"looked\\n\""#);
    if course.path("traces").exists() {
        let trace = course.trace();
        for word in ["found", "opened", "wrote", "reached", "variable"] {
            assert!(!trace.contains(&format!("\"{word} ")), "{trace}");
        }
    }
}

#[test]
fn printing_escapes() {
    let course = check("prints_escapes", "T002", r"x1b]0;owned");
    let file = format!("{}/tests/rough/programs/prints_escapes.rs", env!("CARGO_MANIFEST_DIR"));
    let shown = course.run(&["check", &course.name, "--source", &file]).out;
    let hidden = |c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c);
    assert!(!shown.contains(hidden), "{shown:?}");
}

#[test]
fn leaving_objects() {
    let course = check("leaves_objects", "M005", "/left, 0x1267 and 0x1267");
    if !course.path("traces").exists() {
        return;
    }
    let ran = course.check("leaves_objects");
    assert!(ran.out.contains("made 5") && !course.trace().contains("found"), "{}", course.trace());
    assert!(
        !fs::exists("/dev/shm/left").expect("/dev/shm can be looked at"),
        "nothing of it is in the host's /dev/shm"
    );
    for kind in ["shm", "sem", "msg"] {
        let host = fs::read_to_string(format!("/proc/sysvipc/{kind}")).unwrap_or_default();
        assert!(!host.lines().any(|line| line.split_whitespace().next() == Some("4711")), "{host}");
    }
}
