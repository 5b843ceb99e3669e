//! Calls that go wrong because the scenario asks for it.
#![allow(unsafe_code, reason = "the program forks")]

use std::ffi::CString;
use std::io::{IoSliceMut, Read, Write};

use ipc_grade::harness::{Attempt, ResolvedFact, ResolvedPeer, ResolvedStep, ResolvedWaiting, StdinSource};
use ipc_grade::model::peer::Access;
use ipc_grade::model::{Fault, FaultError, FaultyCall, Mishap};
use ipc_grade::trace::canonical::{Ending, LifeId, RunEnd, Trace, Verb};
use nix::mqueue::{MQ_OFlag, MqAttr, mq_open, mq_receive, mq_send, mq_unlink};
use nix::sys::stat::Mode;
use nix::sys::wait::wait;
use nix::unistd::{ForkResult, fork};

use crate::cases::{described, printed, run, seeded};

fn at_most(on: &str, call: FaultyCall, most: u64) -> Fault {
    Fault { on: Some(on.to_owned()), call, becomes: Mishap::AtMost(most), after: 0, times: None }
}

fn fails(on: Option<&str>, call: FaultyCall, error: FaultError, after: u32, times: u32) -> Fault {
    Fault { on: on.map(str::to_owned), call, becomes: Mishap::Fails(error), after, times: Some(times) }
}

/// The bytes of each read of the program.
fn reads(trace: &Trace) -> Vec<String> {
    let read = |verb: &Verb| match verb {
        Verb::Read { bytes, .. } => Some(String::from_utf8_lossy(&bytes.0).into_owned()),
        _ => None,
    };
    let program = trace.main().expect("the program");
    trace.of(program).filter_map(|(_, event)| read(&event.verb)).collect()
}

/// What failed, in order.
fn failures(trace: &Trace) -> Vec<String> {
    let failed = |verb: &Verb| match verb {
        Verb::Failed { call, errno, .. } => Some(format!("{call} {errno}")),
        _ => None,
    };
    trace.iter().filter_map(|(_, event)| failed(&event.verb)).collect()
}

/// Reads whose bytes come in pieces; the lengths that readv(2) is given are as they were afterwards.
pub(crate) fn pieces() {
    let attempt = Attempt { faults: vec![at_most("data", FaultyCall::Read, 5)], ..described("pieces", Vec::new()) };
    let trace = run(&attempt);
    assert_eq!(printed(&trace), "kettl|e and|2 8| gard|en\n|");
    assert_eq!(reads(&trace), ["kettl", "e and", " gard", "en\n"]);
    for seed in [1, 2, 3] {
        let attempt = Attempt { schedule: seeded(seed), ..attempt.clone() };
        assert_eq!(run(&attempt), run(&attempt), "{seed}");
    }
    let trace = run(&described("pieces", Vec::new()));
    assert_eq!(printed(&trace), "kettle and garden\n||2 8|||", "without the fault");
}

pub(crate) fn reads_in_pieces() {
    let (mut read, mut write) = std::io::pipe().expect("a pipe");
    write.write_all(b"kettle and garden\n").expect("room");
    drop(write);
    let mut buffer = [0; 64];
    let mut one = |read: &mut std::io::PipeReader| {
        let count = read.read(&mut buffer).expect("bytes");
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    };
    let first = one(&mut read);
    let (mut a, mut b) = ([0; 2], [0; 8]);
    let mut parts = [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)];
    let count = read.read_vectored(&mut parts).expect("bytes");
    let lengths = format!("{} {}", parts[0].len(), parts[1].len());
    let both = [&a[..], &b[..]].concat();
    let second = String::from_utf8_lossy(&both[..count]).into_owned();
    let (third, fourth) = (one(&mut read), one(&mut read));
    print!("{first}|{second}|{lengths}|{third}|{fourth}|");
}

/// Standard input too, and only that: the peer's own calls go as they are made.
pub(crate) fn streams() {
    let copy = Attempt { stdin: StdinSource::Text("some text\n".into()), ..described("copy", Vec::new()) };
    let trace = run(&Attempt { faults: vec![at_most("stdin", FaultyCall::Read, 4)], ..copy.clone() });
    assert_eq!(
        (printed(&trace).as_str(), reads(&trace)),
        ("some text\n", vec!["some".into(), " tex".into(), "t\n".into()])
    );
    let trace = run(&Attempt { faults: vec![at_most("data", FaultyCall::Read, 4)], ..copy });
    assert_eq!(reads(&trace), ["some text\n"], "another name");
}

