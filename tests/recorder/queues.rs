//! POSIX message queues, as the recorder's model of the kernel has them; with twins, as in `sysv.rs`.

use crate::twins;

#[track_caller]
fn check_both(case: &str) {
    twins("queues", case);
}

#[test]
fn priorities() {
    check_both("priorities");
}

#[test]
fn nicer() {
    check_both("nicer");
}

#[test]
fn errors() {
    check_both("errors");
}

#[test]
fn hand_over() {
    check_both("hand_over");
}

#[test]
fn full() {
    check_both("full");
}

#[test]
fn polled() {
    check_both("polled");
}

#[test]
fn notices() {
    check_both("notices");
}

#[test]
fn by_name() {
    check_both("by_name");
}

#[test]
fn removed_while_open() {
    check_both("removed_while_open");
}

#[test]
fn interrupted() {
    check_both("interrupted");
}

#[test]
fn at_random() {
    check_both("at_random");
}

#[test]
fn echo() {
    check_both("echo");
}

#[test]
fn nonblocking_later() {
    check_both("nonblocking_later");
}
