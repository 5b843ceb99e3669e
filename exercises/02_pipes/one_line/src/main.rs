//! One line through a pipe, from the parent to the child. The lesson is in README.md.
#![allow(unused)] // the imports below are there for you: take what you need

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};

use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork, pipe};

fn main() -> Result<(), Box<dyn Error>> {
    let word = std::env::args().nth(1).ok_or("usage: one_line WORD")?;

    // TODO 1: make a pipe. It has a read end and a write end.
    // TODO 2: fork.
    // TODO 3: in the parent, write the word and a newline into the pipe.
    // TODO 4: in the child, read the line from the pipe and print it in capitals.
    // TODO 5: in each process, close the end that it does not use.
    // TODO 6: in the parent, wait for the child.
    Ok(())
}
