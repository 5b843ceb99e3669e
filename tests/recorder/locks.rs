//! Semaphores, locks, conditions and barriers, which make no call where nobody waits; and what handlers call.

use ipc_grade::trace::{ObjectKind, Verb};
use snapbox::{IntoData, str};

use crate::{check, record, story};

/// A program with libc in it tells the same as one that loads it.
#[track_caller]
fn check_both(case: &str, expected: impl IntoData) {
    let of = |program: &str| story::story(&record(program, case));
    assert_eq!(of("locks"), of("locks-static"), "{case}");
    check("locks", case, expected);
}

#[test]
fn a_hundred_rounds_without_a_call() {
    for program in ["locks", "locks-static"] {
        let trace = record(program, "hundred_rounds");
        let count = |wanted: fn(&Verb) -> bool| trace.events.iter().filter(|event| wanted(&event.verb)).count();
        assert_eq!(count(|verb| matches!(verb, Verb::Release { .. })), 100);
        assert_eq!(count(|verb| matches!(verb, Verb::Acquire { .. })), 100);
        assert_eq!(count(|verb| matches!(verb, Verb::Store { .. })), 0, "a semaphore's inside is no store");
        let kinds: Vec<ObjectKind> = trace.objects.iter().map(|object| object.kind).collect();
        assert!(kinds.contains(&ObjectKind::Semaphore) && !kinds.contains(&ObjectKind::Futex), "{kinds:?}");
    }
}

