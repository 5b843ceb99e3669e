//! Points, needs and what is told.

use ipc_grade::judge::CheckStatus;
use ipc_grade::model::Code;
use ipc_grade::trace::ObjectKind;

use super::chapters::{OneLine, one_line};
use super::check;
use super::run::{Fit, MAIN, Run, Task};

#[test]
fn a_check_is_skipped_while_one_that_it_needs_fails() {
    let mut one = OneLine::begin();
    let printed = one.run.print(one.child, "kettle\n");
    one.run.exit(one.child, 0);
    let waited = one.run.reap(MAIN, one.child);
    one.run.exit(MAIN, 0);
    let fit = one.fit().wrong("child", "stdout \"KETTLE\\n\"", printed, "KETTLE\n", "kettle\n").early(
        "child",
        "stdout \"KETTLE\\n\"",
        printed,
        "wait child -> exit 0",
        waited,
    );
    let verdict = one_line().judge(&one.run, fit);
    // The wrong order belongs to the trace, whose turn has not come.
    check(&verdict, &[Code::T005]);
    let statuses: Vec<CheckStatus> = verdict.checks.iter().map(|check| check.status).collect();
    assert_eq!(statuses, [CheckStatus::Pass, CheckStatus::Fail, CheckStatus::Skipped, CheckStatus::Pass]);
    assert_eq!(
        verdict.checks.iter().map(|check| (check.points, check.max_points)).collect::<Vec<_>>(),
        [(4, 4), (0, 3), (0, 2), (1, 1)]
    );
}

#[test]
fn needs_of_needs_are_needs() {
    let mut run = Run::new();
    run.exit(MAIN, 0);
    let mut task = Task::new(&[]).trace(1, &["second"]).output("second", "stdout", Some(""), 1).output(
        "third",
        "stdout",
        Some("x"),
        1,
    );
    task.exercise.checks[1].needs.push("third".into());
    let verdict = task.judge(&run, Fit::default());
    let statuses: Vec<CheckStatus> = verdict.checks.iter().map(|check| check.status).collect();
    assert_eq!(statuses, [CheckStatus::Skipped, CheckStatus::Skipped, CheckStatus::Fail]);
}

#[test]
fn independent_causes_stand_side_by_side() {
    let mut run = Run::new();
    let fifo = run.make(MAIN, ObjectKind::Fifo, "names");
    let child = run.fork(MAIN);
    run.exit(child, 0);
    let printed = run.print(MAIN, "x\n");
    run.exit(MAIN, 0);
    run.leave(fifo);
    let fit = Fit::default().role("main", &[MAIN]).role("child", &[child]).wrong(
        "main",
        "stdout \"y\\n\"",
        printed,
        "y\n",
        "x\n",
    );
    let task = Task::new(&[]).trace(1, &[]).clean(1);
    check(&task.judge(&run, fit), &[Code::F008, Code::P001, Code::T005]);
}

#[test]
fn without_a_check_of_its_own_a_finding_costs_the_trace() {
    let mut run = Run::new();
    let fifo = run.make(MAIN, ObjectKind::Fifo, "names");
    run.exit(MAIN, 0);
    run.leave(fifo);
    let verdict = Task::new(&[]).trace(3, &[]).judge(&run, Fit::default().role("main", &[MAIN]));
    check(&verdict, &[Code::F008]);
    assert_eq!(verdict.checks[0].points, 0);
}

#[test]
fn an_exercise_without_checks_is_still_judged() {
    let mut run = Run::new();
    let fifo = run.make(MAIN, ObjectKind::Fifo, "names");
    run.exit(MAIN, 0);
    run.leave(fifo);
    assert_eq!(Task::new(&[]).judge(&run, Fit::default()).cause(), Some(Code::F008));
}
