//! Semaphores, locks, conditions and barriers: names, and who comes after whom.

use super::support::*;
use crate::trace::raw::{Call, FileKind, RawEvent, RawFile, RawKind, SyncKind, SyncObject, SyncOp, Tid};

fn memory() -> RawFile {
    file(FileKind::Memory, "", 5)
}

fn sync(tid: Tid, kind: SyncKind, offset: u64, op: SyncOp) -> RawEvent {
    event(tid, RawKind::Synced { object: SyncObject { kind, file: Some(memory()), offset }, op })
}

fn own(tid: Tid, kind: SyncKind, addr: u64, op: SyncOp) -> RawEvent {
    event(tid, RawKind::Synced { object: SyncObject { kind, file: None, offset: addr }, op })
}

fn init(tid: Tid, kind: SyncKind, offset: u64, value: u32) -> RawEvent {
    sync(tid, kind, offset, SyncOp::Init { value, shared: true })
}

/// Memory that `main` shares with its children 20 and 21.
fn shared(events: impl IntoIterator<Item = RawEvent>) -> Vec<RawEvent> {
    let map = Call::Map { fd: None, shared: true, write: true, len: 4096, offset: 0, file: Some(memory()) };
    let mut all = vec![ok(MAIN, map, 0x7000), fork(MAIN, 20), fork(MAIN, 21)];
    all.extend(events);
    all
}

const PRELUDE: &str = r#"
        0 main create main.mapping1
        1 main map main.mapping1 shared
        2 main fork main.1
        3 main fork main.2
"#;

#[track_caller]
fn check_shared(events: impl IntoIterator<Item = RawEvent>, expected: &str) {
    check(shared(events), &format!("{}{}", PRELUDE.trim_end(), expected));
}

use SyncKind::{Barrier, Condition, Mutex, ReadWriteLock, Semaphore};
use SyncOp::{Acquire, Broadcast, Failed, Release, Share, Wait};

#[test]
fn a_semaphore_is_a_counter() {
    check_shared(
        [
            init(MAIN, Semaphore, 8, 1),
            sync(20, Semaphore, 8, Acquire),
            sync(21, Semaphore, 8, Wait),
            sync(MAIN, Semaphore, 8, Release),
            sync(20, Semaphore, 8, Release),
            sync(21, Semaphore, 8, Acquire),
            sync(MAIN, Semaphore, 8, Acquire),
        ],
        r#"
        4 main init main.mapping1+8 1 shared
        5 main.1 acquire main.mapping1+8 <- 4
        6 main release main.mapping1+8
        7 main.1 release main.mapping1+8
        8 main.2 acquire main.mapping1+8 <- 6
        9 main acquire main.mapping1+8 <- 7
        "#,
    );
}

#[test]
fn a_post_that_failed_gives_no_unit() {
    check_shared(
        [
            init(MAIN, Semaphore, 0, 0),
            sync(MAIN, Semaphore, 0, Release),
            sync(MAIN, Semaphore, 0, Failed { errno: 75 }),
            sync(20, Semaphore, 0, Release),
            sync(21, Semaphore, 0, Acquire),
            sync(21, Semaphore, 0, Failed { errno: 11 }),
        ],
        r#"
        4 main init main.mapping1+0 0 shared
        5 main failed sem_post EOVERFLOW main.mapping1+0
        6 main.1 release main.mapping1+0
        7 main.2 acquire main.mapping1+0 <- 6
        "#,
    );
}

#[test]
fn a_mutex_comes_after_its_last_release() {
    check_shared(
        [
            init(MAIN, Mutex, 0, 0),
            sync(20, Mutex, 0, Acquire),
            sync(20, Mutex, 0, Release),
            sync(21, Mutex, 0, Acquire),
            sync(20, Mutex, 0, Release),
            sync(20, Mutex, 0, Failed { errno: 1 }),
            sync(21, Mutex, 0, Release),
            sync(MAIN, Mutex, 0, Acquire),
        ],
        r#"
        4 main init main.mapping1+0 0 shared
        5 main.1 acquire main.mapping1+0 <- 4
        6 main.1 release main.mapping1+0
        7 main.2 acquire main.mapping1+0 <- 6
        8 main.1 failed pthread_mutex_unlock EPERM main.mapping1+0
        9 main.2 release main.mapping1+0
        10 main acquire main.mapping1+0 <- 9
        "#,
    );
}

