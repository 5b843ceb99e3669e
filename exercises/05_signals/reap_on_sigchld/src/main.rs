//! Children end, SIGCHLD says so, and all of them are reaped. The lesson is in README.md.
#![allow(unused)] // the imports below are there for you: take what you need

use std::error::Error;
use std::process::exit;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, n, code] = arguments.as_slice() else { return Err("usage: reap_on_sigchld N CODE".into()) };
    let (n, code): (usize, i32) = (n.parse()?, code.parse()?);

    // TODO 1: get ready for SIGCHLD. Could a child end before you are?
    // TODO 2: fork n children; each exits with `code`.
    // TODO 3: sleep until SIGCHLD comes; then reap. How many children may have ended by then?
    // TODO 4: when all are reaped, print "all" and n on a line of their own.
    Ok(())
}
