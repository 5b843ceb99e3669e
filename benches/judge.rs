//! What judging costs: a million events, by kinds of runs.
//!
//! `cargo bench --bench judge` prints the seconds of each part, best and median of five: sync order, races and lost
//! updates, matching with an expected trace; and the whole, from the trace to the verdict, which contains all of these.
//! A million events are to be judged in at most two seconds. A number as argument says how many events to take instead.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a benchmark")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Instant;

use ipc_grade::judge::races::Races;
use ipc_grade::judge::{Case, judge, match_trace};
use ipc_grade::model::{
    CheckId, CheckKind, CheckSpec, Exercise, ExerciseId, Limits, Scenario, ScenarioId, Stdin, Track,
};
use ipc_grade::pattern::Expected;
use ipc_grade::trace::{ObjectKind, Order, Trace};
use support::{Run, programs};

const EVENTS: u32 = 1_000_000;
/// In what time the whole is to be done, in seconds.
const GOAL: f64 = 2.0;

/// Two processes add under a lock.
fn locked(events: u32) -> Trace {
    let (mut run, main) = Run::new();
    let memory = run.make(main, ObjectKind::SharedMapping, "main.map1");
    let lock = run.semaphore(main, ObjectKind::Lock, "main.lock1", 1);
    let child = run.fork(main);
    for turn in 0..events / 8 {
        for by in [main, child] {
            run.acquire(by, lock);
            run.load(by, memory, 0, 4);
            run.store(by, memory, 0, &turn.to_ne_bytes());
            run.release(by, lock);
        }
    }
    run.finish()
}

/// Two processes add, and nothing orders them.
fn racing(events: u32) -> Trace {
    let (mut run, main) = Run::new();
    let memory = run.make(main, ObjectKind::SharedMapping, "main.map1");
    let child = run.fork(main);
    for turn in 0..events / 4 {
        for by in [main, child] {
            run.load(by, memory, 0, 4);
            run.store(by, memory, 0, &turn.to_ne_bytes());
        }
    }
    run.finish()
}

/// An array is filled by one process and read by another.
fn array(events: u32) -> Trace {
    let (mut run, main) = Run::new();
    let memory = run.make(main, ObjectKind::SharedMapping, "main.map1");
    let child = run.fork(main);
    for index in 0..events / 2 {
        run.store(child, memory, 8 * u64::from(index % 100_000), &u64::from(index).to_ne_bytes());
    }
    run.exit(child, 0);
    run.wait(main, child);
    for index in 0..events / 2 {
        run.load(main, memory, 8 * u64::from(index % 100_000), 8);
    }
    run.finish()
}

fn seconds(mut what: impl FnMut()) -> (f64, f64) {
    let mut times: Vec<f64> = (0..5)
        .map(|_| {
            let start = Instant::now();
            what();
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (times[0], times[2])
}

/// The exercise that the runs are judged by: its trace, and that all is clean.
fn exercise() -> Exercise {
    let check = |id: &str, kind| CheckSpec { id: CheckId::new(id), kind, points: 5, needs: Vec::new() };
    Exercise {
        id: ExerciseId::new("03_shared_memory/producer_consumer"),
        title: "A ring".to_owned(),
        track: Track::Core,
        read: Vec::new(),
        after: Vec::new(),
        hints: Vec::new(),
        hints_for: BTreeMap::new(),
        limits: Limits::default(),
        off: BTreeMap::new(),
        tools: Vec::new(),
        scenarios: Vec::new(),
        checks: vec![check("trace", CheckKind::Trace), check("clean", CheckKind::Clean)],
    }
}

fn scenario() -> Scenario {
    Scenario {
        id: ScenarioId::new("one"),
        args: Vec::new(),
        stdin: Stdin::Empty,
        values: BTreeMap::new(),
        substitute: Vec::new(),
        peers: Vec::new(),
        sleepers: None,
        faults: Vec::new(),
    }
}

fn main() {
    // Cargo says `--bench` first.
    let events = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(EVENTS);
    let (exercise, scenario) = (exercise(), scenario());
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/acceptance/producer_consumer.trace"));
    let expected = Expected::parse("producer_consumer.trace", &text.unwrap()).unwrap();
    let values = programs::values("producer_consumer");
    println!("{:8} {:>9} {:>16} {:>16} {:>16} {:>16}", "run", "events", "order", "races", "matching", "all");
    for (name, trace) in [("locked", locked(events)), ("racing", racing(events)), ("array", array(events))] {
        let order = Order::of(&trace);
        let of_order = seconds(|| drop(Order::of(&trace)));
        let of_races = seconds(|| drop(Races::of(&trace, &order)));
        let shown = |(best, median): (f64, f64)| format!("{best:.3} / {median:.3} s");
        print!("{name:8} {:>9} {:>16} {:>16}", trace.events.len(), shown(of_order), shown(of_races));
        let _ = std::io::stdout().flush();
        let of_matching = seconds(|| drop(match_trace(&expected, &values, &trace)));
        print!(" {:>16}", shown(of_matching));
        let _ = std::io::stdout().flush();
        let case = Case { exercise: &exercise, scenario: &scenario, values: &values, original: None, trace: &trace };
        let of_all = seconds(|| drop(judge(&case, match_trace(&expected, &values, &trace).unwrap())));
        let verdict = match (events, of_all.1 <= GOAL) {
            (EVENTS, true) => "met",
            (EVENTS, false) => "NOT MET",
            _ => "said of a million events",
        };
        println!(" {:>16}   at most {GOAL} s: {verdict}", shown(of_all));
    }
}
