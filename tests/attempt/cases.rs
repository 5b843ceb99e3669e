//! What must hold of whole attempts.

use ipc_grade::harness::{
    Attempt, Attempted, ResolvedFact, ResolvedPeer, ResolvedStep, ResolvedWaiting, StdinSource, attempt,
};
use ipc_grade::model::peer::{Access, Scalar, Target};
use ipc_grade::model::{Limits, Schedule, ScheduleSeed, Signal};
use ipc_grade::trace::Bytes;
use ipc_grade::trace::canonical::{Ending, LifeId, LifeKind, ObjectKind, RunEnd, Trace, Verb};

use crate::own_process::Case;
use crate::{faults, replay, size};

/// Every case by name.
pub(crate) const ALL: &[Case] = &[
    ("a program prints and ends", prints),
    ("a text on standard input", text_on_stdin),
    ("parent and child", parent_and_child),
    ("a peer on two FIFOs", fifos),
    ("a FIFO behind a link", crate::links::found_asleep),
    ("a peer's failed expectation ends it", failed_expectation),
    ("a peer that meets no one", meets_no_one),
    ("a peer in shared memory", shared_memory),
    ("a peer on a queue", queue),
    ("a peer sends a signal when the program is ready", signal),
    ("a peer exits with a status, another dies", peer_ends),
    ("the same attempt with audits and without", crate::audits::same_without),
    ("what is modelled needs no looks", crate::audits::no_looks),
    ("a call that is foreseen stops once", crate::audits::one_stop),
    ("a deadlock is told", deadlock),
    ("a fork bomb is a limit", fork_bomb),
    ("a daemon ends with the run", daemon),
    ("a run that takes too long has no verdict", too_slow),
    ("computing in pieces is bounded", computes_in_pieces),
    ("what hostile programs come to", hostile),
    ("the same attempt gives the same trace", same_trace),
    ("reads in pieces", faults::pieces),
    ("standard input in pieces", faults::streams),
    ("errors that are asked for", faults::errors),
    ("a peer dies at a named event", faults::peer_dies),
    ("a thousand processes", size::thousand_processes),
    ("a stream of 64 MiB", size::long_stream),
    ("killed at any moment", size::killed_at_any_moment),
    ("one after another", size::one_after_another),
    ("replayed with every core busy", replay::replayed),
    ("nothing is random", replay::nothing_is_random),
    ("early sleepers are replayed and shrunk", replay::early_sleepers),
    ("other seeds, other orders", replay::varied),
];

pub(crate) fn described(program: &str, peers: Vec<ResolvedPeer>) -> Attempt {
    Attempt {
        peers,
        entropy: 1,
        ..Attempt::plain(
            std::env::current_exe().expect("this binary"),
            "program",
            vec![b"--inside".to_vec(), program.as_bytes().to_vec()],
        )
    }
}

pub(crate) fn seeded(seed: u32) -> Schedule {
    Schedule::Seeded { seed: ScheduleSeed(seed), steps: 20 }
}

pub(crate) fn run(described: &Attempt) -> Trace {
    let Attempted { trace, .. } = attempt(described).expect("a trace");
    trace
}

fn peer(name: &str, steps: Vec<ResolvedStep>) -> ResolvedPeer {
    ResolvedPeer { name: name.into(), steps }
}

fn when(facts: Vec<ResolvedFact>) -> ResolvedStep {
    ResolvedStep::When { facts, or_idle: false }
}

pub(crate) fn printed(trace: &Trace) -> String {
    let text = trace.iter().filter_map(|(_, event)| match &event.verb {
        Verb::Write { object, bytes } if trace.object(*object).kind == ObjectKind::Stdout => Some(&bytes.0[..]),
        _ => None,
    });
    String::from_utf8(text.flatten().copied().collect()).expect("text")
}

/// What became of a peer's steps, in order; none is "as expected".
fn steps(trace: &Trace, name: &str) -> Vec<Option<String>> {
    let of = |life: &ipc_grade::trace::canonical::Life| life.kind == LifeKind::Peer && life.name == name;
    let told = trace.iter().filter_map(|(_, event)| match &event.verb {
        Verb::Step { instead, .. } if of(trace.life(event.life)) => Some(instead.clone()),
        _ => None,
    });
    told.collect()
}

fn as_expected(count: usize) -> Vec<Option<String>> {
    vec![None; count]
}

fn prints() {
    let trace = run(&described("hello", Vec::new()));
    assert_eq!((printed(&trace).as_str(), &trace.end), ("hello\n", &RunEnd::Finished));
}

fn text_on_stdin() {
    let attempt = Attempt { stdin: StdinSource::Text("some text\n".into()), ..described("copy", Vec::new()) };
    assert_eq!(printed(&run(&attempt)), "some text\n");
    assert_eq!(printed(&run(&described("copy", Vec::new()))), "", "empty unless said");
}

