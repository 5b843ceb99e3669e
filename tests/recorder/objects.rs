//! Shared memory, queues and semaphores, of both families.

use snapbox::str;

use crate::{check, check_without_stores};

#[test]
fn sysv_memory() {
    check(
        "objects",
        "sysv_memory",
        str![[r#"
main
  create 0x5eed
  fork main.1
  reaped main.1 exit 0 < main.1
  map 0x5eed
  unlink 0x5eed
  exit 0
main.1
  map 0x5eed
  store 0x5eed+0 "stored/x00/x00"
  exit 0
finished

"#]],
    );
}

#[test]
fn sysv_queue() {
    check(
        "objects",
        "sysv_queue",
        str![[r#"
main
  create main.queue1
  fork main.1
  receive main.queue1 "three" 3 < main.1
  receive main.queue1 "seven" 7 < main.1
  reaped main.1 exit 0 < main.1
  unlink main.queue1
  exit 0
main.1
  send main.queue1 "seven" 7
  send main.queue1 "three" 3
  exit 0
finished

"#]],
    );
}

#[test]
fn sysv_semaphores() {
    check(
        "objects",
        "sysv_semaphores",
        str![[r#"
main
  create main.semaphore1[0]
  call semctl
  fork main.1
  acquire main.semaphore1[0]
  acquire main.semaphore1[1] < main.1
  reaped main.1 exit 0 < main.1
  unlink main.semaphore1[0]
  exit 0
main.1
  release main.semaphore1[1]
  exit 0
finished

"#]],
    );
}

#[test]
fn sysv_undo() {
    check(
        "objects",
        "sysv_undo",
        str![[r#"
main
  create main.semaphore1
  call semctl
  fork main.1
  fork main.2
  reaped main.1 exit 0 < main.1
  reaped main.2 exit 0 < main.2
  unlink main.semaphore1
  exit 0
main.1
  acquire main.semaphore1 < main
  exit 0
main.2
  acquire main.semaphore1 < main.1
  exit 0
finished

"#]],
    );
}

#[test]
fn posix_queue() {
    check(
        "objects",
        "posix_queue",
        str![[r#"
main
  create /work-queue
  fork main.1
  reaped main.1 exit 0 < main.1
  receive /work-queue "high" 9 < main.1
  receive /work-queue "low" 1 < main.1
  unlink /work-queue
  exit 0
main.1
  open /work-queue w
  send /work-queue "low" 1
  send /work-queue "high" 9
  exit 0
finished

"#]],
    );
}

#[test]
fn named_semaphore() {
    check(
        "objects",
        "named_semaphore",
        str![[r#"
main
  create /turn
  write /turn "/x00/x00/x00/x00/x00/x00/x00/x00/x80/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00"
  map /turn
  close /turn write, the last
  init /turn 0
  fork main.1
  acquire /turn < main.1
  reaped main.1 exit 0 < main.1
  unlink /turn
  exit 0
main.1
  release /turn
  exit 0
finished

"#]],
    );
}

#[test]
fn named_semaphore_left_behind() {
    check(
        "objects",
        "named_semaphore_left_behind",
        str![[r#"
main
  failed open ENOENT
  create /turn
  write /turn "/x01/x00/x00/x00/x00/x00/x00/x00/x80/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00/x00"
  map /turn
  close /turn write, the last
  init /turn 1
  exit 0
finished

"#]],
    );
}

#[test]
fn unnamed_semaphore() {
    check(
        "objects",
        "unnamed_semaphore",
        str![[r#"
main
  create main.mapping1
  map main.mapping1
  init main.mapping1+0 0
  fork main.1
  acquire main.mapping1+0 < main.1
  reaped main.1 exit 0 < main.1
  exit 0
main.1
  release main.mapping1+0
  exit 0
finished

"#]],
    );
}

#[test]
fn robust_mutex() {
    check_without_stores(
        "objects",
        "robust_mutex",
        str![[r#"
main
  create main.mapping1
  map main.mapping1
  init main.mapping1+0 0
  fork main.1
  reaped main.1 killed KILL < main.1
  fork main.2
  reaped main.2 exit 1 < main.2
  exit 1
main.1
  acquire main.mapping1+0 < main
  killed KILL
main.2
  acquire main.mapping1+0 < main, main.1
  load main.mapping1+40 "/x00/x00/x00/x00"
  release main.mapping1+0
  exit 1
finished

"#]],
    );
}

#[test]
fn posix_memory() {
    check(
        "objects",
        "posix_memory",
        str![[r#"
main
  create /board
  resize /board 4096
  map /board
  store /board+8 "/xd2/x04/x00/x00/x00/x00/x00/x00"
  unlink /board
  exit 0
finished

"#]],
    );
}
