//! Signals, standard and real-time.

use snapbox::str;

use crate::check;

#[test]
fn realtime_is_queued() {
    check(
        "signals",
        "realtime_is_queued",
        str![[r#"
main
  ready RTMIN+1
  ready RTMIN+3
  signal main RTMIN+3
  signal main RTMIN+3
  signal main RTMIN+1
  take RTMIN+1
  take RTMIN+3
  return RTMIN+3
  take RTMIN+3
  return RTMIN+3
  return RTMIN+1
  exit 3
finished

"#]],
    );
}

#[test]
fn realtime_kills() {
    check(
        "signals",
        "realtime_kills",
        str![[r#"
main
  fork main.1
  reaped main.1 killed RTMIN+3 < main.1
  exit 0
main.1
  killed RTMIN+3
finished

"#]],
    );
}

#[test]
fn realtime_kills_the_first() {
    check(
        "signals",
        "realtime_kills_the_first",
        str![[r#"
main
  killed RTMIN+30
finished

"#]],
    );
}

#[test]
fn sigsuspend_waits() {
    check(
        "signals",
        "sigsuspend_waits",
        str![[r#"
main
  ready USR1
  fork main.1
  take USR1 < main.1
  return USR1
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
fn sigwait_in_a_thread() {
    check(
        "signals",
        "sigwait_in_a_thread",
        str![[r#"
main
  ready RTMIN
  thread
  fork main.1
  [1] take RTMIN < main.1
  reaped main.1 exit 0 < main.1
  acquire main.futex1 < main
  exit 0 < main
main.1
  ready RTMIN < main
  signal main RTMIN
  exit 0
finished

"#]],
    );
}

#[test]
fn signalfd_is_read() {
    check(
        "signals",
        "signalfd_is_read",
        str![[r#"
main
  ready TERM
  create main.signalfd1
  fork main.1
  take TERM < main.1
  reaped main.1 exit 0 < main.1
  exit 0
main.1
  ready TERM < main
  signal main TERM
  exit 0
finished

"#]],
    );
}

#[test]
fn read_is_interrupted() {
    check(
        "signals",
        "read_is_interrupted",
        str![[r#"
main
  create main.pipe1
  ready USR1
  fork main.1
  failed read EINTR main.pipe1
  take USR1 < main.1
  return USR1
  read main.pipe1 "word" < main.1
  reaped main.1 exit 0 < main.1
  exit 0
main.1
  ready USR1 < main
  signal main USR1
  write main.pipe1 "word"
  exit 0
finished

"#]],
    );
}

#[test]
fn read_is_restarted() {
    check(
        "signals",
        "read_is_restarted",
        str![[r#"
main
  create main.pipe1
  ready USR1
  fork main.1
  take USR1 < main.1
  return USR1
  read main.pipe1 "word" < main.1
  reaped main.1 exit 0 < main.1
  exit 0
main.1
  ready USR1 < main
  signal main USR1
  write main.pipe1 "word"
  exit 0
finished

"#]],
    );
}

#[test]
fn a_broken_pipe_kills() {
    check(
        "signals",
        "a_broken_pipe_kills",
        str![[r#"
main
  create main.pipe1
  close main.pipe1 read, the last
  failed write EPIPE main.pipe1
  killed PIPE
finished

"#]],
    );
}

#[test]
fn a_group_is_killed() {
    check(
        "signals",
        "a_group_is_killed",
        str![[r#"
main
  fork main.1
  call setpgid
  fork main.2
  call setpgid
  signal main.1 TERM as a group
  reaped main.1 killed TERM < main.1
  reaped main.2 killed TERM < main.2
  exit 0
main.1
  killed TERM < main
main.2
  killed TERM < main
finished

"#]],
    );
}

#[test]
fn a_timer_wakes() {
    check(
        "signals",
        "a_timer_wakes",
        str![[r#"
main
  ready ALRM
  take ALRM
  return ALRM
  exit 0
finished

"#]],
    );
}

#[test]
fn a_handler_within_a_handler() {
    check(
        "signals",
        "a_handler_within_a_handler",
        str![[r#"
main
  ready USR2
  ready USR1
  take USR1
  return USR1
  take USR2
  return USR2
  exit 2
finished

"#]],
    );
}

/// A wait that no restart flag restarts (signal(7)): being traced must not wake it.
#[test]
fn an_ignored_signal_interrupts_nothing() {
    check(
        "signals",
        "an_ignored_signal_interrupts_nothing",
        str![[r#"
main
  create main.semaphore1[0]
  fork main.1
  fork main.2
  acquire main.semaphore1[1] < main.2
  unlink main.semaphore1[0]
  reaped main.1 exit 0 < main.1
  reaped main.2 exit 0 < main.2
  exit 0
main.1
  exit 0
main.2
  fork main.2.1
  reaped main.2.1 exit 0 < main.2.1
  release main.semaphore1[1]
  exit 0
main.2.1
  exit 0
finished

"#]],
    );
}

#[test]
fn a_handled_signal_interrupts() {
    check(
        "signals",
        "a_handled_signal_interrupts",
        str![[r#"
main
  create main.semaphore1
  ready CHLD
  fork main.1
  failed semop EINTR main.semaphore1
  take CHLD < main.1
  return CHLD
  unlink main.semaphore1
  reaped main.1 exit 0 < main.1
  exit 0
main.1
  ready CHLD < main
  exit 0
finished

"#]],
    );
}
