//! What is said to have been tried: a replay in which a process did what it had not done. Told is what led further, and
//! nothing of what did not. Each test has a course of its own.

#[path = "rough/course.rs"]
#[allow(dead_code, reason = "each test file uses its part")]
mod course;
#[path = "rough/processes.rs"]
#[allow(dead_code, reason = "each test file uses its part")]
mod processes;
#[path = "support/require.rs"]
mod require;

use course::SmallCourse;

/// Parent and child, in which the parent prints the child's number.
const NUMBER: &str =
    "parent:\n    fork child; { stdout \"7\" & wait child -> exit 0 }\n    exit 0\n\nchild:\n    exit 0\n";
/// The child takes a signal that the parent sends.
const SIGNAL: &str = "parent:\n    fork child; signal child USR1; stdout \"7\"; wait child -> exit 0\n    exit 0\n\n\
                      child:\n    take USR1\n    exit 0\n";

/// A program whose parent and child share a page `m`, with some words to make the rest of it short.
fn program(before: &str, child: &str, parent: &str) -> String {
    format!(
        "#![allow(unused)]
use libc::*;
use std::ptr::null_mut;
static FLAG: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
extern \"C\" fn handler(_: c_int) {{ FLAG.store(true, std::sync::atomic::Ordering::SeqCst); }}
unsafe fn handle() {{
    unsafe {{
        let mut action: sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        sigaction(SIGUSR1, &action, null_mut());
    }}
}}
unsafe fn set(with: c_int) -> sigset_t {{
    unsafe {{
        let mut set: sigset_t = std::mem::zeroed();
        sigemptyset(&mut set);
        sigaddset(&mut set, with);
        set
    }}
}}
unsafe fn say(number: u32) {{ unsafe {{ write(1, number.to_string().as_ptr().cast(), 1); }} }}
fn main() {{
    unsafe {{
        let m = mmap(null_mut(), 4096, 3, 0x21, -1, 0).cast::<u32>();
        let s = m.add(64).cast::<sem_t>();
        let t = m.add(128).cast::<sem_t>();
        let lock = m.add(192).cast::<pthread_mutex_t>();
        let mut ends = [0; 2];
        {before}
        let child = fork();
        if child == 0 {{
            {child}
            _exit(0);
        }}
        {parent}
        waitpid(child, null_mut(), 0);
    }}
}}
"
    )
}

/// Grades it in order and expects this cause and these words; empty where nothing is to be said.
#[track_caller]
fn check(expected: &str, program: &str, code: &str, tried: &str) {
    if !require::grading() {
        return;
    }
    let course = SmallCourse::new("");
    course.write(
        &format!("{}/exercise.toml", course.exercise()),
        "title = \"A test\"\nhints = [\"gentle\", \"plainer\", \"plain\"]\n[off]\nrace = \"not here\"\n[[scenario]]\nid = \
         \"one\"\n[[check]]\nid = \"trace\"\nkind = \"trace\"\npoints = 5\n[[check]]\nid = \"clean\"\nkind = \"clean\"\n\
         points = 5\n",
    );
    course.write(&format!("{}/expected.trace", course.exercise()), expected);
    course.write("answer.rs", program);
    let report = course.run(&["check", &course.name, "--source", "answer.rs", "--format", "json"]).graded();
    let cause = &report["findings"][0];
    assert_eq!(cause["code"], code, "{report:#}");
    let told: Vec<&str> = cause["tried"].as_array().expect("a list").iter().filter_map(|it| it.as_str()).collect();
    assert_eq!(told.join("\n"), tried, "{cause:#}");
}

/// The line of a program in which some text stands.
fn line(program: &str, text: &str) -> usize {
    program.lines().position(|line| line.contains(text)).expect("it stands there") + 1
}

#[test]
fn a_semaphore_that_nobody_posts() {
    let never = |print: &str| program("sem_init(s, 1, 0);", "*m = 7;", &format!("sem_wait(s); {print}"));
    let passing = never("say(*m);");
    let after = line(&passing, "*m = 7;");
    let tried = format!("with main.mapping1+256 posted by the child after line {after}, your program passes.");
    check(NUMBER, &passing, "H001", &tried);
    let tried = tried.replace("passes.", "gets past this, and then fails otherwise: T005.");
    check(NUMBER, &never("say(*m + 1);"), "H001", &tried);
}

#[test]
fn a_semaphore_that_a_loop_should_post() {
    let child = "for n in 1..8 { sem_wait(t); *m = n; }";
    let parent = "for _ in 1..8 { sem_wait(s); sem_post(t); } say(*m);";
    let text = program("sem_init(s, 1, 0); sem_init(t, 1, 2);", child, parent);
    let after = line(&text, "*m = n;");
    let tried = format!(
        "with main.mapping1+256 posted 7 times by the child, the first time after line {after}, your program passes."
    );
    check(NUMBER, &text, "H001", &tried);
}

