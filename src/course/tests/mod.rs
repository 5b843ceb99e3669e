//! Every mistake that an author can make, and the very words that answer it.

mod faults;
mod steps;

use proptest::prelude::*;

use super::*;
use crate::model::Value;
use crate::model::peer::{Access, Action, Fact};

const GRADER: &str = r#"schema = "ipc-grade/course/1"
title = "A small course"

[limits]
processes = 8

[seeds]
values = [1, 2]
schedules = [0, 1]

[crates]
libc = "0.2"
nix = { version = "0.31", features = ["fs"] }

[[chapter]]
id = "01_pipes"
title = "Pipes"
exercises = ["echo"]
"#;

const EXERCISE: &str = r#"title = "Echo"
read = ["pipe(7)"]
hints = ["gentle", "plainer", "plain"]
[hints_for]
F001 = "close it"
[limits]
cpu_ms = 500
[[scenario]]
id = "one"
args = ["{word}", "/{name}"]
stdin = "peer"
values = { word = { draw = "word" }, name = { draw = "word" }, n = { draw = "int", min = 1, max = 9 } }
[[scenario.peer]]
name = "client"
steps = '''
# a comment
when exists names and main ready TERM or idle   # another
open names write
open shm "/{name}"
expect 0 u32 {n}
write names "{word}\n"
write main.stdin "go\n"
signal main TERM
'''
[[check]]
id = "says"
kind = "output"
on = "stdout"
text = "{word|upper}\n"
points = 3
[[check]]
id = "holds"
kind = "memory"
object = "/{name}"
offset = 4
type = "u32"
value = "{n}"
at = "client's expect"
points = 2
[[check]]
id = "trace"
kind = "trace"
needs = ["says"]
points = 1
"#;

/// Loads the small course after `change` was made in its folder.
fn load(change: impl FnOnce(&Path)) -> Result<Course, Vec<Diagnostic>> {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().join("exercises/01_pipes/echo");
    fs::create_dir_all(&folder).expect("a folder");
    for (file, text) in [
        (dir.path().join("grader.toml"), GRADER),
        (folder.join("exercise.toml"), EXERCISE),
        (folder.join("README.md"), "# Echo\n"),
        (folder.join("expected.trace"), "main:\n    exit 0\n"),
    ] {
        fs::write(file, text).expect("a file");
    }
    change(dir.path());
    Course::load(dir.path())
}

/// Changes one text of a file and expects exactly this answer.
#[track_caller]
fn check_in(file: &str, from: &str, to: &str, expected: &str) {
    let mistakes = load(|dir| {
        let path = dir.join(file);
        let text = fs::read_to_string(&path).expect("a file");
        assert!(text.contains(from), "{from} is in {file}");
        fs::write(path, text.replacen(from, to, 1)).expect("a file");
    })
    .expect_err("a mistake");
    let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    assert_eq!(told.join("\n\n"), expected.replace("FILE", file), "{to}");
}

#[track_caller]
fn check(from: &str, to: &str, expected: &str) {
    check_in("exercises/01_pipes/echo/exercise.toml", from, to, expected);
}

/// As [`check`], but only the message, the place, what is marked and the help.
#[track_caller]
fn check_place(from: &str, to: &str, marked: &str, message: &str, help: &str) {
    let file = "exercises/01_pipes/echo/exercise.toml";
    let mistakes = load(|dir| {
        assert!(EXERCISE.contains(from), "{from} is there");
        fs::write(dir.join(file), EXERCISE.replacen(from, to, 1)).expect("a file");
    })
    .expect_err("a mistake");
    let [mistake] = mistakes.as_slice() else { panic!("one mistake: {mistakes:#?}") };
    let shown: String =
        mistake.source.chars().skip(mistake.column as usize - 1).take(mistake.length as usize).collect();
    assert_eq!((shown.as_str(), mistake.message.as_str()), (marked, message), "{to}");
    assert_eq!(mistake.help.as_deref(), Some(help), "{to}");
}

