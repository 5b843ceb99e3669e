//! Processes, calls and signals around guarded memory: the programs check what they see themselves.

use ipc_grade::trace::canonical::Verb;

use crate::own_process::Case;
use crate::record::{accesses, c, ends_well};

pub(crate) const ALL: &[Case] = &[
    ("calls that take pointers into it", || checked("calls")),
    ("calls that nobody looks at otherwise", || checked("calls_unseen")),
    ("no protection keys", no_keys),
    ("a futex in it", || checked("futexes")),
    ("a fork in a fork", || checked("fork_in_fork")),
    ("faults of the program's own", || checked("own_faults")),
    ("faults masked and ignored", || checked("masked_faults")),
    ("unmapped while guarded", || checked("unmapped")),
    ("System V attachments", || checked("attached")),
    ("an object with a name", named),
    ("a robust lock whose owner is killed", || checked("robust")),
    ("threads", || checked("threads")),
    ("a program is executed", || checked("executed")),
    ("beyond the object's end", || checked("beyond")),
    ("a wait by looking", || checked("waits_by_looking")),
    ("too many to look at", too_many),
];

/// In order, and under schedules that switch.
fn checked(case: &str) {
    let program = c("processes.c");
    ends_well(&program.in_order(&[case]));
    for seed in 1..=6 {
        ends_well(&program.seeded(&[case], seed));
    }
}

fn named() {
    checked("named");
    let trace = c("processes.c").in_order(&["named"]);
    // The first store was seen when only one process had it, by comparing; the others one by one.
    let own = accesses(&trace, "main.1");
    assert_eq!(own, ["store+0 2900000000000000", "load+0 29000000", "store+0 2a000000"]);
}

fn no_keys() {
    let trace = c("processes.c").in_order(&["no_keys"]);
    ends_well(&trace);
    let refused =
        |verb: &Verb| matches!(verb, Verb::Failed { call, errno, .. } if call == "pkey_alloc" && errno == "ENOSPC");
    assert!(trace.iter().any(|(_, event)| refused(&event.verb)), "the processor's own answer");
}

fn too_many() {
    let trace = c("processes.c").in_order(&["too_many"]);
    ends_well(&trace);
    let unexamined = trace.iter().filter(|(_, event)| matches!(event.verb, Verb::Unexamined { .. })).count();
    assert_eq!(unexamined, 1);
}
