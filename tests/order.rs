//! Sync order: program order and causes, and nothing else.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeSet;

use ipc_grade::trace::{EventId, ObjectKind, Order, Trace, Verb};
use proptest::prelude::*;
use support::Run;
use support::programs;

/// The event in which `nth` of a verb's kind happened.
fn nth(trace: &Trace, number: usize, is: impl Fn(&Verb) -> bool) -> EventId {
    trace.iter().filter(|(_, event)| is(&event.verb)).nth(number).unwrap().0
}

#[test]
fn bytes_order_their_writer_before_their_reader() {
    let (mut run, main) = Run::new();
    let data = run.make(main, ObjectKind::Pipe, "main.pipe1");
    let child = run.fork(main);
    run.call(child, "first");
    run.write(main, data, b"ab");
    run.call(main, "after");
    run.read(child, data, 1);
    run.read(child, data, 1);
    let trace = run.finish();
    let order = Order::of(&trace);
    let call = |name: &str| nth(&trace, 0, |verb| matches!(verb, Verb::Call { name: it } if it == name));
    let write = nth(&trace, 0, |verb| matches!(verb, Verb::Write { .. }));
    let (one, two) = (
        nth(&trace, 0, |verb| matches!(verb, Verb::Read { .. })),
        nth(&trace, 1, |verb| matches!(verb, Verb::Read { .. })),
    );
    assert!(order.le(write, one) && order.le(write, two) && order.le(one, two));
    assert!(!order.le(one, write) && order.le(one, one));
    assert!(order.concurrent(call("first"), write), "a fork orders no more than the fork");
    assert!(order.concurrent(call("after"), two), "that it came first is no cause");
}

#[test]
fn births_and_ends_order() {
    let (mut run, main) = Run::new();
    run.call(main, "before");
    let child = run.fork(main);
    let thread = run.thread(child);
    run.call(thread, "inside");
    run.join(child, thread);
    run.exit(child, 0);
    run.wait(main, child);
    run.call(main, "behind");
    let trace = run.finish();
    let order = Order::of(&trace);
    let call = |name: &str| nth(&trace, 0, |verb| matches!(verb, Verb::Call { name: it } if it == name));
    assert!(order.le(call("before"), call("inside")) && order.le(call("inside"), call("behind")));
    assert!(!order.le(call("inside"), call("before")));
}

#[test]
fn a_plain_load_of_a_plain_store_is_no_order() {
    let (mut run, main) = Run::new();
    let memory = run.make(main, ObjectKind::SharedMapping, "main.map1");
    let child = run.fork(main);
    run.store(main, memory, 0, &[7]);
    run.load(child, memory, 0, 1);
    let trace = run.finish();
    let store = nth(&trace, 0, |verb| matches!(verb, Verb::Store { .. }));
    let load = nth(&trace, 0, |verb| matches!(verb, Verb::Load { .. }));
    assert_eq!(trace.event(load).reads_from, [store], "data flow is there");
    assert!(Order::of(&trace).concurrent(store, load));
}

#[test]
fn a_post_orders_the_wait_that_took_it() {
    let (mut run, main) = Run::new();
    let semaphore = run.semaphore(main, ObjectKind::Semaphore, "main.sem1", 1);
    let child = run.fork(main);
    run.release(main, semaphore);
    run.acquire(child, semaphore);
    run.acquire(child, semaphore);
    let trace = run.finish();
    let order = Order::of(&trace);
    let release = nth(&trace, 0, |verb| matches!(verb, Verb::Release { .. }));
    let of_first_value = nth(&trace, 0, |verb| matches!(verb, Verb::Acquire { .. }));
    let of_release = nth(&trace, 1, |verb| matches!(verb, Verb::Acquire { .. }));
    assert!(order.concurrent(release, of_first_value), "the first value was there from the start");
    assert!(order.le(release, of_release));
}

/// All that comes before each event, by walking the edges: slow, and beyond doubt.
fn closure(trace: &Trace) -> Vec<BTreeSet<EventId>> {
    let mut before: Vec<BTreeSet<EventId>> = Vec::new();
    for (id, event) in trace.iter() {
        let earlier = |other: &EventId| *other < id;
        let mut edges: Vec<EventId> = event.causes.iter().copied().filter(earlier).collect();
        edges
            .extend(trace.iter().take(id.index()).filter(|(_, it)| it.thread == event.thread).map(|(id, _)| id).last());
        if !trace.events[..id.index()].iter().any(|it| it.thread == event.thread) {
            // A life's first thread begins at the fork, another at its own creation.
            let first_of_life = !trace.events[..id.index()].iter().any(|it| it.life == event.life);
            edges.extend(trace.iter().take(id.index()).map(|(id, event)| (id, &event.verb)).filter_map(
                |(at, verb)| match verb {
                    Verb::Fork { child } if *child == event.life && first_of_life => Some(at),
                    Verb::Thread { child } if *child == event.thread => Some(at),
                    _ => None,
                },
            ));
        }
        let mut set: BTreeSet<EventId> = edges.iter().flat_map(|edge| before[edge.index()].iter().copied()).collect();
        set.insert(id);
        before.push(set);
    }
    before
}

proptest! {
    #[test]
    fn clocks_agree_with_the_closure_of_the_edges(index: u16, extra in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..8)) {
        let all = programs::all();
        let mut trace = (all[usize::from(index) % all.len()].run)();
        for (a, b) in extra {
            let (a, b) = (a.index(trace.events.len()), b.index(trace.events.len()));
            trace.events[a.max(b)].causes.push(EventId(a.min(b) as u32));
        }
        let (order, before) = (Order::of(&trace), closure(&trace));
        for (b, _) in trace.iter() {
            for (a, _) in trace.iter() {
                prop_assert_eq!(order.le(a, b), before[b.index()].contains(&a), "{:?} {:?}", a, b);
            }
        }
    }
}
