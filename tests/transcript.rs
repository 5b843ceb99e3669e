//! A student's first day, as it really reads: the starter, a write end left open, the pass; and the JSON of a fail.
//!
//! Graded for real, in the box. Values are fixed by the seed, so whole blocks can be compared.

#[path = "support/require.rs"]
mod require;

use assert_cmd::Command;
use serde_json::Value;
use snapbox::{IntoData, assert_data_eq, str};

/// Leaves the write end open in the child, which reads to the end.
const LEFT_OPEN: &str = "solutions/02_pipes/one_line/rejected/child_keeps_its_write_end.rs";

/// Runs in the project's folder; gives the exit code and standard output, and asks for nothing on standard error.
fn run(args: &[&str]) -> (i32, String) {
    let output = Command::cargo_bin("ipc-grade")
        .expect("the program is built")
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("NO_COLOR")
        .output()
        .expect("it runs");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    (output.status.code().expect("it exits"), text)
}

#[track_caller]
fn reads(args: &[&str], exit: i32, expected: impl IntoData) {
    if !require::grading() {
        return;
    }
    let (code, text) = run(args);
    assert_eq!(code, exit, "{text}");
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "80 columns: {line}");
        assert_eq!(line, line.trim_end(), "nothing trails");
    }
    // As it stands: `\n` must not be taken for a path's separator.
    assert_data_eq!(text.raw(), expected.raw());
}

