//! Descriptors, and bytes that pass through them.

use snapbox::str;

use crate::check;

#[test]
fn fifo() {
    check(
        "channels",
        "fifo",
        str![[r#"
main
  create names
  fork main.1
  open names r < main.1
  read names "kettle" < main.1
  end names < main.1
  reaped main.1 exit 0 < main.1
  unlink names
  exit 0
main.1
  open names w
  write names "kettle"
  exit 0
finished

"#]],
    );
}

#[test]
fn socket_pair() {
    check(
        "channels",
        "socket_pair",
        str![[r#"
main
  create main.socket1
  create main.socket2
  fork main.1
  close main.socket2 write
  close main.socket1 read
  write main.socket1 "question"
  read main.socket2 "answer" < main.1
  end main.socket2 < main.1
  reaped main.1 exit 0 < main.1
  exit 0
main.1
  close main.socket1 write
  close main.socket2 read
  read main.socket1 "question" < main
  write main.socket2 "answer"
  exit 0
finished

"#]],
    );
}

#[test]
fn closes_a_range() {
    check(
        "channels",
        "closes_a_range",
        str![[r#"
main
  create main.pipe1
  fork main.1
  close main.pipe1 write
  end main.pipe1 < main.1
  signal main.1 TERM
  reaped main.1 killed TERM < main.1
  exit 0
main.1
  close main.pipe1 read
  close main.pipe1 write, the last
  killed TERM < main
finished

"#]],
    );
}

#[test]
fn marks_a_range() {
    check(
        "channels",
        "marks_a_range",
        str![[r#"
main
  create main.pipe1
  exec true
  close main.pipe1 read, the last
  close main.pipe1 write, the last
  exit 0
finished

"#]],
    );
}

#[test]
fn dup2_over_an_open_one() {
    check(
        "channels",
        "dup2_over_an_open_one",
        str![[r#"
main
  create main.pipe1
  create main.pipe2
  close main.pipe1 write, the last
  end main.pipe1
  write main.pipe2 "two"
  read main.pipe2 "two"
  exit 0
finished

"#]],
    );
}

#[test]
fn passes_a_descriptor() {
    check(
        "channels",
        "passes_a_descriptor",
        str![[r#"
main
  create main.socket1
  create main.socket2
  fork main.1
  create main.pipe1
  write main.socket1 "d"
  close main.pipe1 write, the last
  read main.pipe1 "through" < main.1
  end main.pipe1 < main.1
  reaped main.1 exit 0 < main.1
  exit 0
main.1
  read main.socket1 "d" < main
  write main.pipe1 "through"
  exit 0
finished

"#]],
    );
}

#[test]
fn event_counter() {
    check(
        "channels",
        "event_counter",
        str![[r#"
main
  create main.eventfd1
  fork main.1
  read main.eventfd1 "/x03/x00/x00/x00/x00/x00/x00/x00" < main.1
  reaped main.1 exit 0 < main.1
  exit 3
main.1
  write main.eventfd1 "/x03/x00/x00/x00/x00/x00/x00/x00"
  exit 0
finished

"#]],
    );
}

#[test]
fn memory_file() {
    check(
        "channels",
        "memory_file",
        str![[r#"
main
  create main.memfd1
  resize main.memfd1 4096
  map main.memfd1
  fork main.1
  reaped main.1 exit 0 < main.1
  load main.memfd1+0 "stored/x00"
  exit 0
main.1
  store main.memfd1+0 "stor"
  store main.memfd1+3 "red/x00"
  exit 0
finished

"#]],
    );
}

#[test]
fn writes_more_than_fits() {
    check(
        "channels",
        "writes_more_than_fits",
        str![[r#"
main
  create main.pipe1
  fork main.1
  write main.pipe1 200000 bytes
  close main.pipe1 write, the last
  reaped main.1 exit 0 < main.1
  exit 0
main.1
  close main.pipe1 write
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 4096 bytes < main
  read main.pipe1 3392 bytes < main
  end main.pipe1 < main
  exit 0
finished

"#]],
    );
}

#[test]
fn splices() {
    check(
        "channels",
        "splices",
        str![[r#"
main
  create main.pipe1
  create main.pipe2
  write main.pipe1 "inside"
  fork main.1
  reaped main.1 exit 0 < main.1
  read main.pipe2 "inside" < main.1
  exit 0
main.1
  read main.pipe1 "inside" < main
  write main.pipe2 "inside"
  exit 0
finished

"#]],
    );
}

#[test]
fn many_messages_at_once() {
    check(
        "channels",
        "many_messages_at_once",
        str![[r#"
main
  create main.socket1
  create main.socket2
  fork main.1
  reaped main.1 exit 0 < main.1
  read main.socket2 "onetwo!" < main.1
  exit 0
main.1
  write main.socket2 "onetwo!"
  exit 0
finished

"#]],
    );
}

#[test]
fn polls_without_waiting() {
    check(
        "channels",
        "polls_without_waiting",
        str![[r#"
main
  create main.pipe1
  fork main.1
  read main.pipe1 "late" < main.1
  reaped main.1 exit 0 < main.1
  exit 0
main.1
  write main.pipe1 "late"
  exit 0
finished

"#]],
    );
}
