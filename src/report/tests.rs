//! The exact texts that people see, and the JSON that programs read.

use proptest::prelude::*;

use super::*;
use crate::judge::matching::Mark;

fn row(lane: &str, text: &str, from: Option<usize>, mark: Mark) -> LaneStep {
    LaneStep { lane: lane.into(), text: text.into(), from, mark }
}

fn empty(id: &str, status: Status, points: u32) -> ExerciseReport {
    let exercise = Exercise {
        id: id.into(),
        title: "A title".to_owned(),
        track: crate::model::Track::Core,
        read: Vec::new(),
        after: Vec::new(),
        hints: Vec::new(),
        tools: Vec::new(),
        hints_for: std::collections::BTreeMap::new(),
        limits: crate::model::Limits::default(),
        off: std::collections::BTreeMap::new(),
        scenarios: Vec::new(),
        checks: Vec::new(),
    };
    ExerciseReport { points, max_points: 10, ..ExerciseReport::empty(&exercise, status) }
}

/// The failing report of the picture that we want.
fn one_line() -> ExerciseReport {
    let finding = FindingReport {
        expected: Some("the child reads \"kettle\\n\", then the end of the text".into()),
        saw: Some("the child reads \"kettle\\n\", then nothing, for ever".into()),
        why: vec![
            "a pipe ends when every copy of its write end is closed.".into(),
            "fork gave the child a copy.".into(),
        ],
        proved: true,
        ..FindingReport::plain(
            Code::F001,
            "the child waits for ever for the end of the text",
            "02_pipes/one_line/src/main.rs",
        )
    };
    ExerciseReport {
        findings: vec![finding],
        by_hand: Some("cargo run -- kettle".into()),
        seed: Some("7f3a.0".into()),
        lanes: vec![
            row("parent", "write \"kettle\\n\"", None, Mark::Expected),
            row("child", "read \"kettle\\n\"", Some(0), Mark::Expected),
            row("parent", "close write_end", None, Mark::Free),
            row("child", "read more", None, Mark::Stuck),
            row("parent", "wait for child", None, Mark::Stuck),
        ],
        ..empty("02_pipes/one_line", Status::Fail, 4)
    }
}

fn passing() -> ExerciseReport {
    ExerciseReport {
        orders_tried: 16,
        next: Some("end_of_file".into()),
        lanes: vec![
            row("parent", "write \"window\\n\"", None, Mark::Expected),
            row("child", "read \"window\\n\"", Some(0), Mark::Expected),
            row("parent", "close: last write end", None, Mark::Free),
            row("child", "read: end", Some(2), Mark::Expected),
            row("child", "print \"WINDOW\\n\", exit 0", None, Mark::Expected),
            row("parent", "wait: exit 0", Some(4), Mark::Expected),
        ],
        ..empty("02_pipes/one_line", Status::Pass, 10)
    }
}

fn starter() -> ExerciseReport {
    let finding = FindingReport {
        expected: Some("two processes".into()),
        saw: Some("one".into()),
        ..FindingReport::plain(Code::T001, "no process is forked", "exercises/01_processes/two_processes/src/main.rs")
    };
    ExerciseReport {
        untouched: true,
        findings: vec![finding],
        source: Some("exercises/01_processes/two_processes/src/main.rs".into()),
        lesson: Some("exercises/01_processes/two_processes/README.md".into()),
        ..empty("01_processes/two_processes", Status::Fail, 0)
    }
}

#[track_caller]
fn check(report: &ExerciseReport, expected: &str) {
    let text = exercise(report, &Style::default());
    assert_eq!(text, expected);
    assert!(text.lines().all(|line| style::width(line) <= 80), "80 columns:\n{text}");
}

#[test]
fn a_failure_is_the_fixed_block() {
    check(
        &one_line(),
        r#"one_line  NOT YET  4 of 10 points

error[F001]: the child waits for ever for the end of the text
  --> 02_pipes/one_line/src/main.rs
   |
   parent                        child
   write "kettle\n"  --------->  read "kettle\n"
   close write_end               read more: stuck
   wait for child: stuck

 expected: the child reads "kettle\n", then the end of the text
      saw: the child reads "kettle\n", then nothing, for ever
      why: a pipe ends when every copy of its write end is closed.
           fork gave the child a copy.
 Not a time-out: nothing is left that could wake either process.
 By hand: cargo run -- kettle      Stuck? ipc-grade hint one_line
"#,
    );
}

