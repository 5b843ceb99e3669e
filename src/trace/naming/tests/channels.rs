//! Pipes, FIFOs, socket pairs, standard streams: bytes, ends, and who caused what.

use super::support::*;
use crate::model::Signal;
use crate::trace::Bytes;
use crate::trace::raw::{Call, FileKind, RawKind};

#[test]
fn one_line_as_it_should_be() {
    check(
        [
            pipe(MAIN, 3, 4, 50, true),
            fork(MAIN, 20),
            close(MAIN, 3),
            write(MAIN, 4, "kettle\n"),
            close(20, 4),
            read(20, 3, "kettle\n"),
            close(MAIN, 4),
            read(20, 3, ""),
            write(20, 1, "KETTLE\n"),
            exit(20, 0),
            waited(MAIN, 20, 0),
            exit(MAIN, 0),
        ],
        r#"
        0 main create main.pipe1
        1 main fork main.1
        2 main close main.pipe1 r
        3 main write main.pipe1 "kettle\n"
        4 main.1 close main.pipe1 w
        5 main.1 read main.pipe1 "kettle\n" <- 3
        6 main close main.pipe1 w last
        7 main.1 end main.pipe1 <- 6
        8 main.1 write stdout "KETTLE\n"
        9 main.1 exit 0
        10 main reaped main.1 Exit(0) <- 9
        11 main exit 0
        "#,
    );
}

#[test]
fn a_read_is_caused_by_the_writes_whose_bytes_it_got() {
    check(
        [
            pipe(MAIN, 3, 4, 50, false),
            fork(MAIN, 20),
            write(MAIN, 4, "ab"),
            write(MAIN, 4, "cd"),
            read(20, 3, "a"),
            read(20, 3, "bc"),
            write(MAIN, 4, "ef"),
            read(20, 3, "def"),
        ],
        r#"
        0 main create main.pipe1
        1 main fork main.1
        2 main write main.pipe1 "ab"
        3 main write main.pipe1 "cd"
        4 main.1 read main.pipe1 "a" <- 2
        5 main.1 read main.pipe1 "bc" <- 2 3
        6 main write main.pipe1 "ef"
        7 main.1 read main.pipe1 "def" <- 3 6
        "#,
    );
}

#[test]
fn a_write_that_waits_for_room_stands_where_it_began() {
    check(
        [
            pipe(MAIN, 3, 4, 50, false),
            fork(MAIN, 20),
            enter(MAIN, write_call(4, "abcdef")),
            read(20, 3, "abcd"),
            ok(MAIN, write_call(4, "abcdef"), 5),
            read(20, 3, "e"),
        ],
        r#"
        0 main create main.pipe1
        1 main fork main.1
        2 main write main.pipe1 "abcde"
        3 main.1 read main.pipe1 "abcd" <- 2
        4 main.1 read main.pipe1 "e" <- 2
        "#,
    );
}

#[test]
fn an_interrupted_call_counts_once() {
    // EINTR reaches the program, which may take it for something else; what the kernel restarts does not.
    for (errno, told) in [(4, true), (512, false), (514, false)] {
        check(
            [
                pipe(MAIN, 3, 4, 50, false),
                fork(MAIN, 20),
                enter(MAIN, write_call(4, "ab")),
                err(MAIN, write_call(4, "ab"), errno),
                enter(20, read_call(3, "")),
                err(20, read_call(3, ""), errno),
                enter(MAIN, write_call(4, "ab")),
                ok(MAIN, write_call(4, "ab"), 2),
                read(20, 3, "ab"),
            ],
            if told {
                r#"
                0 main create main.pipe1
                1 main fork main.1
                2 main failed write EINTR main.pipe1
                3 main.1 failed read EINTR main.pipe1
                4 main write main.pipe1 "ab"
                5 main.1 read main.pipe1 "ab" <- 4
                "#
            } else {
                r#"
                0 main create main.pipe1
                1 main fork main.1
                2 main write main.pipe1 "ab"
                3 main.1 read main.pipe1 "ab" <- 2
                "#
            },
        );
    }
    // Entered again without a return between: the kernel restarted it.
    check(
        [
            pipe(MAIN, 3, 4, 50, false),
            enter(MAIN, write_call(4, "ab")),
            enter(MAIN, write_call(4, "ab")),
            ok(MAIN, write_call(4, "ab"), 2),
        ],
        r#"
        0 main create main.pipe1
        1 main write main.pipe1 "ab"
        "#,
    );
}

