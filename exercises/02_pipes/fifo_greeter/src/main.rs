//! Names come in on one FIFO, greetings go out on another. The lesson is in README.md.
#![allow(unused)] // the imports below are there for you: take what you need

use std::error::Error;
use std::fs::{File, remove_file};
use std::io::{BufRead, BufReader, Write};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

const USAGE: &str = "usage: fifo_greeter NAMES GREETINGS";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or(USAGE);
    let (names, greetings) = (next()?, next()?);

    // TODO 1: make both FIFOs.
    // TODO 2: open `names` for reading, then `greetings` for writing, in the client's order.
    // TODO 3: for each line on `names`, write its greeting to `greetings` before you read on.
    // TODO 4: when `names` has ended, close both and remove both files.
    Ok(())
}
