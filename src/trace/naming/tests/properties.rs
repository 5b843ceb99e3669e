//! What must not matter does not.

use proptest::prelude::*;

use super::support::*;
use crate::trace::raw::{Call, FileKind, RawEnd, RawEvent, RawKind, Recording};
use crate::trace::{EventId, Trace, Verb};

/// Numbers that the kernel chose: each is moved, none meets another.
#[derive(Debug, Clone, Copy)]
struct Shift {
    pid: i32,
    fd: i32,
    ino: u64,
    id: i32,
}

/// A run that uses a bit of everything, under numbers of its own.
fn run(shift: Shift, chunks: &[usize]) -> Vec<RawEvent> {
    let Shift { pid, fd, ino, id } = shift;
    let (main, child) = (pid + MAIN, pid + 20);
    let (r, w) = (fd + 3, fd + 4);
    let terminal = || file(FileKind::Terminal, "/dev/pts/0", 3);
    let mut events = vec![
        event(
            main,
            RawKind::Started {
                inner: main,
                peer: None,
                cwd: CWD.to_owned(),
                descriptors: vec![(0, terminal()), (1, terminal()), (2, terminal())],
            },
        ),
        exec(main, "/work/program"),
        pipe(main, r, w, ino + 50, false),
        ok(main, Call::MsgGet { key: 0, create: true }, i64::from(id)),
        fork(main, child),
        close(child, w),
    ];
    let text = "the quick brown fox";
    let mut at = 0;
    for chunk in chunks.iter().chain([&text.len()]) {
        let end = (at + chunk).min(text.len());
        if end > at {
            events.push(write(main, w, &text[at..end]));
        }
        at = end;
    }
    let mut at = 0;
    for chunk in chunks.iter().rev().chain([&text.len()]) {
        let end = (at + chunk).min(text.len());
        if end > at {
            events.push(read(child, r, &text[at..end]));
        }
        at = end;
    }
    events.extend([
        close(main, w),
        read(child, r, ""),
        ok(child, Call::MsgSend { id, kind: 1, bytes: "m".into() }, 0),
        ok(main, Call::MsgReceive { id, want: 0, room: 9, kind: 1, bytes: "m".into() }, 1),
        kill(main, child, usr1()),
        delivered(child, usr1(), false, main),
        killed(child, usr1()),
        ok(main, wait_call(child, Some((child, crate::trace::Ending::Killed(usr1())))), i64::from(child)),
        exit(main, 0),
    ]);
    events
}

fn named(shift: Shift, chunks: &[usize]) -> Trace {
    crate::trace::naming::name(&Recording { events: run(shift, chunks), end: RawEnd::Finished })
}

const ORIGIN: Shift = Shift { pid: 0, fd: 0, ino: 0, id: 1 };

/// The trace with neighbouring writes merged, and reads: what is left must not depend on chunks.
fn merged(trace: &Trace) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut last: Option<(bool, EventId)> = None;
    let mut bytes = Vec::new();
    for (id, event) in trace.iter() {
        let piece = match &event.verb {
            Verb::Write { bytes, .. } => Some((true, bytes)),
            Verb::Read { bytes, .. } => Some((false, bytes)),
            _ => None,
        };
        match piece {
            Some((write, piece)) if last.is_some_and(|(kind, before)| kind == write && before.0 + 1 == id.0) => {
                bytes.extend_from_slice(&piece.0);
                lines.pop();
                lines.push(format!("{write} {bytes:?}"));
            }
            Some((write, piece)) => {
                bytes = piece.0.clone();
                lines.push(format!("{write} {bytes:?}"));
            }
            None => lines.push(format!("{} {:?}", trace.life(event.life).name, event.verb)),
        }
        last = piece.map(|(write, _)| (write, id));
    }
    lines
}

