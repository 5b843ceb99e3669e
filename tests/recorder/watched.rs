//! POSIX message queues that epoll instances, poll and select are about, with twins, as in `sysv.rs`.

use crate::{alike, twins};

#[test]
fn levels() {
    twins("watched", "levels");
}

#[test]
fn edges() {
    twins("watched", "edges");
}

#[test]
fn who_waits() {
    alike("watched", "who_waits");
}

#[test]
fn handed_over() {
    twins("watched", "handed_over");
}

#[test]
fn at_random() {
    twins("watched", "at_random");
}

#[test]
fn echo() {
    alike("watched", "echo");
}
