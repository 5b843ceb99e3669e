//! Through the whole grader: what becomes of luck, races and too many accesses. Each test has a course of its own.

#[path = "rough/course.rs"]
#[allow(dead_code, reason = "each test file uses its part")]
mod course;
#[path = "rough/processes.rs"]
#[allow(dead_code, reason = "each test file uses its part")]
mod processes;
#[path = "support/require.rs"]
mod require;

use course::SmallCourse;
use serde_json::Value;

/// A course whose one exercise has this expected trace and this output, graded under these schedules.
fn course(expected: &str, output: &str, schedules: &str) -> SmallCourse {
    // So many accesses take long on a machine that is busy with other things.
    let course = SmallCourse::new("wall_ms = 600000");
    let grader = std::fs::read_to_string(course.path("grader.toml")).expect("the course file");
    course.write("grader.toml", grader.replace("schedules = [0]", schedules));
    let exercise = format!(
        "title = \"A test\"\nhints = [\"gentle\", \"plainer\", \"plain\"]\n[[scenario]]\nid = \"one\"\n[[check]]\nid = \"prints\"\nkind = \"output\"\non = \
         \"stdout\"\ntext = \"{output}\"\npoints = 5\n[[check]]\nid = \"trace\"\nkind = \"trace\"\npoints = 5\n[[check]]\n\
         id = \"clean\"\nkind = \"clean\"\npoints = 5\n"
    );
    course.write(&format!("{}/exercise.toml", course.exercise()), exercise);
    course.write(&format!("{}/expected.trace", course.exercise()), expected);
    course
}

/// The report of a program, as JSON and as a person reads it.
fn graded(course: &SmallCourse, program: &str) -> (Value, String) {
    course.write("answer.rs", program);
    let check = ["check", &course.name, "--source", "answer.rs"];
    let report = course.run(&[&check[..], &["--format", "json"]].concat());
    (report.graded(), course.run(&check).out)
}

/// Codes and severities: `M004 error`.
fn findings(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().expect("findings");
    let word = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    findings.iter().map(|it| format!("{} {}", word(it, "code"), word(it, "severity"))).collect()
}

const QUESTION_FIRST: &str = "parent:\n    fork child; stdout \"a\" as said; wait child -> exit 0\n    exit 0\n\n\
                              child:\n    stdout \"b\" as answered\n    exit 0\n\nsaid before answered\n";

/// The parent says `a` and the child `b`; with a pipe the child waits for that.
fn question(forced: bool) -> String {
    let (wait, go) = if forced {
        ("libc::read(ends[0], byte.as_mut_ptr().cast(), 1);", "libc::write(ends[1], byte.as_ptr().cast(), 1);")
    } else {
        ("", "")
    };
    format!(
        "fn main() {{
    unsafe {{
        let (mut ends, mut byte) = ([0; 2], [0u8; 1]);
        libc::pipe(ends.as_mut_ptr());
        let child = libc::fork();
        if child == 0 {{
            {wait}
            libc::write(1, c\"b\".as_ptr().cast(), 1);
            libc::_exit(0);
        }}
        libc::write(1, c\"a\".as_ptr().cast(), 1);
        {go}
        byte[0] = 1;
        libc::waitpid(child, std::ptr::null_mut(), 0);
    }}
}}
"
    )
}

#[test]
fn an_order_that_held_by_luck_is_told_with_its_witness_and_a_forced_one_is_not() {
    if !require::grading() {
        return;
    }
    // One order alone, so that only the proof can find the other.
    let course = course(QUESTION_FIRST, "ab", "schedules = [0]");
    let (report, text) = graded(&course, &question(false));
    assert_eq!((report["status"].as_str(), findings(&report)), (Some("fail"), vec!["T004 error".to_owned()]), "{text}");
    let witness = report["findings"][0].to_string();
    assert!(witness.contains("held back"), "{witness}");
    let (report, text) = graded(&course, &question(true));
    assert_eq!((report["status"].as_str(), findings(&report)), (Some("pass"), Vec::new()), "{text}");
}

const COUNT: &str = "parent:\n    fork child then wait child -> exit 0 then stdout \"{TOTAL}\"\n    exit 0\n\n\
                     child:\n    exit 0\n";

/// Parent and child both do this to a number that they share; what it came to is printed.
fn sharing(what: &str) -> String {
    format!(
        "fn main() {{
    unsafe {{
        let m = libc::mmap(std::ptr::null_mut(), 4096, 3, 0x21, -1, 0).cast::<u32>();
        let child = libc::fork();
        {what}
        if child == 0 {{
            libc::_exit(0);
        }}
        libc::waitpid(child, std::ptr::null_mut(), 0);
        print!(\"{{}}\", *m);
    }}
}}
"
    )
}

#[test]
fn a_lost_update_costs_points_and_how_little_breaks_it_is_said() {
    if !require::grading() {
        return;
    }
    let course = course(&COUNT.replace("{TOTAL}", "2"), "2", "");
    let (report, text) = graded(&course, &sharing("*m += 1;"));
    assert_eq!(report["status"], "fail", "{text}");
    assert_eq!(findings(&report)[0], "M004 error", "{text}");
    assert!(text.contains("one switch breaks it"), "{text}");
    assert_ne!(report["points"], report["max_points"]);
}

#[test]
fn a_race_without_harm_is_advice() {
    if !require::grading() {
        return;
    }
    let course = course(&COUNT.replace("{TOTAL}", "7"), "7", "");
    let (report, text) = graded(&course, &sharing("*m = 7;"));
    assert_eq!(report["status"], "pass", "{text}");
    // Once for the two lines, whichever of the two came first, and with its line.
    assert_eq!(findings(&report), ["M003 advice"], "{text}");
    assert_eq!(report["findings"][0]["line"], 5, "{text}");
    assert_eq!(report["points"], report["max_points"]);
}

#[test]
fn memory_that_is_accessed_too_often_is_not_examined() {
    if !require::grading() {
        return;
    }
    let course = course(&COUNT.replace("{TOTAL}", "1"), "1", "schedules = [0]");
    let often = "if child != 0 { for _ in 0..100_100 { std::ptr::write_volatile(m, 1); } }";
    // Once: so many accesses take their time.
    course.write("answer.rs", sharing(often));
    let text = course.run(&["check", &course.name, "--source", "answer.rs"]).out;
    assert!(text.contains("Not examined: ") && text.contains("NOT EXAMINED"), "{text}");
    assert!(!text.contains("PASS"), "{text}");
}