/// Errors: how many calls go well first, and how many do not.
pub(crate) fn errors() {
    let queue = Some("/orders");
    let faults = vec![
        fails(queue, FaultyCall::Open, FaultError::ENOSPC, 0, 1),
        fails(queue, FaultyCall::Send, FaultError::EAGAIN, 1, 2),
        fails(queue, FaultyCall::Receive, FaultError::EINTR, 0, 1),
        fails(None, FaultyCall::Fork, FaultError::EAGAIN, 0, 1),
        fails(None, FaultyCall::Wait, FaultError::EINTR, 0, 1),
    ];
    let attempt = Attempt { faults, ..described("meets errors", Vec::new()) };
    let trace = run(&attempt);
    assert_eq!(
        printed(&trace),
        "open ENOSPC; send ok; send EAGAIN; send EAGAIN; send ok; receive EINTR; receive ok; receive ok; fork EAGAIN; \
         wait EINTR; wait ok; "
    );
    assert_eq!(
        failures(&trace),
        ["mq_open ENOSPC", "mq_send EAGAIN", "mq_send EAGAIN", "mq_receive EINTR", "clone EAGAIN", "wait EINTR"]
    );
    assert_eq!(trace.end, RunEnd::Finished);
    assert_eq!(run(&attempt), trace, "again");
    let trace = run(&described("meets errors", Vec::new()));
    assert_eq!(failures(&trace), ["wait ECHILD"], "the program waits once too often then");
}

pub(crate) fn meets_errors() {
    let said = |what: &str, result: Result<(), nix::errno::Errno>| match result {
        Ok(()) => print!("{what} ok; "),
        Err(errno) => print!("{what} {errno:?}; "),
    };
    let name = CString::new("/orders").expect("no zero byte");
    let open = || {
        let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_RDWR;
        mq_open(name.as_c_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR, Some(&MqAttr::new(0, 8, 64, 0)))
    };
    let queue = open().or_else(|errno| {
        said("open", Err(errno));
        open()
    });
    let queue = queue.expect("a queue");
    (0..4).for_each(|_| said("send", mq_send(&queue, b"word", 1)));
    (0..3).for_each(|_| said("receive", mq_receive(&queue, &mut [0; 64], &mut 0).map(drop)));
    mq_unlink(name.as_c_str()).expect("a name");
    // What stands in the buffer of standard output would be there twice.
    std::io::stdout().flush().expect("standard output takes it");
    loop {
        // SAFETY: one thread.
        match unsafe { fork() } {
            Ok(ForkResult::Child) => std::process::exit(0),
            Ok(ForkResult::Parent { .. }) => break,
            Err(errno) => said("fork", Err(errno)),
        }
        std::io::stdout().flush().expect("standard output takes it");
    }
    (0..2).for_each(|_| said("wait", wait().map(drop)));
}

/// A peer that dies at a named event: the steps that say so need no fault.
pub(crate) fn peer_dies() {
    let exists = |name: &str| ResolvedFact::Exists(name.into());
    let steps = vec![
        ResolvedStep::When { facts: vec![exists("names"), exists("greetings")], or_idle: false },
        ResolvedStep::Open { path: "names".into(), access: Access::Write },
        ResolvedStep::Open { path: "greetings".into(), access: Access::Read },
        ResolvedStep::Write { path: "names".into(), text: "kettle\n".into() },
        ResolvedStep::When {
            facts: vec![ResolvedFact::WaitsIn(ResolvedWaiting { call: "read".into(), object: Some("names".into()) })],
            or_idle: false,
        },
        ResolvedStep::Die,
    ];
    let client = ResolvedPeer { name: "client".into(), steps };
    for seed in [0, 1, 2, 3] {
        let trace = run(&Attempt { schedule: seeded(seed), ..described("greeter", vec![client.clone()]) });
        let died = trace.lives.iter().position(|life| life.name == "client").expect("the client");
        let ending = trace.ending(LifeId(died as u32));
        assert!(matches!(ending, Some(Ending::Killed(_))), "{ending:?}");
        // It has read the name and answered; then the other side is gone, and the names end.
        assert_eq!((reads(&trace), &trace.end), (vec!["kettle\n".to_owned()], &RunEnd::Finished));
    }
}