#[test]
fn a_good_course_loads_whole() {
    let course = load(|_| {}).expect("a good course");
    assert_eq!(course.title, "A small course");
    assert_eq!(course.limits.processes, 8);
    assert_eq!(course.seeds.schedules, [ScheduleSeed(0), ScheduleSeed(1)]);
    assert_eq!(course.crates["nix"].requirement(), r#"version = "0.31", default-features = true, features = ["fs"]"#);
    let echo = course.find("echo").expect("it is there");
    assert_eq!(course.find("01_pipes/echo/").map(CourseExercise::name), Ok("echo"));
    assert_eq!((echo.exercise.limits.processes, echo.exercise.limits.cpu_ms), (8, 500));
    assert_eq!(echo.exercise.max_points(), 6);
    let steps = &echo.exercise.scenarios[0].peers[0].steps;
    assert_eq!(steps.iter().map(|step| step.line).collect::<Vec<_>>(), [17, 18, 19, 20, 21, 22, 23]);
    assert_eq!(steps[0].text, "when exists names and main ready TERM or idle");
    let Action::When { facts, or_idle: true } = &steps[0].action else { panic!("{:?}", steps[0]) };
    assert!(matches!(facts.as_slice(), [Fact::Exists(_), Fact::Ready(_)]), "{facts:?}");
    assert!(matches!(&steps[1].action, Action::Open { access: Access::Write, .. }));
    assert!(matches!(&steps[4].action, Action::Write { text, .. } if text.to_string() == "{word}\n"));
}

#[test]
fn unknown_exercises_have_near_names() {
    let course = load(|_| {}).expect("a good course");
    let message = |name: &str| course.find(name).map(|_| ()).map_err(|unknown| unknown.to_string());
    assert_eq!(message("ecko"), Err("no exercise is called `ecko`; near it: echo".to_owned()));
    assert_eq!(message("something_else"), Err("no exercise is called `something_else`".to_owned()));
}

#[test]
fn a_mistake_is_shown_with_its_line() {
    check(
        "cpu_ms = 500",
        "cpu_sm = 500",
        "[limits] has no key `cpu_sm`\n --> FILE:7:1\n  |\n7 | cpu_sm = 500\n  | ^^^^^^\n   = did you mean `cpu_ms`?",
    );
    check(
        "points = 1\n",
        "points = 1 1\n",
        "string values must be quoted, expected literal string\n  --> FILE:44:10\n   |\n44 | points = 1 1\n   |          ^^^",
    );
    check_in(
        "grader.toml",
        "processes = 8",
        "processes = \"8\"",
        "`processes` is a string\n --> FILE:5:13\n  |\n5 | processes = \"8\"\n  |             ^^^\n   = expected: a whole number, 1 or more",
    );
    check_in(
        "grader.toml",
        "title = \"A small course\"\n",
        "",
        "grader.toml has no `title`\n --> FILE:1:1\n  |\n1 | schema = \"ipc-grade/course/1\"\n  | ^\n   = expected: title = \"Processes and interprocess communication\"",
    );
}

#[test]
fn mistakes_in_the_course_file() {
    let check = |from, to, expected| check_in("grader.toml", from, to, expected);
    check(
        "exercises = [\"echo\"]",
        "exercises = [\"echo\", \"gone\"]",
        "`gone` has no folder\n  --> FILE:18:22\n   |\n18 | exercises = [\"echo\", \"gone\"]\n   |                      ^^^^^^\n   = expected: the folder exercises/01_pipes/gone",
    );
    check(
        "exercises = [\"echo\"]",
        "exercises = []",
        "no chapter of grader.toml names `echo`\n  --> exercises/01_pipes/echo/exercise.toml\n   = add \"echo\" to the exercises of the chapter \"01_pipes\", or remove the folder",
    );
    check(
        "course/1",
        "course/2",
        "no format of a course is called `ipc-grade/course/2`\n --> FILE:1:11\n  |\n1 | schema = \"ipc-grade/course/2\"\n  |           ^^^^^^^^^^^^^^^^^^\n   = did you mean `ipc-grade/course/1`?",
    );
    check(
        "features = [\"fs\"]",
        "path = \"fs\"",
        "`path` and `version` exclude each other\n  --> FILE:13:34\n   |\n13 | nix = { version = \"0.31\", path = \"fs\" }\n   |                                  ^^^^\n   = a crate is the registry's, or the course's own\n\nthere is no crate in `fs`\n  --> FILE:13:34\n   |\n13 | nix = { version = \"0.31\", path = \"fs\" }\n   |                                  ^^^^\n   = expected: a folder of the course with a Cargo.toml",
    );
}

#[test]
fn an_exercise_has_one_name() {
    let grader = "grader.toml";
    check_in(
        grader,
        "exercises = [\"echo\"]",
        "exercises = [\"echo\", \"echo\"]",
        "there is an exercise `01_pipes/echo` already\n  --> FILE:18:22\n   |\n18 | exercises = [\"echo\", \"echo\"]\n   |                      ^^^^^^\n   = give each exercise a name of its own",
    );
    check_in(
        grader,
        "[\"echo\"]",
        "[\"../echo\"]",
        "`../echo` cannot be the name of an exercise\n  --> FILE:18:14\n   |\n18 | exercises = [\"../echo\"]\n   |              ^^^^^^^^^\n   = expected: letters, digits, _ and -\n\nno chapter of grader.toml names `echo`\n  --> exercises/01_pipes/echo/exercise.toml\n   = add \"echo\" to the exercises of the chapter \"01_pipes\", or remove the folder",
    );
}

#[test]
fn files_that_are_no_text_are_named() {
    let file = "exercises/01_pipes/echo/exercise.toml";
    let told = |change: fn(&Path)| load(|dir| change(&dir.join(file))).expect_err("a mistake")[0].to_string();
    let bytes = told(|path| fs::write(path, b"title = \"\xff\"\n").expect("a file"));
    assert_eq!(bytes.lines().next(), Some("this is not UTF-8"));
    assert!(bytes.contains(&format!("--> {file}:1:10")), "{bytes}");
    let folder = told(|path| {
        fs::remove_file(path).expect("it was there");
        fs::create_dir(path).expect("a folder");
    });
    assert_eq!(folder, format!("this is a folder, where a file should be\n  --> {file}"));
    let empty = told(|path| fs::write(path, "\n").expect("a file"));
    assert_eq!(empty, format!("this file is empty\n  --> {file}"));
}

#[test]
fn missing_files_are_named() {
    let lost = |file: &'static str| {
        let mistakes = load(|dir| fs::remove_file(dir.join(file)).expect("it was there")).expect_err("a mistake");
        assert_eq!(mistakes.len(), 1);
        mistakes[0].to_string()
    };
    for file in ["grader.toml", "exercises/01_pipes/echo/README.md", "exercises/01_pipes/echo/expected.trace"] {
        assert_eq!(lost(file), format!("this file is missing\n  --> {file}"));
    }
}

