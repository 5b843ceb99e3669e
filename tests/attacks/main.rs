//! Attacks: small programs that want what is not theirs, each with the outcome that it must get.
//!
//! `run` has those of a running program, each run at every level of isolation that this machine has, as root and as an
//! ordinary user; `killed` what is left of one whose worker is killed; `compile` those that work while a program is compiled. Each case runs in a process of its own
//! (`support/own_process.rs`).
#![allow(clippy::print_stdout, reason = "a test without a harness tells its own results")]

mod compile;
#[allow(dead_code, reason = "another suite uses the rest")]
#[path = "../rough/course.rs"]
mod course;
mod killed;
#[path = "../support/own_process.rs"]
mod own_process;
#[allow(dead_code, reason = "another suite uses the rest")]
#[path = "../rough/processes.rs"]
mod processes;
mod run;

fn main() -> std::process::ExitCode {
    own_process::main("attacks", &[run::ALL, killed::ALL, compile::ALL].concat(), run::inside)
}
