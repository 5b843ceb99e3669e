//! S.

use ipc_grade::model::{Code, Signal};
use ipc_grade::trace::{LifeId, Verb};

use super::chapters::handle_interrupt;
use super::check;
use super::run::{Fit, MAIN, Run, Task, wait};

const TERM: Signal = Signal::TERM;
const SAYS: &str = "stdout \"bye 451\\n\"";

fn fit() -> Fit {
    Fit::default().role("main", &[MAIN])
}

/// Prepared for these, and it has said so.
fn begun(ready: &[Signal]) -> (Run, LifeId) {
    let mut run = Run::new();
    let sender = run.peer("sender");
    for signal in ready {
        run.did(MAIN, Verb::Ready { signal: *signal });
    }
    run.print(MAIN, "ready\n");
    (run, sender)
}

fn sends(run: &mut Run, from: LifeId, target: Option<LifeId>, group: bool) -> ipc_grade::trace::EventId {
    run.did(from, Verb::Signal { target, signal: TERM, group })
}

fn taken() -> Run {
    let (mut run, sender) = begun(&[Signal::INT, TERM]);
    sends(&mut run, sender, Some(MAIN), false);
    run.did(MAIN, Verb::Take { signal: TERM });
    run.did(MAIN, Verb::Return { signal: TERM });
    run
}

fn says_bye(mut run: Run) -> Run {
    run.print(MAIN, "bye 451\n");
    run.exit(MAIN, 0);
    run
}

#[test]
fn right() {
    check(&handle_interrupt(TERM).judge(&says_bye(taken()), fit()), &[]);
}

#[test]
fn interrupt_only() {
    let (mut run, sender) = begun(&[Signal::INT]);
    sends(&mut run, sender, Some(MAIN), false);
    let died = run.killed(MAIN, TERM);
    let fit = fit().missing("main", "ready TERM").missing("main", "take TERM").missing("main", SAYS);
    let verdict = handle_interrupt(TERM).judge(&run, fit.wrong("main", "exit 0", died, "0", "killed TERM"));
    check(&verdict, &[Code::S001]);
    let saw = "the sender sends SIGTERM; the program is ready for SIGINT alone and is killed";
    assert_eq!(verdict.findings[0].saw.as_deref(), Some(saw));
    assert_eq!(verdict.findings[0].check.as_str(), "prepared");
}

#[test]
fn a_signal_that_may_kill_is_not_too_early() {
    let mut run = Run::new();
    let worker = run.fork(MAIN);
    sends(&mut run, MAIN, Some(worker), false);
    run.killed(worker, TERM);
    run.reap(MAIN, worker);
    let printed = run.print(MAIN, "x");
    run.exit(MAIN, 0);
    let fit = || fit().role("worker", &[worker]);
    let task = Task::new(&[]).trace(1, &[]);
    check(&task.judge(&run, fit()), &[]);
    // Something else is wrong; the death still was asked for.
    check(&task.judge(&run, fit().missing("worker", "send results \"4\"")), &[Code::T001]);
    check(&task.judge(&run, fit().surplus("main", printed)), &[Code::T002]);
}

#[test]
fn one_that_kills_itself_was_ready_for_it() {
    let (mut run, _) = begun(&[]);
    sends(&mut run, MAIN, Some(MAIN), false);
    let died = run.killed(MAIN, TERM);
    let fit = fit().missing("main", SAYS).wrong("main", "exit 0", died, "0", "killed TERM");
    assert_ne!(handle_interrupt(TERM).judge(&run, fit).cause(), Some(Code::S001));
}

#[test]
fn test_then_sleep() {
    let mut run = taken();
    run.deadlock(vec![wait(MAIN, "pause", None, &[])]);
    let verdict = handle_interrupt(TERM).judge(&run, fit().missing("main", SAYS).missing("main", "exit 0"));
    check(&verdict, &[Code::S005]);
    assert!(verdict.findings[0].proved);
}

#[test]
fn one_that_never_had_its_signal_is_just_waiting() {
    let (mut run, _) = begun(&[TERM]);
    run.deadlock(vec![wait(MAIN, "pause", None, &[])]);
    let fit = fit().missing("main", "take TERM").missing("main", SAYS);
    check(&handle_interrupt(TERM).judge(&run, fit), &[Code::H001]);
}

#[test]
fn one_that_went_on_and_waits_for_the_next_has_lost_nothing() {
    let mut run = taken();
    run.print(MAIN, "bye 451\n");
    run.deadlock(vec![wait(MAIN, "pause", None, &[])]);
    check(&handle_interrupt(TERM).judge(&run, fit().missing("main", "exit 0")), &[Code::H001]);
}

