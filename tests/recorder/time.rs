//! Waits that end: none of them costs time, and each ends as the kernel would end it. The programs look at that
//! themselves: each ends with 0.

use ipc_grade::trace::{Ending, LifeId, RunEnd, Trace, Verb};
use snapbox::str;

use crate::{check, compiled, record, traced};

#[track_caller]
fn main_ends(trace: &Trace, ending: &str) {
    let last = trace.lives[0].ended.map(|id| &trace.event(id).verb);
    let told = match last {
        Some(Verb::Exit { status }) => format!("exit {status}"),
        Some(Verb::Killed { signal }) => format!("killed {signal}"),
        _ => format!("{:?}", trace.end),
    };
    assert_eq!(told, ending, "{trace:?}");
}

macro_rules! ends_well {
    ($($case:ident),* $(,)?) => {
        $(#[test]
        fn $case() {
            main_ends(&record("time", stringify!($case)), "exit 0");
        })*
    };
}

ends_well!(
    polls,
    polls_and_is_woken,
    selects,
    epolls,
    futexes,
    waits_for_several_futexes,
    queues,
    semaphores,
    signals,
    sockets,
    arguments_come_back,
    sleeps,
    an_alarm,
    an_alarm_interrupts,
    an_interval,
    a_posix_timer,
    a_timer_is_overrun,
    a_timer_calls_a_function,
    a_silent_timer,
    a_timer_descriptor,
    a_timer_descriptor_is_inherited,
    computes_until_an_alarm,
    waits_until_a_clock_says_so,
    in_the_order_of_their_ends,
    sleep_as_synchronisation,
    a_sleep_that_orders_nothing,
    polls_by_sleeping,
);

#[test]
fn an_alarm_kills() {
    let expected = str![[r#"
main
  killed ALRM
finished

"#]];
    check("time", "an_alarm_kills", expected);
}

#[test]
fn an_alarm_survives_exec() {
    main_ends(&record("time", "an_alarm_survives_exec"), "killed ALRM");
}

#[test]
fn a_blocked_alarm_wakes_nobody() {
    let trace = record("time", "a_blocked_alarm_wakes_nobody");
    assert!(matches!(trace.end, RunEnd::Deadlock { .. }), "{:?}", trace.end);
}

/// How the program ends under each of these seeds.
fn under_seeds(case: &str, seeds: std::ops::Range<u32>) -> Vec<Option<Ending>> {
    let command = [compiled("time").to_str().unwrap().to_owned(), case.to_owned()];
    let run = |seed: u32| {
        let options = ["--box", "--seed", &seed.to_string()];
        traced::trace(&options, &command, std::path::Path::new(env!("CARGO_MANIFEST_DIR"))).trace.ending(LifeId(0))
    };
    seeds.map(run).collect()
}

#[test]
fn sleep_as_synchronisation_goes_wrong_within_sixteen_seeds() {
    let endings = under_seeds("sleep_as_synchronisation", 0..16);
    assert_eq!(endings[0], Some(Ending::Exit(0)), "in order, sleeps keep to the clock");
    assert!(endings.contains(&Some(Ending::Exit(7))), "{endings:?}");
}

#[test]
fn a_sleep_that_orders_nothing_goes_right_under_every_seed() {
    for case in ["a_sleep_that_orders_nothing", "polls_by_sleeping"] {
        let endings = under_seeds(case, 0..16);
        assert!(endings.iter().all(|ending| *ending == Some(Ending::Exit(0))), "{case}: {endings:?}");
    }
}
