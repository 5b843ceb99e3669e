//! Writes of more than fits into a pipe, which the recorder makes piece by piece. A program here that is surprised ends
//! with 1; its twin `generic_NAME` does the same on a pipe that is left to the kernel, and has to tell the same.

use ipc_grade::trace::canonical::Verb;
use ipc_grade::trace::{RunEnd, Trace};

use crate::{ends_well, record, story};

#[track_caller]
fn check(case: &str) {
    ends_well("pieces", case);
}

/// What each process did, with neighbouring reads as one: in the kernel a writer goes on at once where there is room,
/// and here when it is its turn, so that readers get the same bytes in other pieces.
fn merged(trace: &Trace) -> Vec<Vec<Verb>> {
    let mut lives = vec![Vec::new(); trace.lives.len()];
    for event in &trace.events {
        let life: &mut Vec<Verb> = &mut lives[event.life.index()];
        match (life.last_mut(), &event.verb) {
            (Some(Verb::Read { object: before, bytes: got }), Verb::Read { object, bytes }) if before == object => {
                got.0.extend(&bytes.0);
            }
            (_, verb) => life.push(verb.clone()),
        }
    }
    lives
}

/// And the kernel alone gives the same trace.
#[track_caller]
fn check_both(case: &str) {
    check(case);
    same_as_generic(case);
}

#[track_caller]
fn same_as_generic(case: &str) {
    let (trace, generic) = (record("pieces", case), record("pieces", &format!("generic_{case}")));
    assert_eq!(trace.end, generic.end);
    // Not by assert_eq: they are long.
    let same = merged(&trace) == merged(&generic);
    assert!(same, "{case}:\n{}\nand its twin:\n{}", story::story(&trace), story::story(&generic));
}

#[test]
fn a_slow_reader() {
    check_both("slow_reader");
}

#[test]
fn a_quick_reader() {
    check_both("quick_reader");
}

#[test]
fn page_by_page() {
    check_both("page_by_page");
}

#[test]
fn the_last_page_is_filled_up() {
    check_both("merges");
}

#[test]
fn two_writers() {
    check("two_writers");
}

#[test]
fn a_small_one_among_them_stays_whole() {
    check("small_among_large");
}

#[test]
fn a_signal_in_the_midst() {
    check_both("signal_in_the_midst");
}

#[test]
fn a_signal_before_the_first() {
    check_both("signal_before_the_first");
}

/// Under ptrace(2) the kernel alone ends a write even for these, which it does not do otherwise.
#[test]
fn signals_that_nobody_takes() {
    check("signals_that_nobody_takes");
}

#[test]
fn stopped_in_the_midst() {
    check_both("stopped_in_the_midst");
}

#[test]
fn killed_in_the_midst() {
    check_both("killed_in_the_midst");
}

#[test]
fn ended_in_the_midst() {
    check_both("ended_in_the_midst");
}

#[test]
fn the_reader_dies() {
    check_both("reader_dies");
    check_both("reader_dies_and_kills");
}

#[test]
fn of_another_size() {
    check("resized");
}

#[test]
fn without_waiting() {
    check_both("does_not_wait");
}

#[test]
fn in_several_parts() {
    check_both("in_several_parts");
    check_both("parts_in_the_midst");
}

#[test]
fn by_a_thread() {
    check("by_a_thread");
}

#[test]
fn out_of_shared_memory() {
    check("out_of_shared_memory");
}

#[test]
fn one_that_nobody_reads_is_stuck() {
    let trace = record("pieces", "deadlock");
    assert!(matches!(trace.end, RunEnd::Deadlock { .. }), "{:?}", trace.end);
    same_as_generic("deadlock");
}
