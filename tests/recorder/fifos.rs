//! FIFOs as the recorder's model of the kernel has them, from the moment at which they are open.

use crate::ends_well;

#[test]
fn there_and_back() {
    ends_well("fifos", "there_and_back");
}

#[test]
fn opened_again() {
    ends_well("fifos", "opened_again");
}

#[test]
fn without_waiting() {
    ends_well("fifos", "without_waiting");
}

#[test]
fn for_both() {
    ends_well("fifos", "for_both");
}

#[test]
fn kept_by_one_that_opens() {
    ends_well("fifos", "kept_by_one_that_opens");
}

#[test]
fn the_reader_goes() {
    ends_well("fifos", "the_reader_goes");
}

#[test]
fn more_than_it_holds() {
    ends_well("fifos", "much");
}
