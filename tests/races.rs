//! Which accesses are races, and which updates are lost: on runs by hand, and against the definition.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use ipc_grade::judge::races::Races;
use ipc_grade::trace::{EventId, LifeKind, ObjectId, ObjectKind, Order, Trace, Verb};
use proptest::prelude::*;
use support::extension::linear_extension;
use support::programs::{self, Verdict};
use support::{Dice, Process, Run};

fn races(trace: &Trace) -> Races {
    Races::of(trace, &Order::of(trace))
}

/// Shared memory, and a child that has it too.
fn pair() -> (Run, Process, Process, ObjectId) {
    let (mut run, main) = Run::new();
    let memory = run.make(main, ObjectKind::SharedMapping, "main.map1");
    let child = run.fork(main);
    (run, main, child, memory)
}

/// `*number += 1` of one process after the other.
fn add(run: &mut Run, by: Process, memory: ObjectId) {
    let old = u32::from_ne_bytes(run.load(by, memory, 0, 4).try_into().unwrap());
    run.store(by, memory, 0, &(old + 1).to_ne_bytes());
}

#[test]
fn two_that_add_without_order_race_and_lose_nothing_in_turn() {
    let (mut run, main, child, memory) = pair();
    add(&mut run, main, memory);
    add(&mut run, child, memory);
    let found = races(&run.finish());
    assert!(!found.races.is_empty());
    assert_eq!(found.lost, []);
}

#[test]
fn a_store_over_what_came_between_load_and_store_loses_it() {
    let (mut run, main, child, memory) = pair();
    run.load(main, memory, 0, 4);
    let load = run.last();
    add(&mut run, child, memory);
    let lost = run.last();
    let store = run.store(main, memory, 0, &1_u32.to_ne_bytes());
    let found = races(&run.finish());
    assert!(!found.races.is_empty());
    let [one] = found.lost.as_slice() else { panic!("{found:?}") };
    assert_eq!((one.load, one.lost, one.store), (load, lost, store));
}

#[test]
fn a_lock_around_load_and_store_is_enough_and_around_each_of_them_is_not() {
    for whole in [true, false] {
        let (mut run, main) = Run::new();
        let memory = run.make(main, ObjectKind::SharedMapping, "main.map1");
        let lock = run.semaphore(main, ObjectKind::Lock, "main.lock1", 1);
        let child = run.fork(main);
        run.acquire(main, lock);
        run.load(main, memory, 0, 4);
        if whole {
            run.store(main, memory, 0, &1_u32.to_ne_bytes());
        }
        run.release(main, lock);
        run.acquire(child, lock);
        add(&mut run, child, memory);
        run.release(child, lock);
        if !whole {
            run.acquire(main, lock);
            run.store(main, memory, 0, &1_u32.to_ne_bytes());
            run.release(main, lock);
        }
        let found = races(&run.finish());
        assert_eq!(found.races, [], "each access has the lock");
        assert_eq!(found.lost.len(), usize::from(!whole));
    }
}

#[test]
fn atomics_do_not_race_and_may_still_lose() {
    let (mut run, main, child, memory) = pair();
    run.fetch_add(main, memory, 0, 1);
    run.fetch_add(child, memory, 0, 1);
    run.fetch_add(main, memory, 0, 1);
    assert_eq!(races(&run.finish()), Races::default());

    let (mut run, main, child, memory) = pair();
    run.load_atomic(main, memory, 0, 4);
    run.fetch_add(child, memory, 0, 1);
    run.store_atomic(main, memory, 0, &1_u32.to_ne_bytes());
    let found = races(&run.finish());
    assert_eq!((found.races.len(), found.lost.len()), (0, 1));
}

/// A value behind a flag, both from one process to the other.
fn flagged(atomic: bool) -> Trace {
    let (mut run, main, child, memory) = pair();
    let store = if atomic { Run::store_atomic } else { Run::store };
    let load = if atomic { Run::load_atomic } else { Run::load };
    load(&mut run, child, memory, 0, 4);
    run.store(main, memory, 8, b"a kettle");
    store(&mut run, main, memory, 0, &1_u32.to_ne_bytes());
    load(&mut run, child, memory, 0, 4);
    run.load(child, memory, 8, 8);
    run.finish()
}