#[test]
fn mistakes_of_an_exercise() {
    check_place(
        "\"plain\"]",
        "]",
        r#"["gentle", "plainer", ]"#,
        "there are 2 hints",
        "expected: three, from gentle to plain",
    );
    check_place("F001 =", "F01 =", "F01", "`F01` is neither a code nor a check", "did you mean `F001`?");
    check_place("{word}", "{wrod}", "wrod", "the scenario \"one\" draws no value `wrod`", "did you mean `word`?");
    check_place(
        "{word|upper}\\n",
        "\\n{wrod}",
        "wrod",
        "the scenario \"one\" draws no value `wrod`",
        "did you mean `word`?",
    );
    check_place(
        "{word|upper}",
        "{word|uper}",
        "uper",
        "no filter is called `uper` (there are upper, lower, rev, rev4k, lines, sum, square)",
        "expected: text with holes such as {name} or {name|upper}",
    );
    check_place(
        "\"int\"",
        "\"integer\"",
        "integer",
        "no draw is called `integer`",
        "expected one of: word, int, ints, token64, blob, signal",
    );
    check_place("max = 9", "max = 0", "0", "`max` is less than `min`", "expected: 1 or more");
    check_place("points = 1", "points = 0", "0", "`points` cannot be 0", "expected: a whole number, 1 or more");
    check_place(
        "kind = \"trace\"",
        "kind = \"tracks\"",
        "tracks",
        "no kind of check is called `tracks`",
        "did you mean `trace`?",
    );
    check_place(
        "needs = [\"says\"]",
        "needs = [\"said\"]",
        "said",
        "no check is called `said`",
        "did you mean `says`?",
    );
    check_place(
        "needs = [\"says\"]",
        "needs = [\"trace\"]",
        "trace",
        "`trace` needs itself",
        "expected: another check",
    );
    check_place(
        "id = \"trace\"",
        "id = \"says\"",
        "\"says\"",
        "there is a check called `says` already",
        "give each check a name of its own",
    );
    check_place(
        "client's expect",
        "clint's expect",
        "\"clint's expect\"",
        "the scenario \"one\" has no peer `clint`",
        "did you mean `client`?",
    );
    check_place(
        "client's expect",
        "client's store",
        "\"client's store\"",
        "`client` has no step `store` in the scenario \"one\"",
        "expected one of: when, open, open, expect, write, write, signal",
    );
    check_place("type = \"u32\"", "type = \"u33\"", "u33", "no type is called `u33`", "did you mean `u32`?");
    check_place(
        "object = \"/{name}\"",
        "object = \"{name}\"",
        "{name}",
        "`{name}` is no name of a POSIX object",
        "expected: a slash, a name, and no other slash: \"/name\"",
    );
    check_place("read =", "raed =", "raed", "exercise.toml has no key `raed`", "did you mean `read`?");
}