fn parent_and_child() {
    let trace = run(&described("one line", Vec::new()));
    assert_eq!((printed(&trace).as_str(), &trace.end), ("KETTLE\n", &RunEnd::Finished));
    let names: Vec<_> = trace.lives.iter().map(|life| life.name.as_str()).collect();
    assert_eq!(names, ["main", "main.1"]);
}

fn client(expected: &str) -> ResolvedPeer {
    peer(
        "client",
        vec![
            when(vec![ResolvedFact::Exists("names".into()), ResolvedFact::Exists("greetings".into())]),
            ResolvedStep::Open { path: "names".into(), access: Access::Write },
            ResolvedStep::Open { path: "greetings".into(), access: Access::Read },
            ResolvedStep::Write { path: "names".into(), text: "kettle\n".into() },
            ResolvedStep::Close { path: "names".into() },
            ResolvedStep::Read { path: "greetings".into(), text: expected.into() },
            ResolvedStep::ReadEnd { path: "greetings".into() },
        ],
    )
}

fn fifos() {
    let trace = run(&described("greeter", vec![client("hello kettle\n")]));
    assert_eq!((steps(&trace, "client"), &trace.end), (as_expected(7), &RunEnd::Finished));
}

fn failed_expectation() {
    let trace = run(&described("greeter", vec![client("Hello kettle\n")]));
    let told = steps(&trace, "client");
    assert_eq!((told.len(), told.last()), (6, Some(&Some("\"hello kettle\\n\"".to_owned()))));
    assert_eq!(trace.end, RunEnd::Finished, "the program sees the ends closed");
}

fn meets_no_one() {
    let trace = run(&described("hello", vec![client("hello kettle\n")]));
    assert_eq!((steps(&trace, "client"), &trace.end), (Vec::new(), &RunEnd::Finished), "it ends with the program");
    let idle = peer(
        "late",
        vec![
            ResolvedStep::When { facts: vec![ResolvedFact::MainExited], or_idle: true },
            ResolvedStep::Open { path: "greetings".into(), access: Access::Read },
        ],
    );
    let trace = run(&described("deadlock", vec![idle]));
    assert_eq!(steps(&trace, "late"), [None, Some("ENOENT".to_owned())]);
}

fn shared_memory() {
    let four = |n: u32| Bytes(n.to_ne_bytes().to_vec());
    let reader = |expected| {
        peer(
            "reader",
            vec![
                ResolvedStep::When {
                    facts: vec![ResolvedFact::WaitsIn(ResolvedWaiting {
                        call: "read".into(),
                        object: Some("stdin".into()),
                    })],
                    or_idle: false,
                },
                ResolvedStep::OpenShm { name: "/numbers".into() },
                ResolvedStep::Expect { offset: 0, scalar: Scalar::U32, bytes: four(expected) },
                ResolvedStep::Store { offset: 4, bytes: four(4711) },
                ResolvedStep::Write { path: "main.stdin".into(), text: "go\n".into() },
            ],
        )
    };
    let attempt = Attempt { stdin: StdinSource::Peer, ..described("answer", vec![reader(77)]) };
    let trace = run(&attempt);
    assert_eq!((printed(&trace).as_str(), steps(&trace, "reader")), ("4711\n", as_expected(5)));
    let trace = run(&Attempt { peers: vec![reader(78)], ..attempt });
    assert_eq!(steps(&trace, "reader"), [None, None, Some("77".to_owned())]);
    assert_eq!((printed(&trace).as_str(), &trace.end), ("0\n", &RunEnd::Finished), "its input came to its end");
}

fn queue() {
    let other = peer(
        "other",
        vec![
            when(vec![
                ResolvedFact::QueueExists("/orders".into()),
                ResolvedFact::WaitsIn(ResolvedWaiting { call: "read".into(), object: None }),
            ]),
            ResolvedStep::OpenQueue { name: "/orders".into(), access: Access::Both },
            ResolvedStep::Receive { queue: "/orders".into(), text: "high".into(), priority: Some(9) },
            ResolvedStep::Receive { queue: "/orders".into(), text: "low".into(), priority: None },
            ResolvedStep::Send { queue: "/orders".into(), text: "done".into(), priority: 3 },
            ResolvedStep::Write { path: "main.stdin".into(), text: "go\n".into() },
        ],
    );
    let trace = run(&Attempt { stdin: StdinSource::Peer, ..described("queue", vec![other]) });
    assert_eq!((printed(&trace).as_str(), steps(&trace, "other")), ("done 3\n", as_expected(6)));
}

fn signal() {
    let sender = peer(
        "sender",
        vec![
            when(vec![ResolvedFact::Ready(Signal::INT)]),
            ResolvedStep::Signal { target: Target::Main, signal: Signal::INT },
        ],
    );
    for seed in 0..4 {
        let attempt = Attempt { schedule: seeded(seed), ..described("interrupted", vec![sender.clone()]) };
        let trace = run(&attempt);
        if trace.end == RunEnd::Finished {
            assert_eq!((printed(&trace).as_str(), steps(&trace, "sender")), ("asked to end\n", as_expected(2)));
        } else {
            // The program tests, then sleeps: under some schedules the wakeup is lost between the two.
            assert!(matches!(trace.end, RunEnd::Deadlock { .. }), "{:?}", trace.end);
        }
    }
}