#[test]
fn a_lock_whose_owner_died_comes_after_that() {
    check_shared(
        [
            init(MAIN, Mutex, 0, 0),
            sync(20, Mutex, 0, Acquire),
            killed(20, crate::model::Signal::KILL),
            sync(21, Mutex, 0, Acquire),
        ],
        r#"
        4 main init main.mapping1+0 0 shared
        5 main.1 acquire main.mapping1+0 <- 4
        6 main.1 killed KILL
        7 main.2 acquire main.mapping1+0 <- 4 6
        "#,
    );
}

#[test]
fn who_waits_for_a_condition_comes_after_the_signal_that_woke_it() {
    check_shared(
        [
            // Nobody waits: this one is lost.
            sync(MAIN, Condition, 48, Release),
            sync(20, Condition, 48, Wait),
            sync(21, Condition, 48, Wait),
            sync(MAIN, Condition, 48, Release),
            sync(MAIN, Condition, 48, Release),
            sync(21, Condition, 48, Acquire),
            sync(20, Condition, 48, Acquire),
            sync(20, Condition, 48, Wait),
            sync(20, Condition, 48, Acquire),
            sync(20, Condition, 48, Wait),
            sync(21, Condition, 48, Wait),
            sync(MAIN, Condition, 48, Broadcast),
            sync(20, Condition, 48, Acquire),
            sync(21, Condition, 48, Failed { errno: 110 }),
        ],
        r#"
        4 main release main.mapping1+48
        5 main release main.mapping1+48
        6 main release main.mapping1+48
        7 main.2 acquire main.mapping1+48 <- 5
        8 main.1 acquire main.mapping1+48 <- 6
        9 main.1 acquire main.mapping1+48
        10 main release main.mapping1+48
        11 main.1 acquire main.mapping1+48 <- 10
        12 main.2 failed pthread_cond_timedwait ETIMEDOUT main.mapping1+48
        "#,
    );
}

#[test]
fn readers_come_after_the_writer_and_the_writer_after_all_readers() {
    check_shared(
        [
            init(MAIN, ReadWriteLock, 0, 0),
            sync(MAIN, ReadWriteLock, 0, Acquire),
            sync(MAIN, ReadWriteLock, 0, Release),
            sync(20, ReadWriteLock, 0, Share),
            sync(21, ReadWriteLock, 0, Share),
            sync(20, ReadWriteLock, 0, Release),
            sync(21, ReadWriteLock, 0, Release),
            sync(21, ReadWriteLock, 0, Share),
            sync(21, ReadWriteLock, 0, Release),
            sync(MAIN, ReadWriteLock, 0, Acquire),
        ],
        r#"
        4 main init main.mapping1+0 0 shared
        5 main acquire main.mapping1+0
        6 main release main.mapping1+0
        7 main.1 acquire main.mapping1+0 <- 6
        8 main.2 acquire main.mapping1+0 <- 6
        9 main.1 release main.mapping1+0
        10 main.2 release main.mapping1+0
        11 main.2 acquire main.mapping1+0 <- 6
        12 main.2 release main.mapping1+0
        13 main acquire main.mapping1+0 <- 9 10 12
        "#,
    );
}

