//! Programs under one order after another, as a grade tries them.

use std::path::PathBuf;
use std::process::Command;

use ipc_grade::harness::{Attempt, Attempted, attempt};
use ipc_grade::judge::races::Races;
use ipc_grade::model::{Held, Hold, Schedule, ScheduleSeed, Sleepers, Turn};
use ipc_grade::trace::Order;
use ipc_grade::trace::canonical::{Ending, LifeId, RunEnd, Verb};

/// How many orders a grade tries by default.
const PORTFOLIO: u32 = 16;

/// A case of a program; its folder goes with it.
pub(crate) struct Program {
    _folder: Option<tempfile::TempDir>,
    attempt: Attempt,
    /// How many decisions a run in order has.
    steps: u32,
}

impl Program {
    /// Calls and files: `programs/races.c`.
    pub(crate) fn new(case: &str) -> Self {
        let source = include_str!("programs/races.c").replace("../../recorder/programs/cases.h", "cases.h");
        Self::compiled(&source, case)
    }

    /// Shared memory: `programs/memory.c`.
    pub(crate) fn in_memory(case: &str) -> Self {
        Self::compiled(include_str!("programs/memory.c"), case)
    }

    /// Shared memory in Rust: `programs/memory.rs`, in this binary.
    pub(crate) fn in_rust(case: &str) -> Self {
        let itself = std::env::current_exe().expect("this binary");
        Self::of(described(itself, &["--inside", case]), None)
    }

    fn compiled(source: &str, case: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let cases = include_str!("../recorder/programs/cases.h");
        std::fs::write(path("cases.h"), cases).expect("a file");
        std::fs::write(path("races.c"), source).expect("a file");
        // Rust links by cc, so it is there. An atomic is told from a plain access by the function that makes it.
        let mut cc = Command::new("cc");
        cc.args(["-O0", "-fno-inline-atomics", "-pthread", "-Wall", "-Werror", "-o"]);
        cc.args([path("races"), path("races.c")]).arg("-latomic");
        let output = cc.output().expect("cc");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self::of(described(path("races"), &[case]), Some(folder))
    }

    fn of(attempt: Attempt, folder: Option<tempfile::TempDir>) -> Self {
        let mut program = Self { attempt, _folder: folder, steps: 0 };
        program.steps = program.run(Schedule::IN_ORDER, Sleepers::OnTime).played.steps;
        program
    }

    fn case(&self) -> String {
        self.attempt.args.last().map(|arg| String::from_utf8_lossy(arg).into_owned()).unwrap_or_default()
    }

    fn run(&self, schedule: Schedule, sleepers: Sleepers) -> Attempted {
        attempt(&Attempt { schedule, sleepers, ..self.attempt.clone() }).expect("a trace")
    }

    /// As a grade runs it under this seed.
    pub(crate) fn seeded(&self, seed: u32) -> Attempted {
        let seed = ScheduleSeed(seed);
        self.run(Schedule::Seeded { seed, steps: self.steps }, Sleepers::under(seed))
    }

    /// As a run under this seed is made again from its turns.
    fn replayed(&self, turns: &[Turn], seed: u32) -> Attempted {
        self.run(Schedule::Turns(turns.to_vec()), Sleepers::under(ScheduleSeed(seed)))
    }
}

fn described(program: PathBuf, args: &[&str]) -> Attempt {
    Attempt { entropy: 1, ..Attempt::plain(program, "races", args.iter().map(|arg| arg.as_bytes().to_vec()).collect()) }
}

/// Whether the program came to its end with status 0.
fn went_well(attempted: &Attempted) -> bool {
    let main = LifeId(0);
    assert!(!matches!(attempted.trace.end, RunEnd::Limit { .. }), "{:?}", attempted.trace.end);
    attempted.trace.end == RunEnd::Finished && attempted.trace.ending(main) == Some(Ending::Exit(0))
}

/// How a run went: its end, and its last events.
fn told(attempted: &Attempted) -> String {
    let events = &attempted.trace.events;
    let last = &events[events.len().saturating_sub(40)..];
    let lines = last.iter().map(|event| format!("\n  {} {:?}", attempted.trace.life(event.life).name, event.verb));
    format!("{:?}{}", attempted.trace.end, lines.collect::<String>())
}

/// The portfolio finds an order in which it goes wrong, and whether it goes well in order.
pub(crate) fn found(program: &Program, in_order: bool) {
    let case = program.case();
    if std::env::var_os("IPC_GRADE_TURNS").is_some() {
        (0..PORTFOLIO).for_each(|seed| println!("{seed} of {}: {:?}", program.steps, program.seeded(seed).played));
    }
    let wrong: Vec<u32> = (0..PORTFOLIO).filter(|seed| !went_well(&program.seeded(*seed))).collect();
    println!("{case}: goes wrong under {wrong:?}");
    assert_eq!(!wrong.contains(&0), in_order, "{case} in order");
    assert!(!wrong.is_empty(), "{case} is not found");
}

