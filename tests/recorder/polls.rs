//! poll(2) and select(2) over pipes and FIFOs, as the recorder's model of the kernel has them.

use ipc_grade::trace::RunEnd;

use crate::{ends_well, record};

#[test]
fn ready_at_once() {
    ends_well("polls", "ready_at_once");
}

#[test]
fn what_comes() {
    ends_well("polls", "what_comes");
}

#[test]
fn what_ends() {
    ends_well("polls", "what_ends");
}

#[test]
fn one_of_several() {
    ends_well("polls", "one_of_several");
}

#[test]
fn by_select() {
    ends_well("polls", "by_select");
}

#[test]
fn with_an_end() {
    ends_well("polls", "with_an_end");
}

#[test]
fn interrupted() {
    ends_well("polls", "interrupted");
}

#[test]
fn of_a_fifo() {
    ends_well("polls", "of_a_fifo");
}

#[test]
fn two_wait() {
    ends_well("polls", "two_wait");
}

#[test]
fn what_never_comes_is_a_deadlock() {
    let end = record("polls", "never").end;
    assert!(matches!(&end, RunEnd::Deadlock { waits } if waits[0].call == "poll"), "{end:?}");
}