fn peer_ends() {
    let exits = peer("exits", vec![ResolvedStep::Exit { status: 3 }]);
    let dies = peer("dies", vec![ResolvedStep::Die]);
    let trace = run(&described("hello", vec![exits, dies]));
    assert_eq!(printed(&trace), "hello\n");
    let verbs: Vec<_> = trace
        .iter()
        .filter(|(_, event)| trace.life(event.life).kind == LifeKind::Peer)
        .map(|(_, event)| event.verb.clone())
        .filter(|verb| matches!(verb, Verb::Exit { .. } | Verb::Killed { .. }))
        .collect();
    assert!(verbs.contains(&Verb::Exit { status: 3 }), "{verbs:?}");
    assert!(verbs.contains(&Verb::Killed { signal: Signal::KILL }), "{verbs:?}");
}

fn deadlock() {
    let trace = run(&described("deadlock", Vec::new()));
    assert!(matches!(trace.end, RunEnd::Deadlock { .. }), "{:?}", trace.end);
}

fn fork_bomb() {
    let trace = run(&described("fork bomb", Vec::new()));
    assert!(matches!(&trace.end, RunEnd::Limit { .. }), "{:?}", trace.end);
}

fn daemon() {
    let trace = run(&described("daemon", Vec::new()));
    assert!(trace.lives.iter().any(|life| life.orphaned), "{:?}", trace.lives);
}

/// How the program itself ended, what it printed, and how the run ended.
fn outcome(program: &str) -> (Option<Ending>, String, &'static str) {
    let limits = Limits { cpu_ms: 300, ..Limits::default() };
    let trace = run(&Attempt { limits, ..described(program, Vec::new()) });
    let end = match &trace.end {
        RunEnd::Limit { limit, .. } if limit == "output" => "too much output",
        RunEnd::Limit { limit, .. } if limit == "cpu" => "too much computing",
        RunEnd::Limit { limit, .. } if limit == "memory" => "too much memory",
        RunEnd::Limit { limit, .. } if limit == "descriptors" => "too many descriptors",
        RunEnd::Limit { limit, .. } if limit == "files" => "too much in files",
        RunEnd::Limit { .. } => "another limit",
        RunEnd::Finished => "finished",
        RunEnd::Deadlock { .. } => "deadlock",
        RunEnd::AllBlocked { .. } => "all blocked",
    };
    let main = trace.lives.iter().position(|life| life.name == "main").expect("the program");
    (trace.ending(LifeId(main as u32)), printed(&trace), end)
}

fn too_slow() {
    let limits = Limits { wall_ms: 0, ..Limits::default() };
    let error = attempt(&Attempt { limits, ..described("one line", Vec::new()) }).expect_err("no verdict");
    assert!(error.to_string().contains("nothing is held against the program"), "{error}");
}

fn computes_in_pieces() {
    let limits = Limits { cpu_ms: 100, wall_ms: 600_000, ..Limits::default() };
    let trace = run(&Attempt { limits, ..described("computes in pieces", Vec::new()) });
    let RunEnd::Limit { limit, figure, .. } = &trace.end else { panic!("{:?}", trace.end) };
    assert_eq!((limit.as_str(), figure.as_str()), ("cpu", "500 ms in all"));
}

fn hostile() {
    assert_eq!(outcome("flood").2, "too much output");
    assert_eq!(outcome("spin").2, "too much computing");
    let killed = |signal| (Some(Ending::Killed(signal)), String::new(), "finished");
    assert_eq!(outcome("kill group"), killed(Signal::TERM), "its own group, and nobody of ours");
    assert_eq!(outcome("much memory").2, "too much memory", "Rust aborts where there is none; the run ends before");
    let exited = |text: &str| (Some(Ending::Exit(0)), text.to_owned(), "finished");
    assert_eq!(outcome("kill all"), exited("Err(ESRCH)\n"), "there is nobody but init, who is spared");
    assert_eq!(outcome("many files").2, "too many descriptors");
    assert_eq!(outcome("no way out"), exited("Err(EPERM)\nErr(EPERM)\nErr(EPERM)\n"));
    assert_eq!(outcome("stop itself").2, "deadlock");
    assert_eq!(outcome("full disk").2, "too much in files");
}

/// On whichever processors: what one step wakes must not be told of in the order in which it happens to wake.
fn same_trace() {
    let attempt = described("greeter", vec![client("hello kettle\n")]);
    let first = run(&attempt);
    for _ in 0..5 {
        let again = run(&attempt);
        let both = first.events.iter().zip(&again.events);
        assert_eq!(both.enumerate().find(|(_, (a, b))| a != b), None, "the first difference");
        assert_eq!(again, first);
    }
}
