//! No handler: the signal is masked and read from a signalfd; waitid does the reaping.

use std::error::Error;
use std::process::exit;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{ForkResult, fork};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, n, code] = arguments.as_slice() else { return Err("usage: reap_on_sigchld N CODE".into()) };
    let (n, code): (usize, i32) = (n.parse()?, code.parse()?);

    let mut child = SigSet::empty();
    child.add(Signal::SIGCHLD);
    child.thread_block()?;
    let signals = SignalFd::with_flags(&child, SfdFlags::SFD_CLOEXEC)?;
    for _ in 0..n {
        // SAFETY: this process has one thread, so the child may do all that a process may.
        if let ForkResult::Child = unsafe { fork() }? {
            exit(code);
        }
    }
    let mut reaped = 0;
    while reaped < n {
        signals.read_signal()?;
        loop {
            match waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG) {
                Ok(WaitStatus::Exited(..)) => reaped += 1,
                Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => break,
                other => return Err(format!("a child did not end well: {other:?}").into()),
            }
        }
    }
    println!("all {reaped}");
    Ok(())
}
