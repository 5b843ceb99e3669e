//! Socket pairs as the recorder's model of the kernel has them.

use ipc_grade::trace::RunEnd;

use crate::{ends_well, record};

#[test]
fn both_ways() {
    ends_well("streams", "both_ways");
}

#[test]
fn there_and_back() {
    ends_well("streams", "there_and_back");
}

#[test]
fn shut_down() {
    ends_well("streams", "shut");
}

#[test]
fn the_other_goes() {
    ends_well("streams", "the_other_goes");
}

#[test]
fn more_than_it_holds() {
    ends_well("streams", "full");
}

#[test]
fn by_epoll() {
    ends_well("streams", "by_epoll");
}

#[test]
fn with_an_end() {
    ends_well("streams", "with_an_end");
}

#[test]
fn descriptors_that_are_sent() {
    ends_well("streams", "passed");
}

#[test]
fn what_never_comes_is_told() {
    let end = record("streams", "never").end;
    let (RunEnd::Deadlock { waits } | RunEnd::AllBlocked { waits }) = &end else { panic!("{end:?}") };
    assert_eq!(waits[0].call, "read");
}