#[test]
fn a_write_end_left_open() {
    reads(
        &["check", "one_line", "--source", LEFT_OPEN, "--seed", "7f3a.0"],
        1,
        str![[r#"
one_line  NOT YET  4 of 10 points

error[F001]: the child waits for ever for the end of the text
  --> solutions/02_pipes/one_line/rejected/child_keeps_its_write_end.rs:19:18
   |
13 |     let (read_end, write_end) = pipe()?;
   |                    --------- the child still has this open
19 |             file.read_to_string(&mut text)?;
   |                  ^^^^^^^^^^^^^^ the child is stuck here
   |
   parent                        child
   make data
   fork child
   write "oyster\n"  --------->  read "oyster\n"
   close: write end              (its own copy stays open)
   wait for child: stuck         read more: stuck

 expected: the child reads "oyster\n", then the end of the text
      saw: the child reads "oyster\n", then nothing, for ever
      why: a pipe ends when every copy of its write end is closed.
           fork (line 15) gave the child a copy.
    tried: with that end closed in the child after line 15, your program passes.
 Not a time-out: nothing is left that could wake either process.
 By hand: cargo run -- oyster      Stuck? ipc-grade hint one_line --for F001

"#]],
    );
}

#[test]
fn the_pass() {
    reads(
        &["check", "one_line", "--source", "solutions"],
        0,
        str![[r#"
one_line  PASS  10 of 10 points, in all 16 orders tried
   parent                        child
   make data
   fork child
   write "marble\n"  --------->  read "marble\n"
                                 print "MARBLE\n"
   wait: exit 0  <-------------  exit 0
   exit 0
Next: both_ways

"#]],
    );
}

/// With colours it is the same text: what is painted says nothing that the words do not.
#[test]
fn colours_change_no_word() {
    if !require::grading() {
        return;
    }
    let args = ["check", "one_line", "--source", LEFT_OPEN, "--seed", "7f3a.0"];
    let (_, plain) = run(&args);
    let (_, painted) = run(&[args.as_slice(), &["--color", "always"]].concat());
    assert!(
        painted.contains("\u{1b}[1;31m^^^^^^^^^^^^^^\u{1b}[0m \u{1b}[1;31mthe child is stuck here\u{1b}[0m"),
        "{painted}"
    );
    let mut text = String::new();
    for part in painted.split('\u{1b}') {
        text.push_str(part.strip_prefix('[').and_then(|part| part.split_once('m')).map_or(part, |(_, rest)| rest));
    }
    assert_eq!(text, plain);
}

#[test]
fn the_starter() {
    reads(
        &["check", "one_line", "--seed", "7f3a.0"],
        1,
        str![[r#"
one_line  NOT STARTED  1 of 10 points
 expected: the parent writes "oyster\n" to data
      saw: nothing of the kind
Read exercises/02_pipes/one_line/README.md, edit src/main.rs beside it.

"#]],
    );
}

/// Elsewhere than on a terminal a line says how each went, in the words of the table.
#[test]
fn the_progress_of_starters() {
    if !require::grading() {
        return;
    }
    let mut command = Command::cargo_bin("ipc-grade").expect("the program is built");
    let command = command.args(["check", "one_line", "separate_memory"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.lines().filter(|line| line.contains(": not started, ")).count(), 2, "{said}");
}

/// The fields that programs may rely on, as they were promised: others may be added, these stay.
#[test]
fn the_json_of_a_fail() {
    if !require::grading() {
        return;
    }
    let (code, text) = run(&["check", "one_line", "--source", LEFT_OPEN, "--seed", "7f3a.0", "--format", "json"]);
    assert_eq!(code, 1);
    let report: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(report["schema"], "ipc-grade/report/1");
    has(&report, &[("exercises", Value::is_array), ("points", Value::is_u64), ("max_points", Value::is_u64)]);
    let [exercise] = list(&report["exercises"]) else { panic!("one exercise: {text}") };
    has(
        exercise,
        &[
            ("id", Value::is_string),
            ("status", Value::is_string),
            ("points", Value::is_u64),
            ("max_points", Value::is_u64),
            ("checks", Value::is_array),
            ("findings", Value::is_array),
            ("seed", Value::is_string),
        ],
    );
    assert_eq!((&exercise["id"], &exercise["status"]), (&"02_pipes/one_line".into(), &"fail".into()));
    assert_eq!(exercise["seed"], "7f3a.0");
    let checks = list(&exercise["checks"]);
    for check in checks {
        has(
            check,
            &[
                ("id", Value::is_string),
                ("kind", Value::is_string),
                ("status", Value::is_string),
                ("points", Value::is_u64),
                ("max_points", Value::is_u64),
            ],
        );
        assert!(["pass", "fail", "skipped", "error"].iter().any(|status| check["status"] == **status), "{check}");
        assert!(check["points"].as_u64() <= check["max_points"].as_u64(), "{check}");
    }
    let sum = |field: &str| checks.iter().filter_map(|check| check[field].as_u64()).sum::<u64>();
    assert_eq!((exercise["points"].as_u64(), exercise["max_points"].as_u64()), (Some(sum("points")), Some(10)));
    assert_eq!(sum("max_points"), 10);
    let [finding] = list(&exercise["findings"]) else { panic!("one cause: {text}") };
    has(
        finding,
        &[
            ("code", Value::is_string),
            ("severity", Value::is_string),
            ("message", Value::is_string),
            ("file", Value::is_string),
            ("line", Value::is_u64),
            ("column", Value::is_u64),
            ("labels", Value::is_array),
            ("tried", Value::is_array),
        ],
    );
    assert_eq!((&finding["code"], &finding["severity"]), (&"F001".into(), &"error".into()));
    assert_eq!(finding["file"], LEFT_OPEN);
    assert_eq!((finding["line"].as_u64(), finding["column"].as_u64()), (Some(19), Some(18)));
    let labels: Vec<(u64, u64, u64, bool, &str)> = list(&finding["labels"])
        .iter()
        .map(|label| {
            assert_eq!(label["file"], LEFT_OPEN);
            let number = |field: &str| label[field].as_u64().expect("a number");
            let (from, to) = (number("column"), number("end_column"));
            let text = label["text"].as_str().expect("a text");
            (number("line"), from, to, label["primary"] == true, text)
        })
        .collect();
    let wanted = [(19, 18, 32, true, "the child is stuck here"), (13, 20, 29, false, "the child still has this open")];
    assert_eq!(labels, wanted);
    assert_eq!(list(&finding["tried"]).len(), 1, "{finding:#}");
    assert_eq!(exercise["replay_problem"], Value::Null);
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A question about a field.
type Is = fn(&Value) -> bool;

#[track_caller]
fn has(value: &Value, fields: &[(&str, Is)]) {
    for (field, is) in fields {
        let found = value.get(field);
        assert!(found.is_some_and(is), "`{field}` is {found:?} in {value:#}");
    }
}

/// Tests a flag and then sleeps: wrong in some orders only.
const TEST_THEN_SLEEP: &str = "solutions/05_signals/handle_interrupt/rejected/test_then_sleep.rs";

/// What fails in some orders only is shown in the order that differs least from the one that goes by itself, and the
/// token that it names shows the same again.
#[test]
fn one_switch_breaks_it() {
    if !require::grading() {
        return;
    }
    let check = ["check", "handle_interrupt", "--source", TEST_THEN_SLEEP];
    let (code, text) = run(&check);
    assert!(code == 1 && text.contains("went well before this one: one switch breaks it."), "{text}");
    let again = "See this order again: ipc-grade check handle_interrupt --seed ";
    let token = text.lines().find_map(|line| line.trim().strip_prefix(again)).expect("how to see it again");
    let (code, second) = run(&[&check[..], &["--seed", token]].concat());
    let rest = |text: &str| text.lines().filter(|line| !line.contains("breaks it")).collect::<Vec<_>>().join("\n");
    assert!(code == 1 && second.contains(" One switch breaks it."), "{second}");
    assert_eq!(rest(&second), rest(&text));
    let (_, json) = run(&[&check[..], &["--seed", token, "--format", "json"]].concat());
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let turns = json["exercises"][0]["turns"].as_array().expect("turns");
    assert_eq!(turns.iter().filter(|turn| turn.get("switch").is_some()).count(), 1, "{turns:?}");
}
