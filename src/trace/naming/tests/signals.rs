//! Readiness, and the way from a kill to its take.

use super::support::*;
use crate::model::Signal;
use crate::trace::Bytes;
use crate::trace::raw::{Call, Disposition, FileKind, RawEvent, RawKind, Tid};

#[test]
fn a_handler_runs() {
    check(
        [
            fork(MAIN, 20),
            dispose(20, Signal::TERM, Disposition::Handler),
            kill(MAIN, 20, Signal::TERM),
            delivered(20, Signal::TERM, true, MAIN),
            write(20, 1, "bye"),
            sigreturn(20),
            write(20, 1, "!"),
            dispose(20, Signal::TERM, Disposition::Default),
        ],
        r#"
        0 main fork main.1
        1 main.1 ready TERM
        2 main signal main.1 TERM
        3 main.1 take TERM <- 2
        4 main.1 write stdout "bye" in 3
        5 main.1 return TERM in 3
        6 main.1 write stdout "!"
        7 main.1 unready TERM
        "#,
    );
}

#[test]
fn a_signal_kills() {
    check(
        [
            fork(MAIN, 20),
            kill(MAIN, 20, Signal::TERM),
            delivered(20, Signal::TERM, false, MAIN),
            killed(20, Signal::TERM),
            fork(MAIN, 30),
            kill(MAIN, 30, Signal::KILL),
            killed(30, Signal::KILL),
        ],
        r#"
        0 main fork main.1
        1 main signal main.1 TERM
        2 main.1 killed TERM <- 1
        3 main fork main.2
        4 main signal main.2 KILL
        5 main.2 killed KILL <- 4
        "#,
    );
}

#[test]
fn a_masked_signal_is_taken_by_sigwait_or_signalfd() {
    let mut info = vec![0; 128];
    info[0] = 10;
    info[12..16].copy_from_slice(&MAIN.to_ne_bytes());
    let signalfd = Call::NewDescriptor { name: "signalfd4".into(), file: None, cloexec: true, signals: vec![usr1()] };
    check(
        [
            fork(MAIN, 20),
            mask(20, &[Signal::TERM, usr1()]),
            kill(MAIN, 20, Signal::TERM),
            ok(20, Call::SigWait { signals: vec![Signal::TERM] }, 15),
            ok(20, signalfd, 3),
            kill(MAIN, 20, usr1()),
            kill(MAIN, 20, usr1()),
            ok(20, Call::Read { fd: 3, want: 128, bytes: Bytes(info), descriptors: vec![] }, 128),
            mask(20, &[]),
        ],
        r#"
        0 main fork main.1
        1 main.1 ready USR1
        2 main.1 ready TERM
        3 main signal main.1 TERM
        4 main.1 take TERM <- 3
        5 main.1 create main.1.signalfd1
        6 main signal main.1 USR1
        7 main signal main.1 USR1
        8 main.1 take USR1 <- 6
        9 main.1 unready USR1
        10 main.1 unready TERM
        "#,
    );
}

#[test]
fn a_signalfd_that_takes_other_signals_is_the_same_one() {
    let takes =
        |signals: Vec<Signal>| Call::NewDescriptor { name: "signalfd4".into(), file: None, cloexec: true, signals };
    check(
        [mask(MAIN, &[Signal::TERM, usr1()]), ok(MAIN, takes(vec![usr1()]), 3), ok(MAIN, takes(vec![Signal::TERM]), 3)],
        r#"
        0 main ready USR1
        1 main ready TERM
        2 main create main.signalfd1
        "#,
    );
}

#[test]
fn every_thread_has_to_mask_it() {
    check(
        [thread(MAIN, 11), mask(MAIN, &[usr1()]), mask(11, &[usr1()]), thread(11, 12), mask(12, &[])],
        r#"
        0 main thread 1
        1 main~1 ready USR1
        2 main~1 thread 2
        3 main~2 unready USR1
        "#,
    );
}

#[test]
fn readiness_is_inherited_by_fork_and_reset_by_exec() {
    check(
        [
            dispose(MAIN, Signal::TERM, Disposition::Handler),
            mask(MAIN, &[usr1()]),
            dispose(MAIN, Signal::INT, Disposition::Ignore),
            fork(MAIN, 20),
            dispose(20, Signal::INT, Disposition::Ignore),
            exec(20, "/bin/x"),
        ],
        r#"
        0 main ready TERM
        1 main ready USR1
        2 main ignore INT
        3 main fork main.1
        4 main.1 ready USR1 <- 3
        5 main.1 ready TERM <- 3
        6 main.1 exec x
        7 main.1 unready TERM
        "#,
    );
}

#[test]
fn the_runtimes_own_work_is_not_told() {
    let all: Vec<Signal> = (1..=64).filter_map(Signal::from_number).collect();
    check(
        [
            dispose(MAIN, Signal::PIPE, Disposition::Ignore),
            dispose(MAIN, Signal::SEGV, Disposition::Handler),
            dispose(MAIN, Signal::BUS, Disposition::Handler),
            mask(MAIN, &all),
            fork(MAIN, 20),
            mask(MAIN, &[]),
            mask(20, &[usr1()]),
            dispose(20, Signal::SEGV, Disposition::Handler),
        ],
        r#"
        0 main fork main.1
        1 main.1 ready USR1
        2 main.1 ready SEGV
        "#,
    );
}

