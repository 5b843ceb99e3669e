//! F, and what hangs beside pipes.

use ipc_grade::model::{Code, Signal};
use ipc_grade::trace::{LifeId, ObjectId, ObjectKind, RunEnd, Verb};

use super::chapters::{OneLine, fifo_greeter, one_line};
use super::check;
use super::run::{Fit, MAIN, Run, text, wait, wait_for};

const WRITES: &str = "write data \"kettle\\n\"";
const READS: &str = "read data \"kettle\\n\"";
const PRINTS: &str = "stdout \"KETTLE\\n\"";
const WAITS: &str = "wait child -> exit 0";

#[test]
fn right() {
    let mut one = OneLine::begin();
    one.run.write(MAIN, one.data, "kettle\n");
    one.run.read(one.child, one.data, "kettle\n");
    one.run.print(one.child, "KETTLE\n");
    one.run.exit(one.child, 0);
    one.run.reap(MAIN, one.child);
    one.run.exit(MAIN, 0);
    check(&one_line().judge(&one.run, one.fit()), &[]);
}

/// The line is across; the child waits for the end, which these keep away.
fn waits_for_the_end(held: &[LifeId]) -> OneLine {
    let mut one = OneLine::begin();
    one.run.write(MAIN, one.data, "kettle\n");
    one.run.read(one.child, one.data, "kettle\n");
    let held: Vec<_> = held.iter().map(|life| (*life, Some(one.fork))).collect();
    one.run.deadlock(vec![wait_for(MAIN, one.child), wait(one.child, "read", Some(one.data), &held)]);
    one
}

#[test]
fn an_end_that_never_comes() {
    for held in [vec![LifeId(1)], vec![MAIN], vec![MAIN, LifeId(1)]] {
        let one = waits_for_the_end(&held);
        let fit = one.fit().missing("child", PRINTS).missing("child", "exit 0").missing("parent", WAITS);
        let verdict = one_line().judge(&one.run, fit);
        check(&verdict, &[Code::F001]);
        assert!(verdict.findings[0].proved);
        // sends, and nothing else: prints is not there, the trace needs it, a deadlock is not clean.
        assert_eq!(verdict.checks.iter().map(|check| check.points).collect::<Vec<_>>(), [4, 0, 0, 0]);
    }
}

#[test]
fn waits_before_it_writes() {
    for held in [vec![MAIN], vec![MAIN, LifeId(1)]] {
        let mut one = OneLine::begin();
        let held: Vec<_> = held.iter().map(|life| (*life, Some(one.fork))).collect();
        one.run.deadlock(vec![wait_for(MAIN, one.child), wait(one.child, "read", Some(one.data), &held)]);
        let fit = one.fit().missing("parent", WRITES).missing("child", READS).missing("child", PRINTS);
        check(&one_line().judge(&one.run, fit.missing("parent", WAITS)), &[Code::H001]);
    }
}

#[test]
fn a_reader_that_alone_holds_the_write_end_waits_for_the_end_whatever_it_got() {
    let mut one = OneLine::begin();
    one.run.exit(MAIN, 0);
    one.run.trace.lives[one.child.index()].orphaned = true;
    one.run.deadlock(vec![wait(one.child, "read", Some(one.data), &[(one.child, None)])]);
    let fit = one.fit().missing("parent", WRITES).missing("child", READS).missing("parent", WAITS);
    check(&one_line().judge(&one.run, fit), &[Code::F001, Code::P005]);
}

#[test]
fn all_blocked_is_no_proof() {
    let mut run = Run::new();
    let input = super::run::STDIN;
    run.trace.end = RunEnd::AllBlocked { waits: vec![wait(MAIN, "read", Some(input), &[])] };
    let verdict = one_line().judge(&run, Fit::default().role("parent", &[MAIN]).missing("parent", "fork child"));
    check(&verdict, &[Code::H001]);
    assert!(!verdict.findings[0].proved && verdict.findings[0].message.starts_with("all blocked"));
}

