//! Canonical traces as text: what is written reads back, and what is no trace is placed.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use ipc_grade::model::Signal;
use ipc_grade::trace::codec::{read, write};
use ipc_grade::trace::{
    Ending, Event, EventId, Holder, Life, LifeId, LifeKind, Object, ObjectId, ObjectKind, RunEnd, Site, ThreadId,
    Trace, Verb, Wait,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

const LIVES: u32 = 3;
const OBJECTS: u32 = 2;

fn life() -> impl Strategy<Value = LifeId> {
    (0..LIVES).prop_map(LifeId)
}

fn object() -> impl Strategy<Value = ObjectId> {
    (0..OBJECTS).prop_map(ObjectId)
}

fn signal() -> impl Strategy<Value = Signal> {
    (1..=64).prop_map(|number| Signal::from_number(number).unwrap())
}

fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![(0..256).prop_map(Ending::Exit), signal().prop_map(Ending::Killed)]
}

fn site() -> impl Strategy<Value = Site> {
    ("[a-z/.]{1,9}", 1_u32..99, 0_u32..99, option::of("[a-z:]{1,9}")).prop_map(|(file, line, column, function)| Site {
        file,
        line,
        column,
        function,
    })
}

fn verb() -> impl Strategy<Value = Verb> {
    let bytes = || vec(any::<u8>(), 0..9).prop_map(|bytes| bytes.as_slice().into());
    let name = || "[a-zA-Z_]{1,9}";
    prop_oneof![
        life().prop_map(|child| Verb::Fork { child }),
        (0_u32..4).prop_map(|child| Verb::Thread { child: ThreadId(child) }),
        name().prop_map(|program| Verb::Exec { program }),
        (life(), ending()).prop_map(|(child, ending)| Verb::Reaped { child, ending }),
        (object(), any::<bool>(), any::<bool>()).prop_map(|(object, write, last)| Verb::Close { object, write, last }),
        (object(), bytes()).prop_map(|(object, bytes)| Verb::Write { object, bytes }),
        (object(), bytes(), any::<i64>()).prop_map(|(object, bytes, priority)| Verb::Send { object, bytes, priority }),
        (object(), any::<u64>(), bytes(), any::<bool>()).prop_map(|(object, offset, bytes, atomic)| Verb::Load {
            object,
            offset,
            bytes,
            atomic
        }),
        signal().prop_map(|signal| Verb::Take { signal }),
        (option::of(life()), signal(), any::<bool>()).prop_map(|(target, signal, group)| Verb::Signal {
            target,
            signal,
            group
        }),
        (name(), name(), option::of(object())).prop_map(|(call, errno, object)| Verb::Failed { call, errno, object }),
        (any::<u64>(), vec((life(), any::<u64>()), 0..3))
            .prop_map(|(value, elsewhere)| Verb::Holds { value, elsewhere }),
        (any::<u32>(), option::of(".{0,9}")).prop_map(|(step, instead)| Verb::Step { step, instead }),
    ]
}

fn event() -> impl Strategy<Value = (LifeId, u32, Verb, Vec<prop::sample::Index>, Option<Site>)> {
    (life(), 0_u32..4, verb(), vec(any::<prop::sample::Index>(), 0..3), option::of(site()))
}

fn end() -> impl Strategy<Value = RunEnd> {
    let holder = (life(), 1_u32..9).prop_map(|(life, descriptors)| Holder { life, descriptors, since: None });
    let wait = (life(), option::of(object()), option::of(life()), vec(holder, 0..3), option::of(site())).prop_map(
        |(life, object, child, holders, site)| {
            let (thread, call) = (ThreadId(0), "read".to_owned());
            Wait { life, thread, call, object, child, holders, site }
        },
    );
    prop_oneof![
        Just(RunEnd::Finished),
        vec(wait, 0..3).prop_map(|waits| RunEnd::Deadlock { waits }),
        ("[a-z]{1,9}", ".{0,9}", option::of(life()), option::of(site()))
            .prop_map(|(limit, figure, life, site)| RunEnd::Limit { site, limit, figure, life }),
    ]
}