#[test]
fn the_end_of_a_child_is_a_signal_too() {
    check(
        [
            dispose(MAIN, Signal::CHLD, Disposition::Handler),
            fork(MAIN, 20),
            fork(MAIN, 30),
            dispose(30, Signal::CHLD, Disposition::Default),
            exit(30, 0),
            exit(20, 0),
            delivered(MAIN, Signal::CHLD, true, 30),
            waited(MAIN, 20, 0),
        ],
        r#"
        0 main ready CHLD
        1 main fork main.1
        2 main.1 ready CHLD <- 1
        3 main fork main.2
        4 main.2 ready CHLD <- 3
        5 main.2 unready CHLD
        6 main.2 exit 0
        7 main.1 exit 0
        8 main take CHLD <- 6
        9 main reaped main.1 Exit(0) <- 7 in 8
        "#,
    );
}

#[test]
fn real_time_signals_queue_and_groups_are_told() {
    let realtime: Signal = "RTMIN+1".parse().expect("a signal");
    check(
        [
            fork(MAIN, 20),
            dispose(20, realtime, Disposition::Handler),
            kill(MAIN, 20, realtime),
            kill(MAIN, 20, realtime),
            delivered(20, realtime, true, MAIN),
            sigreturn(20),
            delivered(20, realtime, true, MAIN),
            sigreturn(20),
            kill(20, 0, Signal::TERM),
            kill(20, -MAIN, Signal::TERM),
            ok(MAIN, Call::Kill { target: 20, thread: false, signal: None }, 0),
            err(MAIN, Call::Kill { target: 77, thread: false, signal: Some(Signal::TERM) }, 3),
        ],
        r#"
        0 main fork main.1
        1 main.1 ready RTMIN+1
        2 main signal main.1 RTMIN+1
        3 main signal main.1 RTMIN+1
        4 main.1 take RTMIN+1 <- 2
        5 main.1 return RTMIN+1 in 4
        6 main.1 take RTMIN+1 <- 3
        7 main.1 return RTMIN+1 in 6
        8 main.1 signal main.1 group TERM
        9 main.1 signal main group TERM
        10 main failed kill ESRCH
        "#,
    );
}

#[test]
fn a_thread_signals_another() {
    let tgkill =
        |tid: Tid, target: Tid| -> RawEvent { ok(tid, Call::Kill { target, thread: true, signal: Some(usr1()) }, 0) };
    check(
        [
            dispose(MAIN, usr1(), Disposition::Handler),
            thread(MAIN, 11),
            write(MAIN, 1, "x"),
            tgkill(MAIN, 11),
            delivered(11, usr1(), true, MAIN),
        ],
        r#"
        0 main ready USR1
        1 main thread 1
        2 main write stdout "x"
        3 main~1 take USR1 <- 2
        "#,
    );
}

#[test]
fn a_stopped_process_goes_on_by_the_signal_that_lets_it() {
    check(
        [
            fork(MAIN, 20),
            kill(MAIN, 20, Signal::STOP),
            event(20, RawKind::Stopped { signal: Some(Signal::STOP) }),
            kill(MAIN, 20, Signal::CONT),
            event(20, RawKind::Stopped { signal: None }),
            write(20, 1, "x"),
            write(20, 1, "y"),
        ],
        r#"
        0 main fork main.1
        1 main signal main.1 STOP
        2 main signal main.1 CONT
        3 main.1 write stdout "x" <- 2
        4 main.1 write stdout "y"
        "#,
    );
}

#[test]
fn live_questions() {
    use crate::trace::naming::{NameKind, Namer};
    let mut namer = Namer::new();
    let feed = |namer: &mut Namer, event: RawEvent| namer.feed(&event);
    feed(&mut namer, peer(5, "client", vec![]));
    for event in started() {
        feed(&mut namer, event);
    }
    assert_eq!(namer.program(), Some(MAIN));
    assert_eq!(namer.ready(MAIN, Signal::TERM), None);
    feed(&mut namer, dispose(MAIN, Signal::TERM, Disposition::Handler));
    assert_eq!(namer.ready(MAIN, Signal::TERM), Some(3));
    feed(&mut namer, mkfifo(MAIN, "/work/names", 70));
    assert_eq!(namer.exists(NameKind::Path, "names"), Some(4));
    feed(&mut namer, unlink(MAIN, "/work/names"));
    assert_eq!(namer.exists(NameKind::Path, "/work/names"), None);
    feed(&mut namer, open(MAIN, 3, FileKind::Shm, "/dev/shm/ring", 80, "rwc"));
    assert_eq!(namer.exists(NameKind::Shm, "/ring"), Some(6));
    assert_eq!(namer.exists(NameKind::Queue, "/ring"), None);
    feed(&mut namer, enter(MAIN, read_call(0, "")));
    assert_eq!(namer.waits_in(MAIN, "read", Some("stdin")), Some(7));
    assert_eq!(namer.waits_in(MAIN, "read", Some("names")), None);
    assert_eq!(namer.waits_in(MAIN, "pause", None), None);
    feed(&mut namer, read(MAIN, 0, "ket"));
    assert_eq!(namer.waits_in(MAIN, "read", None), None);
    feed(&mut namer, read(MAIN, 0, "tle"));
    assert_eq!(namer.received(MAIN, b"kettle"), Some(9));
    assert_eq!(namer.received(MAIN, b"ke"), Some(8));
    assert_eq!(namer.received(MAIN, b"window"), None);
    assert_eq!(namer.exited(MAIN), None);
    feed(&mut namer, event(MAIN, RawKind::Exited { ending: crate::trace::Ending::Exit(0) }));
    assert_eq!(namer.exited(MAIN), Some(10));
}
