//! What holds of every verdict, however odd the run and its matching are.

use ipc_grade::judge::{CheckStatus, ProblemKind, Severity};
use ipc_grade::model::Signal;
use ipc_grade::trace::{EventId, LifeId, ObjectId, ObjectKind, RunEnd, Verb};
use proptest::prelude::*;

use super::chapters::{fifo_greeter, handle_interrupt, named_object, one_line, send_and_receive, separate_memory};
use super::run::{Fit, MAIN, Run, Task, wait};

const STEPS: [&str; 18] = [
    "fork child",
    "wait child -> exit 0",
    "exit 0",
    "killed TERM",
    "stdout \"KETTLE\\n\"",
    "write data \"kettle\\n\"",
    "read data \"kettle\\n\"",
    "send \"/kettle-orders\" \"anchor\" priority 3",
    "receive \"/kettle-orders\" \"anchor\" priority 3",
    "queue \"/kettle-orders\"",
    "unlink names",
    "mkfifo names",
    "ready TERM",
    "take TERM",
    "signal child TERM",
    "store data 0 u32 7",
    "",
    "strange",
];

fn tasks() -> Vec<Task> {
    vec![
        separate_memory(),
        one_line(),
        one_line().substituted("data", &[("word", super::run::text("window"))]),
        fifo_greeter(),
        named_object(),
        send_and_receive(),
        handle_interrupt(Signal::TERM),
    ]
}

/// A process does something to an object.
fn act(run: &mut Run, life: LifeId, object: ObjectId, what: u8) {
    if run.trace.lives[life.index()].ended.is_some() {
        return;
    }
    match what {
        0 => drop(run.fork(life)),
        1 => drop(run.thread(life)),
        2 => drop(run.exit(life, 0)),
        3 => drop(run.exit(life, 101)),
        4 => drop(run.killed(life, Signal::BUS)),
        5 => drop(run.killed(life, Signal::TERM)),
        6 => drop(run.write(life, object, "KETTLE\n")),
        7 => drop(run.read(life, object, "kettle\n")),
        8 => drop(run.send(life, object, "anchor", 0)),
        9 => drop(run.fails(life, "write", "EPIPE", Some(object))),
        10 => drop(run.fails(life, "mq_receive", "EMSGSIZE", Some(object))),
        11 => drop(run.fails(life, "wait", "ECHILD", None)),
        12 => drop(run.make(life, ObjectKind::Pipe, "data")),
        13 => drop(run.make(life, ObjectKind::Fifo, "names")),
        14 => drop(run.make(life, ObjectKind::Shm, "/kettle")),
        15 => drop(run.make(life, ObjectKind::SharedMapping, "mapping")),
        16 => drop(run.did(life, Verb::Map { object, shared: false })),
        17 => drop(run.did(life, Verb::Signal { target: Some(MAIN), signal: Signal::TERM, group: false })),
        18 => drop(run.did(life, Verb::Take { signal: Signal::TERM })),
        19 => run.leave(object),
        _ => drop(run.step(life, u32::from(what % 4), Some("0"))),
    }
}

fn kind(which: u8, event: EventId) -> ProblemKind {
    let wrong = |expected: &str, saw: &str| ProblemKind::WrongData {
        expected: expected.as_bytes().to_vec(),
        saw: saw.as_bytes().to_vec(),
        at: 0,
    };
    match which {
        0..=2 => ProblemKind::Missing,
        3 => ProblemKind::Surplus,
        4 => ProblemKind::Forbidden,
        5 => ProblemKind::WrongOrder { first: STEPS[1].to_owned(), first_event: event },
        6 => wrong("KETTLE\n", "WINDOW\n"),
        _ => wrong("kettle\n", ""),
    }
}

fn end(run: &mut Run, which: u8, object: ObjectId) {
    let living: Vec<LifeId> =
        (0..run.trace.lives.len() as u32).map(LifeId).filter(|l| run.trace.life(*l).ended.is_none()).collect();
    let calls = ["read", "open", "pause", "wait", "receive"];
    let waits = living
        .iter()
        .zip(calls.iter().cycle().skip(usize::from(which)))
        .map(|(life, call)| wait(*life, call, Some(object), &[(MAIN, None)]))
        .collect();
    match which {
        0..=4 if !living.is_empty() => run.deadlock(waits),
        5 => run.trace.end = RunEnd::AllBlocked { waits },
        6 => run.limit("cpu", "500 ms", MAIN),
        _ => {}
    }
}

proptest! {
    #[test]
    fn a_verdict_is_whole(
        acts in prop::collection::vec((0_u32..4, 0_u32..6, 0_u8..24), 1..30),
        problems in prop::collection::vec((0_usize..18, 0_u8..8, any::<prop::sample::Index>(), 0_u32..3), 0..6),
        ending in 0_u8..12,
    ) {
        for task in tasks() {
            let mut run = Run::new();
            run.peer(task.scenario.peers.first().map_or("peer", |peer| peer.name.as_str()));
            for (life, object, what) in &acts {
                let life = LifeId(life % run.trace.lives.len() as u32);
                let object = ObjectId(object % run.trace.objects.len() as u32);
                act(&mut run, life, object, *what);
            }
            let object = ObjectId(run.trace.objects.len() as u32 - 1);
            end(&mut run, ending, object);
            let mut fit = Fit::default().role("parent", &[MAIN]).object("data", object);
            for (step, which, at, life) in &problems {
                if run.trace.events.is_empty() {
                    continue;
                }
                let event = EventId(at.index(run.trace.events.len()) as u32);
                let life = Some(LifeId(*life)).filter(|life| life.index() < run.trace.lives.len());
                fit = fit.any(kind(*which, event), STEPS[*step], event, life);
            }

            let verdict = task.judge(&run, fit);
            let errors: Vec<_> = verdict.findings.iter().filter(|f| f.severity == Severity::Error).collect();
            prop_assert_eq!(verdict.passed(), errors.is_empty(), "{:#?}\n{:#?}", verdict.checks, verdict.findings);
            prop_assert!(verdict.findings.is_sorted_by_key(|finding| finding.severity));
            for check in &verdict.checks {
                let all = check.status == CheckStatus::Pass;
                prop_assert_eq!(check.points, if all { check.max_points } else { 0 });
            }
            for finding in &errors {
                let check = verdict.checks.iter().find(|check| check.id == finding.check);
                prop_assert!(check.is_some_and(|check| check.status != CheckStatus::Pass), "{:#?}", finding);
            }
            // One code for one cause: H and T stand alone only where nothing better is known.
            let ranks: Vec<u8> = errors.iter().map(|finding| finding.code.family().rank()).collect();
            prop_assert!(ranks.is_sorted(), "{:?}", ranks);
        }
    }
}
