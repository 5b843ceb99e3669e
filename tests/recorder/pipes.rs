//! Pipes and waits as the recorder's model of the kernel has them. Where debug assertions are on, every call that the
//! model foresaw is compared with what the kernel says of it, and a program here that is surprised ends with 1.

use crate::ends_well;

#[track_caller]
fn check(case: &str) {
    ends_well("pipes", case);
}

#[test]
fn pages_are_full_and_not_bytes() {
    check("full");
}

#[test]
fn without_waiting() {
    check("does_not_wait");
}

#[test]
fn of_another_size() {
    check("resized");
}

#[test]
fn without_a_reader() {
    check("no_reader");
}

#[test]
fn a_reader_goes() {
    check("reader_goes");
}

#[test]
fn addresses_where_nothing_is() {
    check("bad_addresses");
}

#[test]
fn opened_again_by_a_path() {
    check("opened_again");
}

#[test]
fn in_several_parts() {
    check("vectors");
}

#[test]
fn two_read_from_one() {
    check("two_readers");
}

#[test]
fn ends_go_with_processes_and_programs() {
    check("ends_close");
}

#[test]
fn an_alarm_ends_a_read() {
    check("alarm_ends_a_read");
}

#[test]
fn children_by_number_and_all() {
    check("waits_for_children");
}
