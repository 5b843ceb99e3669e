//! expect: P005
//! The parent prints and goes while the child is still at work: an orphan.

use std::error::Error;
use std::io::{Read, pipe};
use std::process::exit;

use nix::unistd::{ForkResult, fork};

fn main() -> Result<(), Box<dyn Error>> {
    let (old, new, status) = arguments()?;
    let mut value = old;

    let (mut orders, giver) = pipe()?;

    match unsafe { fork() }? {
        ForkResult::Child => {
            drop(giver);
            let copy = &mut value;
            *copy = new;
            // Works for as long as there is somebody who might give it more to do.
            orders.read_to_end(&mut Vec::new())?;
            exit(status)
        }
        ForkResult::Parent { .. } => {
            println!("parent still has {value}");
            println!("child exited with {status}");
            // Without a drop of `giver`: it is closed when the process is gone, and not before.
            exit(0)
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
