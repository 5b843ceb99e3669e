//! Two processes, and a variable that each has for itself. The lesson is in README.md.
#![allow(unused)] // nobody reads the child's copy again: rustc would tell you so

use std::error::Error;
use std::process::exit;

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

fn main() -> Result<(), Box<dyn Error>> {
    let (old, new, status) = arguments()?;
    let mut value = old;

    // TODO 1: fork. From then on there are two processes, each with its own `value`.
    // TODO 2: in the child, store `new` in `value`, then exit with `status`.
    // TODO 3: in the parent, wait for the child, and take its exit status from the answer.
    // TODO 4: after that, still in the parent, print the two lines of the task.
    Ok(())
}

const USAGE: &str = "usage: separate_memory OLD NEW STATUS";

/// The program's three arguments: OLD, NEW and STATUS.
fn arguments() -> Result<(u64, u64, i32), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or(USAGE);
    Ok((next()?.parse()?, next()?.parse()?, next()?.parse()?))
}