#[test]
fn uses_the_inherited_word() {
    let task = one_line().substituted("data", &[("word", text("window"))]);
    let mut one = OneLine::begin();
    one.run.write(MAIN, one.data, "kettle\n");
    one.run.read(one.child, one.data, "kettle\n");
    let printed = one.run.print(one.child, "WINDOW\n");
    one.run.exit(one.child, 0);
    one.run.reap(MAIN, one.child);
    one.run.exit(MAIN, 0);
    let fit = one.fit().wrong("child", PRINTS, printed, "KETTLE\n", "WINDOW\n");
    let verdict = task.judge(&one.run, fit);
    check(&verdict, &[Code::F005]);
    let why = "in this run the grader changed \"window\" into \"kettle\" on its way through data.";
    assert_eq!(verdict.findings[0].why[0], why);
    // Wrong, but not by going another way.
    let fit = one.fit().wrong("child", PRINTS, printed, "KETTLE\n", "kettle\n");
    check(&task.judge(&one.run, fit), &[Code::T005]);
}

#[test]
fn prints_without_reading() {
    let mut one = OneLine::begin();
    one.run.write(MAIN, one.data, "kettle\n");
    one.run.print(one.child, "KETTLE\n");
    one.run.exit(one.child, 0);
    one.run.reap(MAIN, one.child);
    one.run.exit(MAIN, 0);
    check(&one_line().judge(&one.run, one.fit().missing("child", READS)), &[Code::F005]);
}

#[test]
fn one_that_prints_something_else_has_it_from_nowhere() {
    let mut one = OneLine::begin();
    one.run.write(MAIN, one.data, "kettle\n");
    let printed = one.run.print(one.child, "\n");
    one.run.exit(one.child, 0);
    one.run.reap(MAIN, one.child);
    one.run.exit(MAIN, 0);
    let fit = one.fit().missing("child", READS).wrong("child", PRINTS, printed, "KETTLE\n", "\n");
    check(&one_line().judge(&one.run, fit), &[Code::T005, Code::T001]);
}

#[test]
fn the_read_end_is_closed_before_the_fork() {
    let mut run = Run::new();
    let data = run.pipe(MAIN);
    run.did(MAIN, Verb::Close { object: data, write: false, last: true });
    let child = run.fork(MAIN);
    run.fails(MAIN, "write", "EPIPE", Some(data));
    run.exit(child, 0);
    run.reap(MAIN, child);
    run.exit(MAIN, 0);
    let fit = Fit::default().role("parent", &[MAIN]).role("child", &[child]).object("data", data);
    let fit = fit.missing("parent", WRITES).missing("child", READS).missing("child", PRINTS);
    let verdict = one_line().judge(&run, fit);
    check(&verdict, &[Code::F003]);
    assert!(verdict.findings[0].why[0].contains("before the fork"), "{:?}", verdict.findings[0].why);
}

#[test]
fn sigpipe_is_the_same() {
    let mut one = OneLine::begin();
    one.run.did(one.child, Verb::Close { object: one.data, write: false, last: true });
    one.run.exit(one.child, 0);
    one.run.write(MAIN, one.data, "");
    let died = one.run.killed(MAIN, Signal::PIPE);
    let fit = one.fit().missing("parent", WRITES).missing("child", READS).missing("child", PRINTS);
    check(&one_line().judge(&one.run, fit.wrong("parent", "exit 0", died, "0", "killed PIPE")), &[Code::F003]);
}

#[test]
fn a_reader_that_crashed_is_the_cause_and_not_the_write() {
    let mut one = OneLine::begin();
    let died = one.run.exit(one.child, 101);
    one.run.fails(MAIN, "write", "EPIPE", Some(one.data));
    one.run.reap(MAIN, one.child);
    one.run.exit(MAIN, 0);
    let fit = one.fit().wrong("child", "exit 0", died, "0", "101").missing("parent", WRITES).missing("child", READS);
    let verdict = one_line().judge(&one.run, fit);
    assert_ne!(verdict.cause(), Some(Code::F003));
}

#[test]
fn an_epipe_that_does_no_harm_is_advice() {
    let mut one = OneLine::begin();
    one.run.fails(MAIN, "write", "EPIPE", Some(one.data));
    one.run.exit(one.child, 0);
    one.run.reap(MAIN, one.child);
    one.run.exit(MAIN, 0);
    check(&one_line().judge(&one.run, one.fit()), &[]);
}

