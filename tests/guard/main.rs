//! Shared memory access by access: small programs, in C and in Rust, recorded in the box under schedules of their own.
//!
//! Each case runs in a process of its own (`support/own_process.rs`); a program in C is
//! compiled there, and the one in Rust is this binary too, with `--inside NAME`: unoptimised, as learners' are.
#![allow(clippy::print_stdout, reason = "a test without a harness tells its own results")]

mod accesses;
#[path = "programs/atomics.rs"]
mod atomics;
mod by_hand;
#[path = "../support/own_process.rs"]
mod own_process;
mod processes;
mod races;
mod record;

fn main() -> std::process::ExitCode {
    let cases: Vec<_> = [accesses::ALL, processes::ALL, races::ALL, by_hand::ALL].concat();
    own_process::main("guard", &cases, |_, _| {
        atomics::run();
        std::process::ExitCode::SUCCESS
    })
}
