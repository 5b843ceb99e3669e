//! Lives, threads, exec, ends.

use super::support::*;
use crate::model::Signal;
use crate::trace::raw::{Call, Disposition, FileKind, RawEnd, RawKind};
use crate::trace::{Ending, Order};

#[test]
fn lives_are_named_by_the_fork_tree() {
    check(
        [fork(MAIN, 20), fork(20, 30), fork(MAIN, 40), exit(30, 3), waited(20, 30, 3), exit(40, 0), exit(20, 0)],
        r#"
        0 main fork main.1
        1 main.1 fork main.1.1
        2 main fork main.2
        3 main.1.1 exit 3
        4 main.1 reaped main.1.1 Exit(3) <- 3
        5 main.2 exit 0
        6 main.1 exit 0
        "#,
    );
}

/// `wait(NULL)` and `waitpid(child, NULL, WUNTRACED)`: how the child ended stands in its own end.
#[test]
fn a_wait_that_asks_for_no_status_reaps_too() {
    let wait = |child| ok(MAIN, wait_without_status(child), i64::from(child));
    check(
        [fork(MAIN, 20), wait(20), exit(20, 3), wait(20), exit(MAIN, 0)],
        r#"
        0 main fork main.1
        1 main.1 exit 3
        2 main reaped main.1 Exit(3) <- 1
        3 main exit 0
        "#,
    );
}

#[test]
fn the_launcher_and_the_first_exec_are_not_told() {
    check([exec(MAIN, "/bin/last"), exit(MAIN, 0)], "0 main exit 0");
    check(
        [pipe(MAIN, 3, 4, 1, false), exec(MAIN, "/bin/last"), exit(MAIN, 0)],
        r"
        0 main create main.pipe1
        1 main exec last
        2 main exit 0
    ",
    );
}

#[test]
fn zombies_orphans_and_children_that_nobody_need_reap() {
    let trace = trace([
        fork(MAIN, 20),
        fork(MAIN, 30),
        exit(20, 1),
        dispose(MAIN, Signal::CHLD, Disposition::Ignore),
        fork(MAIN, 40),
        exit(40, 0),
        err(MAIN, wait_call(-1, None), 10),
        exit(MAIN, 0),
        exit(30, 0),
    ]);
    same(
        &print(&trace),
        r#"
        0 main fork main.1
        1 main fork main.2
        2 main.1 exit 1
        3 main ignore CHLD
        4 main fork main.3
        5 main.3 exit 0
        6 main~4 reaped main.3 Exit(0) <- 5
        7 main failed wait ECHILD <- 6
        8 main exit 0
        9 main.2 exit 0
        "#,
    );
    let facts: Vec<_> =
        trace.lives.iter().map(|l| (l.name.as_str(), l.reaped.is_some(), l.orphaned, l.self_reaping)).collect();
    assert_eq!(
        facts,
        [
            ("main", false, false, false),
            ("main.1", false, false, false),
            ("main.2", false, true, false),
            ("main.3", true, false, true)
        ]
    );
    assert_eq!(trace.ending(crate::trace::LifeId(1)), Some(Ending::Exit(1)));
}

#[test]
fn looking_at_a_child_does_not_reap_it() {
    let look = Call::Wait { which: -1, nohang: false, keeps: true, child: Some(20), ending: Some(Ending::Exit(0)) };
    let trace = trace([fork(MAIN, 20), exit(20, 0), ok(MAIN, look, 0), waited(MAIN, 20, 0)]);
    same(
        &print(&trace),
        r#"
        0 main fork main.1
        1 main.1 exit 0
        2 main call waitid <- 1
        3 main reaped main.1 Exit(0) <- 1
        "#,
    );
    assert_eq!(trace.lives[1].reaped.map(|id| id.0), Some(3));
}

#[test]
fn an_exec_in_a_thread_goes_on_as_the_first() {
    check(
        [
            pipe(MAIN, 3, 4, 1, false),
            thread(MAIN, 11),
            write(MAIN, 4, "a"),
            event(11, RawKind::Exec { path: "/bin/x".into(), args: vec![], former: None }),
        ],
        r#"
        0 main create main.pipe1
        1 main thread 1
        2 main write main.pipe1 "a"
        3 main~1 exec x <- 2
        "#,
    );
    check(
        [
            pipe(MAIN, 3, 4, 1, false),
            thread(MAIN, 11),
            write(MAIN, 4, "a"),
            event(MAIN, RawKind::Exec { path: "/bin/x".into(), args: vec![], former: Some(11) }),
            write(MAIN, 4, "b"),
            exit(MAIN, 0),
        ],
        r#"
        0 main create main.pipe1
        1 main thread 1
        2 main write main.pipe1 "a"
        3 main~1 exec x <- 2
        4 main~1 write main.pipe1 "b"
        5 main~1 exit 0
        "#,
    );
}

#[test]
fn an_end_comes_after_all_threads() {
    let trace = trace([
        pipe(MAIN, 3, 4, 1, false),
        thread(MAIN, 11),
        write(11, 4, "a"),
        event(11, RawKind::ThreadExited),
        exit(MAIN, 0),
    ]);
    same(
        &print(&trace),
        r#"
        0 main create main.pipe1
        1 main thread 1
        2 main~1 write main.pipe1 "a"
        3 main exit 0 <- 2
        "#,
    );
}

