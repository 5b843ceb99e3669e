//! expect: T003
//! The parent prints its value before it has waited, when the child may not have changed anything yet.

use std::error::Error;
use std::process::exit;

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

fn main() -> Result<(), Box<dyn Error>> {
    let (old, new, status) = arguments()?;
    let mut value = old;

    match unsafe { fork() }? {
        ForkResult::Child => {
            let copy = &mut value;
            *copy = new;
            exit(status)
        }
        ForkResult::Parent { child } => {
            println!("parent still has {value}");
            if let WaitStatus::Exited(_, code) = waitpid(child, None)? {
                println!("child exited with {code}");
            }
        }
    }
    Ok(())
}

const USAGE: &str = "usage: separate_memory OLD NEW STATUS";

/// The program's three arguments: OLD, NEW and STATUS.
fn arguments() -> Result<(u64, u64, i32), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or(USAGE);
    Ok((next()?.parse()?, next()?.parse()?, next()?.parse()?))
}
