//! What is true of the judge whatever the run: right runs stay right under everything that means nothing, and go
//! wrong with every strict event that is dropped, doubled or moved.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::Path;

use ipc_grade::judge::{Matching, match_trace};
use ipc_grade::pattern::Expected;
use ipc_grade::trace::{Bytes, Event, LifeId, LifeKind, ObjectId, ObjectKind, Trace, Verb};
use proptest::prelude::*;
use support::Dice;
use support::extension::{events, linear_extension, rebuilt};
use support::programs::{self, Verdict};

/// An accepted program's exercise and run.
fn right(index: usize) -> (&'static str, Trace) {
    let mut accepted: Vec<_> = programs::all().into_iter().filter(|it| it.verdict == Verdict::Accepted).collect();
    let program = accepted.swap_remove(index % accepted.len());
    (program.exercise, (program.run)())
}

fn judge(exercise: &str, trace: &Trace) -> Matching {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/acceptance/{exercise}.trace"));
    let expected = Expected::parse(exercise, &std::fs::read_to_string(path).unwrap()).unwrap();
    match_trace(&expected, &programs::values(exercise), trace).unwrap()
}

fn accepted(matching: &Matching) -> bool {
    matching.problems.is_empty() && matching.unforced.is_empty()
}

/// Events that a fixed step of the exercise accounts for.
fn strict(exercise: &str, trace: &Trace, matching: &Matching) -> Vec<usize> {
    let bound = |object: &ObjectId| {
        matching.objects.values().any(|it| it == object) || trace.object(*object).kind == ObjectKind::Stdout
    };
    // Roles whose end their lane names; what is not named is free.
    let ends: Vec<LifeId> = (matching.roles.iter())
        .filter(|(role, _)| !["parent", "boss", "producer", "consumer"].contains(&role.as_str()))
        .filter(|(role, _)| !(["pipeline", "producer_consumer"].contains(&exercise) && role.as_str() == "main"))
        .flat_map(|(_, lives)| lives.iter().copied())
        .collect();
    let players: Vec<LifeId> = matching.roles.values().flatten().copied().collect();
    let is = |event: &Event| match &event.verb {
        Verb::Write { object, .. } | Verb::Read { object, .. } => bound(object),
        // The supervisor's workers may receive any number of jobs.
        Verb::Send { object, bytes, .. } | Verb::Receive { object, bytes, .. } => {
            bound(object) && exercise != "supervisor" && !["", "stop"].map(Bytes::from).contains(bytes)
        }
        Verb::Reaped { child, .. } => players.contains(child) && exercise != "producer_consumer",
        Verb::Exit { .. } | Verb::Killed { .. } => ends.contains(&event.life),
        // The boss's signals are optional.
        Verb::Signal { target: Some(target), .. } => players.contains(target) && exercise == "supervisor",
        _ => false,
    };
    let learner = |event: &Event| trace.life(event.life).kind == LifeKind::Learner;
    trace.iter().filter(|(_, event)| learner(event) && is(event)).map(|(id, _)| id.index()).collect()
}

/// Something that no expected trace of the eight speaks of.
fn noise(dice: &mut Dice, trace: &mut Trace) -> Verb {
    let object = |trace: &mut Trace, kind, name: &str| {
        let known = trace.objects.iter().position(|it| it.kind == kind);
        let index = known.unwrap_or_else(|| {
            let mut object = trace.objects.first().cloned().unwrap_or_else(|| unreachable!("stdout at least"));
            (object.kind, object.name) = (kind, name.to_owned());
            trace.objects.push(object);
            trace.objects.len() - 1
        });
        ObjectId(index as u32)
    };
    match dice.below(9) {
        0 => Verb::Call { name: "sched_yield".into() },
        1 => Verb::Failed { call: "read".into(), errno: "EINTR".into(), object: None },
        2 => Verb::Write { object: object(trace, ObjectKind::Stderr, "stderr"), bytes: "mutter\n".into() },
        3 => Verb::Create { object: object(trace, ObjectKind::Eventfd, "main.eventfd1") },
        4 => Verb::Map { object: object(trace, ObjectKind::Memfd, "main.memfd1"), shared: true },
        5 => Verb::Ready { signal: ipc_grade::model::Signal::PIPE },
        6 => Verb::Take { signal: ipc_grade::model::Signal::CONT },
        7 => Verb::Acquire { object: object(trace, ObjectKind::Futex, "main.futex1") },
        _ => Verb::Close { object: ObjectId(0), write: false, last: false },
    }
}

