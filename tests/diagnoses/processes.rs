//! P, and the T codes of the first chapter.

use ipc_grade::judge::{Verdict, Witness};
use ipc_grade::model::{Code, Invariant, Signal};

use super::chapters::{OneLine, SAYS, holds, one_line, separate_memory};
use super::check;
use super::run::{Fit, MAIN, Run, STDERR, Task};
use ipc_grade::trace::{EventId, LifeId, ObjectKind, Verb};

const PRINTED: &str = "parent still has 111\nchild exited with 33\n";

/// The child has done its part.
fn child_done() -> (Run, LifeId) {
    let mut run = Run::new();
    let child = run.fork(MAIN);
    holds(&mut run, child);
    run.exit(child, 33);
    (run, child)
}

fn fit(child: LifeId) -> Fit {
    Fit::default().role("parent", &[MAIN]).role("child", &[child])
}

#[test]
fn right() {
    let (mut run, child) = child_done();
    run.reap(MAIN, child);
    run.print(MAIN, PRINTED);
    run.exit(MAIN, 0);
    check(&separate_memory().judge(&run, fit(child)), &[]);
}

#[test]
fn a_thread_instead() {
    let mut run = Run::new();
    run.thread(MAIN);
    run.print(MAIN, PRINTED);
    run.exit(MAIN, 0);
    let fit = Fit::default().role("parent", &[MAIN]);
    let fit =
        fit.missing("parent", "fork child").missing("child", "exit 33").missing("parent", "wait child -> exit 33");
    check(&separate_memory().judge(&run, fit), &[Code::P006]);
}

#[test]
fn a_thread_beside_the_process_is_fine() {
    let (mut run, child) = child_done();
    run.thread(MAIN);
    run.reap(MAIN, child);
    run.print(MAIN, PRINTED);
    run.exit(MAIN, 0);
    check(&separate_memory().judge(&run, fit(child)), &[]);
}

#[test]
fn believes_the_change_arrived() {
    let (mut run, child) = child_done();
    run.reap(MAIN, child);
    let printed = run.print(MAIN, "parent still has 222\nchild exited with 33\n");
    run.exit(MAIN, 0);
    let fit = fit(child).wrong("parent", SAYS, printed, PRINTED, "parent still has 222\nchild exited with 33\n");
    check(&separate_memory().judge(&run, fit), &[Code::P009]);
}

#[test]
fn another_number_is_plain_wrong_data() {
    let (mut run, child) = child_done();
    run.reap(MAIN, child);
    let printed = run.print(MAIN, "parent still has 111\nchild exited with 8448\n");
    run.exit(MAIN, 0);
    let fit = fit(child).wrong("parent", SAYS, printed, PRINTED, "parent still has 111\nchild exited with 8448\n");
    check(&separate_memory().judge(&run, fit), &[Code::T005]);
}

#[test]
fn child_runs_on() {
    let mut run = Run::new();
    let child = run.fork(MAIN);
    holds(&mut run, child);
    let first = run.print(child, "parent still has 222\n");
    run.print(child, "child exited with 33\n");
    run.exit(child, 33);
    run.reap(MAIN, child);
    run.print(MAIN, "parent still has 111\n");
    run.print(MAIN, "child exited with 33\n");
    run.exit(MAIN, 0);
    check(&separate_memory().judge(&run, fit(child).surplus("child", first)), &[Code::P002]);
}

#[test]
fn a_child_that_says_more_of_its_own_does_not_run_on() {
    let mut run = Run::new();
    let child = run.fork(MAIN);
    holds(&mut run, child);
    let first = run.print(child, "child here\n");
    run.exit(child, 33);
    run.reap(MAIN, child);
    run.print(MAIN, PRINTED);
    run.exit(MAIN, 0);
    check(&separate_memory().judge(&run, fit(child).surplus("child", first)), &[Code::T002]);
}

#[test]
fn a_child_that_waits_for_nobody_runs_on() {
    let mut run = Run::new();
    let child = run.fork(MAIN);
    holds(&mut run, child);
    run.fails(child, "wait4", "ECHILD", None);
    let first = run.print(child, "child exited with 0\n");
    run.exit(child, 33);
    run.reap(MAIN, child);
    run.print(MAIN, PRINTED);
    run.exit(MAIN, 0);
    check(&separate_memory().judge(&run, fit(child).surplus("child", first)), &[Code::P002]);
}

