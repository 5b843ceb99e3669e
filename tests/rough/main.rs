//! What goes wrong around a grade: hostile programs, bad input, Ctrl-C, lost workers.
//!
//! Each test drives the real program on a course of its own. Its exercise is called as no other process on the machine,
//! so that what a program leaves running is found in /proc by that name. All tests share a cache, in which the course's
//! crates are built once.

#[path = "../support/require.rs"]
mod require;

mod bad_input;
mod batch;
mod breakdown;
mod course;
mod hostile;
mod interrupt;
mod known;
mod modules;
mod processes;
mod vendor;