#[test]
fn who_leaves_a_barrier_comes_after_all_of_its_round() {
    check_shared(
        [
            init(MAIN, Barrier, 0, 2),
            sync(20, Barrier, 0, Release),
            sync(21, Barrier, 0, Release),
            sync(21, Barrier, 0, Acquire),
            // The next round begins before all have left the first.
            sync(21, Barrier, 0, Release),
            sync(20, Barrier, 0, Acquire),
            sync(20, Barrier, 0, Release),
            sync(20, Barrier, 0, Acquire),
            sync(21, Barrier, 0, Acquire),
        ],
        r#"
        4 main init main.mapping1+0 2 shared
        5 main.1 release main.mapping1+0
        6 main.2 release main.mapping1+0
        7 main.2 acquire main.mapping1+0 <- 5
        8 main.2 release main.mapping1+0
        9 main.1 acquire main.mapping1+0 <- 6
        10 main.1 release main.mapping1+0
        11 main.1 acquire main.mapping1+0 <- 8
        12 main.2 acquire main.mapping1+0 <- 10
        "#,
    );
}

#[test]
fn private_memory_is_each_processs_own() {
    check(
        [
            own(MAIN, Mutex, 0x40, Acquire),
            own(MAIN, Condition, 0x80, Release),
            fork(MAIN, 20),
            // The child's copy is held by its only thread, as its parent's was.
            own(20, Mutex, 0x40, Release),
            own(20, Semaphore, 0xc0, SyncOp::Init { value: 1, shared: false }),
            own(20, Semaphore, 0xc0, Acquire),
            exec(20, "/bin/true"),
            own(20, Semaphore, 0xc0, SyncOp::Init { value: 1, shared: false }),
        ],
        r#"
        0 main acquire main.lock1
        1 main release main.condition1
        2 main fork main.1
        3 main.1 release main.1.lock1
        4 main.1 init main.1.semaphore1 1
        5 main.1 acquire main.1.semaphore1
        6 main.1 exec true
        7 main.1 init main.1.semaphore2 1
        "#,
    );
}

/// The futex calls inside libc's functions, and a wait in one.
#[test]
fn a_word_inside_is_the_object() {
    let futex = |waits, offset| Call::Futex { waits, addr: 0x99, private: false, shared: Some((memory(), offset)) };
    check_blocked(
        shared([
            init(MAIN, Mutex, 0, 0),
            sync(20, Mutex, 0, Acquire),
            sync(21, Mutex, 0, Wait),
            enter(21, futex(true, 0)),
            sync(20, Mutex, 0, Release),
            ok(20, futex(false, 0), 1),
            ok(21, futex(true, 0), 0),
            sync(21, Mutex, 0, Acquire),
            sync(20, Mutex, 0, Wait),
            enter(20, futex(true, 4)),
            // Behind it, and nobody's.
            enter(21, futex(true, 40)),
        ]),
        &format!(
            "{}{}",
            PRELUDE.trim_end(),
            r#"
        4 main init main.mapping1+0 0 shared
        5 main.1 acquire main.mapping1+0 <- 4
        6 main.1 release main.mapping1+0
        7 main.2 acquire main.mapping1+0 <- 6
        deadlock
        main.1 acquire main.mapping1+0 [main.2 0 7]
        main.2 futex main.mapping1+40
        "#,
        ),
    );
}

/// A semaphore that is not for several processes sleeps on a word that the kernel takes for private: the function says
/// what is waited for, until it is over.
#[test]
fn a_private_word_is_the_object_of_its_function() {
    let futex = || Call::Futex { waits: true, addr: 0x7008, private: true, shared: None };
    check_blocked(
        shared([
            init(MAIN, Semaphore, 8, 0),
            sync(20, Semaphore, 8, Wait),
            enter(20, futex()),
            sync(21, Semaphore, 8, Wait),
            sync(21, Semaphore, 8, Failed { errno: 4 }),
            enter(21, futex()),
        ]),
        &format!(
            "{}{}",
            PRELUDE.trim_end(),
            r#"
        4 main init main.mapping1+8 0 shared
        deadlock
        main.1 acquire main.mapping1+8
        main.2 futex main.2.futex1
        "#,
        ),
    );
}
