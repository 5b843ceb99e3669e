//! expect: F004
//! Turns around what each read gets. By hand each gets a whole block: a pipe hands out its pages.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, pipe};

/// How many bytes are turned around at a time.
const BLOCK: usize = 4096;

fn main() -> Result<(), Box<dyn Error>> {
    let mut text = Vec::new();
    io::stdin().read_to_end(&mut text)?;
    let (req_read, req_write) = pipe()?;
    let (ans_read, ans_write) = pipe()?;

    match unsafe { fork() }? {
        ForkResult::Child => {
            drop((req_write, ans_read));
            turn_around(req_read, ans_write)
        }
        ForkResult::Parent { child } => {
            drop((req_read, ans_write));
            let mut req = File::from(req_write);
            std::thread::scope(|scope| {
                let writer = scope.spawn(move || req.write_all(&text));
                io::copy(&mut File::from(ans_read), &mut io::stdout())?;
                writer.join().expect("the writer does not panic")
            })?;
            match waitpid(child, None)? {
                WaitStatus::Exited(_, 0) => Ok(()),
                other => Err(format!("the child did not end well: {other:?}").into()),
            }
        }
    }
}

/// Reads blocks to the end of the pipe, and writes each with its bytes from last to first.
fn turn_around(from: OwnedFd, to: OwnedFd) -> Result<(), Box<dyn Error>> {
    let (from, mut to) = (File::from(from), File::from(to));
    loop {
        let mut block = [0; BLOCK];
        let length = (&from).read(&mut block)?;
        if length == 0 {
            return Ok(());
        }
        block[..length].reverse();
        to.write_all(&block[..length])?;
    }
}
