//! M.

use ipc_grade::model::{Code, Signal};
use ipc_grade::trace::{LifeId, ObjectId, ObjectKind, Verb};

use super::chapters::named_object;
use super::check;
use super::run::{Fit, MAIN, Run, Task, wait};

const ANSWERS: &str = "stdout \"answer 654321\\n\"";

/// The object is made and mapped.
fn made(sized: bool, shared: bool) -> (Run, LifeId, ObjectId) {
    let mut run = Run::new();
    let reader = run.peer("reader");
    let object = run.make(MAIN, ObjectKind::Shm, "/kettle");
    if sized {
        run.did(MAIN, Verb::Resize { object, len: 8 });
    }
    run.did(MAIN, Verb::Map { object, shared });
    (run, reader, object)
}

fn fit(object: ObjectId) -> Fit {
    Fit::default().role("main", &[MAIN]).object("/kettle", object)
}

/// The reader has met this at offset 0; the rest goes right.
fn met(run: &mut Run, reader: LifeId, instead: Option<&str>) {
    run.step(reader, 0, None);
    run.step(reader, 1, instead);
    run.step(reader, 2, None);
    run.print(MAIN, "answer 654321\n");
    run.exit(MAIN, 0);
}

#[test]
fn right() {
    let (mut run, reader, object) = made(true, true);
    run.store(MAIN, object, 0, &123_456_u32.to_ne_bytes());
    met(&mut run, reader, None);
    check(&named_object().judge(&run, fit(object)), &[]);
}

#[test]
fn a_wrong_value() {
    let (mut run, reader, object) = made(true, true);
    run.store(MAIN, object, 0, &123_456_u32.to_be_bytes());
    met(&mut run, reader, Some(&123_456_u32.swap_bytes().to_string()));
    let verdict = named_object().judge(&run, fit(object));
    check(&verdict, &[Code::M006]);
    assert!(verdict.findings[0].why[0].contains("other order"), "{:?}", verdict.findings[0].why);
}

#[test]
fn a_value_at_another_offset_or_too_late() {
    let (mut run, reader, object) = made(true, true);
    run.store(MAIN, object, 4, &123_456_u32.to_ne_bytes());
    met(&mut run, reader, Some("0"));
    let verdict = named_object().judge(&run, fit(object));
    check(&verdict, &[Code::M006]);
    assert_eq!(verdict.findings[0].why, ["123456 was stored at offset 4."]);

    let (mut run, reader, object) = made(true, true);
    run.step(reader, 1, Some("0"));
    run.store(MAIN, object, 0, &123_456_u32.to_ne_bytes());
    run.print(MAIN, "answer 654321\n");
    run.exit(MAIN, 0);
    let verdict = named_object().judge(&run, fit(object));
    check(&verdict, &[Code::M006]);
    assert_eq!(verdict.findings[0].why, ["123456 was stored only after the look at it."]);
}

#[test]
fn what_a_reader_that_stopped_has_not_done_follows() {
    let (mut run, reader, object) = made(true, true);
    run.store(MAIN, object, 4, &123_456_u32.to_ne_bytes());
    run.step(reader, 0, None);
    run.step(reader, 1, Some("0"));
    let printed = run.print(MAIN, "answer 123456\n");
    run.exit(MAIN, 0);
    let fit = fit(object).missing("main", "read stdin \"go\\n\"");
    let fit = fit.wrong("main", ANSWERS, printed, "answer 654321\n", "answer 123456\n");
    check(&named_object().judge(&run, fit), &[Code::M006]);
}

#[test]
fn a_private_mapping() {
    let (mut run, reader, object) = made(true, false);
    run.step(reader, 1, Some("0"));
    let printed = run.print(MAIN, "answer 0\n");
    run.exit(MAIN, 0);
    let lost = || fit(object).wrong("main", ANSWERS, printed, "answer 654321\n", "answer 0\n");
    check(&named_object().judge(&run, lost()), &[Code::M001]);
    // A second, shared mapping: the private one is not what matters.
    run.did(MAIN, Verb::Map { object, shared: true });
    assert_eq!(named_object().judge(&run, lost()).cause(), Some(Code::M006));
}

#[test]
fn a_private_mapping_that_does_no_harm() {
    let (mut run, reader, object) = made(true, false);
    met(&mut run, reader, None);
    check(&named_object().judge(&run, fit(object)), &[]);
}

#[test]
fn no_size() {
    let (mut run, _, object) = made(false, true);
    let died = run.killed(MAIN, Signal::BUS);
    run.leave(object);
    let fit = |died| {
        fit(object).missing("main", "read stdin \"go\\n\"").missing("main", ANSWERS).wrong(
            "main",
            "exit 0",
            died,
            "0",
            "killed BUS",
        )
    };
    let verdict = named_object().judge(&run, fit(died));
    check(&verdict, &[Code::M002]);
    assert_eq!(verdict.checks.iter().map(|check| check.points).sum::<u32>(), 0);
    // It has a size, so this SIGBUS has another reason.
    let (mut run, _, object) = made(true, true);
    let died = run.killed(MAIN, Signal::BUS);
    run.leave(object);
    let verdict = named_object().judge(&run, fit(died));
    assert_eq!(verdict.cause(), Some(Code::T005), "{:#?}", verdict.findings);
    assert!(verdict.findings.iter().all(|finding| finding.code != Code::M005), "what a crash leaves follows from it");
}