#[test]
fn mistakes_of_kinds() {
    let first = "kind = \"output\"\non = \"stdout\"\ntext = \"{word|upper}\\n\"";
    let wrong = |to, marked, message, help| check_place(first, to, marked, message, help);
    wrong(
        "kind = \"signal\"\nsignal = \"TERM\"\nfate = \"dead\"",
        "dead",
        "no fate of a signal is called `dead`",
        "did you mean `died`?",
    );
    wrong(
        "kind = \"signal\"\nsignal = \"SIGFOO\"\nfate = \"taken\"",
        "SIGFOO",
        "no signal is named `SIGFOO` (names are INT, TERM, USR1, CHLD, RTMIN+3 …)",
        "expected: a name without SIG, or a drawn value: {which}",
    );
    wrong(
        "kind = \"separation\"\nprocesses = 2\nold = \"{n}\"",
        "[[check]]",
        "`old` and `new` belong together",
        "expected: both of them, or neither",
    );
    wrong(
        "kind = \"separation\"\nprocesses = 2\nchild = \"child\"",
        "child",
        "[[check]] has no key `child`",
        "expected one of: id, points, needs, kind, processes, old, new",
    );
    wrong("kind = \"output\"", "[[check]]", "[[check]] has no `on`", "expected: on = \"stdout\"");
    check_place(
        "[limits]",
        "[off]\nleek = \"why\"\n[limits]",
        "leek",
        "[off] has no key `leek`",
        "did you mean `leak`?",
    );
    check_place(
        "[[scenario.peer]]\n",
        "[[scenario.peer]]\nname = \"main\"\nsteps = 'die'\n[[scenario.peer]]\n",
        "[[scenario.peer]]",
        "there is a process called `main` already",
        "give each peer a name of its own",
    );
    check_place(
        "read = [\"pipe(7)\"]",
        "after = [\"01_pipes/ecko\"]",
        "01_pipes/ecko",
        "no exercise is called `01_pipes/ecko`",
        "did you mean `01_pipes/echo`?",
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// No text of an author's is a panic, and every mistake has a place that is there.
    #[test]
    fn any_mistake_has_its_place(at in 0..EXERCISE.len(), cut in 0_usize..12, put in "[a-z0-9\"'\\\\{}|#/=\\[\\]\n ö.]{0,8}") {
        prop_assume!(EXERCISE.is_char_boundary(at) && EXERCISE.is_char_boundary((at + cut).min(EXERCISE.len())));
        let text = format!("{}{put}{}", &EXERCISE[..at], &EXERCISE[(at + cut).min(EXERCISE.len())..]);
        let document = Document::new("exercise.toml", &text);
        let id = ExerciseId::new("01_pipes/echo");
        let read = exercise::read(&document, &id, std::slice::from_ref(&id), Limits::default());
        let mistakes = document.into_mistakes();
        prop_assert!(read.is_some() || !mistakes.is_empty());
        for mistake in mistakes {
            prop_assert!(mistake.line >= 1 && mistake.line as usize <= text.lines().count() + 1, "{}", mistake);
        }
    }
}
