//! Q.

use ipc_grade::model::Code;
use ipc_grade::trace::{LifeId, ObjectId, ObjectKind};

use super::chapters::send_and_receive;
use super::check;
use super::run::{Fit, MAIN, Run, STDERR, Task, wait, wait_for};

const SENDS_A: &str = "send \"/kettle-orders\" \"anchor\" priority 3";
const SENDS_B: &str = "send \"/kettle-orders\" \"basket\" priority 14";
const RECEIVES: &str = "receive \"/kettle-replies\" \"window\" priority 50";
const PRINTS: &str = "stdout \"50 window\\n\"";

fn made() -> (Run, LifeId, ObjectId, ObjectId) {
    let mut run = Run::new();
    let clerk = run.peer("clerk");
    let orders = run.make(MAIN, ObjectKind::Queue, "/kettle-orders");
    let replies = run.make(MAIN, ObjectKind::Queue, "/kettle-replies");
    (run, clerk, orders, replies)
}

fn fit() -> Fit {
    Fit::default().role("main", &[MAIN])
}

#[test]
fn right() {
    let (mut run, clerk, orders, replies) = made();
    run.send(MAIN, orders, "anchor", 3);
    run.send(MAIN, orders, "basket", 14);
    run.step(clerk, 0, None);
    run.step(clerk, 1, None);
    run.receive(MAIN, replies, "window", 50);
    run.print(MAIN, "50 window\n");
    run.exit(MAIN, 0);
    check(&send_and_receive().judge(&run, fit()), &[]);
    run.leave(replies);
    check(&send_and_receive().judge(&run, fit()), &[Code::Q001]);
}

#[test]
fn small_buffer() {
    let (mut run, _, orders, replies) = made();
    run.send(MAIN, orders, "anchor", 3);
    run.send(MAIN, orders, "basket", 14);
    run.fails(MAIN, "mq_timedreceive", "EMSGSIZE", Some(replies));
    let end = run.exit(MAIN, 1);
    run.leave(orders);
    let fit = fit().missing("main", RECEIVES).missing("main", PRINTS).wrong("main", "exit 0", end, "0", "1");
    check(&send_and_receive().judge(&run, fit), &[Code::Q002]);
}

#[test]
fn a_message_that_is_too_long_is_no_small_buffer() {
    let (mut run, _, orders, _) = made();
    run.fails(MAIN, "mq_timedsend", "EMSGSIZE", Some(orders));
    let end = run.exit(MAIN, 1);
    let fit = fit().missing("main", SENDS_A).wrong("main", "exit 0", end, "0", "1");
    assert_eq!(send_and_receive().judge(&run, fit).cause(), Some(Code::T005));
}

#[test]
fn priorities_ignored() {
    let (mut run, clerk, orders, replies) = made();
    let first = run.send(MAIN, orders, "anchor", 0);
    let second = run.send(MAIN, orders, "basket", 0);
    run.receive(clerk, orders, "anchor", 0);
    run.step(clerk, 0, Some("\"anchor\" priority 0"));
    run.receive(MAIN, replies, "window", 50);
    run.print(MAIN, "50 window\n");
    run.exit(MAIN, 0);
    // However the matcher tells it: as wrong data, as missing and surplus, or not at all (the peer has seen it).
    let wrong =
        fit().wrong("main", SENDS_A, first, "anchor", "anchor").wrong("main", SENDS_B, second, "basket", "basket");
    let other = fit().missing("main", SENDS_A).missing("main", SENDS_B).surplus("main", first).surplus("main", second);
    for fit in [wrong, other, fit()] {
        check(&send_and_receive().judge(&run, fit), &[Code::Q003]);
    }
}

#[test]
fn another_word_with_its_priority_is_wrong_data() {
    let (mut run, clerk, orders, replies) = made();
    let first = run.send(MAIN, orders, "ANCHOR", 3);
    run.send(MAIN, orders, "basket", 14);
    run.step(clerk, 1, Some("\"ANCHOR\" priority 3"));
    run.receive(MAIN, replies, "window", 50);
    run.print(MAIN, "50 window\n");
    run.exit(MAIN, 0);
    check(&send_and_receive().judge(&run, fit().wrong("main", SENDS_A, first, "anchor", "ANCHOR")), &[Code::T005]);
}

#[test]
fn no_slash() {
    let missing = |end| {
        fit()
            .missing("main", "queue \"/kettle-orders\"")
            .missing("main", SENDS_A)
            .missing("main", PRINTS)
            .wrong("main", "exit 0", end, "0", "1")
    };
    let mut run = Run::new();
    run.write(MAIN, STDERR, "Error: \"mq_open kettle-orders: EINVAL: Invalid argument\"\n");
    let end = run.exit(MAIN, 1);
    let verdict = send_and_receive().judge(&run, missing(end));
    check(&verdict, &[Code::Q006]);
    assert_eq!(verdict.findings[0].message, "a queue's name begins with a slash: kettle-orders does not");
    let mut run = Run::new();
    run.fails(MAIN, "mq_open", "EINVAL", None);
    let end = run.exit(MAIN, 1);
    let verdict = send_and_receive().judge(&run, missing(end));
    check(&verdict, &[Code::Q006]);
    assert_eq!(verdict.findings[0].message, "mq_open is given a name that no queue can have");
    // It gave up for another reason.
    let mut run = Run::new();
    run.write(MAIN, STDERR, "Error: EACCES\n");
    let end = run.exit(MAIN, 1);
    assert_eq!(send_and_receive().judge(&run, missing(end)).cause(), Some(Code::T005));
}

