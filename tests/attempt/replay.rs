//! The same attempt again and again, with every core busy: the same trace, byte for byte.
//!
//! Twenty programs under a few seeds in a plain run. All of it:
//!
//! ```text
//! IPC_GRADE_SEEDS=20 IPC_GRADE_TIMES=25 cargo test --release --test attempt -- replayed
//! ```
#![allow(unsafe_code, reason = "a program forks")]

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ipc_grade::harness::{Attempt, attempt};
use ipc_grade::model::{Schedule, Sleepers, Turn};
use ipc_grade::trace::{Trace, codec};

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

/// What a program can ask the machine for by chance: the same for one entropy, drawn anew for another; addresses and names
/// depend on nothing.
pub(crate) fn nothing_is_random() {
    let with = |entropy| {
        let text = printed(&run(&Attempt { entropy, ..described("random numbers", Vec::new()) }));
        let (drawn, fixed) = text.split_once('\n').expect("two lines");
        (drawn.to_owned(), fixed.to_owned())
    };
    let (first, again, other) = (with(1), with(1), with(2));
    assert_eq!(first, again);
    assert_eq!(first.1, other.1);
    let lists = |drawn: &str| drawn.split(']').map(|list| list.trim_matches([' ', ',', '[']).to_owned()).collect();
    let (one, two): (Vec<String>, Vec<String>) = (lists(&first.0), lists(&other.0));
    let drawn: Vec<&String> = one.iter().filter(|list| !list.is_empty()).collect();
    // getrandom, AT_RANDOM, three reads of devices: each its own bytes.
    assert_eq!((drawn.len(), drawn.iter().collect::<BTreeSet<_>>().len()), (5, 5), "{drawn:?}");
    assert!(drawn.iter().all(|list| !two.contains(list)), "{drawn:?} {two:?}");
}

/// A run in which sleepers wake early is made again by its turns alone, and with fewer of them where it goes wrong.
pub(crate) fn early_sleepers() {
    let program = |schedule| Attempt { schedule, sleepers: Sleepers::Early, ..described("sleeps to wait", Vec::new()) };
    assert_eq!(printed(&run(&described("sleeps to wait", Vec::new()))), "ready\n", "on time");
    let wrong = |trace: &Trace| printed(trace) == "not yet\n";
    let failing = (1..32).find_map(|seed| {
        let attempted = attempt(&program(seeded(seed))).expect("a trace");
        wrong(&attempted.trace).then_some(attempted)
    });
    let failing = failing.expect("a seed under which the parent wakes first");
    let by_turns = |turns: &[Turn]| attempt(&program(Schedule::Turns(turns.to_vec()))).expect("a trace");
    let again = by_turns(&failing.played.turns);
    assert_eq!(codec::write(&again.trace), codec::write(&failing.trace));
    assert_eq!(again.played.turns, failing.played.turns);
    // One turn after another is left out while it still goes wrong: one is enough, and it is a sleeper's.
    let mut turns = failing.played.turns;
    let mut at = 0;
    while at < turns.len() {
        let mut fewer = turns.clone();
        fewer.remove(at);
        if wrong(&by_turns(&fewer).trace) {
            turns = fewer;
        } else {
            at += 1;
        }
    }
    assert_eq!(turns.len(), 1, "{turns:?}");
    assert_eq!(printed(&by_turns(&[]).trace), "ready\n", "without it nobody wakes early");
}

/// The parent sleeps for two seconds, and takes for granted that its child has done its work in one.
pub(crate) fn sleeps_to_wait() {
    let (read, write) = std::io::pipe().expect("a pipe");
    nix::fcntl::fcntl(&read, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK)).expect("a pipe");
    // SAFETY: one thread.
    if let nix::unistd::ForkResult::Child = unsafe { nix::unistd::fork() }.expect("a child") {
        std::thread::sleep(Duration::from_secs(1));
        nix::unistd::write(&write, b"x").expect("room");
        std::process::exit(0);
    }
    std::thread::sleep(Duration::from_secs(2));
    let ready = nix::unistd::read(&read, &mut [0]) == Ok(1);
    println!("{}", if ready { "ready" } else { "not yet" });
    nix::sys::wait::wait().expect("a child");
}