/// Events that need not make sense together: a recording may be cut, or broken.
fn odd_event() -> impl Strategy<Value = RawEvent> {
    let tid = prop::sample::select(vec![MAIN, 11, 20, 21, 30, 99]);
    let fd = 0..6;
    (tid.clone(), tid, fd.clone(), fd, 0..32u8, 0..9i64, "[ab]{0,6}").prop_map(
        |(tid, other, fd, second, what, n, text)| {
            let call = || match what % 4 {
                0 => write_call(fd, &text),
                1 => read_call(fd, &text),
                2 => Call::MqSend { fd, bytes: text.as_str().into(), priority: 1 },
                _ => Call::SemOp { id: 1, ops: vec![(second as u16, n as i16 - 4)], undo: vec![] },
            };
            match what {
                0 => fork(tid, other),
                1 => thread(tid, other),
                2 => exit(tid, 0),
                3 => event(tid, RawKind::ThreadExited),
                4 => event(tid, RawKind::Exec { path: "/bin/x".into(), args: vec![], former: Some(other) }),
                5 => pipe(tid, fd, second, n as u64, n > 4),
                6 | 7 => dup(tid, fd, second),
                8 | 9 => close(tid, fd),
                10 => open(tid, fd, FileKind::Fifo, "/work/f", n as u64, "rc"),
                11 => open(tid, fd, FileKind::Shm, "/dev/shm/s", n as u64, "rwc"),
                12 => open(tid, fd, FileKind::Regular, "/work/r", n as u64, "r"),
                13 => unlink(tid, if n > 4 { "/work/f" } else { "/dev/shm/s" }),
                14 => delivered(tid, usr1(), n > 4, other),
                15 => kill(tid, other - 10, usr1()),
                16 => sigreturn(tid),
                17 => mask(tid, &[usr1()]),
                18 => waited(tid, other, 0),
                19 => event(tid, RawKind::Resumed { because: vec![n as u32] }),
                20 => opening(tid, "/work/f", "w"),
                21 => event(
                    tid,
                    RawKind::Stored {
                        file: file(FileKind::Shm, "", 3),
                        offset: n as u64,
                        bytes: text.as_str().into(),
                        access: None,
                    },
                ),
                22 => event(
                    tid,
                    RawKind::Loaded {
                        file: file(FileKind::Shm, "", 3),
                        offset: n as u64,
                        bytes: text.as_str().into(),
                        access: None,
                    },
                ),
                23 => ok(tid, Call::Move { from: fd, to: second, keeps: n > 6, bytes: "".into() }, n),
                24..=27 => enter(tid, call()),
                28 => err(tid, call(), n as i32),
                _ => ok(tid, call(), n),
            }
        },
    )
}

proptest! {
    #[test]
    fn odd_recordings_give_sound_traces(events in prop::collection::vec(odd_event(), 0..80), end in 0..2u8) {
        let end = if end == 0 { RawEnd::Blocked } else { RawEnd::Finished };
        let trace = trace_with(events, end);
        let _ = crate::trace::Order::of(&trace);
        for (id, event) in trace.iter() {
            for cause in event.causes.iter().chain(&event.reads_from) {
                prop_assert!(*cause < id);
            }
            prop_assert!(event.causes.iter().all(|cause| trace.event(*cause).thread != event.thread));
            prop_assert!(event.verb.object().is_none_or(|object| object.index() < trace.objects.len()));
        }
        for (index, life) in trace.lives.iter().enumerate() {
            let last = trace.of(crate::trace::LifeId(index as u32)).last().map(|(id, _)| id);
            prop_assert!(life.ended.is_none() || life.ended == last);
        }
        let mut names: Vec<_> = trace.objects.iter().map(|object| (object.kind, &object.name)).collect();
        names.sort();
        names.dedup();
        prop_assert_eq!(names.len(), trace.objects.len());
    }

    #[test]
    fn numbers_do_not_matter(pid in 1..100_000, fd in 1..900, ino in 1u64..u64::MAX / 2, id in 2..i32::MAX) {
        prop_assert_eq!(named(Shift { pid, fd, ino, id }, &[4]), named(ORIGIN, &[4]));
    }

    #[test]
    fn chunks_do_not_matter(chunks in prop::collection::vec(1usize..8, 0..6)) {
        prop_assert_eq!(merged(&named(ORIGIN, &chunks)), merged(&named(ORIGIN, &[])));
        // Each read has causes that brought exactly its bytes.
        let trace = named(ORIGIN, &chunks);
        for event in &trace.events {
            if let Verb::Read { bytes, .. } = &event.verb {
                let brought: Vec<u8> = event.causes.iter().flat_map(|cause| match &trace.event(*cause).verb {
                    Verb::Write { bytes, .. } => bytes.0.clone(),
                    _ => Vec::new(),
                }).collect();
                prop_assert!(brought.windows(bytes.len()).any(|window| window == bytes.0));
            }
        }
    }
}
