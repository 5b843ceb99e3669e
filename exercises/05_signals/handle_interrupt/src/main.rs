//! A program that ends cleanly when it is asked to. The lesson is in README.md.
#![allow(unused)] // the imports below are there for you: take what you need

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction};

fn main() -> Result<(), Box<dyn Error>> {
    let n = std::env::args().nth(1).ok_or("usage: handle_interrupt N")?;

    // TODO 1: be prepared for SIGINT and for SIGTERM.
    // TODO 2: print "ready" on a line of its own.
    // TODO 3: sleep until one of the two comes. Can it slip in between looking and falling asleep?
    // TODO 4: print "bye" and n on a line of their own.
    Ok(())
}