#[test]
fn wrong_texts_of_one_process_are_one_finding() {
    let (mut run, clerk, orders, replies) = made();
    run.send(MAIN, orders, "anchor", 3);
    run.send(MAIN, orders, "basket", 14);
    run.step(clerk, 0, None);
    run.step(clerk, 1, None);
    run.receive(MAIN, replies, "window", 50);
    let first = run.print(MAIN, "3 anchor\n");
    let second = run.print(MAIN, "14 basket\n");
    run.exit(MAIN, 0);
    let fit = fit().wrong("main", PRINTS, first, "50 window\n", "3 anchor\n");
    let fit = fit.wrong("main", "stdout \"41 lagoon\\n\"", second, "41 lagoon\n", "14 basket\n");
    let verdict = send_and_receive().judge(&run, fit);
    check(&verdict, &[Code::T005]);
    assert_eq!(verdict.findings[0].message, "wrong data: the program prints \"3 anchor\\n\"");
    assert_eq!(verdict.findings[0].why, ["1 more text from there on is another than expected."]);
}

#[test]
fn a_size_that_counts_the_type() {
    let task = || Task::new(&[]).trace(1, &[]);
    for (sent, code) in [("kettle\0\0\0\0\0\0\0\0", Code::Q006), ("kettles", Code::T005)] {
        let mut run = Run::new();
        let queue = run.make(MAIN, ObjectKind::SysvQueue, "jobs");
        let event = run.send(MAIN, queue, sent, 1);
        run.exit(MAIN, 0);
        let fit = fit().object("jobs", queue).wrong("main", "send jobs \"kettle\" priority 1", event, "kettle", sent);
        check(&task().judge(&run, fit), &[code]);
    }
}

#[test]
fn receives_first() {
    let (mut run, clerk, orders, replies) = made();
    run.deadlock(vec![
        wait(MAIN, "receive", Some(replies), &[(clerk, None)]),
        wait(clerk, "receive", Some(orders), &[(MAIN, None)]),
    ]);
    let fit = fit().missing("main", SENDS_A).missing("main", SENDS_B).missing("main", RECEIVES).missing("main", PRINTS);
    check(&send_and_receive().judge(&run, fit), &[Code::H001]);
}

#[test]
fn sends_an_end_mark() {
    let (mut run, clerk, orders, replies) = made();
    run.send(MAIN, orders, "anchor", 3);
    run.send(MAIN, orders, "basket", 14);
    let end = run.send(MAIN, orders, "end", 0);
    run.step(clerk, 0, None);
    run.step(clerk, 1, None);
    run.receive(MAIN, replies, "window", 50);
    run.print(MAIN, "50 window\n");
    run.exit(MAIN, 0);
    check(&send_and_receive().judge(&run, fit().surplus("main", end)), &[Code::T002]);
}

#[test]
fn a_message_that_the_queue_did_not_take() {
    let run = |again: bool| {
        let (mut run, clerk, orders, _) = made();
        run.send(MAIN, orders, "anchor", 3);
        run.fails(MAIN, "mq_send", "EAGAIN", Some(orders));
        if again {
            run.send(MAIN, orders, "basket", 14);
        }
        run.step(clerk, 0, None);
        run.exit(MAIN, 0);
        let fit = fit().missing("main", RECEIVES).missing("main", PRINTS);
        send_and_receive().judge(&run, if again { fit } else { fit.missing("main", SENDS_B) })
    };
    check(&run(false), &[Code::Q004]);
    assert_ne!(run(true).cause(), Some(Code::Q004));
}

#[test]
fn a_receive_that_was_interrupted() {
    let (mut run, _, orders, replies) = made();
    run.send(MAIN, orders, "anchor", 3);
    run.send(MAIN, orders, "basket", 14);
    run.fails(MAIN, "mq_receive", "EINTR", Some(replies));
    let end = run.exit(MAIN, 1);
    run.leave(orders);
    let fit = fit().missing("main", RECEIVES).missing("main", PRINTS).wrong("main", "exit 0", end, "0", "1");
    check(&send_and_receive().judge(&run, fit), &[Code::S003]);
}

/// Two workers receive from one queue, and one message comes: what the first does with it.
fn two_workers(ends_first: bool, works: bool) -> Option<Code> {
    let (mut run, _, orders, _) = made();
    let (one, two) = (run.fork(MAIN), run.fork(MAIN));
    run.send(MAIN, orders, "stop", 0);
    run.receive(one, orders, "stop", 0);
    if works {
        run.print(one, "4\n");
    }
    let mut waits = vec![wait_for(MAIN, two), wait(two, "receive", Some(orders), &[(MAIN, None)])];
    if ends_first {
        run.exit(one, 0);
        run.reap(MAIN, one);
    } else {
        waits.push(wait(one, "receive", Some(orders), &[(MAIN, None)]));
    }
    run.deadlock(waits);
    let fit = fit().role("worker", &[one, two]).missing("main", "exit 0");
    send_and_receive().judge(&run, fit).cause()
}

#[test]
fn one_end_for_several_workers() {
    assert_eq!(two_workers(true, false), Some(Code::Q005));
    // What it received was work, and no end.
    assert_eq!(two_workers(true, true), Some(Code::H001));
    assert_eq!(two_workers(false, false), Some(Code::H001));
}
