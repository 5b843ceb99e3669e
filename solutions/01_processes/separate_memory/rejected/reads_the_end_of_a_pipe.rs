//! expect: P001
//! The parent learns from a pipe that the child has gone, and never waits for it: a zombie is left.

use std::error::Error;
use std::fs::File;
use std::io::Read;
use std::process::exit;

use nix::unistd::{ForkResult, fork, pipe};

fn main() -> Result<(), Box<dyn Error>> {
    let (old, new, status) = arguments()?;
    let mut value = old;
    let (read_end, write_end) = pipe()?;

    match unsafe { fork() }? {
        ForkResult::Child => {
            let copy = &mut value;
            *copy = new;
            exit(status) // closes the child's write end, and so tells the parent
        }
        ForkResult::Parent { .. } => {
            drop(write_end);
            File::from(read_end).read_to_end(&mut Vec::new())?;
            println!("parent still has {value}");
            println!("child exited with {status}");
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