#[test]
fn what_an_atomic_flag_publishes_is_in_order_and_behind_a_plain_one_it_is_not() {
    assert_eq!(races(&flagged(true)), Races::default());
    let found = races(&flagged(false));
    let objects: Vec<u64> = found.races.iter().map(|race| race.offset).collect();
    // The look before the store, the look after it, and the value. Lines are not known: a thread's places are told apart
    // by offset, so that the two looks are one.
    assert_eq!(objects, [0, 8]);
}

#[test]
fn fork_wait_and_pipes_order() {
    let (mut run, main) = Run::new();
    let memory = run.make(main, ObjectKind::SharedMapping, "main.map1");
    let data = run.make(main, ObjectKind::Pipe, "main.pipe1");
    run.store(main, memory, 0, b"before");
    let child = run.fork(main);
    run.load(child, memory, 0, 6);
    run.store(child, memory, 0, b"during");
    run.write(child, data, b"!");
    run.read(main, data, 1);
    run.load(main, memory, 0, 6);
    run.store(child, memory, 16, b"again");
    run.exit(child, 0);
    run.wait(main, child);
    run.store(main, memory, 16, b"after");
    assert_eq!(races(&run.finish()), Races::default());
}

#[test]
fn petersons_turn_is_no_lost_update() {
    // The turn is looked at in the spin and stored in the next round, but its flag is stored between.
    let (mut run, main, child, memory) = pair();
    let one = 1_u32.to_ne_bytes();
    for (by, flag, other) in [(main, 0, 4), (child, 4, 0), (main, 0, 4), (child, 4, 0)] {
        run.store_atomic(by, memory, flag, &one);
        run.store_atomic(by, memory, 8, &(other as u32 / 4).to_ne_bytes());
        run.load_atomic(by, memory, other, 4);
        run.load_atomic(by, memory, 8, 4);
        run.store_atomic(by, memory, flag, &[0; 4]);
    }
    assert_eq!(races(&run.finish()), Races::default());
}

#[test]
fn who_waited_for_the_other_means_to_replace_what_it_stored() {
    let (mut run, main) = Run::new();
    let memory = run.make(main, ObjectKind::SharedMapping, "main.map1");
    run.load(main, memory, 0, 4);
    let child = run.fork(main);
    run.store(child, memory, 0, &7_u32.to_ne_bytes());
    run.exit(child, 0);
    run.wait(main, child);
    run.store(main, memory, 0, &9_u32.to_ne_bytes());
    assert_eq!(races(&run.finish()), Races::default());
}

#[test]
fn accesses_of_several_widths_meet_where_they_overlap() {
    let (mut run, main, child, memory) = pair();
    run.store(main, memory, 0, &[1; 64]);
    run.load(child, memory, 62, 4);
    run.load(child, memory, 64, 4);
    run.load(child, memory, 100, 8);
    let found = races(&run.finish());
    assert_eq!(found.races.iter().map(|race| race.offset).collect::<Vec<_>>(), [62]);
}

#[test]
fn memory_that_is_not_told_access_by_access_is_not_judged() {
    let (mut run, main, child, memory) = pair();
    add(&mut run, main, memory);
    add(&mut run, child, memory);
    let mut trace = run.finish();
    for event in &mut trace.events {
        if let Verb::Store { before, .. } = &mut event.verb {
            *before = None;
        }
    }
    assert_eq!(races(&trace), Races::default());
}

#[test]
fn right_programs_of_the_acceptance_exercises_have_none() {
    for program in programs::all().into_iter().filter(|program| program.verdict == Verdict::Accepted) {
        assert_eq!(races(&(program.run)()), Races::default(), "{}.{}", program.exercise, program.name);
    }
}

