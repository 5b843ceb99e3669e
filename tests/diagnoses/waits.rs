//! H001, F010 and F013: who waits for whom, as a student reads it.

use ipc_grade::judge::Verdict;
use ipc_grade::model::{Code, Signal};
use ipc_grade::report::{ExerciseReport, Style, exercise};
use ipc_grade::trace::{LifeId, ObjectKind, RunEnd, Verb, Wait};
use snapbox::{IntoData, assert_data_eq, str};

use super::check;
use super::run::{Fit, MAIN, Run, Task, wait, wait_for};

fn task() -> Task {
    Task::new(&[]).trace(3, &[]).clean(2)
}

/// The report from the finding's line to its last reason; no line is wider than a terminal.
fn shown(verdict: &Verdict) -> String {
    let text = exercise(&ExerciseReport::of(&task().exercise, "src/main.rs", verdict), &Style::default());
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let end = text.find("\n Stuck?").unwrap_or(text.len());
    let start = text.find("error[").unwrap_or(0);
    format!("{}\n", text[start..end].trim_end())
}

fn family(child: LifeId) -> Fit {
    Fit::default().role("parent", &[MAIN]).role("child", &[child])
}

#[track_caller]
fn deadlock(run: Run, fit: Fit, waits: Vec<Wait>) -> String {
    deadlock_of(Code::H001, run, fit, waits)
}

/// One that a cause of its own explains.
#[track_caller]
fn deadlock_of(code: Code, mut run: Run, fit: Fit, waits: Vec<Wait>) -> String {
    run.deadlock(waits);
    let verdict = task().judge(&run, fit.missing("parent", "exit 0"));
    check(&verdict, &[code]);
    shown(&verdict)
}

