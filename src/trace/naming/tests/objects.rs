//! Shared memory, queues, semaphores, futexes, files.

use super::support::*;
use crate::trace::Bytes;
use crate::trace::raw::{Call, FileKind, RawEvent, RawFile, RawKind, SysvFamily, Tid};

fn map(tid: Tid, fd: Option<i32>, shared: bool, file: Option<RawFile>) -> RawEvent {
    ok(tid, Call::Map { fd, shared, write: true, len: 4096, offset: 0, file }, 0x7000)
}

fn stored(tid: Tid, file: RawFile, offset: u64, text: &str) -> RawEvent {
    event(tid, RawKind::Stored { file, offset, bytes: Bytes::from(text), access: None })
}

fn loaded(tid: Tid, file: RawFile, offset: u64, text: &str) -> RawEvent {
    event(tid, RawKind::Loaded { file, offset, bytes: Bytes::from(text), access: None })
}

#[test]
fn a_shared_memory_object() {
    let ring = || file(FileKind::Shm, "/dev/shm/ring", 80);
    let trace = trace([
        open(MAIN, 3, FileKind::Shm, "/dev/shm/ring", 80, "rwc"),
        ok(MAIN, Call::Truncate { fd: 3, len: 4096 }, 0),
        map(MAIN, Some(3), true, Some(ring())),
        close(MAIN, 3),
        fork(MAIN, 20),
        open(20, 3, FileKind::Shm, "/dev/shm/ring", 80, "rw"),
        map(20, Some(3), false, Some(ring())),
        stored(MAIN, ring(), 0, "aaaa"),
        stored(20, ring(), 2, "bb"),
        loaded(20, ring(), 0, "aa"),
        loaded(MAIN, ring(), 1, "abb"),
        loaded(MAIN, ring(), 8, "\0"),
    ]);
    same(
        &print(&trace),
        r#"
        0 main create /ring
        1 main resize /ring 4096
        2 main map /ring shared
        3 main close /ring w last
        4 main fork main.1
        5 main.1 open /ring rw
        6 main.1 map /ring private
        7 main store /ring 0 "aaaa"
        8 main.1 store /ring 2 "bb"
        9 main.1 load /ring 0 "aa" ~ 7
        10 main load /ring 1 "abb" ~ 7 8
        11 main load /ring 8 "\x00"
        "#,
    );
    assert!(trace.objects[0].left_behind);
}

