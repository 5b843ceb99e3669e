//! Races in memory alone, found by switching between two accesses; and right programs under the same schedules.

use ipc_grade::trace::canonical::{Trace, Verb};

use crate::own_process::Case;
use crate::record::{c, ends_well, printed};

/// A portfolio's worth of seeds.
const SEEDS: std::ops::RangeInclusive<u32> = 1..=16;

pub(crate) const ALL: &[Case] = &[
    ("an update is lost", || found("counter", "20\n")),
    ("an update in one instruction is lost", || found("increment", "20\n")),
    ("two find the seat free", || found("check_then_act", "1\n")),
    ("an atomic counter is right", || right("atomic_counter")),
    ("a counter and a semaphore are right", || right("semaphore_counter")),
    ("a counter and a spin lock are right", || right("spin_counter")),
];

/// In order it is as it should be, under some seed it is not; and a seed gives the same run each time.
fn found(case: &str, expected: &str) {
    let program = c("races.c");
    assert_eq!(printed(&program.in_order(&[case])), expected);
    let wrong = SEEDS.filter(|seed| {
        let (one, two) = (program.seeded(&[case], *seed), program.seeded(&[case], *seed));
        assert_eq!(one, two, "seed {seed}");
        printed(&one) != expected
    });
    assert_ne!(wrong.count(), 0);
}

fn right(case: &str) {
    let program = c("races.c");
    for seed in SEEDS {
        let trace = program.seeded(&[case], seed);
        ends_well(&trace);
        assert_eq!(printed(&trace), "20\n", "seed {seed}");
        assert_eq!(plain_and_atomic(&trace), 0, "seed {seed}");
    }
}

/// Places that are accessed in both ways, once the processes have begun.
fn plain_and_atomic(trace: &Trace) -> usize {
    let place = |verb: &Verb| match verb {
        Verb::Load { object, offset, atomic, .. } | Verb::Store { object, offset, atomic, .. } => {
            Some((*object, *offset, *atomic))
        }
        _ => None,
    };
    let children = trace.iter().filter(|(_, event)| trace.life(event.life).name != "main");
    let all: Vec<_> = children.filter_map(|(_, event)| place(&event.verb)).collect();
    all.iter().filter(|(object, offset, atomic)| !atomic && all.contains(&(*object, *offset, true))).count()
}