#[test]
fn passes_it_on() {
    for (target, group) in [(None, true), (None, false), (Some(LifeId(1)), false)] {
        let mut run = taken();
        let sent = sends(&mut run, MAIN, target, group);
        let run = says_bye(run);
        check(&handle_interrupt(TERM).judge(&run, fit().surplus("main", sent)), &[Code::S006]);
        // The matcher may take no notice of a signal to a stranger.
        check(&handle_interrupt(TERM).judge(&run, fit()), &[Code::S006]);
    }
}

#[test]
fn the_kernel_refuses_a_strangers_signal() {
    for (errno, code) in [("EPERM", Code::S006), ("ESRCH", Code::T005)] {
        let mut run = taken();
        run.fails(MAIN, "kill", errno, None);
        let end = run.exit(MAIN, 1);
        let fit = fit().missing("main", SAYS).wrong("main", "exit 0", end, "exit 0", "exit 1");
        check(&handle_interrupt(TERM).judge(&run, fit), &[code]);
    }
}

#[test]
fn kills_or_stops_a_peer() {
    for (target, group, signal, stays) in [
        (true, false, Signal::KILL, false),
        (false, true, Signal::KILL, false),
        (true, false, TERM, false),
        (true, false, Signal::STOP, true),
    ] {
        let (mut run, sender) = begun(&[Signal::INT, TERM]);
        let target = target.then_some(sender);
        let sent = run.did(MAIN, Verb::Signal { target, signal, group });
        if !stays {
            run.killed(sender, signal);
        }
        run.deadlock(vec![wait(MAIN, "pause", None, &[])]);
        let fit = fit().missing("main", "take TERM").missing("main", SAYS).surplus("main", sent);
        let verdict = handle_interrupt(TERM).judge(&run, fit);
        check(&verdict, &[Code::S009]);
        let does = if stays { "stops" } else { "kills" };
        assert_eq!(verdict.findings[0].message, format!("the program {does} the sender"));
    }
}

#[test]
fn a_signal_that_a_peer_survives_is_no_harm_to_it() {
    let (mut run, sender) = begun(&[Signal::INT, TERM]);
    let sent = sends(&mut run, MAIN, Some(sender), false);
    let run = says_bye(run);
    check(&handle_interrupt(TERM).judge(&run, fit().surplus("main", sent)), &[Code::S006]);
}

#[test]
fn wants_to_trace() {
    for (peers, code) in [(true, Code::S009), (false, Code::T001)] {
        let mut run = Run::new();
        if peers {
            run.peer("sender");
        }
        run.fails(MAIN, "ptrace", "EPERM", None);
        run.exit(MAIN, 0);
        check(&handle_interrupt(TERM).judge(&run, fit().missing("main", SAYS)), &[code]);
    }
}

#[test]
fn a_signal_too_many_to_ones_own_child() {
    let mut run = Run::new();
    let worker = run.fork(MAIN);
    sends(&mut run, MAIN, Some(worker), false);
    let again = sends(&mut run, MAIN, Some(worker), false);
    run.killed(worker, TERM);
    run.reap(MAIN, worker);
    run.exit(MAIN, 0);
    let fit = fit().role("worker", &[worker]).lane("main", "signal worker TERM").surplus("main", again);
    check(&Task::new(&[]).trace(1, &[]).judge(&run, fit), &[Code::T002]);
}

#[test]
fn the_child_signals_itself() {
    let mut run = Run::new();
    let child = run.fork(MAIN);
    sends(&mut run, child, Some(child), false);
    run.exit(child, 0);
    run.deadlock(vec![wait(MAIN, "sigwait", None, &[])]);
    let fit = fit().role("child", &[child]).missing("child", "signal main TERM").missing("main", "take TERM");
    check(&handle_interrupt(TERM).judge(&run, fit), &[Code::S006]);
}

#[test]
fn exits_in_the_handler() {
    let mut run = taken();
    run.exit(MAIN, 0);
    check(&handle_interrupt(TERM).judge(&run, fit().missing("main", SAYS)), &[Code::T001]);
}

#[test]
fn bye_before_the_signal() {
    let (mut run, sender) = begun(&[Signal::INT, TERM]);
    let bye = run.print(MAIN, "bye 451\n");
    sends(&mut run, sender, Some(MAIN), false);
    let take = run.did(MAIN, Verb::Take { signal: TERM });
    run.exit(MAIN, 0);
    check(&handle_interrupt(TERM).judge(&run, fit().early("main", SAYS, bye, "take TERM", take)), &[Code::T003]);
}

#[test]
fn says_another_number() {
    let mut run = taken();
    let bye = run.print(MAIN, "bye 15\n");
    run.exit(MAIN, 0);
    let told = fit().wrong("main", SAYS, bye, "bye 451\n", "bye 15\n");
    check(&handle_interrupt(TERM).judge(&run, told), &[Code::T005]);
    check(&handle_interrupt(TERM).judge(&run, fit()), &[Code::T005]);
}