#[test]
fn writes_that_wait_may_interleave() {
    check(
        [
            pipe(MAIN, 3, 4, 50, false),
            fork(MAIN, 20),
            fork(MAIN, 30),
            enter(20, write_call(4, "aaaaaa")),
            enter(30, write_call(4, "bbb")),
            read(MAIN, 3, "aaa"),
            read(MAIN, 3, "bb"),
            read(MAIN, 3, "ab"),
        ],
        r#"
        0 main create main.pipe1
        1 main fork main.1
        2 main fork main.2
        3 main.1 write main.pipe1 "aaaaaa"
        4 main.2 write main.pipe1 "bbb"
        5 main read main.pipe1 "aaa" <- 3
        6 main read main.pipe1 "bb" <- 4
        7 main read main.pipe1 "ab" <- 3 4
        "#,
    );
}

#[test]
fn bytes_exchanged_on_the_way_are_counted() {
    check(
        [
            pipe(MAIN, 3, 4, 50, false),
            fork(MAIN, 20),
            write(MAIN, 4, "kettle\n"),
            write(MAIN, 4, "x"),
            read(20, 3, "window\n"),
        ],
        r#"
        0 main create main.pipe1
        1 main fork main.1
        2 main write main.pipe1 "kettle\n"
        3 main write main.pipe1 "x"
        4 main.1 read main.pipe1 "window\n" <- 2
        "#,
    );
}

#[test]
fn the_end_is_caused_by_all_who_closed() {
    check(
        [
            pipe(MAIN, 3, 4, 50, false),
            fork(MAIN, 20),
            fork(MAIN, 30),
            close(MAIN, 4),
            exit(20, 0),
            close(30, 4),
            read(30, 3, ""),
        ],
        r#"
        0 main create main.pipe1
        1 main fork main.1
        2 main fork main.2
        3 main close main.pipe1 w
        4 main.1 exit 0
        5 main.2 close main.pipe1 w last
        6 main.2 end main.pipe1 <- 3 4
        "#,
    );
}

#[test]
fn dup2_over_a_descriptor_closes_it_and_exec_closes_what_is_cloexec() {
    check(
        [
            pipe(MAIN, 3, 4, 50, true),
            fork(MAIN, 20),
            dup(20, 4, 1),
            exec(20, "/usr/bin/gen"),
            write(20, 1, "x"),
            close(MAIN, 4),
            read(MAIN, 3, "x"),
            exit(20, 0),
            read(MAIN, 3, ""),
        ],
        r#"
        0 main create main.pipe1
        1 main fork main.1
        2 main.1 close stdout w
        3 main.1 exec gen
        4 main.1 close main.pipe1 r
        5 main.1 close main.pipe1 w
        6 main.1 write main.pipe1 "x"
        7 main close main.pipe1 w
        8 main read main.pipe1 "x" <- 6
        9 main.1 exit 0
        10 main end main.pipe1 <- 9
        "#,
    );
}

#[test]
fn standard_streams_keep_their_name_wherever_they_are_dupped() {
    check(
        [dup(MAIN, 1, 7), dup(MAIN, 2, 1), write(MAIN, 7, "a"), write(MAIN, 1, "b"), read(MAIN, 0, "c")],
        r#"
        0 main close stdout w
        1 main write stdout "a"
        2 main write stderr "b"
        3 main read stdin "c"
        "#,
    );
}

