//! A course of one exercise in a folder of its own, and the grader run on it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
use tempfile::TempDir;

use super::processes::MARK;

/// Small figures: each limit is met soon.
pub(crate) const LIMITS: &str =
    "processes = 6\noutput_kib = 64\nfiles_mib = 1\nmemory_mib = 256\ncpu_ms = 100\nsteps = 2000";

const EXERCISE: &str = r#"title = "One line through a pipe"
hints = ["gentle", "plainer", "plain"]
[[scenario]]
id = "one word"
args = ["{word}"]
values = { word = { draw = "word" } }
[[check]]
id = "prints"
kind = "output"
on = "stdout"
points = 5
[[check]]
id = "trace"
kind = "trace"
points = 3
[[check]]
id = "clean"
kind = "clean"
points = 2
"#;

const EXPECTED: &str = r#"parent:
    pipe data then { fork child & write data "{word}\n" } then wait child -> exit 0
    exit 0

child:
    read data "{word}\n" then stdout "{word|upper}\n"
    exit 0
"#;

/// A right answer; where `FIRST` stands, something may be put before it.
pub(crate) const RIGHT: &str = r#"use std::io::{BufRead, BufReader, Write};
use std::os::fd::FromRawFd;

fn main() {
    FIRST;
    let word = std::env::args().nth(1).unwrap_or_default();
    let mut ends = [0; 2];
    unsafe {
        libc::pipe(ends.as_mut_ptr());
        let child = libc::fork();
        if child == 0 {
            libc::close(ends[1]);
            let mut line = String::new();
            let _ = BufReader::new(std::fs::File::from_raw_fd(ends[0])).read_line(&mut line);
            print!("{}", line.to_uppercase());
            return;
        }
        libc::close(ends[0]);
        let _ = writeln!(std::fs::File::from_raw_fd(ends[1]), "{word}");
        libc::waitpid(child, std::ptr::null_mut(), 0);
    }
}
"#;

/// A right answer.
pub(crate) fn right() -> String {
    RIGHT.replace("FIRST;", "")
}

/// A right answer that does something else before.
pub(crate) fn right_after(first: &str) -> String {
    RIGHT.replace("FIRST;", first)
}

/// The folder in which the crates are built once; one for each user, for files that root made are not a user's to write.
pub(crate) fn cache() -> PathBuf {
    let folder = lent().unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
    folder.join(format!("cache-{}", nix::unistd::geteuid()))
}

/// The crates that travel with this course.
pub(crate) fn vendor() -> PathBuf {
    lent().unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("exercises")).join("vendor")
}

/// Where a user finds what a case needs, where root started the test (`support/own_process.rs`).
fn lent() -> Option<PathBuf> {
    std::env::var_os("IPC_GRADE_LENT").map(PathBuf::from)
}

/// A course whose one exercise has a name of its own.
pub(crate) struct SmallCourse {
    dir: TempDir,
    /// The exercise, which is also what its processes are called: at most 15 letters (proc_pid_comm(5)).
    pub(crate) name: String,
}

impl SmallCourse {
    /// A course with these limits.
    pub(crate) fn new(limits: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("h{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let course = Self { dir: tempfile::tempdir().expect("a folder"), name };
        course.write(
            "grader.toml",
            format!(
                "schema = \"ipc-grade/course/1\"\ntitle = \"Small\"\n\n[limits]\n{limits}\n\n[seeds]\nschedules = [0]\n\n\
                 [crates]\nlibc = \"0.2\"\n\n[[chapter]]\nid = \"01_one\"\ntitle = \"One\"\nexercises = [\"{}\"]\n",
                course.name
            ),
        );
        let folder = course.exercise();
        course.write(&format!("{folder}/exercise.toml"), EXERCISE);
        course.write(&format!("{folder}/expected.trace"), EXPECTED);
        course.write(&format!("{folder}/README.md"), "# A lesson\n");
        course.write("exercises/Cargo.lock", include_str!("../../exercises/Cargo.lock"));
        symlink(vendor(), course.path("exercises/vendor")).expect("a link");
        course
    }

    /// The exercise's folder, from the course's.
    pub(crate) fn exercise(&self) -> String {
        format!("exercises/01_one/{}", self.name)
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    /// Writes a file, and the folders above it.
    pub(crate) fn write(&self, file: &str, text: impl AsRef<[u8]>) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().expect("a file in a folder")).expect("folders");
        fs::write(path, text).expect("a file");
    }

    pub(crate) fn remove(&self, file: &str) {
        fs::remove_file(self.path(file)).expect("a file that is there");
    }

    /// Writes a student's answer into a folder of submissions.
    pub(crate) fn submit(&self, student: &str, text: impl AsRef<[u8]>) {
        self.write(&self.submission(student), text);
    }

    /// Where a student's answer is.
    pub(crate) fn submission(&self, student: &str) -> String {
        format!("submissions/{student}/01_one/{}/src/main.rs", self.name)
    }

    /// The grader in the course's folder, ready to run.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("ipc-grade"));
        command.args(args).current_dir(self.dir.path()).env("IPC_GRADE_CACHE", cache()).env(MARK, &self.name);
        command.env_remove("NO_COLOR").stdin(std::process::Stdio::null());
        command
    }

    /// Runs the grader to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::of(&mut self.command(args))
    }

    /// Grades one of the programs beside this file.
    pub(crate) fn check(&self, program: &str) -> Ran {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/rough/programs/{program}.rs"));
        let file = file.to_str().expect("a path in UTF-8").to_owned();
        self.run(&["check", &self.name, "--source", &file, "--format", "json", "--record", "traces"])
    }

    /// The trace that the last check kept.
    pub(crate) fn trace(&self) -> String {
        fs::read_to_string(self.path(&format!("traces/{}.jsonl", self.name))).expect("a trace")
    }
}

/// What a run of the grader gave.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().expect("the grader runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Self { exit: output.status.code().expect("it exits"), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The one exercise of the report.
    #[track_caller]
    pub(crate) fn graded(&self) -> Value {
        let report: Value = serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        report["exercises"][0].clone()
    }

    /// The exit code, and that each of these is said on standard error.
    #[track_caller]
    pub(crate) fn complains(&self, exit: i32, words: &[&str]) {
        assert_eq!(self.exit, exit, "{}{}", self.out, self.err);
        for word in words {
            assert!(self.err.contains(word), "no {word:?} in:\n{}", self.err);
        }
    }
}
