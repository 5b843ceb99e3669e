//! Epoll instances as the recorder's model of the kernel has them.

use ipc_grade::trace::RunEnd;

use crate::{ends_well, record};

#[test]
fn what_comes() {
    ends_well("epolls", "what_comes");
}

#[test]
fn edges() {
    ends_well("epolls", "edges");
}

#[test]
fn one_shot() {
    ends_well("epolls", "one_shot");
}

#[test]
fn each_in_its_turn() {
    ends_well("epolls", "in_turn");
}

#[test]
fn until_the_last_descriptor_is_closed() {
    ends_well("epolls", "closed");
}

#[test]
fn two_wait() {
    ends_well("epolls", "two_wait");
}

#[test]
fn with_an_end() {
    ends_well("epolls", "with_an_end");
}

#[test]
fn what_is_left_to_the_kernel() {
    ends_well("epolls", "left_to_the_kernel");
}

#[test]
fn what_never_comes() {
    let end = record("epolls", "never").end;
    assert!(matches!(&end, RunEnd::AllBlocked { waits } if waits[0].call == "poll"), "{end:?}");
}
