//! What one access to guarded memory costs: plain loads and stores of one process, in the box.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use ipc_grade::harness::attempt;
use ipc_grade::trace::canonical::Verb;

/// Accesses in the short one of the two runs whose difference is taken.
const FEW: u64 = 100;

/// In a process of its own: the box's outer namespaces are for good.
pub(crate) fn inside(program: &Path, accesses: u64, rounds: u64) {
    let run = |accesses: u64, by_hand: bool| {
        let mut described = super::schedules::described(program, &["guarded", &accesses.to_string()], 0);
        described.by_hand = by_hand;
        let start = Instant::now();
        let attempted = attempt(&described).unwrap();
        let time = start.elapsed();
        let seen = |verb: &Verb| matches!(verb, Verb::Load { .. } | Verb::Store { .. });
        let seen = attempted.trace.events.iter().filter(|event| seen(&event.verb)).count() as u64;
        assert!((accesses..accesses + 16).contains(&seen), "{seen} accesses were told of {accesses}");
        time.as_secs_f64()
    };
    // Namespaces, once.
    run(FEW, true);
    for _ in 0..rounds {
        let each = [true, false].map(|by_hand| {
            let few = run(FEW, by_hand);
            (run(FEW + accesses, by_hand) - few) / accesses as f64
        });
        println!("{} {}", each[0], each[1]);
    }
}

pub(crate) fn measure(program: &Path, accesses: u64, rounds: usize) {
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.arg("--guarded").arg(program).args([accesses.to_string(), rounds.to_string()]);
    let output = again.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let column = |at: usize| -> Vec<f64> {
        let mut each: Vec<f64> = said.lines().filter_map(|line| line.split(' ').nth(at)?.parse().ok()).collect();
        each.sort_unstable_by(f64::total_cmp);
        each
    };
    let (by_hand, stopping) = (column(0), column(1));
    if !output.status.success() || by_hand.is_empty() {
        println!("a guarded access: there is no box here: {}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let median = |each: &[f64]| each[each.len() / 2] * 1e6;
    super::row("a guarded access", median(&by_hand), 6.0, "us");
    println!("    with a stop for each: {:.2} us", median(&stopping));
}
