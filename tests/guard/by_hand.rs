//! Whether threads are followed by hand between accesses or run there themselves makes no difference to a run.

use ipc_grade::harness::{Attempted, attempt};
use ipc_grade::model::{Schedule, ScheduleSeed};

use crate::own_process::Case;
use crate::record::{Program, c, itself};

pub(crate) const ALL: &[Case] = &[
    ("accesses by hand or not", || of(&c("accesses.c"), &["widths", "both_ways", "awkward", "copies", "one_copy"], 4)),
    ("races by hand or not", || {
        of(
            &c("races.c"),
            &["counter", "increment", "check_then_act", "atomic_counter", "semaphore_counter", "spin_counter"],
            8,
        );
    }),
    ("processes by hand or not", || {
        of(&c("processes.c"), &["calls", "threads", "futexes", "masked_faults", "own_faults", "waits_by_looking"], 4)
    }),
    ("atomics by hand or not", || of(&itself(), &["--inside", "atomics"], 0)),
];

/// Each case alone under as many seeds and in order; with no seeds all arguments at once, in order.
fn of(program: &Program, args: &[&str], seeds: u32) {
    let cases: Vec<Vec<&str>> =
        if seeds == 0 { vec![args.to_vec()] } else { args.iter().map(|arg| vec![*arg]).collect() };
    let mut followed = 0;
    for case in cases {
        for seed in 0..=seeds {
            let run = |by_hand: bool| -> Attempted {
                let mut described = program.attempt(&case, Schedule::Seeded { seed: ScheduleSeed(seed), steps: 20 });
                described.places = true;
                described.by_hand = by_hand;
                attempt(&described).expect("a trace")
            };
            let (hand, own) = (run(true), run(false));
            assert_eq!(own.by_hand, 0);
            followed += hand.by_hand;
            assert_eq!(hand.trace, own.trace, "{case:?} under seed {seed}");
            assert_eq!((hand.played, hand.places), (own.played, own.places), "{case:?} under seed {seed}");
        }
    }
    assert_ne!(followed, 0, "nothing was followed");
}
