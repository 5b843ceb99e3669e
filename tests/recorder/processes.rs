//! Births and ends of processes and threads.

use snapbox::str;

use crate::check;

#[test]
fn vfork_and_exec() {
    check(
        "processes",
        "vfork_and_exec",
        str![[r#"
main
  fork main.1
  reaped main.1 exit 0 < main.1
  exit 0
main.1
  exec true
  exit 0
finished

"#]],
    );
}

#[test]
fn vfork_and_exit() {
    check(
        "processes",
        "vfork_and_exit",
        str![[r#"
main
  create main.pipe1
  fork main.1
  write main.pipe1 "second" < main.1
  reaped main.1 exit 3 < main.1
  exit 0
main.1
  write main.pipe1 "first"
  exit 3
finished

"#]],
    );
}

#[test]
fn spawn() {
    check(
        "processes",
        "spawn",
        str![[r#"
main
  create main.pipe1
  fork main.1
  close main.pipe1 write, the last < main.1
  read main.pipe1 "spawned/n" < main.1
  reaped main.1 exit 0 < main.1
  exit 0
main.1
  close stdout write
  exec echo
  close main.pipe1 read
  close main.pipe1 write
  write main.pipe1 "spawned/n"
  close main.pipe1 write
  close stderr write
  exit 0
finished

"#]],
    );
}

#[test]
fn failed_exec() {
    check(
        "processes",
        "failed_exec",
        str![[r#"
main
  failed execve ENOENT
  exit 127
finished

"#]],
    );
}

#[test]
fn failed_search() {
    check(
        "processes",
        "failed_search",
        str![[r#"
main
  failed execve ENOENT
  exit 127
finished

"#]],
    );
}

#[test]
fn orphan() {
    check(
        "processes",
        "orphan",
        str![[r#"
main
  create main.pipe1
  fork main.1
  exit 2
main.1 (orphaned)
  close main.pipe1 write, the last
  end main.pipe1 < main
  exit 5
finished

"#]],
    );
}

#[test]
fn daemon_by_two_forks() {
    check(
        "processes",
        "daemon_by_two_forks",
        str![[r#"
main
  create main.pipe1
  create main.pipe2
  fork main.1
  reaped main.1 exit 0 < main.1
  read main.pipe1 "up" < main.1.1
  exit 0
main.1
  call setsid
  fork main.1.1
  exit 0
main.1.1 (orphaned)
  write main.pipe1 "up"
  close main.pipe2 write
  end main.pipe2 < main, main.1
  exit 0
finished

"#]],
    );
}

#[test]
fn killed_halfway() {
    check(
        "processes",
        "killed_halfway",
        str![[r#"
main
  create main.pipe1
  fork main.1
  close main.pipe1 write
  read main.pipe1 "half" < main.1
  signal main.1 KILL
  reaped main.1 killed KILL < main.1
  end main.pipe1 < main.1
  exit 0
main.1
  write main.pipe1 "half"
  killed KILL < main
finished

"#]],
    );
}

#[test]
fn kills_itself() {
    check(
        "processes",
        "kills_itself",
        str![[r#"
main
  create main.pipe1
  fork main.1
  killed KILL
main.1 (orphaned)
  close main.pipe1 write, the last
  end main.pipe1 < main
  exit 5
finished

"#]],
    );
}

#[test]
fn threads() {
    check(
        "processes",
        "threads",
        str![[r#"
main
  create main.pipe1
  thread
  [1] write main.pipe1 "thread"
  acquire main.futex1 < main
  thread
  [2] write main.pipe1 "thread"
  acquire main.futex1 < main
  read main.pipe1 "threadthread" < main
  exit 0 < main
finished

"#]],
    );
}

#[test]
fn thread_that_forks() {
    check(
        "processes",
        "thread_that_forks",
        str![[r#"
main
  create main.pipe1
  thread
  [1] fork main.1
  [1] reaped main.1 exit 4 < main.1
  acquire main.futex1 < main
  read main.pipe1 "child" < main.1
  exit 0 < main
main.1
  write main.pipe1 "child"
  exit 4
finished

"#]],
    );
}

#[test]
fn exec_from_a_thread() {
    check(
        "processes",
        "exec_from_a_thread",
        str![[r#"
main
  create main.pipe1
  thread
  [1] exec sh < main
  [1] close main.pipe1 read, the last
  [1] close main.pipe1 write, the last
  [1] ready CHLD
  [1] ready INT
  [1] exit 9
finished

"#]],
    );
}

#[test]
fn thread_outlives_the_first() {
    check(
        "processes",
        "thread_outlives_the_first",
        str![[r#"
main
  create main.pipe1
  thread
  write main.pipe1 "go"
  [1] read main.pipe1 "go" < main
  exit 4 < main
finished

"#]],
    );
}

#[test]
fn stops_and_is_continued() {
    check(
        "processes",
        "stops_and_is_continued",
        str![[r#"
main
  fork main.1
  signal main.1 CONT
  reaped main.1 exit 6 < main.1
  exit 0
main.1
  exit 6 < main
finished

"#]],
    );
}

#[test]
fn stopped_in_a_read() {
    check(
        "processes",
        "stopped_in_a_read",
        str![[r#"
main
  create main.pipe1
  create main.pipe2
  fork main.1
  read main.pipe2 "ready" < main.1
  signal main.1 STOP
  write main.pipe1 "word"
  signal main.1 CONT
  reaped main.1 exit 7 < main.1
  exit 0
main.1
  write main.pipe2 "ready"
  read main.pipe1 "word" < main
  exit 7
finished

"#]],
    );
}

#[test]
fn ended_while_it_is_stopped() {
    check(
        "processes",
        "ended_while_it_is_stopped",
        str![[r#"
main
  fork main.1
  signal main.1 KILL
  reaped main.1 killed KILL < main.1
  exit 0
main.1
  killed KILL < main
finished

"#]],
    );
}

#[test]
fn polls_for_its_end() {
    check(
        "processes",
        "polls_for_its_end",
        str![[r#"
main
  create main.pipe1
  fork main.1
  reaped main.1 exit 0 < main.1
  exit 0
main.1
  write main.pipe1 "a"
  read main.pipe1 "a"
  write main.pipe1 "a"
  read main.pipe1 "a"
  write main.pipe1 "a"
  read main.pipe1 "a"
  exit 0
finished

"#]],
    );
}

#[test]
fn yields_until_told() {
    check(
        "processes",
        "yields_until_told",
        str![[r#"
main
  create main.mapping1
  map main.mapping1
  fork main.1
  load main.mapping1+0 "/x00/x00/x00/x00"
  load main.mapping1+0 "/x00/x00/x00/x00"
  load main.mapping1+0 "/x00/x00/x00/x00"
  load main.mapping1+0 "/x01/x00/x00/x00"
  reaped main.1 exit 0 < main.1
  exit 0
main.1
  store main.mapping1+0 "/x01/x00/x00/x00"
  exit 0
finished

"#]],
    );
}

#[test]
fn looks_before_it_reaps() {
    check(
        "processes",
        "looks_before_it_reaps",
        str![[r#"
main
  fork main.1
  call waitid < main.1
  reaped main.1 exit 42 < main.1
  exit 42
main.1
  exit 42
finished

"#]],
    );
}

#[test]
fn ignored_children() {
    check(
        "processes",
        "ignored_children",
        str![[r#"
main
  ignore CHLD
  fork main.1
  [2] reaped main.1 exit 1 < main.1
  failed wait ECHILD < main
  exit 0
main.1
  exit 1
finished

"#]],
    );
}
