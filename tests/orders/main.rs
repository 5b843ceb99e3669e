//! Races that show only in some orders: the default portfolio finds each within 16 seeds, and the corrected twin passes
//! under all of them. The programs are in `programs/`; each case runs in a process of its own
//! (`support/own_process.rs`).
//!
//! The twins under a thousand seeds:
//!
//! ```text
//! IPC_GRADE_SEEDS=1000 cargo test --release --test orders
//! ```
#![allow(clippy::print_stdout, reason = "a test without a harness tells its own results")]

#[path = "programs/memory.rs"]
mod memory;
mod orders;
#[path = "../support/own_process.rs"]
mod own_process;

use std::process::ExitCode;

use orders::{Program, all_pass, found, is_right, proof_of_luck, races_always, shrinks};
use own_process::Case;

/// Every case by name.
const ALL: &[Case] = &[
    ("a child that ends before the wait", || all_pass(&Program::new("ends_before_the_wait"))),
    ("lost wakeup", || found(&Program::new("lost_wakeup"), true)),
    ("lost wakeup, mended", || all_pass(&Program::new("lost_wakeup_mended"))),
    ("signal before the handler", || found(&Program::new("signal_before_handler"), false)),
    ("signal before the handler, mended", || all_pass(&Program::new("signal_before_handler_mended"))),
    ("reader before the writer", || found(&Program::new("reader_before_writer"), false)),
    ("reader before the writer, mended", || all_pass(&Program::new("reader_before_writer_mended"))),
    ("two readers of one pipe", || found(&Program::new("two_readers"), true)),
    ("two readers of one pipe, mended", || all_pass(&Program::new("two_readers_mended"))),
    ("large writes interleave", || found(&Program::new("writes_interleave"), true)),
    ("large writes interleave, mended", || all_pass(&Program::new("writes_interleave_mended"))),
    ("SIGCHLD merges", || found(&Program::new("sigchld_merges"), true)),
    ("SIGCHLD merges, mended", || all_pass(&Program::new("sigchld_merges_mended"))),
    ("check then act", || found(&Program::new("check_then_act"), true)),
    ("check then act, mended", || all_pass(&Program::new("check_then_act_mended"))),
    ("a counter in memory", || found(&Program::in_memory("counter"), true)),
    ("a counter in memory always races", || races_always(&Program::in_memory("counter"))),
    ("a counter in memory, mended", || is_right(&Program::in_memory("counter_mended"))),
    ("a counter in Rust", || found(&Program::in_rust("counter"), true)),
    ("a counter in Rust always races", || races_always(&Program::in_rust("counter"))),
    ("a flag in memory", || found(&Program::in_memory("check_then_act"), true)),
    ("a flag in memory, mended", || is_right(&Program::in_memory("check_then_act_mended"))),
    ("sleep as synchronisation", || found(&Program::in_memory("sleep_synchronises"), true)),
    ("sleep as synchronisation, mended", || is_right(&Program::in_memory("sleep_synchronises_mended"))),
    ("double unlock", || found(&Program::in_memory("double_unlock"), true)),
    ("double unlock, mended", || is_right(&Program::in_memory("double_unlock_mended"))),
    ("a semaphore starts at 1", || found(&Program::in_memory("starts_at_one"), false)),
    ("a semaphore starts at 1, mended", || is_right(&Program::in_memory("starts_at_one_mended"))),
    ("a robust lock is right", || is_right(&Program::in_memory("robust_lock"))),
    ("atomics are right", || is_right(&Program::in_memory("atomics"))),
    ("release and acquire are right", || is_right(&Program::in_memory("release_and_acquire"))),
    ("atomics in Rust are right", || is_right(&Program::in_rust("atomics"))),
    ("a semaphore in Rust is right", || is_right(&Program::in_rust("semaphore"))),
    ("a lock in Rust is right", || is_right(&Program::in_rust("mutex"))),
    ("a robust lock in Rust is right", || is_right(&Program::in_rust("robust_mutex"))),
    ("release and acquire in Rust are right", || {
        // Where the compiler puts them in line, a release and an acquire are plain instructions on x86-64.
        let program = Program::in_rust("release_and_acquire");
        if cfg!(debug_assertions) { is_right(&program) } else { all_pass(&program) }
    }),
    ("a failing run is the same from its turns, and with one turn", shrinks),
    ("one side held back: overtaken, or forced", proof_of_luck),
];

fn main() -> ExitCode {
    own_process::main("orders", ALL, |name, _| ExitCode::from(u8::from(!memory::run(name))))
}
