//! Signals behind descriptors as the recorder's model of the kernel has them.

use ipc_grade::trace::RunEnd;

use crate::{ends_well, record, twins};

macro_rules! are_told_the_same {
    ($($case:ident),* $(,)?) => {
        $(#[test]
        fn $case() {
            twins("signalfds", stringify!($case));
        })*
    };
}

are_told_the_same!(
    what_is_there,
    reads_wait,
    of_an_alarm,
    of_a_thread,
    watched,
    instances,
    interrupted,
    of_a_stopped_child,
    twice,
);

/// Who of two takes it, the schedule says.
#[test]
fn two_wait() {
    ends_well("signalfds", "two_wait");
    ends_well("signalfds", "generic_two_wait");
}

/// That a queue sends a signal is found when nobody else can go on.
#[test]
fn of_a_queue() {
    ends_well("signalfds", "of_a_queue");
    ends_well("signalfds", "generic_of_a_queue");
}

#[test]
fn what_nobody_sends_is_a_deadlock() {
    for case in ["never", "generic_never"] {
        let end = record("signalfds", case).end;
        let waits = match &end {
            RunEnd::Deadlock { waits } | RunEnd::AllBlocked { waits } => waits,
            other => panic!("{case}: {other:?}"),
        };
        assert_eq!(waits[0].call, "read", "{case}: {end:?}");
    }
}