#[test]
fn the_pipe_is_made_after_the_fork() {
    let mut run = Run::new();
    let child = run.fork(MAIN);
    let ours = run.pipe(MAIN);
    let theirs = run.pipe(child);
    run.write(MAIN, ours, "kettle\n");
    run.did(child, Verb::End { object: theirs });
    let printed = run.print(child, "\n");
    run.exit(child, 0);
    run.reap(MAIN, child);
    run.exit(MAIN, 0);
    let fit = || Fit::default().role("parent", &[MAIN]).role("child", &[child]).object("data", ours);
    let lost = fit().missing("child", READS).wrong("child", PRINTS, printed, "KETTLE\n", "\n");
    check(&one_line().judge(&run, lost), &[Code::F011]);
    // Two pipes that each process has for itself are no mistake where the bytes get across.
    check(&one_line().judge(&run, fit().wrong("child", PRINTS, printed, "KETTLE\n", "\n")), &[Code::T005]);
}

#[test]
fn pipes_after_the_fork_may_block_too() {
    let mut run = Run::new();
    let child = run.fork(MAIN);
    let ours = run.pipe(MAIN);
    let theirs = run.pipe(child);
    run.write(MAIN, ours, "kettle\n");
    run.deadlock(vec![wait_for(MAIN, child), wait(child, "read", Some(theirs), &[(child, None)])]);
    let fit = Fit::default().role("parent", &[MAIN]).role("child", &[child]).object("data", ours);
    check(&one_line().judge(&run, fit.missing("child", READS).missing("child", PRINTS)), &[Code::F011]);
}

#[test]
fn one_process_does_it_all() {
    let mut run = Run::new();
    let data = run.pipe(MAIN);
    run.write(MAIN, data, "kettle\n");
    let read = run.read(MAIN, data, "kettle\n");
    let printed = run.print(MAIN, "KETTLE\n");
    run.exit(MAIN, 0);
    let fit = Fit::default().role("parent", &[MAIN]).object("data", data).missing("parent", "fork child");
    let fit = fit.surplus("parent", read).surplus("parent", printed);
    let fit = fit.missing("child", READS).missing("child", PRINTS).missing("child", "exit 0").missing("parent", WAITS);
    check(&one_line().judge(&run, fit), &[Code::T001]);
}

#[test]
fn parent_prints_too() {
    let mut one = OneLine::begin();
    one.run.write(MAIN, one.data, "kettle\n");
    one.run.read(one.child, one.data, "kettle\n");
    one.run.print(one.child, "KETTLE\n");
    one.run.exit(one.child, 0);
    one.run.reap(MAIN, one.child);
    let printed = one.run.print(MAIN, "KETTLE\n");
    one.run.exit(MAIN, 0);
    check(&one_line().judge(&one.run, one.fit().surplus("parent", printed)), &[Code::T002]);
}

#[test]
fn prints_twice() {
    let mut one = OneLine::begin();
    one.run.write(MAIN, one.data, "kettle\n");
    one.run.read(one.child, one.data, "kettle\n");
    one.run.print(one.child, "KETTLE\n");
    let again = one.run.print(one.child, "KETTLE\n");
    one.run.exit(one.child, 0);
    one.run.reap(MAIN, one.child);
    one.run.exit(MAIN, 0);
    check(&one_line().judge(&one.run, one.fit().surplus("child", again)), &[Code::T002]);
}

#[test]
fn spins_on_a_flag() {
    for (limit, figure) in [
        ("cpu", "500 ms"),
        ("steps", "200000 calls"),
        ("memory", "512 MiB"),
        ("output", "1024 KiB"),
        ("files", "16 MiB"),
        ("stopped", "SIGSTOP"),
    ] {
        let mut one = OneLine::begin();
        one.run.write(MAIN, one.data, "kettle\n");
        one.run.limit(limit, figure, one.child);
        let fit = one.fit().missing("child", READS).missing("child", PRINTS).missing("parent", WAITS);
        let verdict = one_line().judge(&one.run, fit);
        check(&verdict, &[Code::H002]);
        assert!(verdict.findings[0].saw.as_ref().is_some_and(|saw| saw.contains(figure)), "{limit}");
    }
}