#[test]
fn a_semaphore_that_starts_at_0_and_all_wait_for() {
    let both = "sem_wait(s); *m += 1; sem_post(s);";
    let text = program("*m = 5; sem_init(s, 1, 0);", both, &format!("{both} waitpid(child, null_mut(), 0); say(*m);"));
    let after = line(&text, "sem_init(s, 1, 0);");
    let tried = format!("with main.mapping1+256 posted by the parent after line {after}, your program passes.");
    check(NUMBER, &text, "H001", &tried);
}

#[test]
fn a_semaphore_of_system_v() {
    let before = "let set = semget(IPC_PRIVATE, 2, 0o600);
        let mut down = sembuf { sem_num: 1, sem_op: -1, sem_flg: 0 };";
    let text = program(before, "*m = 7;", "semop(set, &mut down, 1); say(*m); semctl(set, 0, IPC_RMID);");
    let after = line(&text, "*m = 7;");
    let tried = format!("with main.semaphore1[1] posted by the child after line {after}, your program passes.");
    check(NUMBER, &text, "H001", &tried);
}

#[test]
fn a_lock_that_is_never_given_back() {
    let shared = "let mut shared = std::mem::zeroed(); pthread_mutexattr_init(&mut shared);
        pthread_mutexattr_setpshared(&mut shared, PTHREAD_PROCESS_SHARED); pthread_mutex_init(lock, &shared);";
    let child = "pthread_mutex_lock(lock);\n            *m = 7;";
    let text = program(shared, child, "waitpid(child, null_mut(), 0); pthread_mutex_lock(lock); say(*m);");
    let after = line(&text, "*m = 7;");
    let tried = format!("with main.mapping1+768 released by the child after line {after}, your program passes.");
    check(NUMBER, &text, "H001", &tried);
}

/// Each holds what the other wants: that one of them gives back what it has yet to use is no way to mend it.
#[test]
fn two_locks_in_two_orders_are_not_mended() {
    let before = "sem_init(s, 1, 1); sem_init(t, 1, 1); pipe(ends.as_mut_ptr());";
    let child = "sem_wait(s); write(ends[1], m.cast(), 1); sem_wait(t); sem_post(t); sem_post(s);";
    let parent = "sem_wait(t); read(ends[0], m.cast(), 1); sem_wait(s); sem_post(s); sem_post(t); say(7);";
    check(NUMBER, &program(before, child, parent), "H001", "");
}

#[test]
fn a_signal_that_comes_before_its_handler() {
    let waits = "while !FLAG.load(std::sync::atomic::Ordering::SeqCst) { sigsuspend(&set(SIGUSR2)); }";
    let text = program("", &format!("handle(); {waits}"), "kill(child, SIGUSR1); say(7);");
    let tried = "with SIGUSR1 held back until the child has a handler for it, your program passes.";
    check(SIGNAL, &text, "S001", tried);
    let text = program("", &format!("handle(); {waits}"), "kill(child, SIGUSR1); say(8);");
    check(SIGNAL, &text, "S001", &tried.replace("passes.", "gets past this, and then fails otherwise: T005."));
    // Nobody ever handles it: that it waits for ever is no way on.
    check(SIGNAL, &program("", "pause();", "kill(child, SIGUSR1); say(7);"), "S001", "");
}

#[test]
fn a_signal_that_is_masked_while_it_is_waited_for() {
    let before = "pipe(ends.as_mut_ptr());";
    let parent = "read(ends[0], m.cast(), 1); kill(child, SIGUSR1); say(7);";
    let child = "handle(); sigprocmask(SIG_BLOCK, &set(SIGUSR1), null_mut()); write(ends[1], m.cast(), 1);";
    let tried = "with SIGUSR1 let through while the child sleeps, your program passes.";
    check(SIGNAL, &program(before, &format!("{child} sigsuspend(&set(SIGUSR1));"), parent), "H001", tried);
    check(SIGNAL, &program(before, &format!("{child} pause();"), parent), "H001", tried);
    // Waiting a second time for a signal that comes once is no matter of the mask.
    let twice = format!("{child} pause(); pause();");
    check(
        SIGNAL,
        &program(before, &twice, parent),
        "H001",
        "with SIGUSR1 let through while the child sleeps, your program gets past this, and then fails otherwise: S005.",
    );
}

/// It fills a pipe that it alone could empty: without its own read end it learns that nobody reads.
#[test]
fn a_read_end_of_the_writers_own() {
    let expected =
        "parent:\n    fork child; wait child -> killed PIPE; stdout \"7\"\n    exit 0\n\nchild:\n    killed PIPE\n";
    let before = "pipe(ends.as_mut_ptr());";
    let child = "signal(SIGPIPE, SIG_DFL); loop { write(ends[1], m.cast(), 4096); }";
    let text = program(before, child, "close(ends[0]); waitpid(child, null_mut(), 0); say(7);");
    check(expected, &text, "H001", "with its own read end closed in the child after line 30, your program passes.");
}