/// It goes well in every order.
pub(crate) fn all_pass(program: &Program) {
    let case = program.case();
    let said = std::env::var("IPC_GRADE_SEEDS").ok();
    let seeds = said.map_or(PORTFOLIO, |seeds| seeds.parse().expect("IPC_GRADE_SEEDS is a number"));
    for seed in 0..seeds {
        let attempted = program.seeded(seed);
        assert!(went_well(&attempted), "{case} under {seed}: {}", told(&attempted));
    }
}

/// The turns of a run alone give the same run, whatever strategy made them, sleepers that woke early among them.
pub(crate) fn shrinks() {
    let memory = ["counter", "sleep_synchronises"].map(Program::in_memory);
    for program in ["check_then_act", "lost_wakeup", "two_readers"].map(Program::new).iter().chain(&memory) {
        let case = program.case();
        let mut fewest = usize::MAX;
        for seed in 0..PORTFOLIO {
            let first = program.seeded(seed);
            let again = program.replayed(&first.played.turns, seed);
            assert_eq!(again.played, first.played, "{case} under {seed}");
            assert!(again.trace == first.trace, "{case} under {seed}: another trace");
            if went_well(&first) {
                continue;
            }
            // The shortest run that is reached by taking out one turn after another.
            let mut turns = first.played.turns;
            while let Some(shorter) = (0..turns.len()).find_map(|left_out| {
                let mut fewer = turns.clone();
                fewer.remove(left_out);
                (!went_well(&program.replayed(&fewer, seed))).then_some(fewer)
            }) {
                turns = shorter;
            }
            fewest = fewest.min(turns.iter().filter(|turn| matches!(turn, Turn::Switch { .. })).count());
        }
        println!("{case}: {fewest} switches break it");
        assert!((1..=2).contains(&fewest), "{case}: {fewest}");
    }
}

/// What each pair of accesses says that nothing puts in order, under all orders of the portfolio.
fn races(program: &Program) -> Vec<(u32, Races)> {
    let of = |seed| {
        let attempted = program.seeded(seed);
        (seed, Races::of(&attempted.trace, &Order::of(&attempted.trace)))
    };
    (0..PORTFOLIO).map(of).collect()
}

/// It goes well in every order, and nothing in any of its traces is a race.
pub(crate) fn is_right(program: &Program) {
    all_pass(program);
    for (seed, found) in races(program) {
        assert_eq!(found, Races::default(), "{} under {seed}", program.case());
    }
}

/// A race is seen whatever the order, be its outcome right or wrong.
pub(crate) fn races_always(program: &Program) {
    for (seed, found) in races(program) {
        assert_ne!(found.races, [], "{} under {seed}", program.case());
    }
}

/// In order the child renames the file before the parent reads it. Held back, it does so afterwards where nothing but
/// luck made the order, and everything blocks where the parent waits for the child's word.
pub(crate) fn proof_of_luck() {
    for (case, expected) in [("reader_before_writer", Held::Overtaken), ("reader_before_writer_mended", Held::Forced)] {
        let program = Program::new(case);
        // A run in which the order holds.
        let told = (0..PORTFOLIO).map(|seed| program.seeded(seed)).find(went_well).expect("one that goes well");
        let schedule = Schedule::Turns(told.played.turns.clone());
        let described = Attempt { schedule, ..program.attempt.clone() };
        let placed = attempt(&Attempt { places: true, ..described.clone() }).expect("a trace");
        assert!(placed.trace == told.trace && placed.places.len() == placed.trace.events.len());
        let place = |life: u32, is: fn(&Verb) -> bool| {
            let found = placed.trace.iter().find(|(_, event)| event.life == LifeId(life) && is(&event.verb));
            placed.places[found.expect("it happened").0.index()]
        };
        let who = place(1, |verb| matches!(verb, Verb::Write { .. } | Verb::Create { .. }));
        let until = place(0, |verb| matches!(verb, Verb::Open { .. } | Verb::Failed { .. }));
        let held = |hold: Option<Hold>| attempt(&Attempt { hold, ..described.clone() }).expect("a trace");
        assert_eq!(held(None).played.held, None);
        let other = held(Some(Hold { who, until }));
        assert_eq!(other.played.held, Some(expected), "{case}");
        assert_eq!(went_well(&other), expected == Held::Forced, "{case}");
        let again = held(Some(Hold { who, until }));
        assert!(again.trace == other.trace && again.played == other.played, "{case}: held back, it repeats too");
    }
}
