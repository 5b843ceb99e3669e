//! The binary `ipc-grade`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ipc_grade::cli::main()
}