/// Adds, doubles and drops what is no strict event and is not named.
fn disturbed(trace: &Trace, dice: &mut Dice) -> Trace {
    let mut trace = trace.clone();
    let mut list = events(&trace);
    for _ in 0..6 {
        let at = dice.below(list.len());
        let (old, event) = list[at].clone();
        if trace.life(event.life).kind == LifeKind::Peer {
            continue;
        }
        let effect = matches!(
            event.verb,
            Verb::Load { .. } | Verb::Acquire { .. } | Verb::Release { .. } | Verb::Ready { .. } | Verb::End { .. }
        );
        let droppable = matches!(
            event.verb,
            Verb::Call { .. } | Verb::Close { .. } | Verb::End { .. } | Verb::Return { .. } | Verb::Failed { .. }
        );
        match dice.below(3) {
            0 if effect => list.insert(at + 1, (old, event)),
            1 if droppable && event.causes.is_empty() => drop(list.remove(at)),
            _ => {
                let verb = noise(dice, &mut trace);
                let (life, thread, handler) = (event.life, event.thread, event.handler);
                let (causes, reads_from, site) = (Vec::new(), Vec::new(), None);
                list.insert(at, (None, Event { life, thread, verb, causes, reads_from, handler, site }));
            }
        }
    }
    rebuilt(&trace, list)
}

fn shuffled(count: usize, dice: &mut Dice) -> Vec<u32> {
    let mut numbers: Vec<u32> = (0..count as u32).collect();
    for index in (1..count).rev() {
        numbers.swap(index, dice.below(index + 1));
    }
    numbers
}

/// Other numbers for threads, objects and lives.
fn renumbered(trace: &Trace, dice: &mut Dice) -> Trace {
    let mut json = serde_json::to_value(trace).unwrap();
    let threads = shuffled(trace.lives.len() + trace.events.len(), dice);
    let objects = shuffled(trace.objects.len(), dice);
    // The program stays the first of the learner's.
    let mut lives = shuffled(trace.lives.len(), dice);
    let main = trace.main().unwrap().index();
    let zero = lives.iter().position(|it| *it == 0).unwrap();
    lives.swap(main, zero);
    let place = |value: &mut serde_json::Value, numbers: &[u32]| {
        if let Some(old) = value.as_u64() {
            *value = numbers[old as usize].into();
        }
    };
    let reorder = |list: &mut serde_json::Value, numbers: &[u32]| {
        let old = list.as_array().unwrap().clone();
        for (index, item) in old.into_iter().enumerate() {
            list[numbers[index] as usize] = item;
        }
    };
    for life in json["lives"].as_array_mut().unwrap() {
        life.get_mut("parent").into_iter().for_each(|it| place(it, &lives));
    }
    for object in json["objects"].as_array_mut().unwrap() {
        object.get_mut("creator").into_iter().for_each(|it| place(it, &lives));
    }
    for event in json["events"].as_array_mut().unwrap() {
        let thread = event["verb"] == "thread";
        for (key, value) in event.as_object_mut().unwrap() {
            match key.as_str() {
                "life" | "target" => place(value, &lives),
                "child" if !thread => place(value, &lives),
                "thread" | "child" => place(value, &threads),
                "object" => place(value, &objects),
                _ => {}
            }
        }
    }
    reorder(&mut json["lives"], &lives);
    reorder(&mut json["objects"], &objects);
    serde_json::from_value(json).unwrap()
}

