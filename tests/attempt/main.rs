//! Whole attempts: a program and its peers in the box, recorded and named.
//!
//! Each case runs in a process of its own (`support/own_process.rs`); the program is this binary too, with
//! `--inside NAME`.
#![allow(clippy::print_stdout, reason = "a test without a harness tells its own results")]

mod audits;
mod cases;
mod faults;
mod inside;
mod links;
#[path = "../support/own_process.rs"]
mod own_process;
mod replay;
mod size;

fn main() -> std::process::ExitCode {
    own_process::main("attempt", cases::ALL, inside::run)
}
