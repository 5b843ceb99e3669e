//! The command line as a person meets it: what is printed, where, and the exit code.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use snapbox::{assert_data_eq, str};
use tempfile::TempDir;

const GRADER: &str = r#"schema = "ipc-grade/course/1"
title = "A small course"

[[chapter]]
id = "01_pipes"
title = "Pipes"
exercises = ["echo", "shout"]
"#;

const EXERCISE: &str = r#"title = "Echo a line"
hints = ["Think of a pipe.", "Read from one end, write into the other, and close what you do not use: each of the two processes.", "let (read_end, write_end) = pipe()?;\n    // Each line stands as it is; one that is too long goes on below its own beginning.\nfork()"]
[hints_for]
F001 = "Close it."
[[scenario]]
id = "one"
args = ["{word}"]
values = { word = { draw = "word" } }
[[check]]
id = "says"
kind = "output"
on = "stdout"
text = "{word}\n"
points = 3
"#;

/// A course of two exercises in a folder of its own.
fn course() -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("grader.toml"), GRADER).expect("a file");
    for name in ["echo", "shout"] {
        let folder = dir.path().join("exercises/01_pipes").join(name);
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("exercise.toml"), EXERCISE).expect("a file");
        fs::write(folder.join("README.md"), "# A lesson\n").expect("a file");
        fs::write(folder.join("expected.trace"), "main:\n    stdout \"{word}\\n\"\n    exit 0\n").expect("a file");
    }
    dir
}

fn change(dir: &TempDir, file: &str, from: &str, to: &str) {
    let path = dir.path().join(file);
    let text = fs::read_to_string(&path).expect("a file");
    assert!(text.contains(from), "{from} is in {file}");
    fs::write(path, text.replacen(from, to, 1)).expect("a file");
}

/// Runs in a folder; gives the exit code, standard output and standard error.
fn run(dir: &Path, args: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("ipc-grade")
        .expect("the program is built")
        .args(args)
        .current_dir(dir)
        .env_remove("NO_COLOR")
        .output()
        .expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("it exits"), text(output.stdout), text(output.stderr))
}

#[track_caller]
fn says(dir: &Path, args: &[&str], expected: impl snapbox::IntoData) {
    let (code, out, err) = run(dir, args);
    assert_eq!((code, err.as_str()), (0, ""), "{args:?}");
    assert_data_eq!(out, expected.into_data());
}

#[track_caller]
fn fails(dir: &Path, args: &[&str], exit: i32, expected: impl snapbox::IntoData) {
    let (code, out, err) = run(dir, args);
    assert_eq!((code, out.as_str()), (exit, ""), "{args:?}\n{err}");
    assert_data_eq!(err, expected.into_data());
}