#[test]
fn a_name_given_again_is_another_object() {
    let trace = trace([
        open(MAIN, 3, FileKind::Shm, "/dev/shm/ring", 80, "rwc"),
        unlink(MAIN, "/dev/shm/ring"),
        err(MAIN, Call::Unlink { path: "/dev/shm/ring".into() }, 2),
        close(MAIN, 3),
        open(MAIN, 3, FileKind::Shm, "/dev/shm/ring", 80, "rwc"),
    ]);
    same(
        &print(&trace),
        r#"
        0 main create /ring
        1 main unlink /ring
        2 main failed unlink ENOENT
        3 main close /ring w last
        4 main create /ring#2
        "#,
    );
    assert_eq!(trace.objects.iter().map(|object| object.left_behind).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn mappings_and_memfds_are_named_by_their_creator() {
    let memory = |ino| file(FileKind::Memory, "", ino);
    let memfd = |ino| Call::NewDescriptor {
        name: "memfd_create".into(),
        file: Some(memory(ino)),
        cloexec: true,
        signals: vec![],
    };
    check(
        [
            map(MAIN, None, true, Some(memory(5))),
            fork(MAIN, 20),
            map(20, None, true, Some(memory(6))),
            ok(20, memfd(7), 3),
            map(20, Some(3), true, Some(memory(7))),
            stored(20, memory(5), 0, "x"),
            map(20, None, false, None),
        ],
        r#"
        0 main create main.mapping1
        1 main map main.mapping1 shared
        2 main fork main.1
        3 main.1 create main.1.mapping1
        4 main.1 map main.1.mapping1 shared
        5 main.1 create main.1.memfd1
        6 main.1 map main.1.memfd1 shared
        7 main.1 store main.mapping1 0 "x"
        "#,
    );
}

#[test]
fn messages_come_out_by_priority() {
    let open = |tid, create| {
        let call = Call::MqOpen {
            name: "/jobs".into(),
            create,
            read: true,
            write: true,
            attributes: None,
            file: Some(file(FileKind::Queue, "", 90)),
        };
        ok(tid, call, 3)
    };
    let send = |tid, text: &str, priority| ok(tid, Call::MqSend { fd: 3, bytes: Bytes::from(text), priority }, 0);
    let receive = |tid, text: &str, priority| {
        ok(tid, Call::MqReceive { fd: 3, room: 64, bytes: Bytes::from(text), priority }, text.len() as i64)
    };
    let full = || Call::MqSend { fd: 3, bytes: Bytes::from("late"), priority: 1 };
    let trace = trace([
        open(MAIN, true),
        fork(MAIN, 20),
        open(20, false),
        send(MAIN, "a", 1),
        send(MAIN, "b", 9),
        send(MAIN, "a", 1),
        receive(20, "b", 9),
        receive(20, "a", 1),
        enter(MAIN, full()),
        receive(20, "a", 1),
        receive(20, "late", 1),
        ok(MAIN, full(), 0),
        enter(MAIN, full()),
        err(MAIN, full(), 110),
        err(20, Call::MqReceive { fd: 3, room: 1, bytes: Bytes::default(), priority: 0 }, 90),
        ok(MAIN, Call::MqUnlink { name: "/jobs".into() }, 0),
    ]);
    same(
        &print(&trace),
        r#"
        0 main create /jobs
        1 main fork main.1
        2 main.1 open /jobs rw
        3 main.1 close /jobs w
        4 main send /jobs "a" 1
        5 main send /jobs "b" 9
        6 main send /jobs "a" 1
        7 main.1 receive /jobs "b" 9 <- 5
        8 main.1 receive /jobs "a" 1 <- 4
        9 main send /jobs "late" 1
        10 main.1 receive /jobs "a" 1 <- 6
        11 main.1 receive /jobs "late" 1 <- 9
        12 main.1 failed mq_receive EMSGSIZE /jobs
        13 main unlink /jobs
        "#,
    );
    assert!(!trace.objects[0].left_behind);
}

#[test]
fn system_v_objects_go_by_key_or_creator() {
    let trace = trace([
        ok(MAIN, Call::MsgGet { key: 0x4d2, create: true }, 100),
        ok(MAIN, Call::ShmGet { key: 0, len: 4096, create: true }, 101),
        ok(MAIN, Call::SemGet { key: 0, count: 2, create: true }, 102),
        ok(MAIN, Call::SemSet { id: 102, values: vec![(0, 1), (1, 0)] }, 0),
        fork(MAIN, 20),
        ok(20, Call::MsgGet { key: 0x4d2, create: false }, 100),
        ok(20, Call::ShmAttach { id: 101, write: true, file: Some(file(FileKind::Memory, "", 55)) }, 0x7000),
        stored(20, file(FileKind::Memory, "", 55), 4, "x"),
        ok(20, Call::MsgSend { id: 100, kind: 3, bytes: Bytes::from("job") }, 0),
        ok(MAIN, Call::MsgReceive { id: 100, want: 0, room: 9, kind: 3, bytes: Bytes::from("job") }, 3),
        ok(20, Call::SemOp { id: 102, ops: vec![(0, -1), (1, 1)], undo: vec![] }, 0),
        ok(MAIN, Call::SemOp { id: 102, ops: vec![(1, -1)], undo: vec![] }, 0),
        ok(MAIN, Call::RemoveId { family: SysvFamily::Msg, id: 100 }, 0),
        err(MAIN, Call::MsgReceive { id: 100, want: 0, room: 9, kind: 0, bytes: Bytes::default() }, 22),
    ]);
    same(
        &print(&trace),
        r#"
        0 main create 0x4d2
        1 main create main.shm1
        2 main create main.semaphore1[0]
        3 main call semctl
        4 main fork main.1
        5 main.1 open 0x4d2 rw
        6 main.1 map main.shm1 shared
        7 main.1 store main.shm1 4 "x"
        8 main.1 send 0x4d2 "job" 3
        9 main receive 0x4d2 "job" 3 <- 8
        10 main.1 acquire main.semaphore1[0] <- 3
        11 main.1 release main.semaphore1[1]
        12 main acquire main.semaphore1[1] <- 11
        13 main unlink 0x4d2
        14 main failed msgrcv EINVAL
        "#,
    );
    let left: Vec<&str> = trace.objects.iter().filter(|o| o.left_behind).map(|o| o.name.as_str()).collect();
    assert_eq!(left, ["main.shm1", "main.semaphore1[0]"]);
}

#[test]
fn who_waits_for_zero_comes_after_all_who_brought_it_there() {
    let ops = |ops: &[(u16, i16)]| Call::SemOp { id: 102, ops: ops.to_vec(), undo: vec![] };
    let undone = Call::SemOp { id: 102, ops: vec![(0, 1)], undo: vec![(0, 1)] };
    check(
        [
            ok(MAIN, Call::SemGet { key: 0, count: 1, create: true }, 102),
            ok(MAIN, ops(&[(0, 0)]), 0),
            ok(MAIN, Call::SemSet { id: 102, values: vec![(0, 3)] }, 0),
            fork(MAIN, 20),
            fork(MAIN, 21),
            enter(MAIN, ops(&[(0, 0)])),
            ok(20, ops(&[(0, -1)]), 0),
            ok(21, ops(&[(0, -1)]), 0),
            ok(20, ops(&[(0, -1)]), 0),
            ok(MAIN, ops(&[(0, 0)]), 0),
            // A lock that is free at 0: whoever takes it comes after the one that gave it back, or died with it.
            ok(20, ops(&[(0, 0), (0, 1)]), 0),
            ok(20, ops(&[(0, -1)]), 0),
            ok(21, ops(&[(0, 0)]), 0),
            ok(21, undone, 0),
            exit(21, 0),
            ok(MAIN, ops(&[(0, 0)]), 0),
            ok(MAIN, Call::SemSet { id: 102, values: vec![(0, 0)] }, 0),
            ok(20, ops(&[(0, 0)]), 0),
        ],
        r#"
        0 main create main.semaphore1
        1 main call semop
        2 main call semctl
        3 main fork main.1
        4 main fork main.2
        5 main.1 acquire main.semaphore1 <- 2
        6 main.2 acquire main.semaphore1 <- 2
        7 main.1 acquire main.semaphore1 <- 2
        8 main call semop <- 6 7
        9 main.1 call semop <- 6
        10 main.1 release main.semaphore1
        11 main.1 acquire main.semaphore1
        12 main.2 call semop <- 11
        13 main.2 release main.semaphore1
        14 main.2 exit 0
        15 main call semop <- 14
        16 main call semctl
        17 main.1 call semop <- 16
        "#,
    );
}

#[test]
fn a_processs_end_gives_back_what_it_took_with_sem_undo() {
    let undone = |op| Call::SemOp { id: 102, ops: vec![(0, op)], undo: vec![(0, op)] };
    let plain = |op| Call::SemOp { id: 102, ops: vec![(0, op)], undo: vec![] };
    check(
        [
            ok(MAIN, Call::SemGet { key: 0, count: 1, create: true }, 102),
            ok(MAIN, Call::SemSet { id: 102, values: vec![(0, 1)] }, 0),
            fork(MAIN, 20),
            ok(20, undone(-1), 0),
            enter(MAIN, plain(-1)),
            exit(20, 0),
            ok(MAIN, plain(-1), 0),
            // What it gave is taken away again, and after SETVAL nothing is.
            fork(MAIN, 21),
            ok(21, undone(1), 0),
            ok(21, plain(1), 0),
            exit(21, 0),
            ok(MAIN, plain(-1), 0),
            fork(MAIN, 22),
            ok(22, undone(1), 0),
            ok(MAIN, Call::SemSet { id: 102, values: vec![(0, 2)] }, 0),
            exit(22, 0),
            ok(MAIN, plain(-2), 0),
        ],
        r#"
        0 main create main.semaphore1
        1 main call semctl
        2 main fork main.1
        3 main.1 acquire main.semaphore1 <- 1
        4 main.1 exit 0
        5 main acquire main.semaphore1 <- 4
        6 main fork main.2
        7 main.2 release main.semaphore1
        8 main.2 release main.semaphore1
        9 main.2 exit 0
        10 main acquire main.semaphore1 <- 8
        11 main fork main.3
        12 main.3 release main.semaphore1
        13 main call semctl
        14 main.3 exit 0
        15 main acquire main.semaphore1
        "#,
    );
}

#[test]
fn a_futex_wake_causes_the_wait_to_end() {
    let shared = || Some((file(FileKind::Memory, "", 5), 16));
    let futex =
        |waits, shared: Option<(RawFile, u64)>| Call::Futex { waits, addr: 0x99, private: shared.is_none(), shared };
    check(
        [
            map(MAIN, None, true, Some(file(FileKind::Memory, "", 5))),
            fork(MAIN, 20),
            enter(20, futex(true, shared())),
            ok(MAIN, futex(false, shared()), 1),
            ok(20, futex(true, shared()), 0),
            ok(MAIN, futex(false, shared()), 0),
            thread(20, 21),
            enter(21, futex(true, None)),
            ok(20, futex(false, None), 1),
            ok(21, futex(true, None), 0),
            enter(20, futex(true, None)),
            event(21, RawKind::ThreadExited),
            ok(20, futex(true, None), 0),
        ],
        r#"
        0 main create main.mapping1
        1 main map main.mapping1 shared
        2 main fork main.1
        3 main release main.mapping1+16
        4 main.1 acquire main.mapping1+16 <- 3
        5 main.1 thread 2
        6 main.1 release main.1.futex1
        7 main.1~2 acquire main.1.futex1 <- 6
        8 main.1 acquire main.1.futex1 <- 7
        "#,
    );
}

#[test]
fn files_are_told_where_somebody_in_the_run_writes_them() {
    check(
        [
            open(MAIN, 3, FileKind::Regular, "/lib/libc.so.6", 1, "r"),
            map(MAIN, Some(3), false, Some(file(FileKind::Regular, "/lib/libc.so.6", 1))),
            read(MAIN, 3, "ELF"),
            close(MAIN, 3),
            err(
                MAIN,
                Call::Open {
                    path: "/etc/ld.so.preload".into(),
                    create: false,
                    read: true,
                    write: false,
                    cloexec: true,
                    file: None,
                },
                2,
            ),
            err(
                MAIN,
                Call::Open {
                    path: "/work/names".into(),
                    create: false,
                    read: true,
                    write: false,
                    cloexec: true,
                    file: None,
                },
                2,
            ),
            open(MAIN, 3, FileKind::Regular, "/work/temp", 2, "wc"),
            write(MAIN, 3, "kettle"),
            fork(MAIN, 20),
            open(20, 4, FileKind::Regular, "/work/temp", 2, "r"),
            read(20, 4, "kettle"),
            open(20, 5, FileKind::Regular, "/proc/self/maps", 3, "r"),
            read(20, 5, "00400000"),
            open(20, 5, FileKind::Other, "/dev/null", 4, "rw"),
            write(20, 5, "gone"),
            ok(20, Call::Rename { from: "/work/temp".into(), to: "/work/final".into() }, 0),
        ],
        r#"
        0 main failed open ENOENT
        1 main create final
        2 main write final "kettle"
        3 main fork main.1
        4 main.1 open final r
        5 main.1 read final "kettle" ~ 2
        6 main.1 call rename
        "#,
    );
}

#[test]
fn a_named_semaphore_goes_by_its_name() {
    let temp = "/dev/shm/sem.Xy12";
    check(
        [
            open(MAIN, 3, FileKind::Shm, temp, 80, "rwc"),
            ok(MAIN, Call::Link { from: temp.into(), to: "/dev/shm/sem.full".into() }, 0),
            unlink(MAIN, temp),
            fork(MAIN, 20),
            open(20, 4, FileKind::Shm, "/dev/shm/sem.full", 80, "rw"),
            unlink(MAIN, "/dev/shm/sem.full"),
        ],
        r#"
        0 main create /full
        1 main fork main.1
        2 main.1 open /full rw
        3 main unlink /full
        "#,
    );
}