#[test]
fn each_waits_for_the_other() {
    let mut run = Run::new();
    let data = run.pipe(MAIN);
    let child = run.fork(MAIN);
    let fit = family(child).object("data", data).missing("child", "read data \"kettle\\n\"");
    let waits = vec![wait_for(MAIN, child), wait(child, "read", Some(data), &[(MAIN, None)])];
    assert_data_eq!(
        deadlock(run, fit, waits),
        str![[r#"
error[H001]: deadlock: the parent and the child wait for each other
  --> src/main.rs

   parent --> the end of child: only child can bring it  --> child
   child  --> data: empty, only parent can write         --> parent

 expected: the child reads "kettle\n" from data
      saw: the parent waits in wait, for the child to end; the child waits in
           read, for bytes from the pipe data
      why: only the parent has a write end of data open.
 Not a time-out: nothing is left that could wake either process.

"#]]
        .raw()
    );
}

#[test]
fn two_pipes_both_full() {
    let mut run = Run::new();
    let (request, answer) = (run.pipe(MAIN), run.pipe(MAIN));
    let child = run.fork(MAIN);
    let fit = family(child).object("request", request).object("answer", answer);
    let waits =
        vec![wait(MAIN, "write", Some(request), &[(child, None)]), wait(child, "write", Some(answer), &[(MAIN, None)])];
    assert_data_eq!(
        deadlock_of(Code::F010, run, fit, waits),
        str![[r#"
error[F010]: deadlock: each process waits until the other one reads
  --> src/main.rs

   parent --> request: full, only child can empty it  --> child
   child  --> answer: full, only parent can empty it  --> parent

 expected: the parent reads answer while it still has something to write to
           request
      saw: the parent waits in write, for room in request (0 bytes are in it);
           the child waits in write, for room in answer (0 bytes are in it)
      why: a pipe holds 65536 bytes; who writes into a full one waits until
           somebody reads.
           only the child could read request, only the parent could read answer:
           both are writing.
           a short text fits into the pipes, and all seems well.
 Not a time-out: nothing is left that could wake either process.

"#]]
        .raw()
    );
}

#[test]
fn a_wait_before_the_pipe_is_drained() {
    let mut run = Run::new();
    let answer = run.pipe(MAIN);
    let child = run.fork(MAIN);
    let fit = family(child).object("answer", answer);
    let waits = vec![wait_for(MAIN, child), wait(child, "write", Some(answer), &[(MAIN, None)])];
    assert_data_eq!(
        deadlock_of(Code::F013, run, fit, waits),
        str![[r#"
error[F013]: deadlock: the parent waits for the child, which waits until the
parent reads
  --> src/main.rs

   parent --> the end of child: only child can bring it  --> child
   child  --> answer: full, only parent can empty it     --> parent

 expected: the parent reads answer to its end, then waits for the child
      saw: the parent waits in wait, for the child to end; the child waits in
           write, for room in answer (0 bytes are in it)
      why: a pipe holds 65536 bytes; who writes into a full one waits until
           somebody reads.
           the child cannot end before it has written everything.
           a short text fits into the pipe, and all seems well.
 Not a time-out: nothing is left that could wake either process.

"#]]
        .raw()
    );
}

#[test]
fn an_empty_queue_and_no_sender() {
    let mut run = Run::new();
    let queue = run.make(MAIN, ObjectKind::Queue, "/orders");
    let child = run.fork(MAIN);
    let waits = vec![wait_for(MAIN, child), wait(child, "receive", Some(queue), &[])];
    assert_data_eq!(
        deadlock(run, family(child), waits),
        str![[r#"
error[H001]: deadlock: the child waits, and nothing can wake it
  --> src/main.rs

   parent --> the end of child: only child can bring it  --> child
   child  --> /orders: empty, nobody is left to send

 expected: the parent exits with 0
      saw: the parent waits in wait, for the child to end; the child waits in
           receive, for a message in /orders
      why: nobody is left that could wake the child.
 Not a time-out: nothing is left that could wake either process.

"#]]
        .raw()
    );
}

#[test]
fn a_semaphore_that_nobody_releases() {
    let mut run = Run::new();
    let ready = run.sets_up(MAIN, ObjectKind::Semaphore, "main.sem1", 0, true);
    let child = run.fork(MAIN);
    run.exit(child, 0);
    run.reap(MAIN, child);
    let waits = vec![wait(MAIN, "acquire", Some(ready), &[])];
    assert_data_eq!(
        deadlock(run, family(child).object("ready", ready), waits),
        str![[r#"
error[H001]: deadlock: the parent waits, and nothing can wake it
  --> src/main.rs

   parent --> ready: at 0, nobody is left to release it

 expected: the parent exits with 0
      saw: the parent waits to acquire the semaphore ready
      why: nobody is left that could release ready.
 Not a time-out: nothing is left that could wake it.

"#]]
        .raw()
    );
}

#[test]
fn a_child_that_is_stopped() {
    let mut run = Run::new();
    let child = run.fork(MAIN);
    let waits = vec![wait_for(MAIN, child), wait(child, "stopped", None, &[])];
    assert_data_eq!(
        deadlock(run, family(child), waits),
        str![[r#"
error[H001]: deadlock: the child waits, and nothing can wake it
  --> src/main.rs

   parent --> the end of child: only child can bring it         --> child
   child  --> SIGCONT: it is stopped, and nobody lets it go on

 expected: the parent exits with 0
      saw: the parent waits in wait, for the child to end; the child is stopped,
           for somebody to continue it
      why: nobody is left that could wake the child.
 Not a time-out: nothing is left that could wake either process.

"#]]
        .raw()
    );
}

#[test]
fn two_locks_in_two_orders() {
    let mut run = Run::new();
    let left = run.sets_up(MAIN, ObjectKind::Lock, "left", 0, true);
    let right = run.sets_up(MAIN, ObjectKind::Lock, "right", 0, true);
    let child = run.fork(MAIN);
    run.acquires(MAIN, left, None);
    run.at_line(12);
    run.acquires(child, right, None);
    run.at_line(20);
    let waits = vec![wait(MAIN, "acquire", Some(right), &[]), wait(child, "acquire", Some(left), &[])];
    assert_data_eq!(
        deadlock(run, family(child), waits),
        str![[r#"
error[H001]: deadlock: the parent and the child wait for each other
  --> src/main.rs

   parent --> right: child holds it (line 20)  --> child
   child  --> left: parent holds it (line 12)  --> parent

 expected: the parent exits with 0
      saw: the parent waits to acquire the lock right; the child waits to
           acquire the lock left
 Not a time-out: nothing is left that could wake either process.

"#]]
        .raw()
    );
}

#[test]
fn a_signal_that_is_masked_while_it_is_waited_for() {
    let mut run = Run::new();
    let sender = run.peer("sender");
    run.did(MAIN, Verb::Ready { signal: Signal::TERM });
    run.did(sender, Verb::Signal { target: Some(MAIN), signal: Signal::TERM, group: false });
    let waits = vec![wait(MAIN, "sigsuspend", None, &[])];
    assert_data_eq!(
        deadlock(run, Fit::default().role("parent", &[MAIN]), waits),
        str![[r#"
error[H001]: deadlock: the parent waits, and nothing can wake it
  --> src/main.rs

   parent --> a signal: SIGTERM has come, and is masked

 expected: the parent exits with 0
      saw: the parent waits in sigsuspend, for a signal
      why: SIGTERM has come, but the parent masks it while it waits.
 Not a time-out: nothing is left that could wake it.

"#]]
        .raw()
    );
}

#[test]
fn several_descriptors_since_the_fork() {
    let mut run = Run::new();
    let data = run.pipe(MAIN);
    let child = run.fork(MAIN);
    run.at_line(11);
    let fork = run.trace.iter().last().map(|(id, _)| id);
    let mut reads = wait(MAIN, "read", Some(data), &[(child, fork)]);
    reads.holders[0].descriptors = 2;
    let fit = family(child).object("data", data).missing("parent", "read data \"kettle\\n\"");
    let waits = vec![reads, wait(child, "pause", None, &[])];
    assert_data_eq!(
        deadlock(run, fit, waits),
        str![[r#"
error[H001]: deadlock: the child waits, and nothing can wake it
  --> src/main.rs

   parent --> data: empty, only child can write     --> child
   child  --> a signal: nobody is left to send one

 expected: the parent reads "kettle\n" from data
      saw: the parent waits in read, for bytes from the pipe data; the child
           waits in pause, for a signal
      why: only the child has a write end of data open, by 2 descriptors, since
           its fork (line 11).
           nobody is left that could wake the child.
 Not a time-out: nothing is left that could wake either process.

"#]]
        .raw()
    );
}

#[test]
fn nobody_accepts() {
    let mut run = Run::new();
    let socket = run.make(MAIN, ObjectKind::Socket, "main.socket1");
    let child = run.fork(MAIN);
    let waits = vec![wait(child, "connect", Some(socket), &[(MAIN, None)]), wait(MAIN, "accept", Some(socket), &[])];
    run.trace.end = RunEnd::AllBlocked { waits };
    let verdict = task().judge(&run, family(child).missing("parent", "exit 0"));
    check(&verdict, &[Code::H001]);
    assert_data_eq!(
        shown(&verdict),
        str![[r#"
error[H001]: all blocked: the child and the parent wait
  --> src/main.rs

   child  --> main.socket1: its backlog is full, only parent can accept -->
              parent
   parent --> main.socket1: no connection, only somebody outside can connect

 expected: the parent exits with 0
      saw: the child waits in connect, for somebody to accept at the socket
           main.socket1; the parent waits in accept, for somebody to connect to
           the socket main.socket1
      why: only the parent has it open, to accept.
           only somebody outside the run could wake them.

"#]]
        .raw()
    );
}

#[test]
fn somebody_outside_could_help() {
    let mut run = Run::new();
    let terminal = run.make(MAIN, ObjectKind::Terminal, "/dev/tty");
    run.trace.end = RunEnd::AllBlocked { waits: vec![wait(MAIN, "read", Some(terminal), &[])] };
    let verdict = task().judge(&run, Fit::default().role("parent", &[MAIN]).missing("parent", "exit 0"));
    check(&verdict, &[Code::H001]);
    assert_data_eq!(
        shown(&verdict),
        str![[r#"
error[H001]: all blocked: the parent waits
  --> src/main.rs

   parent --> /dev/tty: empty, only somebody outside can write

 expected: the parent exits with 0
      saw: the parent waits in read, for bytes from /dev/tty
      why: only somebody outside the run could wake them.

"#]]
        .raw()
    );
}
