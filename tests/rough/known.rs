//! Grades and programs that are kept: what counts as the same, what does not, and what damage does.

use std::fs;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::course::{LIMITS, Ran, SmallCourse, right, right_after};

/// A course with a cache of its own for grades and programs; the crates are built in the common one.
struct Cached {
    course: SmallCourse,
    cache: PathBuf,
}

impl Cached {
    fn new(limits: &str) -> Option<Self> {
        let course = SmallCourse::new(limits);
        if !super::require::grading() {
            return None;
        }
        let cache = course.path("cache");
        fs::create_dir(&cache).expect("a folder");
        let common = super::course::cache();
        // The common one has them from now on.
        course.write(&format!("{}/src/main.rs", course.exercise()), right());
        assert_eq!(course.run(&["check", "--no-cache"]).exit, 0);
        for name in ["templates", "sysroots", "toolchains"] {
            std::os::unix::fs::symlink(common.join(name), cache.join(name)).expect("a link");
        }
        Some(Self { course, cache })
    }

    fn check(&self, args: &[&str]) -> Ran {
        let mut command = self.course.command(&["check", "--format", "json"]);
        Ran::of(command.args(args).env("IPC_GRADE_CACHE", &self.cache))
    }

    fn points(&self, args: &[&str]) -> u64 {
        self.check(args).graded()["points"].as_u64().expect("points")
    }

    fn kept(&self, folder: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.cache.join(folder)).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    }

    /// Changes the one grade that is kept so that it can be told from a fresh one: five points, and the right hash.
    fn mark(&self) {
        let kept = self.kept("grades");
        let [path] = kept.as_slice() else { panic!("one grade: {kept:?}") };
        let text = fs::read_to_string(path).expect("a grade");
        let (_, grade) = text.split_once('\n').expect("two lines");
        let grade = grade.replacen("\"points\":10,", "\"points\":5,", 1);
        let hash: String = Sha256::digest(&grade).iter().map(|byte| format!("{byte:02x}")).collect();
        fs::write(path, format!("{hash}\n{grade}")).expect("another grade");
    }
}

#[test]
fn the_same_is_not_graded_twice() {
    let Some(cached) = Cached::new(LIMITS) else { return };
    assert_eq!(cached.points(&[]), 10);
    cached.mark();
    assert_eq!(cached.points(&[]), 5, "it was kept");
    assert_eq!(cached.points(&["--no-cache"]), 10, "it is graded anew");
    cached.mark();
    // Other seeds, other texts of the source, of the exercise and of the expected trace: other grades.
    assert_eq!(cached.points(&["--seed", "3"]), 10);
    let main = format!("{}/src/main.rs", cached.course.exercise());
    cached.course.write(&main, right_after("let _changed = 1;"));
    assert_eq!(cached.points(&[]), 10);
    cached.course.write(&main, right());
    assert_eq!(cached.points(&[]), 5);
    for file in ["exercise.toml", "expected.trace"] {
        let file = format!("{}/{file}", cached.course.exercise());
        let text = fs::read_to_string(cached.course.path(&file)).expect("a file");
        let other = text.replace("hints = [\"gentle\"", "hints = [\"softer\"").replace("child:", "\nchild:");
        cached.course.write(&file, other);
        assert_eq!(cached.points(&[]), 10, "{file}");
        cached.course.write(&file, text);
        assert_eq!(cached.points(&[]), 5, "{file}");
    }
}

#[test]
fn a_damaged_grade_is_none() {
    let Some(cached) = Cached::new(LIMITS) else { return };
    assert_eq!(cached.points(&[]), 10);
    let path = cached.kept("grades").remove(0);
    let text = fs::read_to_string(&path).expect("a grade");
    for damaged in
        [text.replacen("\"points\":10,", "\"points\":9,", 1), text[..text.len() / 2].to_owned(), String::new()]
    {
        fs::write(&path, damaged).expect("damage");
        assert_eq!(cached.points(&[]), 10);
        assert_eq!(fs::read_to_string(&path).expect("a grade"), text, "it was given anew");
    }
}

#[test]
fn an_error_is_not_kept() {
    // No run ends in a millisecond of real time.
    let Some(cached) = Cached::new(LIMITS) else { return };
    let course = fs::read_to_string(cached.course.path("grader.toml")).expect("a file");
    cached.course.write("grader.toml", course.replacen("[limits]", "[limits]\nwall_ms = 1", 1));
    let main = format!("{}/src/main.rs", cached.course.exercise());
    cached.course.write(&main, right_after("for _ in 0..100_000 { unsafe { libc::getppid() }; }"));
    let ran = cached.check(&[]);
    assert_eq!((ran.exit, ran.graded()["status"].as_str()), (4, Some("error")), "{}", ran.out);
    assert_eq!(cached.kept("grades"), Vec::<PathBuf>::new());
    // And where one stands there by other means, it does not count.
    cached.course.write("grader.toml", &course);
    cached.course.write(&main, right());
    assert_eq!(cached.points(&[]), 10);
    let path = cached.kept("grades").remove(0);
    let text = fs::read_to_string(&path).expect("a grade");
    let (_, grade) = text.split_once('\n').expect("two lines");
    let grade = grade.replacen("\"status\":\"pass\"", "\"status\":\"error\"", 1);
    let hash: String = Sha256::digest(&grade).iter().map(|byte| format!("{byte:02x}")).collect();
    fs::write(&path, format!("{hash}\n{grade}")).expect("another grade");
    assert_eq!(cached.check(&[]).graded()["status"], "pass");
}

/// Several graders at once: one of them compiles, all of them grade, and a damaged program is made again.
#[test]
fn a_program_is_compiled_once_by_many_and_again_when_it_is_damaged() {
    let Some(cached) = Cached::new(LIMITS) else { return };
    let all = || {
        let start = |_| {
            let mut command = cached.course.command(&["check", "--no-cache", "--format", "json"]);
            command
                .env("IPC_GRADE_CACHE", &cached.cache)
                .stdout(std::process::Stdio::piped())
                .spawn()
                .expect("it starts")
        };
        let graders: Vec<_> = (0..4).map(start).collect();
        for grader in graders {
            let output = grader.wait_with_output().expect("it ends");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        }
        let kept = cached.kept("programs");
        let [entry] = kept.as_slice() else { panic!("one entry and no stage: {kept:?}") };
        entry.join("program")
    };
    let program = all();
    let made = |program: &PathBuf| fs::metadata(program).and_then(|seen| seen.modified()).expect("a program");
    let first = made(&program);
    all();
    assert_eq!(made(&program), first, "it is the same file");
    for damage in [&b"\x7fELF"[..], b""] {
        fs::write(&program, damage).expect("damage");
        all();
        assert!(fs::metadata(&program).expect("a program").len() > 10_000, "it is whole again");
    }
}
