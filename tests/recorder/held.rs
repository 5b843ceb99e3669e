//! Calls that wait on what another thread closes, replaces or makes O_NONBLOCK meanwhile. A twin does the same on pipes that
//! are left to the kernel, as in `sysv.rs`.

use snapbox::str;

use crate::{check, ends_well, twins};

#[test]
fn a_reader_whose_descriptor_is_closed() {
    twins("held", "read_closed");
    twins("held", "range_closed");
    twins("held", "range_for_exec");
}

#[test]
fn a_reader_whose_descriptor_is_replaced() {
    twins("held", "read_replaced");
    check(
        "held",
        "read_replaced",
        str![[r#"
main
  create main.pipe1
  create main.pipe2
  write main.pipe2 "new"
  thread
  close main.pipe1 read, the last
  write main.pipe1 "older"
  [1] read main.pipe1 "older" < main
  acquire main.futex1 < main
  read main.pipe2 "new"
  write main.pipe2 "newer"
  read main.pipe2 "newer"
  exit 0 < main
finished

"#]],
    );
}

#[test]
fn a_reader_that_waits_for_ever() {
    check(
        "held",
        "read_replaced_for_ever",
        str![[r#"
main
  create main.pipe1
  create main.pipe2
  write main.pipe2 "new"
  thread
  close main.pipe1 read, the last
deadlock
  main in futex of main.futex1
  main in read of main.pipe1, held by main

"#]],
    );
}

#[test]
fn a_reader_that_has_been_woken() {
    ends_well("held", "read_woken");
}

#[test]
fn a_writer_whose_descriptor_is_closed_or_replaced() {
    twins("held", "write_closed");
    twins("held", "write_replaced");
}

#[test]
fn a_long_write_whose_descriptor_is_closed_or_replaced() {
    ends_well("held", "pieces_closed");
    ends_well("held", "pieces_replaced");
    ends_well("held", "generic_pieces_replaced");
}

#[test]
fn who_waits_already_goes_on_waiting() {
    twins("held", "does_not_wait");
    twins("held", "does_not_wait_by_another");
    ends_well("held", "pieces_do_not_wait");
}

#[test]
fn counters_sockets_and_queues() {
    ends_well("held", "count_closed");
    ends_well("held", "socket_closed");
    ends_well("held", "queue_replaced");
}

#[test]
fn polls() {
    twins("held", "poll_replaced");
    twins("held", "poll_closed");
    ends_well("held", "epoll_closed");
}
