//! Answers in several files: each counts, and what is found is shown in the file in which it is.

use super::course::{LIMITS, SmallCourse, right};

const MAIN: &str = "mod relay;\nmod words;\n\nfn main() {\n    relay::run(&words::first());\n}\n";

const WORDS: &str = "pub mod deep;\npub fn first() -> String {\n    deep::nth(1)\n}\n";

const DEEP: &str = "pub fn nth(n: usize) -> String {\n    std::env::args().nth(n).unwrap_or_default()\n}\n";

/// A right answer as a module's function.
fn relay() -> String {
    let body = right().replace("fn main() {", "pub fn run(word: &str) {");
    body.replace("    let word = std::env::args().nth(1).unwrap_or_default();\n", "")
}

fn course(relay: &str) -> SmallCourse {
    let course = SmallCourse::new(LIMITS);
    let folder = course.exercise();
    let files = [("main.rs", MAIN), ("relay.rs", relay), ("words/mod.rs", WORDS), ("words/deep.rs", DEEP)];
    files.iter().for_each(|(file, text)| course.write(&format!("{folder}/src/{file}"), text));
    course
}

#[test]
fn an_answer_in_four_files_passes() {
    let course = course(&relay());
    if super::require::grading() {
        let graded = course.run(&["check", "--format", "json"]).graded();
        assert_eq!(graded["status"], "pass", "{graded}");
        // Each file's text is in the value seed: another text in any of them, other values.
        let seed = |graded: &serde_json::Value| graded["seed"].as_str().expect("a seed").to_owned();
        course.write(&format!("{}/src/words/deep.rs", course.exercise()), format!("{DEEP}// more\n"));
        assert_ne!(seed(&course.run(&["check", "--format", "json"]).graded()), seed(&graded));
    }
}

#[test]
fn a_finding_is_shown_in_its_file() {
    let course = course(&relay().replace("libc::waitpid(child, std::ptr::null_mut(), 0);", ""));
    if !super::require::grading() {
        return;
    }
    let text = course.run(&["check", &course.name]).out;
    let line = relay().lines().position(|line| line.contains("libc::fork(")).expect("a fork") + 1;
    assert!(text.contains(&format!("/src/relay.rs:{line}:")), "{text}");
    assert!(text.contains(&format!("{line} |         let child = libc::fork();")), "{text}");
}

#[test]
fn what_does_not_compile_is_named_by_its_file() {
    let course = course("pub fn run(word: &str) -> u8 { word }\n");
    if super::require::grading() {
        let text = course.run(&["check", &course.name]).out;
        assert!(text.contains("--> src/relay.rs:1:"), "{text}");
        assert!(!text.contains("/exercise") && !text.contains(".cache") && !text.contains("/toolchain"), "{text}");
    }
}
