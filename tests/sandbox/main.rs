//! The box with real launches: what is private, what is bounded, what is gone afterwards.
//!
//! Each case runs in a process of its own (`support/own_process.rs`); the program in the box is this binary too, with
//! `--inside NAME`.
#![allow(clippy::print_stdout, reason = "a test without a harness tells its own results")]

mod cases;
mod inside;
#[path = "../support/own_process.rs"]
mod own_process;
mod tools;

fn main() -> std::process::ExitCode {
    own_process::main("sandbox", &[cases::ALL, tools::ALL].concat(), inside::run)
}