prop_compose! {
    fn traces()(drawn in vec(event(), 0..12), end in end(), name in ".{1,9}", left_behind: bool) -> Trace {
        let mut events = Vec::new();
        for (index, (life, thread, verb, before, site)) in drawn.into_iter().enumerate() {
            let earlier = |at: &prop::sample::Index| EventId(at.index(index) as u32);
            let causes: Vec<EventId> = before.iter().filter(|_| index > 0).map(earlier).collect();
            let handler = causes.first().copied();
            let reads_from = causes.clone();
            events.push(Event { life, thread: ThreadId(thread), verb, causes, reads_from, handler, site: site.map(Box::new) });
        }
        let last = events.len().checked_sub(1).map(|last| EventId(last as u32));
        let lives = (0..LIVES).map(|index| Life {
            name: format!("{name}{index}"),
            kind: if index == 1 { LifeKind::Peer } else { LifeKind::Learner },
            parent: index.checked_sub(1).map(LifeId),
            ended: last,
            reaped: None,
            orphaned: left_behind,
            self_reaping: false,
        });
        let objects = (0..OBJECTS).map(|index| Object {
            name: format!("{name}{index}"),
            kind: ObjectKind::Fifo,
            creator: Some(LifeId(index)),
            left_behind,
        });
        Trace { lives: lives.collect(), objects: objects.collect(), events, end }
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_back(trace in traces()) {
        prop_assert_eq!(read(&write(&trace)), Ok(trace));
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[{}\":,a-z0-9\n]{0,80}") {
        let _ = read(&text);
    }
}

fn sample() -> String {
    let (mut run, main) = support::Run::new();
    let data = run.make(main, ObjectKind::Pipe, "main.pipe1");
    run.write(main, data, b"kettle\n\xff");
    run.exit(main, 3);
    write(&run.finish())
}

#[test]
fn a_trace_is_lines_that_a_person_can_read() {
    let expected = concat!(
        r#"{"schema":"ipc-grade/trace/1","lives":1,"objects":1,"events":3}"#,
        "\n",
        r#"{"life":{"name":"main","kind":"learner","ended":2}}"#,
        "\n",
        r#"{"object":{"name":"main.pipe1","kind":"pipe","creator":0}}"#,
        "\n",
        r#"{"event":{"life":0,"thread":0,"verb":"create","object":0}}"#,
        "\n",
        r#"{"event":{"life":0,"thread":0,"verb":"write","object":0,"bytes":"kettle\\n\\xff"}}"#,
        "\n",
        r#"{"event":{"life":0,"thread":0,"verb":"exit","status":3}}"#,
        "\n",
        r#"{"end":{"end":"finished"}}"#,
        "\n",
    );
    assert_eq!(sample(), expected);
}

#[test]
fn what_is_no_trace_is_placed() {
    let sample = sample();
    let check = |from: &str, to: &str, line: usize, message: &str| {
        assert!(sample.contains(from), "{from}");
        let error = read(&sample.replacen(from, to, 1)).unwrap_err();
        assert_eq!(error.line, line, "{error}");
        assert!(error.message.contains(message), "{error}");
    };
    check("trace/1", "trace/9", 1, "only `ipc-grade/trace/1` can be read");
    check("\"events\":3", "\"events\":4", 1, "4 events are announced, 3 are there");
    check("\"ended\":2", "\"ended\":7", 2, "there is no event 7");
    check("\"creator\":0", "\"creator\":1", 3, "there is no life 1");
    check("\"object\":0,\"bytes\"", "\"object\":8,\"bytes\"", 5, "there is no object 8");
    check("\"verb\":\"exit\"", "\"verb\":\"leave\"", 6, "unknown variant `leave`");
    check("\"status\":3", "\"status\":3,\"causes\":[2]", 6, "a cause stands before its effect");
    check("\\\\xff", "\\\\q", 5, "no such escape");
    check("{\"end\":{\"end\":\"finished\"}}\n", "", 6, "the trace stops before its end");
    check(
        "\"finished\"}}\n",
        "\"finished\"}}\n{\"end\":{\"end\":\"finished\"}}\n",
        8,
        "something stands behind the end",
    );
    assert_eq!(read("").unwrap_err().line, 1);
    assert!(read("kettle\n").unwrap_err().to_string().starts_with("line 1: no header of a trace"));
}
