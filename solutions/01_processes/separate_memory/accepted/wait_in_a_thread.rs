//! A helper thread of the parent waits for the child.
//! Close to P006, and not it: there is a thread, but the second process is a process.

use std::cell::Cell;
use std::error::Error;
use std::process::exit;
use std::thread;

use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{ForkResult, fork};

fn main() -> Result<(), Box<dyn Error>> {
    let (old, new, status) = arguments()?;
    let value = Cell::new(old);

    // SAFETY: no thread has been started yet, so the child may do all that a process may.
    let child = match unsafe { fork() }? {
        ForkResult::Child => {
            value.set(new);
            exit(status)
        }
        ForkResult::Parent { child } => child,
    };
    let waiter = thread::spawn(move || waitid(Id::Pid(child), WaitPidFlag::WEXITED));
    let answer = waiter.join().expect("the waiting thread does not panic")?;
    let WaitStatus::Exited(_, code) = answer else {
        return Err(format!("the child did not exit by itself: {answer:?}").into());
    };
    println!("parent still has {}\nchild exited with {code}", value.get());
    Ok(())
}

const USAGE: &str = "usage: separate_memory OLD NEW STATUS";

/// The program's three arguments: OLD, NEW and STATUS.
fn arguments() -> Result<(u64, u64, i32), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or(USAGE);
    Ok((next()?.parse()?, next()?.parse()?, next()?.parse()?))
}