#[test]
fn list_shows_the_course() {
    let dir = course();
    let expected = str![[r#"
A small course

Pipes
  echo    3 points  Echo a line
  shout   3 points  Echo a line

2 exercises, 6 points. Grade one: ipc-grade check NAME

"#]];
    says(dir.path(), &["list"], expected.clone());
    says(&dir.path().join("exercises/01_pipes"), &["list"], expected);
}

/// The course that this package ships is in order.
#[test]
fn the_own_course_loads() {
    let (code, out, err) = run(Path::new(env!("CARGO_MANIFEST_DIR")), &["list"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("one_line") && out.contains("handle_interrupt"), "{out}");
}

#[test]
fn hints_go_from_gentle_to_plain() {
    let dir = course();
    says(
        dir.path(),
        &["hint", "echo"],
        str![[r#"
echo, hint 1 of 3

Think of a pipe.

Plainer: ipc-grade hint echo --level 2

"#]],
    );
    says(
        dir.path(),
        &["hint", "01_pipes/echo", "--level", "2"],
        str![[r#"
echo, hint 2 of 3

Read from one end, write into the other, and close what you do not use: each of
the two processes.

Plainer: ipc-grade hint echo --level 3

"#]],
    );
    says(
        dir.path(),
        &["hint", "echo", "--level", "3"],
        str![[r#"
echo, hint 3 of 3

let (read_end, write_end) = pipe()?;
    // Each line stands as it is; one that is too long goes on below its own
    beginning.
fork()

The lesson: exercises/01_pipes/echo/README.md

"#]],
    );
    says(
        dir.path(),
        &["hint", "echo", "--for", "f001"],
        str![[r#"
echo, hint for F001

Close it.

General hints: ipc-grade hint echo

"#]],
    );
}

#[test]
fn a_code_has_a_page() {
    let dir = tempfile::tempdir().expect("a folder");
    let (code, out, _) = run(dir.path(), &["explain", "f001"]);
    assert_eq!(code, 0);
    assert!(out.starts_with("# F001") && out.contains("See also:\n  H001  deadlock"), "{out}");
    let (code, out, _) = run(dir.path(), &["explain"]);
    assert_eq!(code, 0);
    assert!(out.starts_with("B001  does not compile\n") && out.contains("\nT005  wrong data\n"), "{out}");
}

#[test]
fn colours_are_asked_for() {
    let dir = course();
    let list = |args: &[&str]| run(dir.path(), args).1;
    assert!(!list(&["list"]).contains('\u{1b}'));
    assert!(!list(&["list", "--color", "never"]).contains('\u{1b}'));
    assert!(list(&["list", "--color", "always"]).contains("\u{1b}[1mPipes\u{1b}[0m"));
}

#[test]
fn wrong_usage_is_said() {
    let dir = course();
    let wrong = |args: &[&str], expected| fails(dir.path(), args, 2, expected);
    wrong(&["hint", "ecko"], "error: no exercise is called `ecko`; near it: echo\n");
    wrong(&["check", "shouts", "echo"], "error: no exercise is called `shouts`; near it: shout\n");
    wrong(
        &["hint", "echo", "--for", "F003"],
        "error: `echo` has no special hint for `F003`; there are some for F001\n",
    );
    wrong(
        &["hint", "echo", "--level", "4"],
        "error: invalid value '4' for '--level <1..3>': 4 is not in 1..=3\n\nFor more information, try '--help'.\n",
    );
    wrong(
        &["explain", "F02"],
        "error: invalid value 'F02' for '[CODE]': no such code: \"F02\"; near it:\n  F001  [..]\n  F003  [..]\n  F004  \
         [..]\n\nFor more information, try '--help'.\n",
    );
    wrong(
        &["check", "--seed", "7x"],
        "error: invalid value '7x' for '--seed <TOKEN>': `7x` is no seed: write VALUE.SCHEDULE as a report prints it \
         (7f3a.12), or a schedule number alone (12)\n\nFor more information, try '--help'.\n",
    );
    wrong(
        &["check", "--source", "nowhere"],
        "error: a folder laid out like exercises/ cannot be opened: nowhere: No such file or directory (os error 2)\n",
    );
    wrong(
        &["check", "--source", "grader.toml"],
        "error: grader.toml is a file, where a folder laid out like exercises/ should be\n",
    );
    fs::write(dir.path().join("a.rs"), "fn main() {}").expect("a file");
    wrong(&["check", "--source", "a.rs"], "error: --source a.rs is one file: name the one exercise that it is for\n");
    wrong(
        &["batch", "exercises", "--out", "exercises/out"],
        "error: --out exercises/out would be taken for a student's folder: choose one outside of the submissions\n",
    );
    wrong(
        &["judge", "none.jsonl", "--exercise", "echo"],
        "error: the trace cannot be opened: none.jsonl: No such file or directory (os error 2)\n",
    );
}

#[test]
fn a_broken_course_is_shown_with_its_place() {
    let dir = course();
    change(&dir, "grader.toml", "title = \"Pipes\"", "titel = \"Pipes\"");
    change(&dir, "exercises/01_pipes/shout/exercise.toml", "{word}\\n", "{wort}\\n");
    fails(
        dir.path(),
        &["check"],
        3,
        str![[r#"
error: [[chapter]] has no `title`
 --> grader.toml:4:1
  |
4 | [[chapter]]
  | ^^^^^^^^^^^
   = expected: title = "Pipes and FIFOs"

error: [[chapter]] has no key `titel`
 --> grader.toml:6:1
  |
6 | titel = "Pipes"
  | ^^^^^
   = did you mean `title`?

error: the scenario "one" draws no value `wort`
  --> exercises/01_pipes/shout/exercise.toml:13:10
   |
13 | text = "{wort}/n"
   |          ^^^^
   = did you mean `word`?

The course has 3 mistakes.

"#]],
    );
    change(&dir, "grader.toml", "titel", "title");
    fails(
        dir.path(),
        &["list"],
        3,
        str![[r#"
error: the scenario "one" draws no value `wort`
  --> exercises/01_pipes/shout/exercise.toml:13:10
   |
13 | text = "{wort}/n"
   |          ^^^^
   = did you mean `word`?

"#]],
    );
}

#[test]
fn no_course_is_said() {
    let dir = tempfile::tempdir().expect("a folder");
    fails(
        dir.path(),
        &["list"],
        3,
        str![[r#"
error: there is no grader.toml here or in any folder above
  --> grader.toml
   = go to the course's folder, or name it: --course DIR

"#]],
    );
}

/// `ipc-grade list | head -1`: the reader goes before the writer is done.
#[test]
fn a_reader_that_goes_is_no_error() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = std::process::Command::new(assert_cmd::cargo::cargo_bin("ipc-grade"))
        .arg("explain")
        .stdout(writer)
        .output()
        .expect("it runs");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}