/// The greeter has made its FIFOs.
fn greeter() -> (Run, LifeId, ObjectId, ObjectId) {
    let mut run = Run::new();
    let client = run.peer("client");
    let names = run.make(MAIN, ObjectKind::Fifo, "names");
    let greetings = run.make(MAIN, ObjectKind::Fifo, "greetings");
    (run, client, names, greetings)
}

fn greeter_fit(names: ObjectId, greetings: ObjectId) -> Fit {
    Fit::default().role("main", &[MAIN]).object("names", names).object("greetings", greetings)
}

#[test]
fn crossed_opens() {
    let (mut run, client, names, greetings) = greeter();
    run.deadlock(vec![wait(MAIN, "open", Some(greetings), &[]), wait(client, "open", Some(names), &[])]);
    let fit = greeter_fit(names, greetings).missing("main", "read names \"kettle\\n\"").missing("main", "exit 0");
    check(&fifo_greeter().judge(&run, fit), &[Code::F006]);
}

#[test]
fn one_that_opens_while_the_other_waits_elsewhere_is_a_plain_deadlock() {
    let (mut run, client, names, greetings) = greeter();
    run.deadlock(vec![wait(MAIN, "open", Some(names), &[]), wait(client, "when", None, &[])]);
    let fit = greeter_fit(names, greetings).missing("main", "read names \"kettle\\n\"");
    check(&fifo_greeter().judge(&run, fit), &[Code::H001]);
    run.deadlock(vec![wait(MAIN, "open", Some(names), &[]), wait(client, "open", Some(names), &[])]);
    let fit = greeter_fit(names, greetings).missing("main", "read names \"kettle\\n\"");
    check(&fifo_greeter().judge(&run, fit), &[Code::H001]);
}

#[test]
fn keeps_the_greetings_back() {
    let (mut run, client, names, greetings) = greeter();
    run.write(client, names, "kettle\n");
    run.read(MAIN, names, "kettle\n");
    run.deadlock(vec![
        wait(MAIN, "read", Some(names), &[(client, None)]),
        wait(client, "read", Some(greetings), &[(MAIN, None)]),
    ]);
    let fit = greeter_fit(names, greetings)
        .missing("main", "write greetings \"hello kettle\\n\"")
        .missing("main", "read names \"window\\n\"")
        .missing("main", "exit 0");
    check(&fifo_greeter().judge(&run, fit), &[Code::H001]);
}

#[test]
fn opens_names_for_writing_too() {
    let (mut run, client, names, greetings) = greeter();
    let opened = run.did(MAIN, Verb::Open { object: names, read: true, write: true });
    for (name, greeting) in [("kettle\n", "hello kettle\n"), ("window\n", "hello window\n")] {
        run.write(client, names, name);
        run.read(MAIN, names, name);
        run.write(MAIN, greetings, greeting);
        run.read(client, greetings, greeting);
    }
    run.deadlock(vec![
        wait(client, "read", Some(greetings), &[(MAIN, None)]),
        wait(MAIN, "read", Some(names), &[(MAIN, Some(opened))]),
    ]);
    let fit = greeter_fit(names, greetings).missing("main", "unlink names").missing("main", "exit 0");
    let verdict = fifo_greeter().judge(&run, fit);
    check(&verdict, &[Code::F001]);
    assert_eq!(verdict.findings[0].message, "the program waits for ever for the end of the text");
    assert_eq!(verdict.findings[0].why[1], "the program has opened names for writing too.");
}

#[test]
fn a_fifo_that_a_helper_keeps_open() {
    let (mut run, client, names, greetings) = greeter();
    run.did(MAIN, Verb::Open { object: names, read: true, write: true });
    let helper = run.fork(MAIN);
    let fork = run.trace.events.len() as u32 - 1;
    run.write(client, names, "kettle\n");
    run.read(MAIN, names, "kettle\n");
    let held = [(helper, Some(ipc_grade::trace::EventId(fork)))];
    run.deadlock(vec![wait(MAIN, "read", Some(names), &held), wait(helper, "pause", None, &[])]);
    let fit = greeter_fit(names, greetings).missing("main", "unlink names").missing("main", "exit 0");
    let verdict = fifo_greeter().judge(&run, fit);
    check(&verdict, &[Code::F001]);
    assert_eq!(verdict.findings[0].why[1], "fork gave process main.1 a copy.");
}

