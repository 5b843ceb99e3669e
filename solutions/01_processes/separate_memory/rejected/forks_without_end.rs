//! expect: P003
//! A child that is done goes back to the fork: each makes another one, and waits for it.

use std::error::Error;
use std::process::exit;

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

fn main() -> Result<(), Box<dyn Error>> {
    let (old, new, status) = arguments()?;
    let mut value = old;
    loop {
        match unsafe { fork() }? {
            ForkResult::Child => value = new, // and round again
            ForkResult::Parent { child } => {
                if let WaitStatus::Exited(_, answer) = waitpid(child, None)? {
                    println!("parent still has {value}");
                    println!("child exited with {answer}");
                }
                exit(if value == new { status } else { 0 });
            }
        }
    }
}

const USAGE: &str = "usage: separate_memory OLD NEW STATUS";

/// The program's three arguments: OLD, NEW and STATUS.
fn arguments() -> Result<(u64, u64, i32), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or(USAGE);
    Ok((next()?.parse()?, next()?.parse()?, next()?.parse()?))
}
