//! sigwait takes the masked signal; after it, children are reaped until the next wait would have to wait.

use std::error::Error;
use std::process::exit;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, n, code] = arguments.as_slice() else { return Err("usage: reap_on_sigchld N CODE".into()) };
    let (n, code): (usize, i32) = (n.parse()?, code.parse()?);

    let mut child = SigSet::empty();
    child.add(Signal::SIGCHLD);
    child.thread_block()?;
    let mut children = Vec::new();
    for _ in 0..n {
        // SAFETY: this process has one thread, so the child may do all that a process may.
        match unsafe { fork() }? {
            ForkResult::Child => exit(code),
            ForkResult::Parent { child } => children.push(child),
        }
    }
    while !children.is_empty() {
        child.wait()?;
        // Each by its number: it does not matter who of them has ended.
        let mut left: Vec<Pid> = Vec::new();
        for pid in children {
            if waitpid(pid, Some(WaitPidFlag::WNOHANG))? == WaitStatus::StillAlive {
                left.push(pid);
            }
        }
        children = left;
    }
    println!("all {n}");
    Ok(())
}
