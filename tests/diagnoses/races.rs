//! M003, M004, M007, M008, M009, M011, H003: what accesses and locks show.

use ipc_grade::judge::{CheckStatus, Severity, Verdict};
use ipc_grade::model::{Code, Invariant, Signal};
use ipc_grade::report::{ExerciseReport, Style, exercise};
use ipc_grade::trace::{EventId, LifeId, ObjectId, ObjectKind, Verb};
use snapbox::{IntoData, assert_data_eq, str};

use super::check;
use super::run::{Fit, MAIN, Run, Task, wait, wait_for};

/// A program that prints a number which it finds in shared memory.
fn task() -> Task {
    Task::new(&[]).output("sum", "stdout", Some("2\n"), 5).trace(3, &["sum"]).clean(2)
}

/// Shared memory and a child.
fn forked() -> (Run, LifeId, ObjectId) {
    let mut run = Run::new();
    let memory = run.make(MAIN, ObjectKind::SharedMapping, "main.map1");
    let child = run.fork(MAIN);
    (run, child, memory)
}

fn fit(child: LifeId, memory: ObjectId) -> Fit {
    Fit::default().role("parent", &[MAIN]).role("child", &[child]).object("counter", memory)
}

/// Both have ended in order; the parent prints.
fn ends(run: &mut Run, child: LifeId, says: &str) {
    let end = run.exit(child, 0);
    let reaped = run.reap(MAIN, child);
    run.trace.events[reaped.index()].causes = vec![end];
    run.print(MAIN, says);
    run.exit(MAIN, 0);
}

fn advice(verdict: &Verdict) -> Vec<Code> {
    verdict.findings.iter().filter(|it| it.severity == Severity::Advice).map(|it| it.code).collect()
}

fn shown(task: &Task, verdict: &Verdict) -> String {
    let text = exercise(&ExerciseReport::of(&task.exercise, "src/main.rs", verdict), &Style::default());
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    text
}

/// Both add one; the parent's store is over the child's.
fn lost(says: &str) -> (Run, LifeId, ObjectId) {
    let (mut run, child, memory) = forked();
    run.loads(MAIN, memory, 0);
    run.loads(child, memory, 0);
    run.stores(child, memory, 0, 1);
    run.at_line(25);
    run.stores(MAIN, memory, 0, 1);
    run.at_line(18);
    ends(&mut run, child, says);
    (run, child, memory)
}

