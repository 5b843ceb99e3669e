//! A thread of the parent's sends the text while the main thread reads the answer: neither can keep the other waiting.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, pipe};

/// How many bytes are turned around at a time.
const BLOCK: u64 = 4096;

fn main() -> Result<(), Box<dyn Error>> {
    let mut text = Vec::new();
    io::stdin().read_to_end(&mut text)?;
    let (req_read, req_write) = pipe()?;
    let (ans_read, ans_write) = pipe()?;

    // SAFETY: this process has one thread, so the child may do all that a process may.
    match unsafe { fork() }? {
        ForkResult::Child => {
            drop((req_write, ans_read)); // while req_write is open here, req has no end
            turn_around(req_read, ans_write)
        }
        ForkResult::Parent { child } => {
            drop((req_read, ans_write));
            let mut req = File::from(req_write);
            // The thread comes after the fork: a child has only the thread that called fork.
            std::thread::scope(|scope| {
                let writer = scope.spawn(move || req.write_all(&text)); // and closes it
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
        let mut block = Vec::new();
        // A read may return less than a block; `take` reads on until it is full or the pipe has ended.
        (&from).take(BLOCK).read_to_end(&mut block)?;
        if block.is_empty() {
            return Ok(());
        }
        block.reverse();
        to.write_all(&block)?;
    }
}