#[test]
fn a_vfork_parent_sleeps_until_the_exec() {
    let vfork = || Call::Other { name: "vfork".into(), fd: None };
    check(
        [
            fork(MAIN, 20),
            enter(MAIN, vfork()),
            err(20, Call::Other { name: "execve".into(), fd: None }, 2),
            err(20, Call::Other { name: "execve".into(), fd: None }, 2),
            exec(20, "/usr/bin/gen"),
            ok(MAIN, vfork(), 20),
            write(MAIN, 1, "x"),
        ],
        r#"
        0 main fork main.1
        1 main.1 exec gen
        2 main write stdout "x" <- 1
        "#,
    );
}

#[test]
fn a_failed_exec_is_told_once() {
    let tried = |errno| err(20, Call::Other { name: "execve".into(), fd: None }, errno);
    check(
        [fork(MAIN, 20), tried(2), tried(13), write(20, 1, "x"), exit(20, 0)],
        r#"
        0 main fork main.1
        1 main.1 failed execve EACCES
        2 main.1 write stdout "x"
        3 main.1 exit 0
        "#,
    );
}

#[test]
fn a_table_of_descriptors_may_be_shared() {
    let sharing = |child| {
        event(MAIN, RawKind::Forked { child, inner: child, thread: false, shares_files: true, shares_handlers: false })
    };
    check(
        [pipe(MAIN, 3, 4, 1, false), sharing(20), close(20, 4), read(MAIN, 3, ""), err(MAIN, write_call(4, "x"), 9)],
        r#"
        0 main create main.pipe1
        1 main fork main.1
        2 main.1 close main.pipe1 w last
        3 main end main.pipe1 <- 2
        4 main failed write EBADF
        "#,
    );
}

#[test]
fn close_range_and_received_descriptors() {
    let pair = Call::SocketPair {
        ends: Some((5, 6)),
        files: Some((file(FileKind::Socket, "", 60), file(FileKind::Socket, "", 61))),
        cloexec: false,
    };
    let mut end = file(FileKind::Pipe, "", 1);
    end.read = false;
    let passed = Call::Read { fd: 6, want: 1, bytes: "x".into(), descriptors: vec![(9, end)] };
    check(
        [
            ok(MAIN, pair, 0),
            fork(MAIN, 20),
            pipe(MAIN, 3, 4, 1, false),
            write(MAIN, 5, "x"),
            ok(20, passed, 1),
            ok(MAIN, Call::CloseRange { first: 4, last: u32::MAX, cloexec: false, unshare: false }, 0),
            write(20, 9, "y"),
            close(20, 9),
            read(MAIN, 3, "y"),
            read(MAIN, 3, ""),
        ],
        r#"
        0 main create main.socket1
        1 main create main.socket2
        2 main fork main.1
        3 main create main.pipe1
        4 main write main.socket1 "x"
        5 main.1 read main.socket1 "x" <- 4
        6 main close main.pipe1 w
        7 main close main.socket1 w
        8 main close main.socket2 r
        9 main close main.socket2 w
        10 main close main.socket1 r
        11 main.1 write main.pipe1 "y"
        12 main.1 close main.pipe1 w last
        13 main read main.pipe1 "y" <- 11
        14 main end main.pipe1 <- 12
        "#,
    );
}

#[test]
fn a_fork_comes_before_all_of_the_child() {
    let trace = trace([fork(MAIN, 20), write(MAIN, 1, "a"), write(20, 1, "b"), exit(20, 0), waited(MAIN, 20, 0)]);
    let order = Order::of(&trace);
    let id = crate::trace::EventId;
    assert!(order.le(id(0), id(2)));
    assert!(order.concurrent(id(1), id(2)));
    assert!(order.le(id(2), id(4)));
}

#[test]
fn peers_and_what_they_wait_for() {
    let events = [
        peer(5, "client", vec![]),
        mkfifo(MAIN, "/work/names", 70),
        enter(5, Call::Other { name: "when".into(), fd: None }),
        event(5, RawKind::Resumed { because: vec![3] }),
        open(5, 3, FileKind::Fifo, "/work/names", 70, "w"),
        event(5, RawKind::Step { step: 1, instead: None }),
        event(5, RawKind::Step { step: 2, instead: Some("end".into()) }),
        event(MAIN, RawKind::Holds { value: 7, elsewhere: vec![(5, 8)] }),
    ];
    let trace = trace_with(events, RawEnd::Finished);
    same(
        &print(&trace),
        r#"
        0 main create names
        1 client open names w <- 0
        2 client step 1 None
        3 client step 2 Some("end")
        4 main holds 7 [("client", 8)]
        "#,
    );
}

#[test]
fn odd_recordings_do_no_harm() {
    let trace = trace([
        close(99, 3),
        write(99, 3, "x"),
        exit(99, 0),
        exit(99, 0),
        waited(MAIN, 1234, 0),
        kill(MAIN, i32::MIN, Signal::TERM),
        event(MAIN, RawKind::Resumed { because: vec![7_000_000] }),
        ok(MAIN, write_call(1, "abc"), i64::MAX),
        ok(MAIN, write_call(1, "abc"), -5),
        ok(MAIN, Call::Dup { fd: 70, cloexec: false }, i64::MAX),
        sigreturn(MAIN),
        event(88, RawKind::ThreadExited),
        event(88, RawKind::ThreadExited),
        ok(MAIN, Call::CloseRange { first: 9, last: 3, cloexec: false, unshare: true }, 0),
        event(
            MAIN,
            RawKind::Stored { file: file(FileKind::Shm, "", 3), offset: u64::MAX, bytes: "xy".into(), access: None },
        ),
    ]);
    assert_eq!(trace.lives[1].name, "stray1");
}