#[test]
fn a_lost_update() {
    let (run, child, memory) = lost("1\n");
    let verdict = task().judge(&run, fit(child, memory));
    check(&verdict, &[Code::M004]);
    let labels: Vec<&str> = verdict.findings[0].labels.iter().map(|label| label.text.as_str()).collect();
    assert_eq!(labels, ["parent", "child", "parent has loaded the old value here"]);
    assert_data_eq!(
        shown(&task(), &verdict),
        str![[r#"
test  NOT YET  2 of 10 points

error[M004]: one process overwrote the other's update
  --> src/main.rs:18
   = src/main.rs:25: child
   |
   parent      counter in memory     child
   load 0              0
                       0             load 0
                       1             store 1
   store 1             1             <- the child's +1 is gone

 expected: 2
      saw: 1
      why: += is load, add, store. The other process may run between
           them. By hand you nearly always get the right number: that is luck.
           make the three steps one (atomic), or admit one process at a time.
 Stuck? ipc-grade hint test

"#]]
        .raw()
    );
}

#[test]
fn a_lost_update_that_does_no_harm_costs_nothing() {
    let (run, child, memory) = lost("2\n");
    let verdict = task().judge(&run, fit(child, memory));
    check(&verdict, &[]);
    assert_eq!(advice(&verdict), [Code::M004]);
}

#[test]
fn a_lock_given_back_between_load_and_store() {
    for (says, errors) in [("1\n", vec![Code::M004]), ("2\n", vec![])] {
        let mut run = Run::new();
        let memory = run.make(MAIN, ObjectKind::SharedMapping, "main.map1");
        let lock = run.sets_up(MAIN, ObjectKind::Lock, "main.lock1", 0, true);
        let child = run.fork(MAIN);
        run.acquires(MAIN, lock, None);
        run.loads(MAIN, memory, 0);
        let free = run.releases(MAIN, lock);
        run.acquires(child, lock, Some(free));
        run.loads(child, memory, 0);
        run.stores(child, memory, 0, 1);
        let free = run.releases(child, lock);
        run.acquires(MAIN, lock, Some(free));
        run.stores(MAIN, memory, 0, 1);
        run.releases(MAIN, lock);
        ends(&mut run, child, says);
        let verdict = task().judge(&run, fit(child, memory));
        check(&verdict, &errors);
        // Without harm there may be a reason for it.
        assert_eq!(advice(&verdict), []);
    }
}

/// The child stores, the parent as well; nothing orders them.
fn race(says: &str) -> (Run, LifeId, ObjectId) {
    let (mut run, child, memory) = forked();
    run.stores(MAIN, memory, 0, 2);
    run.stores(child, memory, 0, 1);
    ends(&mut run, child, says);
    (run, child, memory)
}

#[test]
fn a_data_race() {
    let (run, child, memory) = race("1\n");
    let verdict = task().judge(&run, fit(child, memory));
    check(&verdict, &[Code::M003]);
    assert_data_eq!(
        shown(&task(), &verdict),
        str![[r#"
test  NOT YET  2 of 10 points

error[M003]: data race: nothing orders the parent's store and the child's store
  --> src/main.rs

 expected: 2
      saw: 1
      why: the parent stores 2, the child stores 1, both at offset 0 of counter:
           another time the two may come the other way round.
 Stuck? ipc-grade hint test

"#]]
        .raw()
    );
    let (run, child, memory) = race("2\n");
    let verdict = task().judge(&run, fit(child, memory));
    check(&verdict, &[]);
    assert_eq!(advice(&verdict), [Code::M003]);
    check(&task().off(Invariant::Race).judge(&run, fit(child, memory)), &[]);
    assert_eq!(advice(&task().off(Invariant::Race).judge(&run, fit(child, memory))), []);
}

#[test]
fn what_a_race_cannot_cause_is_not_laid_at_its_door() {
    let (run, child, memory) = race("2\n");
    // A program that came to its end and did not remove what it made has no race to blame for that.
    let verdict = task().judge(&run, fit(child, memory).missing("parent", "unlink names"));
    check(&verdict, &[Code::T001]);
    assert_eq!(advice(&verdict), [Code::M003]);
    // What was wrong before the race was not made wrong by it.
    let (mut run, child, memory) = forked();
    let early = run.print(MAIN, "2\n");
    run.stores(MAIN, memory, 0, 2);
    run.stores(child, memory, 0, 1);
    run.exit(child, 0);
    run.reap(MAIN, child);
    run.exit(MAIN, 0);
    let verdict = task().judge(&run, fit(child, memory).wrong("parent", "stdout \"3\\n\"", early, "3\n", "2\n"));
    check(&verdict, &[Code::T005]);
    assert_eq!(advice(&verdict), [Code::M003]);
}

#[test]
fn a_private_mapping_is_the_nearer_reason() {
    let mut run = Run::new();
    let memory = run.make(MAIN, ObjectKind::Shm, "/kettle");
    run.did(MAIN, Verb::Map { object: memory, shared: false });
    let child = run.fork(MAIN);
    run.stores(MAIN, memory, 0, 2);
    run.stores(child, memory, 0, 1);
    ends(&mut run, child, "1\n");
    check(&task().judge(&run, fit(child, memory)), &[Code::M001]);
}

/// The parent looks at what the child stores.
fn looks(early: bool, says: &str) -> (Run, LifeId, ObjectId) {
    let (mut run, child, memory) = forked();
    run.did(MAIN, Verb::Call { name: "clock_nanosleep".into() });
    if early {
        run.loads(MAIN, memory, 0);
        run.print(MAIN, says);
        run.stores(child, memory, 0, 2);
    } else {
        run.stores(child, memory, 0, 2);
        run.loads(MAIN, memory, 0);
        run.print(MAIN, says);
    }
    run.exit(child, 0);
    run.reap(MAIN, child);
    run.exit(MAIN, 0);
    (run, child, memory)
}

#[test]
fn the_reader_looks_too_early() {
    let (run, child, memory) = looks(true, "0\n");
    let verdict = task().judge(&run, fit(child, memory));
    check(&verdict, &[Code::M008]);
    assert_data_eq!(
        shown(&task(), &verdict),
        str![[r#"
test  NOT YET  2 of 10 points

error[M008]: the parent looks before the child is ready
  --> src/main.rs

 expected: the parent looks at offset 0 of counter after the child's store
      saw: the parent loads 0 there; only then the child stores 2
      why: the parent only sleeps, and a sleep puts nothing in order:
           the other may take longer.
 Stuck? ipc-grade hint test

"#]]
        .raw()
    );
    let (run, child, memory) = looks(false, "2\n");
    let verdict = task().judge(&run, fit(child, memory));
    check(&verdict, &[]);
    assert_eq!(advice(&verdict), [Code::M008]);
}

/// The parent releases a semaphore and stores, in this order or the other; the child acquires, looks and prints.
fn handed_over(first: u32, store_first: bool) -> (Run, LifeId, ObjectId) {
    let mut run = Run::new();
    let memory = run.make(MAIN, ObjectKind::SharedMapping, "main.map1");
    let full = run.sets_up(MAIN, ObjectKind::Semaphore, "main.sem1", first, true);
    let child = run.fork(MAIN);
    let posted = if store_first {
        run.stores(MAIN, memory, 8, 2);
        run.releases(MAIN, full)
    } else {
        let posted = run.releases(MAIN, full);
        run.stores(MAIN, memory, 8, 2);
        posted
    };
    run.acquires(child, full, (first == 0).then_some(posted));
    run.loads(child, memory, 8);
    run.print(child, "2\n");
    let end = run.exit(child, 0);
    let reaped = run.reap(MAIN, child);
    run.trace.events[reaped.index()].causes = vec![end];
    run.exit(MAIN, 0);
    (run, child, memory)
}

#[test]
fn a_semaphore_orders_only_what_it_stands_between() {
    let judged = |(run, child, memory): (Run, LifeId, ObjectId)| task().judge(&run, fit(child, memory));
    assert_eq!(advice(&judged(handed_over(0, true))), []);
    let post_first = judged(handed_over(0, false));
    assert_eq!(advice(&post_first), [Code::M003]);
    let why = post_first.findings[0].why.join("\n");
    assert!(why.contains("releases main.sem1 before it stores"), "{why}");
    let starts_at_1 = judged(handed_over(1, true));
    assert_eq!(advice(&starts_at_1), [Code::M008]);
    let why = starts_at_1.findings[0].why.join("\n");
    assert!(why.contains("main.sem1 starts at 1"), "{why}");
}

#[test]
fn a_pointer_in_shared_memory() {
    for crash in [true, false] {
        let (mut run, child, memory) = forked();
        let bytes = 0x7fff_1234_5678_u64.to_ne_bytes();
        let before = Some([0_u8; 8].as_slice().into());
        let verb = Verb::Store {
            object: memory,
            offset: 0,
            bytes: bytes.as_slice().into(),
            atomic: false,
            before,
            pointer: true,
        };
        run.did(child, verb);
        let end = run.exit(child, 0);
        let reaped = run.reap(MAIN, child);
        run.trace.events[reaped.index()].causes = vec![end];
        run.did(MAIN, Verb::Load { object: memory, offset: 0, bytes: bytes.as_slice().into(), atomic: false });
        if crash {
            let died = run.killed(MAIN, Signal::SEGV);
            let fit = fit(child, memory).wrong("parent", "exit 0", died, "0", "killed SEGV");
            check(&task().judge(&run, fit), &[Code::M007]);
        } else {
            run.print(MAIN, "2\n");
            run.exit(MAIN, 0);
            let verdict = task().judge(&run, fit(child, memory));
            check(&verdict, &[]);
            assert_eq!(advice(&verdict), [Code::M007]);
        }
    }
}

/// The child sleeps on a semaphore that the parent has released.
fn asleep(shared: bool) -> (Run, Fit) {
    let mut run = Run::new();
    let ready = run.sets_up(MAIN, ObjectKind::Semaphore, "main.sem1", 0, shared);
    let child = run.fork(MAIN);
    run.releases(MAIN, ready);
    run.deadlock(vec![wait_for(MAIN, child), wait(child, "acquire", Some(ready), &[])]);
    let fit = Fit::default().role("parent", &[MAIN]).role("child", &[child]).missing("child", "stdout \"2\\n\"");
    (run, fit)
}

#[test]
fn a_semaphore_for_threads_between_processes() {
    let (run, fit) = asleep(false);
    check(&task().judge(&run, fit), &[Code::M009]);
    let (run, fit) = asleep(true);
    check(&task().judge(&run, fit), &[Code::H001]);
}

/// The producer has the lock and waits for room; the consumer waits for the lock.
fn full(run: &mut Run, taken_once: bool) -> (LifeId, ObjectId, ObjectId) {
    let room = run.sets_up(MAIN, ObjectKind::Semaphore, "room", u32::from(taken_once), true);
    let lock = run.sets_up(MAIN, ObjectKind::Lock, "lock", 0, true);
    let child = run.fork(MAIN);
    if taken_once {
        run.acquires(MAIN, room, None);
    }
    run.acquires(MAIN, lock, None);
    run.at_line(12);
    run.deadlock(vec![wait(MAIN, "acquire", Some(room), &[]), wait(child, "acquire", Some(lock), &[])]);
    (child, room, lock)
}

#[test]
fn waits_for_room_with_the_lock() {
    for taken_once in [true, false] {
        let mut run = Run::new();
        let (child, ..) = full(&mut run, taken_once);
        let fit = Fit::default().role("producer", &[MAIN]).role("consumer", &[child]);
        let verdict = task().judge(&run, fit.missing("consumer", "stdout \"2\\n\""));
        check(&verdict, &[Code::M011]);
        if !taken_once {
            assert_data_eq!(
                shown(&task(), &verdict),
                str![[r#"
test  NOT YET  0 of 10 points

error[M011]: the producer waits for room while it holds the lock
  --> src/main.rs
   = src/main.rs:12: the producer has taken lock here

   producer --> room: at 0, only consumer can release it  --> consumer
   consumer --> lock: producer holds it (line 12)         --> producer

 expected: the producer acquires room first, then lock
      saw: the producer holds lock and waits for room; the consumer waits for
           lock
      why: only the consumer could release room, and it cannot get in.
 Not a time-out: nothing is left that could wake either process.
 Stuck? ipc-grade hint test

"#]]
                .raw()
            );
        }
    }
}

/// The parent looks until the child has stored.
fn spins(looks: u32, by_another: bool) -> (Run, LifeId, ObjectId) {
    let (mut run, child, memory) = forked();
    for _ in 0..looks {
        run.loads(MAIN, memory, 0);
        run.did(MAIN, Verb::Call { name: "sched_yield".into() });
    }
    if by_another {
        run.stores(child, memory, 0, 2);
    }
    run.loads(MAIN, memory, 0);
    ends(&mut run, child, "2\n");
    (run, child, memory)
}

#[test]
fn a_busy_wait() {
    let judged = |(run, child, memory): (Run, LifeId, ObjectId)| task().judge(&run, fit(child, memory));
    let verdict = judged(spins(10, true));
    check(&verdict, &[Code::H003]);
    // Nobody waits here: it never sees anything new.
    check(&judged(spins(40, false)), &[]);
    check(&judged(spins(9, true)), &[]);
    let (run, child, memory) = spins(10, true);
    check(&task().off(Invariant::BusyWait).judge(&run, fit(child, memory)), &[]);
}

#[test]
fn a_busy_wait_that_looks_at_two_places_in_turn() {
    let (mut run, child, memory) = forked();
    for _ in 0..5 {
        run.loads(MAIN, memory, 0);
        run.loads(MAIN, memory, 8);
    }
    run.stores(child, memory, 8, 2);
    run.loads(MAIN, memory, 8);
    ends(&mut run, child, "2\n");
    check(&task().judge(&run, fit(child, memory)), &[Code::H003]);
}

#[test]
fn who_reads_on_in_an_array_does_not_wait() {
    let (mut run, child, memory) = forked();
    run.stores(MAIN, memory, 0, 40);
    for index in 1..=40 {
        run.loads(child, memory, 0);
        run.loads(child, memory, 4 * index);
    }
    run.stores(MAIN, memory, 0, 41);
    run.loads(child, memory, 0);
    ends(&mut run, child, "2\n");
    check(&task().judge(&run, fit(child, memory)), &[]);
}

#[test]
fn a_spin_without_an_end_is_a_busy_wait() {
    let (mut run, _, memory) = forked();
    for _ in 0..100 {
        run.loads(MAIN, memory, 0);
    }
    run.limit("steps", "100 steps", MAIN);
    let fit = Fit::default().role("parent", &[MAIN]).missing("parent", "stdout \"2\\n\"");
    check(&task().judge(&run, fit), &[Code::H003]);
}

#[test]
fn right_programs_have_nothing_to_be_told() {
    // Before the fork, after the wait, behind a pipe.
    let (mut run, child, memory) = forked();
    run.stores(child, memory, 0, 2);
    let end = run.exit(child, 0);
    let reaped = run.reap(MAIN, child);
    run.trace.events[reaped.index()].causes = vec![end];
    run.loads(MAIN, memory, 0);
    run.print(MAIN, "2\n");
    run.exit(MAIN, 0);
    let verdict = task().judge(&run, fit(child, memory));
    check(&verdict, &[]);
    assert!(verdict.findings.is_empty(), "{:#?}", verdict.findings);
    assert_eq!(run.trace.iter().next().map(|(id, _)| id), Some(EventId(0)));
}

#[test]
fn what_was_not_examined_did_not_pass() {
    let (mut run, child, memory) = forked();
    run.stores(child, memory, 0, 2);
    run.did(child, Verb::Unexamined { object: memory });
    let end = run.exit(child, 0);
    let reaped = run.reap(MAIN, child);
    run.trace.events[reaped.index()].causes = vec![end];
    run.print(MAIN, "2\n");
    run.exit(MAIN, 0);
    // The expected trace asks for what may have happened and was not seen.
    let verdict = task().judge(&run, fit(child, memory).missing("child", "store counter 7"));
    assert_eq!(verdict.findings, []);
    let statuses: Vec<CheckStatus> = verdict.checks.iter().map(|check| check.status).collect();
    assert_eq!(statuses, [CheckStatus::Pass, CheckStatus::Unexamined, CheckStatus::Unexamined]);
    assert_data_eq!(
        shown(&task(), &verdict),
        str![[r#"
test  NOT EXAMINED  5 of 10 points
 Stuck? ipc-grade hint test

Not examined: counter is accessed more often than the grader follows.
What rests on it is neither right nor wrong; fewer accesses can be looked at.

"#]]
        .raw()
    );
    let json = serde_json::to_value(ExerciseReport::of(&task().exercise, "src/main.rs", &verdict)).expect("JSON");
    assert_eq!(json["status"], "unexamined");
    assert_eq!(json["unexamined"][0], "counter");
    // What is wrong all the same is wrong.
    run.trace.events.iter_mut().for_each(|event| {
        if let Verb::Write { bytes, .. } = &mut event.verb {
            *bytes = "3\n".into();
        }
    });
    check(&task().judge(&run, fit(child, memory)), &[Code::T005]);
}