#[test]
fn leaves_the_child_running() {
    let mut run = Run::new();
    let child = run.fork(MAIN);
    run.print(MAIN, PRINTED);
    run.exit(MAIN, 0);
    holds(&mut run, child);
    run.exit(child, 33);
    let waits = "wait child -> exit 33";
    check(&separate_memory().judge(&run, fit(child).missing("parent", waits)), &[Code::P005]);
    check(&separate_memory().off(Invariant::Orphan).judge(&run, fit(child).missing("parent", waits)), &[Code::T001]);
}

#[test]
fn never_reaps() {
    let (mut run, child) = child_done();
    run.print(MAIN, PRINTED);
    run.exit(MAIN, 0);
    let waits = "wait child -> exit 33";
    check(&separate_memory().judge(&run, fit(child).missing("parent", waits)), &[Code::P001]);
    check(&separate_memory().judge(&run, fit(child)), &[Code::P001]);
    // The trace has it where waitid(2) with WNOWAIT told of the child's end.
    let (mut run, child) = child_done();
    let ended = run.trace.life(child).ended.expect("it has ended");
    let look = run.did(MAIN, Verb::Call { name: "waitid".to_owned() });
    run.trace.events[look.index()].causes.push(ended);
    run.print(MAIN, PRINTED);
    run.exit(MAIN, 0);
    let verdict = separate_memory().judge(&run, fit(child).missing("parent", waits));
    check(&verdict, &[Code::P001]);
    assert_eq!(verdict.findings[0].message, "the parent looks at the child and leaves it as a zombie");
    let saw = "the parent looked at the child (WNOWAIT) and did not take it away";
    assert_eq!(verdict.findings[0].saw.as_deref(), Some(saw));
    check(&separate_memory().off(Invariant::Zombie).judge(&run, fit(child)), &[]);
    run.trace.lives[child.index()].self_reaping = true;
    check(&separate_memory().judge(&run, fit(child)), &[]);
}

#[test]
fn a_parent_that_crashed_is_not_blamed_for_its_child() {
    let (mut run, child) = child_done();
    let panicked = "thread 'main' (700001) panicked at src/main.rs:9:5:\nno luck\nnote: run with `RUST_BACKTRACE=1`\n";
    run.write(MAIN, STDERR, panicked);
    let died = run.exit(MAIN, 101);
    let fit = fit(child)
        .missing("parent", "wait child -> exit 33")
        .missing("parent", SAYS)
        .wrong("parent", "exit 0", died, "0", "101");
    let verdict = separate_memory().judge(&run, fit);
    check(&verdict, &[Code::T005]);
    assert_eq!(verdict.findings[0].why[1], "it said: \"no luck\"");
}

#[test]
fn no_second_process() {
    let mut run = Run::new();
    run.print(MAIN, PRINTED);
    run.exit(MAIN, 0);
    let fit = Fit::default().role("parent", &[MAIN]);
    let fit =
        fit.missing("parent", "fork child").missing("parent", "wait child -> exit 33").missing("child", "exit 33");
    let verdict = separate_memory().judge(&run, fit);
    check(&verdict, &[Code::T001]);
    assert_eq!(verdict.findings[0].message, "a step is missing: the parent never forks the child");
    // Where no step asks for the fork, the check of its own says it.
    let verdict = separate_memory().judge(&run, Fit::default().role("parent", &[MAIN]));
    check(&verdict, &[Code::T001]);
    assert_eq!(verdict.findings[0].message, "one process where 2 are asked for");
}

#[test]
fn the_child_stores_nothing() {
    let mut run = Run::new();
    let child = run.fork(MAIN);
    run.exit(child, 33);
    run.reap(MAIN, child);
    run.print(MAIN, PRINTED);
    run.exit(MAIN, 0);
    check(&separate_memory().judge(&run, fit(child)), &[Code::T001]);
}

#[test]
fn prints_before_the_wait() {
    let (mut run, child) = child_done();
    let printed = run.print(MAIN, "parent still has 111\n");
    let waited = run.reap(MAIN, child);
    run.print(MAIN, "child exited with 33\n");
    run.exit(MAIN, 0);
    let fit = fit(child).early("parent", SAYS, printed, "wait child -> exit 33", waited);
    let verdict = separate_memory().judge(&run, fit);
    check(&verdict, &[Code::T003]);
    assert!(verdict.checks[1].points == 3, "the bytes are right, only the order is not");
}

