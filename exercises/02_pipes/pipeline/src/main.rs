//! feed | upper | count, without a shell. The lesson is in README.md.
#![allow(unused)] // the imports below are there for you: take what you need

use std::error::Error;
use std::process::exit;

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, dup2_stdin, dup2_stdout, execvp, fork, pipe};

fn main() -> Result<(), Box<dyn Error>> {
    // TODO 1: make the two pipes, p and q.
    // TODO 2: fork a child for each program. In each, put the right ends onto 0 and 1, and close all others.
    // TODO 3: in each child, exec. What if that fails?
    // TODO 4: close what this process does not need. What does it need?
    // TODO 5: wait for all three.
    Ok(())
}
