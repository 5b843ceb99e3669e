//! expect: P005
//! The parent prints and goes while the child is still at work: an orphan.

use std::error::Error;
use std::process::exit;
use std::thread::sleep;
use std::time::Duration;

use nix::unistd::{ForkResult, fork};

fn main() -> Result<(), Box<dyn Error>> {
    let (old, new, status) = arguments()?;
    let mut value = old;

    match unsafe { fork() }? {
        ForkResult::Child => {
            let copy = &mut value;
            *copy = new;
            sleep(Duration::from_secs(1)); // stands for work that takes its time
            exit(status)
        }
        ForkResult::Parent { .. } => {
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