#[test]
fn a_pass_shows_what_happened() {
    check(
        &passing(),
        r#"one_line  PASS  10 of 10 points, in all 16 orders tried
   parent                        child
   write "window\n"  --------->  read "window\n"
   close: last write end  ---->  read: end
   wait: exit 0  <-------------  print "WINDOW\n", exit 0
Next: end_of_file
"#,
    );
}

#[test]
fn a_starter_is_told_what_to_do() {
    check(
        &starter(),
        "two_processes  NOT STARTED  0 of 10 points
 expected: two processes
      saw: one
Read exercises/01_processes/two_processes/README.md, edit src/main.rs beside it.
",
    );
}

#[test]
fn the_compilers_words_stay_as_they_are() {
    let text = "error[E0308]: mismatched types\n --> src/main.rs:3:5\n  |\n3 |     1\n  |     ^ expected `()`\n";
    let report = ExerciseReport {
        findings: vec![FindingReport::compiler(
            "exercises/02_pipes/one_line/src/main.rs",
            "the program does not compile",
            text,
        )],
        ..empty("02_pipes/one_line", Status::Fail, 0)
    };
    check(
        &report,
        "one_line  NOT YET  0 of 10 points

error[B001]: the program does not compile
  --> exercises/02_pipes/one_line/src/main.rs
   |
   | error[E0308]: mismatched types
   |  --> src/main.rs:3:5
   |   |
   | 3 |     1
   |   |     ^ expected `()`
   |
 Stuck? ipc-grade hint one_line
",
    );
}

#[test]
fn the_graders_own_failure_costs_nothing() {
    let report = ExerciseReport {
        problem: Some("this kernel allows no user namespaces".into()),
        ..empty("02_pipes/one_line", Status::Error, 0)
    };
    check(
        &report,
        "one_line  NOT GRADED
 this kernel allows no user namespaces
 No point is lost by this. `ipc-grade doctor` says what this machine lacks.
",
    );
}

#[test]
fn several_exercises_are_a_table_and_the_first_failure() {
    let report =
        Report::new(vec![passing(), starter(), ExerciseReport { hint_for: Some("F001".into()), ..one_line() }]);
    let text = render(&report, Detail::First, &Style { ascii: true, ..Style::default() });
    assert_eq!(
        text.split_inclusive('\n').take(9).collect::<String>(),
        " exercise                      points  first cause
 one_line       + PASS          10/10
 two_processes  . NOT STARTED    0/10
 one_line       x NOT YET        4/10  F001 the child waits for ever for the
                                       end of the text
1 of 3 done, 14 of 30 points.

one_line  NOT YET  4 of 10 points

"
    );
    let text = render(&Report::new(vec![passing(), starter()]), Detail::First, &Style::default());
    assert!(text.contains("1 of 2 done, 10 of 20 points.\n\ntwo_processes  NOT STARTED  0 of 10"), "{text}");
    let all = render(&report, Detail::All, &Style::default());
    assert!(all.contains(" PASS  10 of 10") && all.contains("ipc-grade hint one_line --for F001"), "{all}");
}

#[test]
fn another_order_can_be_seen_again() {
    let report = ExerciseReport { seed: Some("7f3a.3".into()), ..one_line() };
    let text = exercise(&report, &Style::default());
    assert!(text.contains(" See this order again: ipc-grade check one_line --seed 7f3a.3\n"), "{text}");
}

#[test]
fn what_a_learner_wrote_cannot_steer_the_terminal() {
    let mut report = one_line();
    report.findings[0].saw = Some("\u{1b}[2J\u{9b}31m\u{202e}gnirts\rx\ty".into());
    report.findings[0].diff = "-a\u{1b}]0;title\u{7}\n+b\n".into();
    report.lanes[0].text = "write \"\u{1b}c\n\"".into();
    let text = exercise(&report, &Style::default());
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    assert!(text.contains("      saw: \\x1b[2J\\u{9b}31m\\u{202e}gnirts\\rx"), "{text}");
}

#[test]
fn colours_add_to_words_and_change_none() {
    let report = Report::new(vec![passing(), starter(), one_line()]);
    let style = Style { colour: true, ..Style::default() };
    let coloured = render(&report, Detail::All, &style);
    let mut bare = String::new();
    let mut rest = coloured.as_str();
    while let Some(at) = rest.find('\u{1b}') {
        bare.push_str(&rest[..at]);
        rest = &rest[at..];
        rest = &rest[rest.find('m').expect("an end") + 1..];
    }
    bare.push_str(rest);
    assert!(coloured.len() > bare.len());
    let trimmed = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    assert_eq!(trimmed(&bare), trimmed(&render(&report, Detail::All, &Style::default())));
}