#[test]
fn ping_pong() {
    check_both(
        "ping_pong",
        str![[r#"
main
  create main.mapping1
  map main.mapping1
  init main.mapping1+0 0
  init main.mapping1+32 0
  fork main.1
  release main.mapping1+0
  acquire main.mapping1+32 < main.1
  release main.mapping1+0
  acquire main.mapping1+32 < main.1
  reaped main.1 exit 0 < main.1
  exit 0
main.1
  acquire main.mapping1+0 < main
  load main.mapping1+280 "/x00/x00/x00/x00"
  store main.mapping1+280 "/x01/x00/x00/x00"
  release main.mapping1+32
  acquire main.mapping1+0 < main
  load main.mapping1+280 "/x01/x00/x00/x00"
  store main.mapping1+280 "/x02/x00/x00/x00"
  release main.mapping1+32
  exit 0
finished

"#]],
    );
}

#[test]
fn named() {
    check_both(
        "named",
        str![[r#"
main
  create /turn
  write /turn "/x01/x00/x00/x00/x00/x00/x00/x00/x80/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00"
  map /turn
  close /turn write, the last
  init /turn 1
  fork main.1
  release /turn
  reaped main.1 exit 0 < main.1
  unlink /turn
  exit 0
main.1
  open /turn rw
  close /turn write, the last
  acquire /turn < main
  acquire /turn < main
  exit 0
finished

"#]],
    );
}

#[test]
fn mutex() {
    check_both(
        "mutex",
        str![[r#"
main
  create main.mapping1
  map main.mapping1
  init main.mapping1+64 0
  fork main.1
  fork main.2
  reaped main.1 exit 0 < main.1
  reaped main.2 exit 0 < main.2
  exit 0
main.1
  acquire main.mapping1+64 < main
  load main.mapping1+280 "/x00/x00/x00/x00"
  store main.mapping1+280 "/x01/x00/x00/x00"
  release main.mapping1+64
  exit 0
main.2
  acquire main.mapping1+64 < main.1
  load main.mapping1+280 "/x01/x00/x00/x00"
  store main.mapping1+280 "/x02/x00/x00/x00"
  release main.mapping1+64
  exit 0
finished

"#]],
    );
}

#[test]
fn robust() {
    check_both(
        "robust",
        str![[r#"
main
  create main.mapping1
  map main.mapping1
  init main.mapping1+64 0
  fork main.1
  reaped main.1 killed KILL < main.1
  acquire main.mapping1+64 < main.1
  release main.mapping1+64
  exit 0
main.1
  acquire main.mapping1+64 < main
  killed KILL
finished

"#]],
    );
}

#[test]
fn condition() {
    check_both(
        "condition",
        str![[r#"
main
  acquire main.lock1
  thread
  release main.lock1
  [1] acquire main.lock1 < main
  [1] release main.condition1
  [1] release main.lock1
  acquire main.condition1 < main
  acquire main.lock1 < main
  release main.lock1
  exit 0 < main
finished

"#]],
    );
}

#[test]
fn read_write() {
    check_both(
        "read_write",
        str![[r#"
main
  create main.mapping1
  map main.mapping1
  init main.mapping1+192 0
  acquire main.mapping1+192
  release main.mapping1+192
  fork main.1
  reaped main.1 exit 0 < main.1
  fork main.2
  reaped main.2 exit 0 < main.2
  acquire main.mapping1+192 < main.1, main.2
  release main.mapping1+192
  exit 0
main.1
  acquire main.mapping1+192 < main
  release main.mapping1+192
  exit 0
main.2
  acquire main.mapping1+192 < main
  release main.mapping1+192
  exit 0
finished

"#]],
    );
}

#[test]
fn barrier() {
    check_both(
        "barrier",
        str![[r#"
main
  create main.mapping1
  map main.mapping1
  init main.mapping1+248 2
  fork main.1
  release main.mapping1+248
  acquire main.mapping1+248 < main.1
  reaped main.1 exit 0 < main.1
  exit 0
main.1
  release main.mapping1+248
  acquire main.mapping1+248 < main
  exit 0
finished

"#]],
    );
}

#[test]
fn failures() {
    check_both(
        "failures",
        str![[r#"
main
  create main.mapping1
  map main.mapping1
  init main.mapping1+0 0
  failed sem_timedwait ETIMEDOUT main.mapping1+0
  init main.mapping1+64 0
  failed pthread_mutex_unlock EPERM main.mapping1+64
  acquire main.mapping1+64
  failed pthread_mutex_lock EDEADLK main.mapping1+64
  release main.mapping1+64
  exit 0
finished

"#]],
    );
}

#[test]
fn unlocked_by_another() {
    check_both(
        "unlocked_by_another",
        str![[r#"
main
  create main.mapping1
  map main.mapping1
  init main.mapping1+64 0
  acquire main.mapping1+64
  fork main.1
  reaped main.1 exit 0 < main.1
  release main.mapping1+64
  exit 0
main.1
  failed pthread_mutex_unlock EPERM main.mapping1+64
  exit 0
finished

"#]],
    );
}

#[test]
fn fork_with_a_held_lock() {
    check_both(
        "fork_with_a_held_lock",
        str![[r#"
main
  acquire main.lock1
  fork main.1
  reaped main.1 exit 0 < main.1
  release main.lock1
  exit 0
main.1
  release main.1.lock1
  acquire main.1.lock1
  exit 0
finished

"#]],
    );
}

#[test]
fn exec() {
    check_both(
        "exec",
        str![[r#"
main
  init main.semaphore1 1
  acquire main.semaphore1
  exec exe
  init main.semaphore2 0
  release main.semaphore2
  acquire main.semaphore2
  release main.semaphore2
  acquire main.semaphore2
  exit 0
finished

"#]],
    );
}

#[test]
fn handler_posts() {
    check_both(
        "handler_posts",
        str![[r#"
main
  create main.mapping1
  map main.mapping1
  init main.mapping1+0 0
  ready USR1
  fork main.1
  take USR1 < main.1
  release main.mapping1+0
  return USR1
  acquire main.mapping1+0
  reaped main.1 exit 0 < main.1
  exit 0
main.1
  ready USR1 < main
  signal main USR1
  exit 0
finished

"#]],
    );
}

#[test]
fn left_by_a_jump() {
    check_both(
        "left_by_a_jump",
        str![[r#"
main
  create main.mapping1
  map main.mapping1
  init main.mapping1+0 0
  ready USR1
  fork main.1
  take USR1 < main.1
  release main.mapping1+0
  acquire main.mapping1+0
  reaped main.1 exit 0 < main.1
  exit 0
main.1
  ready USR1 < main
  signal main USR1
  exit 0
finished

"#]],
    );
}

#[test]
fn cancelled() {
    check_both(
        "cancelled",
        str![[r#"
main
  init main.semaphore1 0
  thread
  [1] acquire main.lock1
  [1] release main.semaphore1
  [1] release main.lock1
  acquire main.semaphore1 < main
  acquire main.lock1 < main
  release main.lock1
  [1] acquire main.lock1 < main
  [1] release main.lock1
  acquire main.futex1 < main
  acquire main.lock1 < main
  release main.lock1
  exit 0 < main
finished

"#]],
    );
}

#[test]
fn two_lock_orders() {
    check_both(
        "two_lock_orders",
        str![[r#"
main
  create main.mapping1
  map main.mapping1
  init main.mapping1+0 0
  init main.mapping1+32 0
  init main.mapping1+64 0
  init main.mapping1+104 0
  fork main.1
  acquire main.mapping1+64
  release main.mapping1+0
  acquire main.mapping1+32 < main.1
main.1
  acquire main.mapping1+104 < main
  release main.mapping1+32
  acquire main.mapping1+0 < main
deadlock
  main in acquire of main.mapping1+104, held by main.1
  main.1 in acquire of main.mapping1+64, held by main

"#]],
    );
}

#[test]
fn mapped_anew() {
    check_both(
        "mapped_anew",
        str![[r#"
main
  acquire main.lock1
  acquire main.lock2
  acquire main.lock3
  release main.lock3
  exit 0
finished

"#]],
    );
}

#[test]
fn shared_and_then_private() {
    check_both(
        "shared_and_then_private",
        str![[r#"
main
  create main.mapping1
  map main.mapping1
  init main.mapping1+0 0
  acquire main.mapping1+0
  acquire main.lock1
  create main.shm1
  map main.shm1
  unlink main.shm1
  init main.shm1+0 0
  acquire main.lock2
  create main.mapping2
  map main.mapping2
  init main.mapping2+0 0
  create main.mapping3
  map main.mapping3
  init main.mapping3+0 0
  exit 0
finished

"#]],
    );
}

#[test]
fn spin() {
    check_both(
        "spin",
        str![[r#"
main
  create main.mapping1
  map main.mapping1
  init main.mapping1+0 0
  acquire main.mapping1+0
  store main.mapping1+4 "/x07/x00/x00/x00"
  release main.mapping1+0
  exit 0
finished

"#]],
    );
}

#[test]
fn handler_writes() {
    check_both(
        "handler_writes",
        str![[r#"
main
  create main.mapping1
  map main.mapping1
  init main.mapping1+64 0
  create main.pipe1
  ready USR1
  fork main.1
  take USR1 < main.1
  write main.pipe1 "!"
  return USR1
  read main.pipe1 "!"
  reaped main.1 exit 0 < main.1
  write stderr "done/n"
  exit 0
main.1
  ready USR1 < main
  signal main USR1
  exit 0
finished

"#]],
    );
}

#[test]
fn handler_allocates() {
    check_both(
        "handler_allocates",
        str![[r#"
main
  create main.mapping1
  map main.mapping1
  init main.mapping1+64 0
  create main.pipe1
  ready USR1
  fork main.1
  take USR1 < main.1
  call malloc
  call free
  write main.pipe1 "!"
  return USR1
  read main.pipe1 "!"
  reaped main.1 exit 0 < main.1
  write stderr "done/n"
  exit 0
main.1
  ready USR1 < main
  signal main USR1
  exit 0
finished

"#]],
    );
}

#[test]
fn handler_prints() {
    check_both(
        "handler_prints",
        str![[r#"
main
  create main.mapping1
  map main.mapping1
  init main.mapping1+64 0
  create main.pipe1
  ready USR1
  fork main.1
  take USR1 < main.1
  call fwrite
  write stderr "signal/n"
  write main.pipe1 "!"
  return USR1
  read main.pipe1 "!"
  reaped main.1 exit 0 < main.1
  write stderr "done/n"
  exit 0
main.1
  ready USR1 < main
  signal main USR1
  exit 0
finished

"#]],
    );
}

#[test]
fn handler_locks() {
    check_both(
        "handler_locks",
        str![[r#"
main
  create main.mapping1
  map main.mapping1
  init main.mapping1+64 0
  create main.pipe1
  ready USR1
  fork main.1
  take USR1 < main.1
  call pthread_mutex_lock
  acquire main.mapping1+64
  call pthread_mutex_unlock
  release main.mapping1+64
  write main.pipe1 "!"
  return USR1
  read main.pipe1 "!"
  reaped main.1 exit 0 < main.1
  write stderr "done/n"
  exit 0
main.1
  ready USR1 < main
  signal main USR1
  exit 0
finished

"#]],
    );
}

/// What the handler of a Rust program calls that it must not.
#[track_caller]
fn check_handler(case: &str, expected: &[&str]) {
    let trace = record("handlers", case);
    let called = |event: &ipc_grade::trace::Event| match &event.verb {
        Verb::Call { name } => {
            assert!(event.handler.is_some(), "{case}: {name} outside of a handler");
            Some(name.clone())
        }
        _ => None,
    };
    assert_eq!(trace.events.iter().filter_map(called).collect::<Vec<_>>(), expected, "{case}");
    assert!(trace.events.iter().any(|event| matches!(event.verb, Verb::Return { .. })), "{case}: no handler has run");
}

#[test]
fn rusts_handlers() {
    check_handler("prints", &["println!"]);
    check_handler("grumbles", &["eprintln!"]);
    check_handler("allocates", &["malloc", "free"]);
    check_handler("writes", &[]);
    check_handler("reaps", &[]);
}
