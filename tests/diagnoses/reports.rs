//! The words of five findings, as the report gets them.

use std::fmt::Write as _;

use ipc_grade::judge::{Finding, Spot, Verdict};
use ipc_grade::model::Signal;
use ipc_grade::trace::{EventId, LifeId, ObjectKind, ThreadId, Verb};
use snapbox::{IntoData, assert_data_eq, str};

use super::chapters::{OneLine, handle_interrupt, named_object, one_line};
use super::run::{Fit, MAIN, Run, site, wait, wait_for};

/// A finding's parts, a line each.
fn told(verdict: &Verdict) -> String {
    let finding: &Finding = verdict.findings.first().expect("a finding");
    let mut text = format!("error[{}]: {}\n", finding.code, finding.message);
    if let Some(place) = &finding.place {
        let _ = writeln!(text, "  --> {}:{}", place.file, place.line);
    }
    for (site, says) in &finding.also {
        let _ = writeln!(text, "  {} | {says}", site.line);
    }
    for (name, value) in [("expected", &finding.expected), ("saw", &finding.saw)] {
        let _ = writeln!(text, "{name:>9}: {}", value.as_deref().unwrap_or("-"));
    }
    for line in &finding.why {
        let _ = writeln!(text, "      why: {line}");
    }
    if finding.proved {
        let _ = writeln!(text, " proved");
    }
    text + &finding.diff
}

#[test]
fn an_end_that_never_comes() {
    let mut one = OneLine::begin();
    one.run.trace.events[0].site = Some(Box::new(site(9)));
    one.run.trace.events[1].site = Some(Box::new(site(11)));
    one.run.write(MAIN, one.data, "kettle\n");
    one.run.read(one.child, one.data, "kettle\n");
    let mut stuck = wait(one.child, "read", Some(one.data), &[(one.child, Some(one.fork))]);
    stuck.site = Some(site(22));
    one.run.deadlock(vec![wait_for(MAIN, one.child), stuck]);
    let fit = one.fit().missing("child", "stdout \"KETTLE\\n\"").missing("parent", "wait child -> exit 0");
    let verdict = one_line().judge(&one.run, fit);
    let labels: Vec<(Spot, &str)> = verdict.findings[0].labels.iter().map(|it| (it.at, it.text.as_str())).collect();
    let wanted = [
        (Spot::Wait(ThreadId(one.child.0 * 10)), "the child is stuck here"),
        (Spot::Event(EventId(0)), "the child still has this open"),
    ];
    assert_eq!(labels, wanted);
    assert_data_eq!(
        told(&verdict),
        str![[r#"
error[F001]: the child waits for ever for the end of the text
  --> src/main.rs:22
  9 | the child still has this open
 expected: the child reads "kettle\n", then the end of the text
      saw: the child reads "kettle\n", then nothing, for ever
      why: a pipe ends when every copy of its write end is closed.
      why: fork (line 11) gave the child a copy.
 proved

"#]]
        .raw()
    );
}

#[test]
fn wrong_data() {
    let mut one = OneLine::begin();
    one.run.write(MAIN, one.data, "kettle\n");
    one.run.read(one.child, one.data, "kettle\n");
    let printed = one.run.print(one.child, "kettle\n");
    one.run.at_line(22);
    one.run.exit(one.child, 0);
    one.run.reap(MAIN, one.child);
    one.run.exit(MAIN, 0);
    let fit = one.fit().wrong("child", "stdout \"KETTLE\\n\"", printed, "KETTLE\n", "kettle\n");
    assert_data_eq!(
        told(&one_line().judge(&one.run, fit)),
        str![[r#"
error[T005]: wrong data: the child prints "kettle\n"
  --> src/main.rs:22
 expected: the child prints "KETTLE\n"
      saw: the child prints "kettle\n"
expected "KETTLE\n"
     saw "kettle\n"
          ^
"#]]
        .raw()
    );
}

#[test]
fn a_deadlock() {
    let mut one = OneLine::begin();
    one.run.deadlock(vec![wait_for(MAIN, one.child), wait(one.child, "read", Some(one.data), &[(MAIN, None)])]);
    let fit = one.fit().missing("parent", "write data \"kettle\\n\"").missing("child", "read data \"kettle\\n\"");
    assert_data_eq!(
        told(&one_line().judge(&one.run, fit)),
        str![[r#"
error[H001]: deadlock: the parent and the child wait for each other
 expected: the parent writes "kettle\n" to data
      saw: the parent waits in wait, for the child to end; the child waits in read, for bytes from the pipe data
      why: only the parent has a write end of data open.
 proved

"#]]
        .raw()
    );
}

#[test]
fn no_size() {
    let mut run = Run::new();
    let object = run.make(MAIN, ObjectKind::Shm, "/kettle");
    run.did(MAIN, Verb::Map { object, shared: true });
    let died = run.killed(MAIN, Signal::BUS);
    let fit = Fit::default().role("main", &[MAIN]).wrong("main", "exit 0", died, "0", "killed BUS");
    assert_data_eq!(
        told(&named_object().judge(&run, fit)),
        str![[r#"
error[M002]: the shared object /kettle has no size
 expected: the program gives /kettle a size with ftruncate, then uses it
      saw: the program is killed by SIGBUS: /kettle has 0 bytes
      why: a new object has no bytes.
      why: mmap sets addresses aside; the bytes behind them are the object's.

"#]]
        .raw()
    );
}

#[test]
fn a_signal_too_early() {
    let mut run = Run::new();
    let sender: LifeId = run.peer("sender");
    run.did(sender, Verb::Signal { target: Some(MAIN), signal: Signal::TERM, group: false });
    let died = run.killed(MAIN, Signal::TERM);
    let fit =
        Fit::default().role("main", &[MAIN]).missing("main", "ready TERM").wrong("main", "exit 0", died, "0", "x");
    assert_data_eq!(
        told(&handle_interrupt(Signal::TERM).judge(&run, fit)),
        str![[r#"
error[S001]: SIGTERM finds no handler and kills the program
 expected: the program is ready for SIGTERM (a handler, or masked) when it comes
      saw: the sender sends SIGTERM; the program has no handler for it and is killed
      why: without a handler SIGTERM does what it does by default: it ends the process.
      why: the handler must be there before anybody may send the signal.

"#]]
        .raw()
    );
}