#[test]
fn leaves_fifos_behind() {
    for both in [true, false] {
        let (mut run, client, names, greetings) = greeter();
        run.write(client, names, "kettle\nwindow\n");
        run.read(MAIN, names, "kettle\nwindow\n");
        run.write(MAIN, greetings, "hello kettle\nhello window\n");
        run.exit(MAIN, 0);
        run.leave(greetings);
        let mut fit = greeter_fit(names, greetings).missing("main", "unlink greetings");
        if both {
            run.leave(names);
            fit = fit.missing("main", "unlink names");
        }
        let verdict = fifo_greeter().judge(&run, fit);
        check(&verdict, &[Code::F008]);
        assert_eq!(verdict.checks.iter().map(|check| check.points).collect::<Vec<_>>(), [5, 3, 0]);
    }
}

#[test]
fn what_a_peer_leaves_is_not_the_learners() {
    let mut run = Run::new();
    let client = run.peer("client");
    let names = run.make(client, ObjectKind::Fifo, "names");
    run.leave(names);
    run.exit(MAIN, 0);
    check(&fifo_greeter().judge(&run, Fit::default().role("main", &[MAIN])), &[]);
}

#[test]
fn does_not_clear_the_line() {
    let (mut run, client, names, greetings) = greeter();
    run.read(MAIN, names, "kettle\nwindow\n");
    run.write(MAIN, greetings, "hello kettle\n");
    let second = run.write(MAIN, greetings, "hello kettle\nwindow\n");
    run.read(client, greetings, "hello kettle\nhello kettl");
    run.step(client, 3, Some("\"hello kettl\""));
    // The client has gone, and the next write finds nobody: that follows.
    run.fails(MAIN, "write", "EPIPE", Some(greetings));
    run.exit(MAIN, 0);
    let step = "write greetings \"hello window\\n\"";
    let fit = greeter_fit(names, greetings).wrong("main", step, second, "hello window\n", "hello kettle\nwindow\n");
    check(&fifo_greeter().judge(&run, fit), &[Code::T005]);
    // The same told as one text missing and another too many.
    let fit = greeter_fit(names, greetings).missing("main", step).surplus("main", second);
    check(&fifo_greeter().judge(&run, fit), &[Code::T005]);
}

#[test]
fn greets_a_fixed_name() {
    let (mut run, client, names, greetings) = greeter();
    run.read(MAIN, names, "kettle\n");
    let first = run.write(MAIN, greetings, "hello world\n");
    run.step(client, 1, Some("\"hello world\\n\""));
    let end = run.exit(MAIN, 1);
    // The client has stopped there: it sends no second name, and the next write finds nobody.
    let fit = greeter_fit(names, greetings)
        .missing("main", "read names \"window\\n\"")
        .wrong("main", "write greetings \"hello kettle\\n\"", first, "hello kettle\n", "hello world\n")
        .wrong("main", "exit 0", end, "exit 0", "exit 1");
    let verdict = fifo_greeter().judge(&run, fit);
    check(&verdict, &[Code::T005]);
    assert_eq!(verdict.findings.len(), 1);
}

#[test]
fn an_order_among_steps_that_are_missing_says_nothing() {
    let (mut run, _, names, greetings) = greeter();
    let read = run.read(MAIN, names, "kettle\nwindow\n");
    let written = run.write(MAIN, greetings, "hello kettle\n");
    run.exit(MAIN, 0);
    let write = "write greetings \"hello kettle\\n\"";
    let fit = greeter_fit(names, greetings)
        .early("main", "read names \"window\\n\"", read, write, written)
        .missing("main", "write greetings \"hello window\\n\"");
    check(&fifo_greeter().judge(&run, fit), &[Code::T001]);
}