#[test]
fn an_object_that_the_other_side_finds_empty() {
    for (sized, code) in [(false, Code::M002), (true, Code::T001)] {
        let (mut run, reader, object) = made(sized, true);
        run.step(reader, 0, Some("an object of 0 bytes"));
        run.print(MAIN, "answer 654321\n");
        run.exit(MAIN, 0);
        check(&named_object().judge(&run, fit(object)), &[code]);
    }
}

#[test]
fn mapped_after_the_fork() {
    let (mut run, reader, object) = made(true, true);
    let child = run.fork(MAIN);
    run.make(child, ObjectKind::SharedMapping, "main.1.mapping1");
    run.exit(child, 0);
    run.make(MAIN, ObjectKind::SharedMapping, "main.mapping1");
    run.reap(MAIN, child);
    run.store(MAIN, object, 0, &[0; 4]);
    met(&mut run, reader, Some("0"));
    check(&named_object().judge(&run, fit(object)), &[Code::M010]);
}

#[test]
fn a_mapping_from_before_the_fork_is_shared() {
    let (mut run, reader, object) = made(true, true);
    run.make(MAIN, ObjectKind::SharedMapping, "main.mapping1");
    let child = run.fork(MAIN);
    run.make(child, ObjectKind::SharedMapping, "main.1.mapping1");
    run.exit(child, 0);
    run.reap(MAIN, child);
    met(&mut run, reader, Some("0"));
    check(&named_object().judge(&run, fit(object)), &[Code::M006]);
}

#[test]
fn name_stays() {
    let (mut run, reader, object) = made(true, true);
    met(&mut run, reader, None);
    run.leave(object);
    check(&named_object().judge(&run, fit(object)), &[Code::M005]);
}

#[test]
fn other_answers() {
    for (answer, codes) in [("answer 42\n", Code::T005), ("answer 123456\n", Code::T005), ("", Code::T001)] {
        let (mut run, reader, object) = made(true, true);
        for step in 0..3 {
            run.step(reader, step, None);
        }
        if !answer.is_empty() {
            run.print(MAIN, answer);
        }
        run.exit(MAIN, 0);
        // Seen by the check alone, and by the expected trace as well: told once.
        check(&named_object().judge(&run, fit(object)), &[codes]);
    }
}

#[test]
fn a_reader_that_never_looked() {
    let (mut run, _, object) = made(true, true);
    run.print(MAIN, "answer 654321\n");
    run.exit(MAIN, 0);
    check(&named_object().judge(&run, fit(object)), &[Code::T001]);
}

#[test]
fn the_last_value_counts_at_the_end() {
    let task = || Task::new(&[("x", ipc_grade::model::Value::Int(7))]).memory("value", "/kettle", "{x}", "end", 1);
    let (mut run, _, object) = made(true, true);
    run.store(MAIN, object, 0, &9_u32.to_ne_bytes());
    run.store(MAIN, object, 0, &7_u32.to_ne_bytes());
    run.exit(MAIN, 0);
    check(&task().judge(&run, fit(object)), &[]);
    run.store(MAIN, object, 3, &[1, 1]);
    check(&task().judge(&run, fit(object)), &[Code::M006]);
}

/// A semaphore in the object, made for threads alone or for processes; a child posts what the program waits for.
fn semaphore(shared: bool) -> (Run, LifeId, ObjectId, ObjectId) {
    let (mut run, reader, object) = made(true, true);
    let semaphore = run.object("/kettle+8", ObjectKind::Semaphore, None);
    run.did(MAIN, Verb::Init { object: semaphore, value: 0, shared });
    (run, reader, object, semaphore)
}

#[test]
fn a_semaphore_for_threads_alone() {
    let (mut run, _, object, semaphore) = semaphore(false);
    let child = run.fork(MAIN);
    run.did(child, Verb::Release { object: semaphore });
    run.exit(child, 0);
    run.deadlock(vec![wait(MAIN, "acquire", Some(semaphore), &[])]);
    let verdict = named_object().judge(&run, fit(object).missing("main", ANSWERS));
    check(&verdict, &[Code::M009]);
    assert!(verdict.findings[0].proved);
    assert_eq!(verdict.findings[0].labels.len(), 2);
}

#[test]
fn one_for_threads_alone_may_go_well() {
    let run = |shared: bool, forks: bool| {
        let (mut run, reader, object, semaphore) = semaphore(shared);
        let child = if forks { run.fork(MAIN) } else { MAIN };
        run.did(child, Verb::Release { object: semaphore });
        if forks {
            run.exit(child, 0);
            run.reap(MAIN, child);
        }
        run.did(MAIN, Verb::Acquire { object: semaphore });
        run.store(MAIN, object, 0, &123_456_u32.to_ne_bytes());
        met(&mut run, reader, None);
        named_object().judge(&run, fit(object))
    };
    check(&run(false, true), &[Code::M009]);
    check(&run(true, true), &[]);
    // Nobody else uses it: then it is a semaphore for threads.
    check(&run(false, false), &[]);
}
