//! Who waits for whom at the end, and whether that is a proof.

use super::support::*;
use crate::trace::raw::{Call, FileKind, RawEnd};

#[test]
fn a_write_end_left_open_is_a_deadlock_with_its_holder() {
    check_blocked(
        [
            pipe(MAIN, 3, 4, 50, true),
            fork(MAIN, 20),
            write(MAIN, 4, "kettle\n"),
            close(MAIN, 4),
            close(MAIN, 3),
            enter(MAIN, wait_call(20, None)),
            read(20, 3, "kettle\n"),
            enter(20, read_call(3, "")),
        ],
        r#"
        0 main create main.pipe1
        1 main fork main.1
        2 main write main.pipe1 "kettle\n"
        3 main close main.pipe1 w
        4 main close main.pipe1 r
        5 main.1 read main.pipe1 "kettle\n" <- 2
        deadlock
        main wait main.1 [main.1 0 1]
        main.1 read main.pipe1 [main.1 1 1]
        "#,
    );
}

#[test]
fn both_sides_write() {
    let much = "a".repeat(100_000);
    let trace = trace_with(
        [
            pipe(MAIN, 3, 4, 50, false),
            pipe(MAIN, 5, 6, 51, false),
            fork(MAIN, 20),
            enter(MAIN, write_call(4, &much)),
            read(20, 3, &much[..1000]),
            write(20, 6, "x"),
            enter(20, write_call(6, &much)),
        ],
        RawEnd::Blocked,
    );
    same(
        &print_end(&trace),
        "deadlock
        main write main.pipe1 [main 1 0] [main.1 1 2]
        main.1 write main.pipe2 [main 1 1] [main.1 1 2]",
    );
    let written: Vec<usize> = trace
        .events
        .iter()
        .filter_map(|event| match &event.verb {
            crate::trace::Verb::Write { bytes, .. } => Some(bytes.len()),
            _ => None,
        })
        .collect();
    assert_eq!(written, [66_536, 1, 65_535]);
}

#[test]
fn fifos_opened_crosswise() {
    check_blocked(
        [
            mkfifo(MAIN, "/work/a", 1),
            mkfifo(MAIN, "/work/b", 2),
            fork(MAIN, 20),
            opening(MAIN, "/work/a", "w"),
            opening(20, "/work/b", "w"),
        ],
        r#"
        0 main create a
        1 main create b
        2 main fork main.1
        deadlock
        main open a
        main.1 open b
        "#,
    );
}

#[test]
fn what_a_stranger_could_end_is_no_proof() {
    check_blocked([enter(MAIN, read_call(0, ""))], "all blocked\nmain read stdin");
    check_blocked([opening(MAIN, "/work/foreign", "r")], "all blocked\nmain open foreign");
    check_blocked(
        [open(MAIN, 3, FileKind::Fifo, "/work/foreign", 9, "rw"), enter(MAIN, read_call(3, ""))],
        "0 main open foreign rw\nall blocked\nmain read foreign [main 1 0]",
    );
    let timed = |timed| enter(MAIN, Call::Poll { descriptors: vec![], timed });
    check_blocked([timed(true)], "all blocked\nmain poll");
    check_blocked([timed(false)], "deadlock\nmain poll");
    check_blocked([enter(MAIN, Call::Sleep { millis: 1 })], "all blocked\nmain sleep");
    check_blocked([enter(MAIN, Call::Pause)], "deadlock\nmain pause");
}

#[test]
fn dup_keeps_the_origin_of_a_descriptor() {
    check_blocked(
        [
            pipe(MAIN, 3, 4, 1, false),
            fork(MAIN, 20),
            dup(20, 4, 7),
            close(20, 4),
            dup(20, 7, 8),
            close(MAIN, 4),
            enter(MAIN, read_call(3, "")),
            enter(20, Call::Pause),
        ],
        r#"
        0 main create main.pipe1
        1 main fork main.1
        2 main.1 close main.pipe1 w
        3 main close main.pipe1 w
        deadlock
        main read main.pipe1 [main.1 2 1]
        main.1 pause
        "#,
    );
}

#[test]
fn peers_wait_in_when_and_do_not_keep_a_run_alive() {
    let when = || enter(5, Call::Other { name: "when".into(), fd: None });
    check_blocked(
        [peer(5, "client", vec![]), when(), enter(MAIN, Call::SigSuspend { masked: vec![] })],
        "deadlock\nmain sigsuspend\nclient when",
    );
    check_blocked([peer(5, "client", vec![]), when(), exit(MAIN, 0)], "0 main exit 0\nfinished");
}

#[test]
fn queues_and_semaphores() {
    let receive = Call::MsgReceive { id: 1, want: 0, room: 9, kind: 0, bytes: "".into() };
    check_blocked(
        [
            ok(MAIN, Call::MsgGet { key: 0, create: true }, 1),
            ok(MAIN, Call::SemGet { key: 7, count: 1, create: true }, 2),
            fork(MAIN, 20),
            enter(MAIN, receive),
            enter(20, Call::SemOp { id: 2, ops: vec![(0, -1)], undo: vec![] }),
        ],
        r#"
        0 main create main.queue1
        1 main create 0x7
        2 main fork main.1
        deadlock
        main receive main.queue1
        main.1 acquire 0x7 [main 0 1]
        "#,
    );
}

/// An operation on several semaphores waits for the first that has too little of what it takes, seen before or not.
#[test]
fn the_semaphore_that_is_lacking() {
    let waits = |values: &[(u16, u16)], ops: &[(u16, i16)], lacks: &str| {
        let mut events = vec![ok(MAIN, Call::SemGet { key: 7, count: 3, create: true }, 2)];
        if !values.is_empty() {
            events.push(ok(MAIN, Call::SemSet { id: 2, values: values.to_vec() }, 0));
        }
        events.push(enter(MAIN, Call::SemOp { id: 2, ops: ops.to_vec(), undo: Vec::new() }));
        let end = print_end(&trace_with(events, RawEnd::Blocked));
        same(&end, &format!("deadlock\nmain acquire {lacks}"));
    };
    waits(&[], &[(2, -1)], "0x7[2]");
    waits(&[(0, 1), (1, 0)], &[(0, -1), (1, -1)], "0x7[1]");
    waits(&[(0, 1), (1, 1)], &[(0, -2), (1, -1)], "0x7[0]");
    waits(&[(0, 4), (1, 4)], &[(0, -4), (2, 1), (1, -5)], "0x7[1]");
    waits(&[(0, 1)], &[(0, -1), (2, -1)], "0x7[2]");
}

#[test]
fn a_limit_names_its_life() {
    let end = RawEnd::Limit { limit: "cpu".into(), figure: "2000 ms".into(), tid: Some(20), site: None };
    let trace = trace_with([fork(MAIN, 20)], end);
    same(&print_end(&trace), "limit cpu 2000 ms Some(\"main.1\")");
}