#[test]
fn luck_is_told_where_it_is_proved_and_costs_where_it_does_harm() {
    let judged = |witness| {
        let (mut run, child) = child_done();
        let waited = run.reap(MAIN, child);
        let printed = run.print(MAIN, PRINTED);
        run.exit(MAIN, 0);
        let fit = fit(child).lucky(("wait child -> exit 33", waited), (SAYS, printed), witness);
        separate_memory().judge(&run, fit)
    };
    let codes = |verdict: &Verdict| verdict.findings.iter().map(|finding| finding.code).collect::<Vec<_>>();
    let unproved = judged(None);
    check(&unproved, &[]);
    assert_eq!((codes(&unproved), unproved.unforced.len()), (vec![], 1));
    let harmless = judged(Some(Witness::GoesWell));
    check(&harmless, &[]);
    assert_eq!(codes(&harmless), [Code::T004]);
    let harmful = judged(Some(Witness::GoesWrong("the parent waits for ever".to_owned())));
    check(&harmful, &[Code::T004]);
    assert!(harmful.findings[0].why.iter().any(|line| line.contains("waits for ever")) && !harmful.passed());
}

#[test]
fn a_forbidden_step() {
    let mut run = Run::new();
    let child = run.fork(MAIN);
    let data = run.pipe(MAIN);
    let written = run.write(child, data, "x");
    run.exit(child, 0);
    run.reap(MAIN, child);
    run.exit(MAIN, 0);
    let fit = fit(child).object("data", data).forbidden("child", "child: write data", written);
    check(&Task::new(&[]).trace(1, &[]).judge(&run, fit), &[Code::T002]);
}

#[test]
fn a_crash_costs_the_clean_check_too() {
    let mut run = Run::new();
    let died = run.killed(MAIN, Signal::SEGV);
    let task = Task::new(&[]).trace(1, &[]).clean(1);
    let fit = || Fit::default().role("main", &[MAIN]);
    let verdict = task.judge(&run, fit().wrong("main", "exit 0", died, "0", "killed SEGV"));
    check(&verdict, &[Code::T005]);
    assert_eq!(verdict.checks.iter().map(|check| check.points).sum::<u32>(), 0);
    // A death that the expected trace asks for is none.
    check(&task.judge(&run, fit()), &[]);
}

#[test]
fn a_stray_pipe_is_nobodys_business() {
    let (mut run, child) = child_done();
    let stray = run.make(MAIN, ObjectKind::Pipe, "main.pipe1");
    run.did(MAIN, Verb::Close { object: stray, write: true, last: true });
    run.reap(MAIN, child);
    run.print(MAIN, PRINTED);
    let end = run.exit(MAIN, 0);
    assert!(end > EventId(0));
    check(&separate_memory().judge(&run, fit(child)), &[]);
}

#[test]
fn more_processes_than_the_task_has() {
    let mut one = OneLine::begin();
    one.run.limit("processes", "16 processes", one.child);
    let fit = || one.fit().missing("child", "read data \"kettle\\n\"");
    check(&one_line().judge(&one.run, fit()), &[Code::P003]);
    // Ever more of them, one after another, are as many; a few that work for ever are not.
    for (count, code) in [(40, Code::P003), (3, Code::H002)] {
        let mut one = OneLine::begin();
        for _ in 0..count {
            let child = one.run.fork(MAIN);
            one.run.exit(child, 0);
            one.run.reap(MAIN, child);
        }
        one.run.limit("steps", "200000 calls", MAIN);
        let fit = one.fit().missing("child", "read data \"kettle\\n\"");
        check(&one_line().judge(&one.run, fit), &[code]);
    }
}

#[test]
fn goes_on_after_a_failed_exec() {
    let mut one = OneLine::begin();
    one.run.fails(one.child, "execve", "ENOENT", None);
    one.run.print(one.child, "KETTLE\n");
    one.run.exit(one.child, 0);
    one.run.reap(MAIN, one.child);
    one.run.exit(MAIN, 0);
    let fit = |one: &OneLine| one.fit().missing("child", "exec upper");
    check(&one_line().judge(&one.run, fit(&one)), &[Code::P007]);
    // One that says so and ends is right to do it; that the program is not there is another matter.
    let mut one = OneLine::begin();
    one.run.fails(one.child, "execve", "ENOENT", None);
    one.run.write(one.child, STDERR, "cannot run upper\n");
    one.run.exit(one.child, 127);
    one.run.reap(MAIN, one.child);
    one.run.exit(MAIN, 0);
    check(&one_line().judge(&one.run, fit(&one)), &[Code::T001]);
}