#[test]
fn greets_the_first_only() {
    let (mut run, client, names, greetings) = greeter();
    run.read(MAIN, names, "kettle\n");
    run.write(MAIN, greetings, "hello kettle\n");
    run.exit(MAIN, 0);
    run.step(client, 2, Some("EPIPE"));
    let fit = greeter_fit(names, greetings)
        .missing("main", "read names \"window\\n\"")
        .missing("main", "write greetings \"hello window\\n\"");
    let verdict = fifo_greeter().judge(&run, fit);
    check(&verdict, &[Code::T001]);
    assert_eq!(verdict.findings.len(), 1, "one finding a lane");
}

#[test]
fn what_only_a_peer_saw_is_told_by_the_peer() {
    let (mut run, client, names, greetings) = greeter();
    run.exit(MAIN, 0);
    run.step(client, 1, Some("\"hello world!\\n\""));
    check(&fifo_greeter().judge(&run, greeter_fit(names, greetings)), &[Code::T005]);
    let (mut run, client, names, greetings) = greeter();
    run.exit(MAIN, 0);
    run.step(client, 4, Some("\"hello\\n\""));
    check(&fifo_greeter().judge(&run, greeter_fit(names, greetings)), &[Code::T002]);
    let (mut run, client, names, greetings) = greeter();
    run.exit(MAIN, 0);
    run.step(client, 0, Some("EPIPE"));
    check(&fifo_greeter().judge(&run, greeter_fit(names, greetings)), &[Code::T001]);
}

/// A child that turns a text around: two pipes, and the fork.
fn both_ways() -> (Run, LifeId, ObjectId, ObjectId, Fit) {
    let mut run = Run::new();
    let (req, ans) = (run.pipe(MAIN), run.pipe(MAIN));
    let child = run.fork(MAIN);
    let fit = Fit::default().role("parent", &[MAIN]).role("child", &[child]).object("req", req).object("ans", ans);
    (run, child, req, ans, fit)
}

#[test]
fn both_write_and_nobody_reads() {
    let (mut run, child, req, ans, fit) = both_ways();
    run.write(MAIN, req, &"x".repeat(135_168));
    run.read(child, req, &"x".repeat(69_632));
    run.write(child, ans, &"x".repeat(65_536));
    let waits = |holder, reader| {
        vec![wait(MAIN, "write", Some(req), &[(holder, None)]), wait(child, "write", Some(ans), &[(reader, None)])]
    };
    run.deadlock(waits(child, MAIN));
    let fit = fit.missing("parent", "read ans \"x\"");
    let verdict = one_line().judge(&run, fit);
    check(&verdict, &[Code::F010]);
    let saw = verdict.findings[0].saw.as_deref().expect("what was seen");
    assert!(saw.contains("room in req (65536 bytes are in it)") && saw.contains("room in ans (65536"), "{saw}");
}

#[test]
fn a_writer_whose_reader_is_another_is_no_deadlock_of_two() {
    let (mut run, child, req, ans, fit) = both_ways();
    let other = run.fork(MAIN);
    // The child's answer is to be read by the second child, which waits for something else.
    run.deadlock(vec![
        wait(MAIN, "write", Some(req), &[(child, None)]),
        wait(child, "write", Some(ans), &[(other, None)]),
        wait(other, "read", Some(super::run::STDIN), &[]),
    ]);
    check(&one_line().judge(&run, fit.missing("parent", "read ans \"x\"")), &[Code::H001]);
}

#[test]
fn waits_for_a_child_that_waits_to_be_read() {
    for with_a_writer_thread in [false, true] {
        let (mut run, child, req, ans, fit) = both_ways();
        run.write(child, ans, &"x".repeat(65_536));
        let mut waits = vec![wait_for(MAIN, child), wait(child, "write", Some(ans), &[(MAIN, None)])];
        if with_a_writer_thread {
            waits.insert(0, wait(MAIN, "write", Some(req), &[(child, None)]));
        }
        run.deadlock(waits);
        check(&one_line().judge(&run, fit.missing("parent", "read ans \"x\"")), &[Code::F013]);
    }
    // One that nobody else could read from either waits for nobody's wait.
    let (mut run, child, _, ans, fit) = both_ways();
    run.deadlock(vec![wait_for(MAIN, child), wait(child, "write", Some(ans), &[(child, None)])]);
    check(&one_line().judge(&run, fit.missing("parent", "read ans \"x\"")), &[Code::H001]);
}

