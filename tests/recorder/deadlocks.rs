//! Everybody waits for somebody: told at once, with who waits for what, and who holds it.

use snapbox::str;

use crate::check;

#[test]
fn own_write_end() {
    check(
        "deadlocks",
        "own_write_end",
        str![[r#"
main
  create main.pipe1
deadlock
  main in read of main.pipe1, held by main

"#]],
    );
}

#[test]
fn child_waits_for_its_parent() {
    check(
        "deadlocks",
        "child_waits_for_its_parent",
        str![[r#"
main
  create main.pipe1
  fork main.1
main.1
deadlock
  main in wait for main.1, held by main.1
  main.1 in read of main.pipe1, held by main, main.1

"#]],
    );
}

#[test]
fn fifos_cross() {
    check(
        "deadlocks",
        "fifos_cross",
        str![[r#"
main
  create one
  create two
  fork main.1
main.1
deadlock
  main in open of one
  main.1 in open of two

"#]],
    );
}

#[test]
fn both_write_first() {
    check(
        "deadlocks",
        "both_write_first",
        str![[r#"
main
  create main.pipe1
  create main.pipe2
  fork main.1
  write main.pipe1 65536 bytes
main.1
  write main.pipe2 65536 bytes
deadlock
  main in write of main.pipe1, held by main, main.1
  main.1 in write of main.pipe2, held by main, main.1

"#]],
    );
}

#[test]
fn vfork_child_pauses() {
    check(
        "deadlocks",
        "vfork_child_pauses",
        str![[r#"
main
  fork main.1
main.1
deadlock
  main in vfork, held by main.1
  main.1 in pause

"#]],
    );
}

#[test]
fn waits_for_a_stopped_one() {
    check(
        "deadlocks",
        "waits_for_a_stopped_one",
        str![[r#"
main
  fork main.1
main.1
deadlock
  main in wait for main.1, held by main.1
  main.1 in stopped

"#]],
    );
}

#[test]
fn thread_wants_a_held_lock() {
    check(
        "deadlocks",
        "thread_wants_a_held_lock",
        str![[r#"
main
  acquire main.lock1
  thread
deadlock
  main in futex of main.futex1
  main in acquire of main.lock1, held by main

"#]],
    );
}

#[test]
fn nobody_posts() {
    check(
        "deadlocks",
        "nobody_posts",
        str![[r#"
main
  create main.mapping1
  map main.mapping1
  init main.mapping1+0 0
  fork main.1
main.1
deadlock
  main in acquire of main.mapping1+0
  main.1 in pause

"#]],
    );
}

#[test]
fn empty_queues() {
    check(
        "deadlocks",
        "empty_queues",
        str![[r#"
main
  create /empty
deadlock
  main in receive of /empty

"#]],
    );
}

#[test]
fn empty_sysv_queue() {
    check(
        "deadlocks",
        "empty_sysv_queue",
        str![[r#"
main
  create main.queue1
deadlock
  main in receive of main.queue1

"#]],
    );
}

#[test]
fn sysv_semaphore_is_down() {
    check(
        "deadlocks",
        "sysv_semaphore_is_down",
        str![[r#"
main
  create main.semaphore1
deadlock
  main in acquire of main.semaphore1

"#]],
    );
}

#[test]
fn nobody_signals() {
    check(
        "deadlocks",
        "nobody_signals",
        str![[r#"
main
  ready USR1
deadlock
  main in sigwait

"#]],
    );
}

#[test]
fn suspends_with_it_blocked() {
    check(
        "deadlocks",
        "suspends_with_it_blocked",
        str![[r#"
main
  ready USR1
  fork main.1
  reaped main.1 exit 0 < main.1
main.1
  ready USR1 < main
  signal main USR1
  exit 0
deadlock
  main in sigsuspend

"#]],
    );
}
