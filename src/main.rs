//! The binary `ipc-grade`.

fn main() {}