#[test]
fn what_a_pipe_should_carry_goes_through_a_file() {
    let (mut run, child, req, ans, fit) = both_ways();
    run.write(MAIN, req, "kettle\n");
    run.read(child, req, "kettle\n");
    let file = run.make(child, ObjectKind::File, "answer");
    run.write(child, file, "elttek\n");
    run.exit(child, 0);
    run.reap(MAIN, child);
    run.read(MAIN, file, "elttek\n");
    let missing =
        |fit: Fit| fit.missing("child", "write ans \"elttek\\n\"").missing("parent", "read ans \"elttek\\n\"");
    check(&one_line().judge(&run, missing(fit)), &[Code::F005]);
    // A file that nobody else reads is no way from one process to another.
    let (mut run, child, _, _, fit) = both_ways();
    let file = run.make(child, ObjectKind::File, "notes");
    run.write(child, file, "elttek\n");
    run.read(child, file, "elttek\n");
    run.exit(child, 0);
    run.reap(MAIN, child);
    check(&one_line().judge(&run, missing(fit)), &[Code::T001, Code::T001]);
    let _ = ans;
}

#[test]
fn one_read_for_one_message() {
    let run = |pieces: &[&str], prints: &str| {
        let mut one = OneLine::begin();
        one.run.write(MAIN, one.data, "kettle\n");
        for piece in pieces {
            one.run.read(one.child, one.data, piece);
        }
        let printed = one.run.print(one.child, prints);
        one.run.exit(one.child, 0);
        one.run.reap(MAIN, one.child);
        one.run.exit(MAIN, 0);
        let fit = one.fit().wrong("child", PRINTS, printed, "KETTLE\n", prints);
        (one_line().judge(&one.run, fit), one_line().judge(&one.run, one.fit().missing("child", READS)))
    };
    // It stops where the read stopped.
    let (printed, missing) = run(&["ket"], "KET");
    check(&printed, &[Code::F004]);
    check(&missing, &[Code::F004]);
    assert_eq!(printed.findings[0].expected.as_deref(), Some("the child reads from data until it has \"kettle\\n\""));
    // Read to the end, and then something else went wrong.
    assert_eq!(run(&["ket", "tle\n"], "Kettle\n").0.cause(), Some(Code::T005));
    assert_eq!(run(&["kettle\n"], "Kettle\n").0.cause(), Some(Code::T005));
}

#[test]
fn each_piece_taken_for_a_message() {
    let mut one = OneLine::begin();
    one.run.write(MAIN, one.data, "kettle\n");
    one.run.read(one.child, one.data, "ket");
    let printed = one.run.print(one.child, "KET\n");
    one.run.read(one.child, one.data, "tle\n");
    one.run.print(one.child, "TLE\n");
    one.run.exit(one.child, 0);
    one.run.reap(MAIN, one.child);
    one.run.exit(MAIN, 0);
    let fit = one.fit().wrong("child", PRINTS, printed, "KETTLE\n", "KET\nTLE\n");
    check(&one_line().judge(&one.run, fit), &[Code::F004]);
}

#[test]
fn a_read_that_was_interrupted() {
    let run = |again: bool| {
        let mut one = OneLine::begin();
        one.run.write(MAIN, one.data, "kettle\n");
        one.run.fails(one.child, "read", "EINTR", Some(one.data));
        if again {
            one.run.read(one.child, one.data, "kettle\n");
        }
        let end = one.run.exit(one.child, 1);
        one.run.reap(MAIN, one.child);
        one.run.exit(MAIN, 0);
        let fit = one.fit().missing("child", PRINTS).wrong("child", "exit 0", end, "0", "1");
        one_line().judge(&one.run, if again { fit } else { fit.missing("child", READS) })
    };
    check(&run(false), &[Code::S003]);
    assert_ne!(run(true).cause(), Some(Code::S003));
}