#[test]
fn a_peer_writes_standard_input() {
    let end = |write: bool| {
        let mut end = file(FileKind::Pipe, "", 77);
        (end.read, end.write) = (!write, write);
        end
    };
    let program =
        event(MAIN, RawKind::Started { inner: MAIN, peer: None, cwd: CWD.into(), descriptors: vec![(0, end(false))] });
    let events = vec![
        peer(5, "reader", vec![(6, end(true))]),
        program,
        exec(MAIN, "/work/program"),
        write(5, 6, "go\n"),
        read(MAIN, 0, "go\n"),
        exit(5, 0),
        read(MAIN, 0, ""),
    ];
    let recording = crate::trace::raw::Recording { events, end: crate::trace::raw::RawEnd::Finished };
    same(
        &print(&crate::trace::naming::name(&recording)),
        r#"
        0 reader write stdin "go\n"
        1 main read stdin "go\n" <- 0
        2 reader exit 0
        3 main end stdin <- 2
        "#,
    );
}

#[test]
fn a_socket_pair_is_two_objects() {
    let pair = Call::SocketPair {
        ends: Some((3, 4)),
        files: Some((file(FileKind::Socket, "", 60), file(FileKind::Socket, "", 61))),
        cloexec: false,
    };
    check(
        [
            ok(MAIN, pair, 0),
            fork(MAIN, 20),
            close(MAIN, 4),
            close(20, 3),
            write(MAIN, 3, "ask"),
            read(20, 4, "ask"),
            write(20, 4, "answer"),
            ok(20, Call::Shutdown { fd: 4, read: false, write: true }, 0),
            read(MAIN, 3, "answer"),
            read(MAIN, 3, ""),
            close(MAIN, 3),
            read(20, 4, ""),
        ],
        r#"
        0 main create main.socket1
        1 main create main.socket2
        2 main fork main.1
        3 main close main.socket2 w
        4 main close main.socket1 r
        5 main.1 close main.socket1 w
        6 main.1 close main.socket2 r
        7 main write main.socket1 "ask"
        8 main.1 read main.socket1 "ask" <- 7
        9 main.1 write main.socket2 "answer"
        10 main.1 close main.socket2 w last
        11 main read main.socket2 "answer" <- 9
        12 main end main.socket2 <- 10
        13 main close main.socket1 w last
        14 main close main.socket2 r last
        15 main.1 end main.socket1 <- 13
        "#,
    );
}

#[test]
fn a_fifo_has_its_path_and_an_open_that_slept_its_partner() {
    check(
        [
            mkfifo(MAIN, "/work/names", 70),
            fork(MAIN, 20),
            opening(20, "/work/names", "r"),
            open(MAIN, 5, FileKind::Fifo, "/work/names", 70, "w"),
            open(20, 5, FileKind::Fifo, "/work/names", 70, "r"),
            write(MAIN, 5, "x"),
            read(20, 5, "x"),
            unlink(MAIN, "/work/names"),
        ],
        r#"
        0 main create names
        1 main fork main.1
        2 main open names w
        3 main.1 open names r <- 2
        4 main write names "x"
        5 main.1 read names "x" <- 4
        6 main unlink names
        "#,
    );
}

#[test]
fn a_fifo_from_before_the_run_is_one_object() {
    check(
        [
            opening(MAIN, "/work/names", "r"),
            fork(MAIN, 20),
            open(20, 5, FileKind::Fifo, "/work/names", 70, "w"),
            open(MAIN, 5, FileKind::Fifo, "/work/names", 70, "r"),
            opening(20, "/work/names2", "r"),
            err(20, open_call(FileKind::Fifo, "/work/names2", 0, "r"), 4),
        ],
        r#"
        0 main fork main.1
        1 main.1 open names w
        2 main open names r <- 1
        "#,
    );
}

