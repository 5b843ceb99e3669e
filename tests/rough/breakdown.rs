//! A compiler that breaks down over a source: nobody's fault who is graded.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::course::{Ran, SmallCourse, right};

/// A toolchain whose compiler breaks down where a source asks for it, and is the real one otherwise.
struct Toolchain {
    folder: TempDir,
}

impl Toolchain {
    fn new() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
        let said = Command::new("rustc").args(["--print", "sysroot"]).output().expect("a compiler").stdout;
        let real = PathBuf::from(String::from_utf8_lossy(&said).trim());
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).expect("a folder");
        fs::copy(real.join("bin/rustc"), bin.join("rustc-itself")).expect("the compiler, copied");
        // Links, where they can be: it is half a gigabyte.
        let copied = |how: &str| Command::new("cp").arg(how).arg(real.join("lib")).arg(folder.path()).output();
        let linked = copied("-al").is_ok_and(|output| output.status.success());
        assert!(linked || copied("-a").is_ok_and(|output| output.status.success()), "its libraries, copied");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rough/programs/breaks_down.c");
        let made = Command::new("cc").arg("-o").arg(bin.join("rustc")).arg(source).status().expect("a C compiler");
        assert!(made.success());
        Self { folder }
    }

    fn run(&self, course: &SmallCourse, args: &[&str]) -> Ran {
        let cache = self.folder.path().join("cache");
        let rustc = self.folder.path().join("bin/rustc");
        // Where cargo says where libraries are, the compiler takes the folder above them for its own.
        let mut command = course.command(args);
        Ran::of(command.env("RUSTC", rustc).env("IPC_GRADE_CACHE", cache).env_remove("LD_LIBRARY_PATH"))
    }
}

#[test]
fn a_compiler_that_breaks_down_costs_nobody_a_point() {
    let course = SmallCourse::new("");
    if !super::require::grading() {
        return;
    }
    let toolchain = Toolchain::new();
    course.submit("ada", right());
    course.submit("bob", right() + "// ALWAYS BREAKS\n");
    course.submit("cyd", right() + "// BREAKS ONCE\n");
    course.submit("dan", "fn main() { not Rust }\n");

    let ran = toolchain.run(&course, &["batch", "submissions", "--out", "out"]);
    assert_eq!(ran.exit, 4, "{}{}", ran.out, ran.err);
    let table = fs::read_to_string(course.path("out/grades.csv")).expect("a table");
    let expected =
        format!("student,01_one/{},total,not handed in\nada,10,10,\nbob,,,\ncyd,10,10,\ndan,0,0,\n", course.name);
    assert_eq!(table, expected, "the others have their grades");
    let text = fs::read_to_string(course.path("out/students/bob.json")).expect("a student's file");
    let file: Value = serde_json::from_str(&text).expect("JSON");
    let bob = &file["exercises"][0];
    assert_eq!((bob["status"].as_str(), bob["findings"].as_array().map(Vec::len)), (Some("error"), Some(0)), "{bob}");
    let problem = bob["problem"].as_str().unwrap_or_default();
    assert!(problem.contains("rustc broke down over src/main.rs:4:5"), "{problem}");
    let kept = bob["problem_text"].as_str().unwrap_or_default();
    assert!(kept.contains("internal compiler error: broken MIR") && kept.contains("#0 [mir_borrowck] main"), "{kept}");
    let summary = ran.out.lines().find(|line| line.starts_with("bob ")).unwrap_or_default();
    assert!(summary.contains("rustc broke down over src/main.rs:4:5"), "one line says which: {}", ran.out);

    // As the learner sees it.
    let source = course.path(&course.submission("bob")).display().to_string();
    let ran = toolchain.run(&course, &["check", &course.name, "--source", &source]);
    assert_eq!(ran.exit, 4, "{}{}", ran.out, ran.err);
    for said in
        ["rustc broke down over src/main.rs:4:5", "another toolchain", "   | note: we would appreciate", "No point"]
    {
        assert!(ran.out.contains(said), "{said}\n{}", ran.out);
    }
    assert!(!ran.out.contains("doctor") && !ran.out.contains("B001"), "{}", ran.out);
}
