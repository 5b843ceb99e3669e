//! Timers behind descriptors as the recorder's model of the kernel has them.

use ipc_grade::trace::RunEnd;

use crate::{ends_well, record, twins};

macro_rules! are_told_the_same {
    ($($case:ident),* $(,)?) => {
        $(#[test]
        fn $case() {
            twins("timerfds", stringify!($case));
        })*
    };
}

are_told_the_same!(
    counts,
    in_parts,
    reads_wait,
    armed_anew,
    watched,
    instances,
    bad_addresses,
    interrupted,
    closed,
    kept_over_exec,
);

/// Who of two reads first, the schedule says.
#[test]
fn two_read() {
    ends_well("timerfds", "two_read");
    ends_well("timerfds", "generic_two_read");
}

#[test]
fn one_that_is_not_armed_is_a_deadlock() {
    for case in ["never", "generic_never"] {
        let end = record("timerfds", case).end;
        let waits = match &end {
            RunEnd::Deadlock { waits } | RunEnd::AllBlocked { waits } => waits,
            other => panic!("{case}: {other:?}"),
        };
        assert_eq!(waits[0].call, "read", "{case}: {end:?}");
    }
}
