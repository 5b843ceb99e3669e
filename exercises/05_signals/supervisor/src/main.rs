//! Workers that crash, and a supervisor that replaces them. The lesson is in README.md.
#![allow(unused)] // the imports below are there for you: take what you need

use std::error::Error;

use nix::mqueue::{MQ_OFlag, MqAttr, MqdT, mq_open, mq_receive, mq_unlink};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, name, k] = arguments.as_slice() else { return Err("usage: supervisor NAME K".into()) };
    let k: usize = k.parse()?;

    // TODO 1: get ready for SIGTERM, and make the queue.
    // TODO 2: fork K workers, which receive for ever.
    // TODO 3: when one is killed, reap it and fork another. How do you learn of it?
    // TODO 4: on SIGTERM end all workers, wait for them, remove the queue.
    Ok(())
}
