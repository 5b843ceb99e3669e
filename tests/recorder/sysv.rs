//! System V semaphores and message queues, as the recorder's model of the kernel has them. Debug builds compare each call
//! with the kernel; and a twin, `generic_NAME`, does the same on objects that were taken out of the model, and has to come
//! to the same trace: whoever waits is let go on in the kernel's own order.

use std::collections::BTreeSet;

use crate::{ends_well, record, record_under, story, twins};

#[track_caller]
fn check_both(case: &str) {
    twins("sysv", case);
}

#[test]
fn hand_over() {
    check_both("hand_over");
}

#[test]
fn several_at_once() {
    check_both("several_at_once");
}

#[test]
fn for_zero() {
    check_both("for_zero");
}

#[test]
fn lock_by_zero() {
    check_both("lock_by_zero");
}

#[test]
fn given_back() {
    check_both("given_back");
}

#[test]
fn threads_share() {
    check_both("threads_share");
}

#[test]
fn removed() {
    check_both("removed");
}

#[test]
fn how_many_wait() {
    check_both("how_many_wait");
}

#[test]
fn errors() {
    check_both("errors");
}

#[test]
fn interrupted() {
    check_both("interrupted");
}

#[test]
fn types() {
    check_both("types");
}

#[test]
fn full() {
    check_both("full");
}

#[test]
fn waiters() {
    check_both("waiters");
}

#[test]
fn queue_removed() {
    check_both("queue_removed");
}

#[test]
fn resized() {
    check_both("resized");
}

#[test]
fn bad_addresses() {
    check_both("bad_addresses");
}

#[test]
fn semaphores_at_random() {
    check_both("semaphores_at_random");
}

#[test]
fn queues_at_random() {
    check_both("queues_at_random");
}

#[test]
fn ping_pong() {
    check_both("ping_pong");
}

#[test]
fn echo() {
    check_both("echo");
}

/// Each of the orders is one that the kernel may give; the schedule tries several.
#[test]
fn senders_race_for_room() {
    ends_well("sysv", "senders_race");
    let seeds = 0..16;
    let received = |seed| {
        let told = story::story(&record_under("sysv", "senders_race", seed));
        let received = told.lines().filter(|line| line.contains("receive") && !line.contains(" 9"));
        received.map(|line| line.split(" <").next().unwrap().to_owned()).next()
    };
    let first: BTreeSet<Option<String>> = seeds.map(received).collect();
    assert_eq!(first.len(), 3, "{first:?}");
}

#[test]
fn senders_that_were_woken_lose_their_queue() {
    ends_well("sysv", "senders_lose_their_queue");
}

#[test]
fn senders_at_random() {
    ends_well("sysv", "senders_at_random");
}

#[test]
fn who_waits_for_zero_comes_after_who_brought_it_there() {
    let told = story::story(&record("sysv", "for_zero"));
    assert!(told.contains("call semop < main\n"), "{told}");
}