/// Writes and reads in smaller pieces.
fn chunked(trace: &Trace, dice: &mut Dice) -> Trace {
    let mut list = Vec::new();
    for (id, event) in trace.iter() {
        let (Verb::Write { bytes, .. } | Verb::Read { bytes, .. }) = &event.verb else {
            list.push((Some(id), event.clone()));
            continue;
        };
        let cut = dice.below(bytes.len() + 1);
        for piece in [&bytes.0[..cut], &bytes.0[cut..]] {
            let mut event = event.clone();
            if let Verb::Write { bytes, .. } | Verb::Read { bytes, .. } = &mut event.verb {
                *bytes = piece.into();
            }
            list.push((Some(id), event));
        }
    }
    rebuilt(trace, list)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_linear_extension_is_accepted(index: u16, seed: u64) {
        let (exercise, trace) = right(index.into());
        // How many workers live at once is a matter of the run's own order.
        prop_assume!(exercise != "supervisor");
        let extension = linear_extension(&trace, &mut Dice(seed));
        let matching = judge(exercise, &extension);
        prop_assert!(accepted(&matching), "{exercise}: {:#?} {:#?}", matching.problems, matching.unforced);
    }

    #[test]
    fn a_strict_event_dropped_is_rejected(index: u16, seed: u64) {
        let (exercise, trace) = right(index.into());
        let Some(at) = Dice(seed).pick(&strict(exercise, &trace, &judge(exercise, &trace))) else { return Ok(()) };
        let mut list = events(&trace);
        let (_, gone) = list.remove(at);
        let matching = judge(exercise, &rebuilt(&trace, list));
        prop_assert!(!matching.problems.is_empty(), "{exercise} without {gone:?}");
    }

    #[test]
    fn a_strict_event_doubled_is_rejected(index: u16, seed: u64) {
        let (exercise, trace) = right(index.into());
        let Some(at) = Dice(seed).pick(&strict(exercise, &trace, &judge(exercise, &trace))) else { return Ok(()) };
        let mut list = events(&trace);
        list.insert(at, (None, list[at].1.clone()));
        let matching = judge(exercise, &rebuilt(&trace, list));
        prop_assert!(!matching.problems.is_empty(), "{exercise} with {:?} twice", trace.events[at]);
    }

    #[test]
    fn what_is_not_named_does_not_matter(index: u16, seed: u64) {
        let (exercise, trace) = right(index.into());
        let matching = judge(exercise, &disturbed(&trace, &mut Dice(seed)));
        prop_assert!(accepted(&matching), "{exercise}: {:#?} {:#?}", matching.problems, matching.unforced);
    }

    #[test]
    fn numbers_and_chunks_do_not_matter(index: u16, seed: u64) {
        let all = programs::all();
        let program = &all[usize::from(index) % all.len()];
        let (exercise, trace) = (program.exercise, (program.run)());
        let mut dice = Dice(seed);
        let before = judge(exercise, &trace);
        for changed in [renumbered(&trace, &mut dice), chunked(&trace, &mut dice)] {
            let after = judge(exercise, &changed);
            prop_assert_eq!(before.problems.is_empty(), after.problems.is_empty(), "{} {}", exercise, program.name);
            prop_assert_eq!(before.unforced.is_empty(), after.unforced.is_empty(), "{} {}", exercise, program.name);
        }
    }
}

/// Moves the first event that `late` finds to just before the first that `early` finds.
fn moved(trace: &Trace, late: impl Fn(&Event) -> bool, early: impl Fn(&Event) -> bool) -> Trace {
    let mut list = events(trace);
    let from = list.iter().position(|(_, event)| late(event)).unwrap();
    let event = list.remove(from);
    let to = list.iter().position(|(_, event)| early(event)).unwrap();
    assert!(to < from, "it moves forwards");
    list.insert(to, event);
    rebuilt(trace, list)
}

#[test]
fn a_strict_event_moved_is_rejected() {
    type Is = fn(&Event) -> bool;
    let write: Is = |event| matches!(event.verb, Verb::Write { .. });
    let read: Is = |event| matches!(event.verb, Verb::Read { .. });
    let prints: Is = |event| matches!(&event.verb, Verb::Write { bytes, .. } if bytes.0.first() == Some(&b'K'));
    let bye: Is = |event| matches!(&event.verb, Verb::Write { bytes, .. } if bytes.0.first() == Some(&b'b'));
    let reaps: Is = |event| matches!(event.verb, Verb::Reaped { .. });
    let exits: Is = |event| matches!(event.verb, Verb::Exit { .. });
    let takes: Is = |event| matches!(event.verb, Verb::Take { .. });
    let stores: Is = |event| matches!(event.verb, Verb::Store { .. });
    let loads: Is = |event| matches!(&event.verb, Verb::Load { bytes, .. } if bytes.len() == 8);
    let sends: Is = |event| matches!(event.verb, Verb::Send { .. });
    let receives: Is = |event| matches!(event.verb, Verb::Receive { .. });
    let forks: Is = |event| matches!(event.verb, Verb::Fork { .. });
    let cases: [(&str, &str, Is, Is); 11] = [
        // Across a `then`.
        ("one_line", "lines_loop", prints, read),
        ("one_line", "lines_loop", reaps, write),
        ("handle_interrupt", "handler", bye, takes),
        ("handle_interrupt", "signalfd", bye, takes),
        ("reap_on_sigchld", "signalfd_and_waitid", reaps, takes),
        // Across an edge that a kernel forces.
        ("one_line", "lines_loop", read, write),
        ("one_line", "read_by_bytes", read, forks),
        ("pipeline", "siblings", reaps, exits),
        ("work_queue", "pill_each", receives, sends),
        ("both_ways", "poll", read, write),
        // A load before its store.
        ("producer_consumer", "main_forks_both", loads, stores),
    ];
    for (exercise, name, late, early) in cases {
        let program = programs::all().into_iter().find(|it| it.exercise == exercise && it.name == name).unwrap();
        let matching = judge(exercise, &moved(&(program.run)(), late, early));
        assert!(!matching.problems.is_empty(), "{exercise}.{name}: {:?}", matching.unforced);
    }
}
