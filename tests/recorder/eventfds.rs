//! Eventfds as the recorder's model of the kernel has them.

use ipc_grade::trace::RunEnd;

use crate::{ends_well, record};

#[test]
fn counts() {
    ends_well("eventfds", "counts");
}

#[test]
fn of_semaphores() {
    ends_well("eventfds", "of_semaphores");
}

#[test]
fn reads_wait() {
    ends_well("eventfds", "reads_wait");
}

#[test]
fn writes_wait_where_the_number_is_too_large() {
    ends_well("eventfds", "writes_wait");
}

#[test]
fn in_parts() {
    ends_well("eventfds", "in_parts");
}

#[test]
fn addresses_where_nothing_is() {
    ends_well("eventfds", "bad_addresses");
}

#[test]
fn an_alarm_ends_a_read() {
    ends_well("eventfds", "interrupted");
}

#[test]
fn what_never_comes_is_a_deadlock() {
    let end = record("eventfds", "never").end;
    assert!(matches!(&end, RunEnd::Deadlock { waits } if waits[0].call == "read"), "{end:?}");
}