#[test]
fn wide_pictures_are_told_in_sentences() {
    let long = "x".repeat(90);
    let report = ExerciseReport {
        lanes: vec![
            row("parent", &format!("write \"{long}\""), None, Mark::Expected),
            row("child", &format!("read \"{long}y\""), Some(0), Mark::Wrong),
        ],
        ..passing()
    };
    let text = exercise(&report, &Style::default());
    assert!(text.contains("    1. parent: write") && text.contains("    2. child: differs: read"), "{text}");
    assert!(text.contains("(from 1)") && text.lines().all(|line| style::width(line) <= 80), "{text}");
    assert!(text.replace(['\n', ' '], "").contains(&format!("{long}y")), "nothing is cut: {text}");
}

#[test]
fn long_runs_are_shown_around_the_first_divergence() {
    let mut lanes: Vec<LaneStep> = (0..100).map(|n| row("main", &format!("step {n}"), None, Mark::Expected)).collect();
    lanes[50].mark = Mark::Surplus;
    let text = exercise(&ExerciseReport { lanes, ..passing() }, &Style::default());
    assert!(text.contains("(38 steps before, all as expected)\n   main\n   step 38\n"), "{text}");
    assert!(text.contains("not expected: step 50") && text.contains("(44 steps after)"), "{text}");
}

#[test]
fn rounds_that_are_alike_are_told_once() {
    let mut lanes = vec![row("main", "fork worker", None, Mark::Expected)];
    for n in 0..20 {
        let at = lanes.len();
        lanes.push(row("main", &format!("write \"{n}\""), None, Mark::Expected));
        lanes.push(row("worker", &format!("read \"{n}\""), Some(at), Mark::Expected));
    }
    lanes.push(row("worker", "read: stuck", None, Mark::Stuck));
    let text = exercise(&ExerciseReport { lanes, ..passing() }, &Style::default());
    let picture = "   main                              worker
   fork worker
   write \"0\"  -------------------->  read \"0\"
   (18 more rounds like this)
   write \"19\"  ------------------->  read \"19\"
                                     read: stuck
";
    assert!(text.contains(picture), "{text}");
}

#[test]
fn few_rounds_and_wrong_ones_are_told_one_by_one() {
    let write = |n: usize| row("main", &format!("write \"{n}\""), None, Mark::Expected);
    let few: Vec<LaneStep> = (0..18).map(write).collect();
    let text = exercise(&ExerciseReport { lanes: few, ..passing() }, &Style::default());
    assert!(!text.contains("like this") && text.contains("write \"8\""), "{text}");
    let mut many: Vec<LaneStep> = (0..30).map(write).collect();
    many[15].mark = Mark::Wrong;
    let text = exercise(&ExerciseReport { lanes: many, ..passing() }, &Style::default());
    let picture = "write \"0\"\n   (13 more like this)\n   write \"14\"\n   differs: write \"15\"\n   write \"16\"\n   (12 more like this)\n   write \"29\"\n";
    assert!(text.contains(picture), "{text}");
}

/// The block of a wrong text, from the line of what was expected to the one of the next command.
#[track_caller]
fn check_diff(expected: &str, saw: &str, diff: &str, shown: &str) {
    let mut report = ExerciseReport { by_hand: None, lanes: Vec::new(), ..one_line() };
    let finding = &mut report.findings[0];
    (finding.expected, finding.saw, finding.diff) = (Some(expected.into()), Some(saw.into()), diff.into());
    (finding.why, finding.proved) = (Vec::new(), false);
    let text = exercise(&report, &Style::default());
    let (_, text) = text.split_once("main.rs\n\n").expect("the place");
    assert_eq!(text.split_once(" Stuck?").expect("the command").0, shown);
}

