//! expect: P001
//! WNOWAIT reads the exit status and leaves the child where it is: a zombie.

use std::error::Error;
use std::process::exit;

use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
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
            let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
            if let WaitStatus::Exited(_, code) = waitid(Id::Pid(child), look)? {
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
