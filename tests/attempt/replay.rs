//! The same attempt again and again, with every core busy: the same trace, byte for byte.
//!
//! Twenty programs under a few seeds in a plain run. All of it:
//!
//! ```text
//! IPC_GRADE_SEEDS=20 IPC_GRADE_TIMES=25 cargo test --release --test attempt -- replayed
//! ```

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};

use ipc_grade::harness::Attempt;
use ipc_grade::trace::codec;

use crate::cases::{described, printed, run, seeded};

/// What can differ from run to run, each in its own way.
const PROGRAMS: [&str; 20] = [
    "hello",
    "one line",
    "deadlock",
    "queue",
    "kill all",
    "kill group",
    "no way out",
    "leaves everything behind",
    "kills at any moment",
    "hash map",
    "threads",
    "a mebibyte",
    "system v",
    "random numbers",
    "clocks and ids",
    "two readers",
    "two writers",
    "shared counter",
    "children die",
    "spawns",
];

/// Those whose output must differ between some seeds: a schedule that never changes anything would replay too.
const VARIED: [&str; 3] = ["two readers", "two writers", "threads"];

fn number(variable: &str, plain: usize) -> usize {
    std::env::var(variable).ok().map_or(plain, |said| said.parse().expect("a number"))
}

/// A loop for each core.
struct Busy(Vec<Child>);

impl Busy {
    fn start() -> Self {
        let cores = std::thread::available_parallelism().expect("cores").get();
        let spin = || Command::new("sh").args(["-c", "while :; do :; done"]).stdin(Stdio::null()).spawn();
        Self((0..cores).map(|_| spin().expect("a shell")).collect())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It runs until this moment, so both succeed; in a drop there would be nobody to tell.
            let _ended = child.kill();
            let _reaped = child.wait();
        }
    }
}

pub(crate) fn replayed() {
    let (seeds, times) = (number("IPC_GRADE_SEEDS", 2), number("IPC_GRADE_TIMES", 2));
    let busy = Busy::start();
    for program in PROGRAMS {
        for seed in 0..seeds {
            let attempt = Attempt { schedule: seeded(seed as u32), ..described(program, Vec::new()) };
            let trace = run(&attempt);
            let first = codec::write(&trace);
            for time in 1..times {
                let again = run(&attempt);
                let text = codec::write(&again);
                let at = first.lines().zip(text.lines()).position(|(one, other)| one != other);
                assert!(
                    first == text,
                    "{program} under {seed}, run {time}, line {at:?}: {:?} then {:?}",
                    at.and_then(|at| first.lines().nth(at)),
                    at.and_then(|at| text.lines().nth(at))
                );
            }
        }
    }
    drop(busy);
}

pub(crate) fn varied() {
    for program in VARIED {
        let outputs: BTreeSet<String> = (0..16)
            .map(|seed| printed(&run(&Attempt { schedule: seeded(seed), ..described(program, Vec::new()) })))
            .collect();
        assert!(outputs.len() >= 3, "{program} does nearly the same under every seed: {outputs:?}");
    }
}
