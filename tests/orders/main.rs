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

mod orders;
#[path = "../support/own_process.rs"]
mod own_process;

use std::process::ExitCode;

use orders::{all_pass, found, proof_of_luck, shrinks};
use own_process::Case;

/// Every case by name.
const ALL: &[Case] = &[
    ("lost wakeup", || found("lost_wakeup", true)),
    ("lost wakeup, mended", || all_pass("lost_wakeup_mended")),
    ("signal before the handler", || found("signal_before_handler", false)),
    ("signal before the handler, mended", || all_pass("signal_before_handler_mended")),
    ("reader before the writer", || found("reader_before_writer", false)),
    ("reader before the writer, mended", || all_pass("reader_before_writer_mended")),
    ("two readers of one pipe", || found("two_readers", true)),
    ("two readers of one pipe, mended", || all_pass("two_readers_mended")),
    ("large writes interleave", || found("writes_interleave", true)),
    ("large writes interleave, mended", || all_pass("writes_interleave_mended")),
    ("SIGCHLD merges", || found("sigchld_merges", true)),
    ("SIGCHLD merges, mended", || all_pass("sigchld_merges_mended")),
    ("check then act", || found("check_then_act", true)),
    ("check then act, mended", || all_pass("check_then_act_mended")),
    ("a failing run is the same from its turns, and with one turn", shrinks),
    ("one side held back: overtaken, or forced", proof_of_luck),
];

fn main() -> ExitCode {
    own_process::main("orders", ALL, |name, _| panic!("nothing is called {name}"))
}
