//! expect: P002
//! The child does its part and then runs on into the parent's lines, so they are printed twice.

use std::error::Error;
use std::process::exit;

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

fn main() -> Result<(), Box<dyn Error>> {
    let (old, new, status) = arguments()?;
    let mut value = old;
    let mut code = status;

    let fork_result = unsafe { fork() }?;
    match fork_result {
        ForkResult::Child => value = new, // and no exit
        ForkResult::Parent { child } => {
            if let WaitStatus::Exited(_, answer) = waitpid(child, None)? {
                code = answer;
            }
        }
    }
    println!("parent still has {value}");
    println!("child exited with {code}");
    exit(if fork_result.is_child() { status } else { 0 })
}

const USAGE: &str = "usage: separate_memory OLD NEW STATUS";

/// The program's three arguments: OLD, NEW and STATUS.
fn arguments() -> Result<(u64, u64, i32), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or(USAGE);
    Ok((next()?.parse()?, next()?.parse()?, next()?.parse()?))
}