/// Three processes do what they like to some bytes, now and then under a lock or after a message.
fn any_run(dice: &mut Dice, locked: bool) -> Trace {
    let (mut run, main) = Run::new();
    let memory = run.make(main, ObjectKind::SharedMapping, "main.map1");
    let lock = run.semaphore(main, ObjectKind::Lock, "main.lock1", 1);
    let all = [main, run.fork(main), run.fork(main)];
    for _ in 0..4 + dice.below(10) {
        let by = all[dice.below(3)];
        let under_lock = locked || dice.below(3) == 0;
        if under_lock {
            run.acquire(by, lock);
        }
        for _ in 0..1 + dice.below(3) {
            let (offset, length) = (dice.below(6) as u64, 1 + dice.below(4));
            let bytes = vec![dice.below(200) as u8; length];
            let atomic = !locked && dice.below(3) == 0;
            match (dice.below(2) == 0, atomic) {
                (true, false) => drop(run.store(by, memory, offset, &bytes)),
                (true, true) => drop(run.store_atomic(by, memory, offset, &bytes)),
                (false, false) => drop(run.load(by, memory, offset, length as u64)),
                (false, true) => drop(run.load_atomic(by, memory, offset, length as u64)),
            }
        }
        if under_lock {
            run.release(by, lock);
        }
    }
    run.finish()
}

fn access(trace: &Trace, event: EventId) -> Option<(u64, u64, bool, bool)> {
    match &trace.event(event).verb {
        Verb::Store { offset, bytes, atomic, .. } => Some((*offset, offset + bytes.len() as u64, true, *atomic)),
        Verb::Load { offset, bytes, atomic, .. } => Some((*offset, offset + bytes.len() as u64, false, *atomic)),
        _ => None,
    }
}

/// A race by its definition.
fn is_race(trace: &Trace, order: &Order, first: EventId, second: EventId) -> bool {
    let (Some(a), Some(b)) = (access(trace, first), access(trace, second)) else { return false };
    a.0 < b.1 && b.0 < a.1 && (a.2 || b.2) && !(a.3 && b.3) && order.concurrent(first, second)
}

proptest! {
    #[test]
    fn what_is_found_is_what_the_definition_says(seed: u64) {
        let trace = any_run(&mut Dice(seed), false);
        let order = Order::of(&trace);
        let found = races(&trace);
        for race in &found.races {
            prop_assert!(is_race(&trace, &order, race.first, race.second), "{race:?}");
        }
        // Each pair of places is told once, and an access that a later one stands for is not told beside it: what is
        // compared is the first access that races with an earlier one.
        let events = || (0..trace.events.len() as u32).map(EventId);
        let first = events().find(|second| events().take(second.index()).any(|it| is_race(&trace, &order, it, *second)));
        prop_assert_eq!(found.races.iter().map(|race| race.second).min(), first);
    }

    #[test]
    fn what_is_ordered_stays_ordered_in_every_run_that_the_causes_allow(seed: u64, other: u64, locked: bool) {
        let trace = any_run(&mut Dice(seed), locked);
        let found = races(&trace);
        prop_assert!(!locked || found.races.is_empty());
        let again = races(&linear_extension(&trace, &mut Dice(other)));
        prop_assert_eq!(found.races.is_empty(), again.races.is_empty());
    }

    #[test]
    fn effects_between_change_nothing(seed: u64, at: prop::sample::Index) {
        let trace = any_run(&mut Dice(seed), false);
        let mut noisy = trace.clone();
        let place = at.index(trace.events.len());
        let later = |event: &mut EventId| event.0 += u32::from(event.index() >= place);
        for event in &mut noisy.events {
            event.causes.iter_mut().chain(&mut event.reads_from).for_each(later);
        }
        let mut call = trace.events[place].clone();
        (call.verb, call.causes, call.reads_from) =
            (Verb::Call { name: "getpid".into() }, Vec::new(), Vec::new());
        noisy.events.insert(place, call);
        prop_assert_eq!(races(&noisy).races.len(), races(&trace).races.len());
        prop_assert_eq!(races(&noisy).lost.len(), races(&trace).lost.len());
    }
}

#[test]
fn a_peer_alone_does_not_race() {
    let (mut run, main) = Run::new();
    let memory = run.make(main, ObjectKind::Shm, "/kettle");
    let (one, two) = (run.peer("one"), run.peer("two"));
    run.store(one, memory, 0, b"1");
    run.store(two, memory, 0, b"2");
    let trace = run.finish();
    assert!(trace.lives[one.life.index()].kind == LifeKind::Peer);
    assert_eq!(races(&trace).races, []);
}