#[test]
fn nobody_reads_any_more() {
    check(
        [
            pipe(MAIN, 3, 4, 50, false),
            fork(MAIN, 20),
            close(MAIN, 3),
            exit(20, 0),
            err(MAIN, write_call(4, "x"), 32),
            delivered(MAIN, Signal::PIPE, false, 0),
            killed(MAIN, Signal::PIPE),
        ],
        r#"
        0 main create main.pipe1
        1 main fork main.1
        2 main close main.pipe1 r
        3 main.1 exit 0
        4 main failed write EPIPE main.pipe1 <- 3
        5 main killed PIPE
        "#,
    );
}

#[test]
fn bytes_that_move_inside_the_kernel_are_read_and_written() {
    let splice = Call::Move { from: 3, to: 6, keeps: false, bytes: Bytes::default() };
    let tee = Call::Move { from: 5, to: 8, keeps: true, bytes: Bytes::default() };
    check(
        [
            pipe(MAIN, 3, 4, 50, false),
            pipe(MAIN, 5, 6, 51, false),
            pipe(MAIN, 7, 8, 52, false),
            fork(MAIN, 20),
            write(MAIN, 4, "abc"),
            ok(20, splice, 3),
            ok(MAIN, tee, 3),
            read(MAIN, 5, "abc"),
            read(20, 7, "abc"),
        ],
        r#"
        0 main create main.pipe1
        1 main create main.pipe2
        2 main create main.pipe3
        3 main fork main.1
        4 main write main.pipe1 "abc"
        5 main.1 read main.pipe1 "abc" <- 4
        6 main.1 write main.pipe2 "abc"
        7 main write main.pipe3 "abc" <- 6
        8 main read main.pipe2 "abc" <- 6
        9 main.1 read main.pipe3 "abc" <- 7
        "#,
    );
}

#[test]
fn the_pair_that_command_makes_for_itself_is_left_out() {
    let pair = Call::SocketPair {
        ends: Some((3, 4)),
        files: Some((file(FileKind::Socket, "", 60), file(FileKind::Socket, "", 61))),
        cloexec: true,
    };
    check(
        [
            ok(MAIN, pair.clone(), 0),
            fork(MAIN, 20),
            close(MAIN, 4),
            exec(20, "/bin/true"),
            read(MAIN, 3, ""),
            close(MAIN, 3),
            ok(MAIN, pair, 0),
            write(MAIN, 3, "x"),
        ],
        r#"
        0 main fork main.1
        1 main.1 exec true
        2 main create main.socket1 <- 1
        3 main create main.socket2
        4 main write main.socket1 "x"
        "#,
    );
}

#[test]
fn an_unknown_descriptor_is_a_strangers() {
    check(
        [write(MAIN, 40, "x"), read(MAIN, 41, "y")],
        r#"
        0 main write outside.unknown1 "x"
        1 main read outside.unknown2 "y"
    "#,
    );
}

#[test]
fn an_eventfd_counts() {
    let eventfd = Call::NewDescriptor {
        name: "eventfd2".into(),
        file: Some(file(FileKind::Anonymous, "", 1)),
        cloexec: true,
        signals: vec![],
    };
    let eight = |n: u64| Bytes(n.to_ne_bytes().to_vec());
    let put = |tid, n| ok(tid, Call::Write { fd: 3, bytes: eight(n) }, 8);
    let get = |n| ok(MAIN, Call::Read { fd: 3, want: 8, bytes: eight(n), descriptors: vec![] }, 8);
    let trace = trace([
        ok(MAIN, eventfd, 3),
        fork(MAIN, 20),
        fork(MAIN, 30),
        put(20, 2),
        put(30, 1),
        get(3),
        put(30, 2),
        get(1),
        put(20, 1),
    ]);
    let causes: Vec<Vec<u32>> = trace.events[5..]
        .iter()
        .filter(|event| matches!(event.verb, crate::trace::Verb::Read { .. }))
        .map(|event| event.causes.iter().map(|id| id.0).collect())
        .collect();
    assert_eq!(causes, [vec![3, 4], vec![6]]);
    assert_eq!(trace.objects[0].name, "main.eventfd1");
}
