use super::*;
use crate::model::Signal;
use crate::trace::{
    Bytes, Ending, Event, EventId, Life, LifeId, LifeKind, Object, ObjectId, ObjectKind, ThreadId, Verb, Wait,
};

/// Lives with one thread each, pipes `main.pipe1` …, and events as (life, verb, causes).
fn trace(lives: &[&str], events: Vec<(u32, Verb, Vec<u32>)>, end: RunEnd) -> Trace {
    let life = |name: &&str| Life {
        name: (*name).to_owned(),
        kind: LifeKind::Learner,
        parent: None,
        ended: None,
        reaped: None,
        orphaned: false,
        self_reaping: false,
    };
    let pipe = |n| Object { name: format!("main.pipe{n}"), kind: ObjectKind::Pipe, creator: None, left_behind: false };
    let event = |(life, verb, causes): (u32, Verb, Vec<u32>)| Event {
        life: LifeId(life),
        thread: ThreadId(life),
        verb,
        causes: causes.into_iter().map(EventId).collect(),
        reads_from: vec![],
        handler: None,
        site: None,
    };
    Trace {
        lives: lives.iter().map(life).collect(),
        objects: (1..=2).map(pipe).collect(),
        events: events.into_iter().map(event).collect(),
        end,
    }
}

fn write(text: &str) -> Verb {
    Verb::Write { object: ObjectId(0), bytes: Bytes::from(text) }
}

fn read(text: &str) -> Verb {
    Verb::Read { object: ObjectId(0), bytes: Bytes::from(text) }
}

fn fork(child: u32) -> Verb {
    Verb::Fork { child: LifeId(child) }
}

fn one_line() -> Vec<(u32, Verb, Vec<u32>)> {
    let close = |write, last| Verb::Close { object: ObjectId(0), write, last };
    vec![
        (0, Verb::Create { object: ObjectId(0) }, vec![]),
        (0, fork(1), vec![]),
        (0, write("ket"), vec![]),
        (1, read("ke"), vec![2]),
        (0, write("tle\n"), vec![]),
        (1, read("ttle\n"), vec![2, 4]),
        (0, close(true, true), vec![]),
        (1, Verb::End { object: ObjectId(0) }, vec![6]),
        (1, Verb::Exit { status: 0 }, vec![]),
        (0, Verb::Reaped { child: LifeId(1), ending: Ending::Exit(0) }, vec![8]),
        (0, Verb::Exit { status: 0 }, vec![]),
    ]
}

#[track_caller]
fn check(trace: &Trace, layout: Layout, expected: &str) {
    let saw = lanes(trace, layout);
    assert!(saw.lines().all(|line| line.width() <= layout.width && line.trim_end() == line), "{saw}");
    assert!(saw.trim_end() == expected.trim_matches('\n').trim_end(), "expected:\n{expected}\nsaw:\n{saw}");
}

#[test]
fn two_processes_side_by_side() {
    check(
        &trace(&["main", "main.1"], one_line(), RunEnd::Finished),
        Layout::default(),
        r#"
main                                      main.1
make main.pipe1
fork main.1 ----------------------------> begins
write main.pipe1 "kettle\n" ------------> read main.pipe1 "kettle\n"
close main.pipe1 (last write end) ------> read main.pipe1: end
reaped main.1: exit 0 <------------------ exit 0
exit 0
"#,
    );
}

#[test]
fn unicode_arrows() {
    let text =
        lanes(&trace(&["main", "main.1"], one_line(), RunEnd::Finished), Layout { width: 80, glyphs: Glyphs::Unicode });
    assert!(text.contains("fork main.1 ────"), "{text}");
    assert!(text.contains("▶ begins"), "{text}");
    assert!(text.contains("reaped main.1: exit 0 ◀─"), "{text}");
}

#[test]
fn who_is_stuck() {
    let wait = |life, call: &str, object, child| Wait {
        life: LifeId(life),
        thread: ThreadId(life),
        call: call.to_owned(),
        object,
        child,
        holders: vec![],
        site: None,
    };
    let waits = vec![wait(0, "wait", None, Some(LifeId(1))), wait(1, "read", Some(ObjectId(0)), None)];
    check(
        &trace(&["main", "main.1"], one_line()[..4].to_vec(), RunEnd::Deadlock { waits }),
        Layout::default(),
        r#"
main                                      main.1
make main.pipe1
fork main.1 ----------------------------> begins
write main.pipe1 "ket" -----------------> read main.pipe1 "ke"
wait main.1: stuck                        read main.pipe1: stuck

Deadlock: nothing is left that could wake any of them.
"#,
    );
}

#[test]
fn an_arrow_passes_a_lane_and_what_has_none_says_so() {
    let events = vec![
        (0, fork(1), vec![]),
        (0, fork(2), vec![]),
        (0, write("ab"), vec![]),
        (2, read("a"), vec![2]),
        (1, read("b"), vec![2]),
    ];
    check(
        &trace(&["main", "main.1", "main.2"], events, RunEnd::Finished),
        Layout::default(),
        r#"
main                        main.1                      main.2
fork main.1 --------------> begins
fork main.2 ------------------------------------------> begins
write main.pipe1 "ab" --------------------------------> read main.pipe1 "a"
                            read main.pipe1 "b"
                              (from main)
"#,
    );
}

#[test]
fn many_processes_stand_below_one_another() {
    let mut events: Vec<(u32, Verb, Vec<u32>)> = (1..5).map(|child| (0, fork(child), vec![])).collect();
    events.push((0, write(&"x".repeat(100)), vec![]));
    events.push((4, read(&"x".repeat(100)), vec![4]));
    check(
        &trace(&["main", "main.1", "main.2", "main.3", "main.4"], events, RunEnd::Finished),
        Layout { width: 60, glyphs: Glyphs::Ascii },
        r#"
main
   1  fork main.1
   3  fork main.2
   5  fork main.3
   7  fork main.4
   9  write main.pipe1 "xxxxxxxxxxxxxxxx"... 100 bytes

main.1
   2  begins (from main 1)

main.2
   4  begins (from main 3)

main.3
   6  begins (from main 5)

main.4
   8  begins (from main 7)
  10  read main.pipe1 "xxxxxxxxxxxxxxxx"... 100 bytes (from
        main 9)
"#,
    );
}

#[test]
fn long_words_are_cut() {
    assert_eq!(wrap("abcdefgh ij", 4), ["abcd", "  ef", "  gh", "  ij"]);
    assert_eq!(wrap("ab cd ef", 5), ["ab cd", "  ef"]);
    assert_eq!(wrap("", 5), Vec::<String>::new());
}

#[test]
fn signals_that_a_program_gets_ready_for_in_a_row_are_one_row() {
    let ready = |signal| Verb::Ready { signal };
    let events = vec![
        (0, ready(Signal::INT), vec![]),
        (0, ready(Signal::TERM), vec![]),
        (0, Verb::Create { object: ObjectId(0) }, vec![]),
        (0, ready(Signal::INT), vec![]),
    ];
    let shown: Vec<String> =
        steps::steps(&trace(&["main"], events, RunEnd::Finished)).steps.into_iter().map(|step| step.text).collect();
    assert_eq!(shown, ["ready for INT, TERM", "make main.pipe1", "ready for INT"]);
}