#[test]
fn a_caret_stands_under_what_it_points_at() {
    let diff = "expected \"KETTLE\\n\"\n     saw \"KETtLE\\n\"\n             ^\n";
    check_diff(
        "\"KETTLE\\n\"",
        "\"KETtLE\\n\"",
        diff,
        " expected: \"KETTLE\\n\"\n      saw: \"KETtLE\\n\"\n               ^\n",
    );
    check_diff(
        "the child prints \"KETTLE\\n\"",
        "it prints \"KETtLE\\n\"",
        diff,
        " expected: the child prints \"KETTLE\\n\"\n      saw: it prints \"KETtLE\\n\"\n                         ^\n",
    );
    check_diff(
        "capitals",
        "others",
        diff,
        " expected: capitals\n      saw: others\n           expected \"KETTLE\\n\"\n                saw \"KETtLE\\n\"\n                        ^\n",
    );
    check_diff(
        "three lines",
        "two",
        "--- expected\n+++ saw\n@@ -1,2 +1 @@\n a\n-b\n",
        " expected: three lines\n      saw: two\n           --- expected\n           +++ saw\n           @@ -1,2 +1 @@\n            a\n           -b\n",
    );
}

#[test]
fn the_command_by_hand_can_be_pasted() {
    let command = |args: &[&str]| by_hand(&args.iter().map(|arg| arg.as_bytes().to_vec()).collect::<Vec<_>>());
    assert_eq!(command(&[]), "cargo run");
    assert_eq!(command(&["kettle"]), "cargo run -- kettle");
    assert_eq!(command(&["/ring", "it's", "", "a b"]), "cargo run -- /ring 'it'\\''s' '' 'a b'");
}

proptest! {
    /// Whatever happened, the picture holds every row and stays within its width.
    #[test]
    fn a_picture_holds_every_row(rows in prop::collection::vec((0_usize..4, prop::option::of(0_usize..20)), 1..18)) {
        let lanes: Vec<LaneStep> = rows
            .iter()
            .enumerate()
            .map(|(index, (lane, from))| {
                let from = from.map(|from| from % 20).filter(|from| *from < index);
                row(&format!("lane{lane}"), &format!("row<{index}>"), from, Mark::Expected)
            })
            .collect();
        for width in [80, 60, 30] {
            let text = exercise(&ExerciseReport { lanes: lanes.clone(), ..passing() }, &Style { width, ..Style::default() });
            for index in 0..lanes.len() {
                prop_assert!(text.contains(&format!("row<{index}>")), "row {}:\n{}", index, text);
            }
            let picture = text.lines().skip(1);
            prop_assert!(picture.map(style::width).all(|columns| columns <= width), "{}", text);
        }
    }

    /// Wrapping loses no character and keeps the width.
    #[test]
    fn wrapping_loses_nothing(text in "[a-zö ]{0,200}", columns in 8_usize..80) {
        let lines = style::wrap(&text, columns);
        prop_assert!(lines.iter().all(|line| style::width(line) <= columns));
        prop_assert_eq!(lines.concat().replace(' ', ""), text.replace(' ', ""));
    }

    /// No text of a learner's reaches the terminal as anything but text.
    #[test]
    fn escaped_text_has_no_control_characters(text: String) {
        prop_assert!(!style::escape(&text, false).chars().any(char::is_control));
        prop_assert!(!style::escape(&text, true).chars().any(|c| c.is_control() && c != '\n'));
    }
}

/// What staff's tools rely on: these fields, these words.
#[test]
fn the_json_has_the_promised_shape() {
    let mut report = one_line();
    report.checks = vec![CheckResult {
        id: "trace".into(),
        kind: "trace".into(),
        status: Status::Skipped,
        points: 0,
        max_points: 2,
    }];
    let report = Report::new(vec![report]);
    let text = to_json(&report).expect("JSON");
    assert_eq!(serde_json::from_str::<Report>(&text).expect("its own JSON"), report);
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(json["schema"], "ipc-grade/report/1");
    assert_eq!((&json["points"], &json["max_points"]), (&4.into(), &10.into()));
    let exercise = &json["exercises"][0];
    assert_eq!(exercise["id"], "02_pipes/one_line");
    assert_eq!((&exercise["status"], &exercise["seed"]), (&"fail".into(), &"7f3a.0".into()));
    assert_eq!(
        exercise["checks"][0],
        serde_json::json!({"id": "trace", "kind": "trace", "status": "skipped", "points": 0, "max_points": 2})
    );
    let finding = &exercise["findings"][0];
    assert_eq!((&finding["code"], &finding["severity"]), (&"F001".into(), &"error".into()));
    assert_eq!(finding["file"], "02_pipes/one_line/src/main.rs");
    assert!(finding.as_object().expect("an object").contains_key("line") && finding["line"].is_null());
    assert_eq!(finding["message"], "the child waits for ever for the end of the text");
}
