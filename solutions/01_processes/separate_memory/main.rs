//! The child changes its copy of a variable; the parent's stays as it was.
//! What the child has to say comes back as its exit status.

use std::error::Error;
use std::process::exit;

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

fn main() -> Result<(), Box<dyn Error>> {
    let (old, new, status) = arguments()?;
    let mut value = old;

    // SAFETY: this process has one thread, so the child may do all that a process may.
    match unsafe { fork() }? {
        ForkResult::Child => be_the_child(&mut value, new, status),
        ForkResult::Parent { child } => match waitpid(child, None)? {
            WaitStatus::Exited(_, code) => {
                println!("parent still has {value}");
                println!("child exited with {code}");
                Ok(())
            }
            other => Err(format!("the child did not exit by itself: {other:?}").into()),
        },
    }
}

/// Stores `new` where the parent, in its own memory, keeps the old value; never returns.
fn be_the_child(value: &mut u64, new: u64, status: i32) -> ! {
    *value = new;
    exit(status)
}

const USAGE: &str = "usage: separate_memory OLD NEW STATUS";

/// The program's three arguments: OLD, NEW and STATUS.
fn arguments() -> Result<(u64, u64, i32), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or(USAGE);
    Ok((next()?.parse()?, next()?.parse()?, next()?.parse()?))
}
