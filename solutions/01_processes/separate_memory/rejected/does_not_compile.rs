//! expect: B001
//! `value` is not declared `mut`, so the child cannot store anything in it.

use std::error::Error;
use std::process::exit;

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

fn main() -> Result<(), Box<dyn Error>> {
    let (old, new, status) = arguments()?;
    let value = old;

    match unsafe { fork() }? {
        ForkResult::Child => {
            value = new;
            exit(status)
        }
        ForkResult::Parent { child } => {
            if let WaitStatus::Exited(_, code) = waitpid(child, None)? {
                println!("parent still has {value}");
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