#[test]
fn works_on() {
    let mut run = taken();
    run.limit("cpu", "500 ms", MAIN);
    check(&handle_interrupt(TERM).judge(&run, fit().missing("main", SAYS).missing("main", "exit 0")), &[Code::H002]);
}

/// The program takes its signal, and its handler makes these calls.
fn handler_calls(calls: &[&str]) -> Run {
    let (mut run, sender) = begun(&[Signal::INT, TERM]);
    sends(&mut run, sender, Some(MAIN), false);
    let take = run.did(MAIN, Verb::Take { signal: TERM });
    for call in calls {
        run.in_handler(MAIN, take, Verb::Call { name: (*call).to_owned() });
    }
    run
}

#[test]
fn what_a_handler_must_not_call() {
    for name in ["println!", "malloc", "printf", "pthread_mutex_lock", "exit", "sem_wait"] {
        let mut run = handler_calls(&[name]);
        run.did(MAIN, Verb::Return { signal: TERM });
        let verdict = handle_interrupt(TERM).judge(&says_bye(run), fit());
        check(&verdict, &[Code::S002]);
        assert!(verdict.findings[0].message.contains(name), "{}", verdict.findings[0].message);
    }
}

#[test]
fn what_a_handler_may_call() {
    let mut run = handler_calls(&["sem_post", "chdir"]);
    run.did(MAIN, Verb::Return { signal: TERM });
    // Outside of the handler it may do anything.
    run.did(MAIN, Verb::Call { name: "malloc".to_owned() });
    check(&handle_interrupt(TERM).judge(&says_bye(run), fit()), &[]);
}

#[test]
fn a_handler_that_waits_for_its_own_program() {
    let mut run = handler_calls(&["malloc"]);
    run.deadlock(vec![wait(MAIN, "futex", None, &[])]);
    let verdict = handle_interrupt(TERM).judge(&run, fit().missing("main", SAYS).missing("main", "exit 0"));
    check(&verdict, &[Code::S002]);
    assert!(verdict.findings[0].proved);
}

/// Four children that end at once, and a parent that takes `takes` signals and reaps once after each of `reaps`.
fn children(takes: usize, reaps: usize, call: &str) -> Run {
    let mut run = Run::new();
    run.did(MAIN, Verb::Ready { signal: Signal::CHLD });
    let children: Vec<_> = (0..4).map(|_| run.fork(MAIN)).collect();
    for child in &children {
        run.exit(*child, 7);
    }
    for (turn, child) in children.iter().enumerate().take(takes) {
        run.did(MAIN, Verb::Take { signal: Signal::CHLD });
        if turn < reaps {
            run.reap(MAIN, *child);
        }
    }
    run.deadlock(vec![wait(MAIN, call, None, &[])]);
    run
}

#[test]
fn one_wait_for_each_signal() {
    let judged = |run: &Run| {
        handle_interrupt(Signal::INT).judge(run, Fit::default().role("main", &[MAIN]).missing("main", "exit 0"))
    };
    for (takes, reaps) in [(1, 1), (2, 2), (3, 3)] {
        check(&judged(&children(takes, reaps, "sigsuspend")), &[Code::S004]);
    }
    // Who counts signals as children reaps nobody until all have come.
    check(&judged(&children(2, 0, "pause")), &[Code::S004]);
    check(&judged(&children(1, 0, "sigwait")), &[Code::S004]);
    // In pause the one signal may have been lost between the test and the sleep.
    check(&judged(&children(1, 0, "pause")), &[Code::S005]);
}

/// Of a child that ended when the last signal had been taken the signal is still to come.
#[test]
fn a_signal_that_is_still_pending_is_not_merged() {
    let mut run = Run::new();
    run.did(MAIN, Verb::Ready { signal: Signal::CHLD });
    let (first, second) = (run.fork(MAIN), run.fork(MAIN));
    run.exit(first, 7);
    run.did(MAIN, Verb::Take { signal: Signal::CHLD });
    run.reap(MAIN, first);
    run.exit(second, 7);
    run.deadlock(vec![wait(MAIN, "read", None, &[])]);
    let fit = Fit::default().role("main", &[MAIN]).missing("main", "exit 0");
    let verdict = handle_interrupt(Signal::INT).judge(&run, fit);
    assert!(verdict.findings.iter().all(|finding| finding.code != Code::S004), "{:?}", verdict.findings);
}

#[test]
fn nobody_to_wait_for() {
    let mut run = Run::new();
    run.did(MAIN, Verb::Ignore { signal: Signal::CHLD });
    let child = run.fork(MAIN);
    run.exit(child, 7);
    run.trace.lives[child.index()].self_reaping = true;
    run.fails(MAIN, "wait", "ECHILD", None);
    run.exit(MAIN, 1);
    let fit = || Fit::default().role("main", &[MAIN]);
    check(&handle_interrupt(Signal::INT).judge(&run, fit().missing("main", "ready CHLD")), &[Code::S008]);
}
