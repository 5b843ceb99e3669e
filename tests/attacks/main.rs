//! Attacks: small programs that want what is not theirs, each with the outcome that it must get.
//!
//! `run` has those of a running program, each run at every level of isolation that this machine has, as root and as an
//! ordinary user. Each case runs in a process of its own (`support/own_process.rs`).
#![allow(clippy::print_stdout, reason = "a test without a harness tells its own results")]

#[path = "../support/own_process.rs"]
mod own_process;
mod run;

fn main() -> std::process::ExitCode {
    own_process::main("attacks", run::ALL, run::inside)
}
