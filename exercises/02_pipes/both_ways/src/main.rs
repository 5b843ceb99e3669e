//! A text goes to the child through one pipe and comes back through another. The lesson is in README.md.
#![allow(unused)] // the imports below are there for you: take what you need

use std::error::Error;
use std::fs::File;
use std::io::{Read, Write};

use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork, pipe};

/// How many bytes are turned around at a time.
const BLOCK: u64 = 4096;

fn main() -> Result<(), Box<dyn Error>> {
    let mut text = Vec::new();
    std::io::stdin().read_to_end(&mut text)?;

    // TODO 1: make two pipes: req carries the text to the child, ans carries the answer back.
    // TODO 2: fork. In each process, close the ends that it does not use.
    // TODO 3: in the child, read blocks from req until its end, and write each into ans, turned around.
    // TODO 4: in the parent, send the text through req.
    // TODO 5: in the parent, print what comes out of ans. Does it ever come, if 4 is done first?
    // TODO 6: in the parent, wait for the child.
    Ok(())
}
