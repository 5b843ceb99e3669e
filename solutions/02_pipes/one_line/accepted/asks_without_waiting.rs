//! The parent does not sleep in wait: it asks again and again, and lets others go first in between.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;

use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, pipe};

fn main() -> Result<(), Box<dyn Error>> {
    let word = std::env::args().nth(1).ok_or("usage: one_line WORD")?;
    let (read_end, write_end) = pipe()?;

    // SAFETY: this process has one thread, so the child may do all that a process may.
    match unsafe { fork() }? {
        ForkResult::Child => {
            drop(write_end); // while it is open here, the pipe has no end
            shout(read_end)
        }
        ForkResult::Parent { child } => {
            drop(read_end);
            send(write_end, &word)?;
            loop {
                match waitpid(child, Some(WaitPidFlag::WNOHANG))? {
                    WaitStatus::StillAlive => std::thread::yield_now(),
                    WaitStatus::Exited(_, 0) => return Ok(()),
                    other => return Err(format!("the child did not end well: {other:?}").into()),
                }
            }
        }
    }
}

/// Writes `word` as a line, and closes the write end by letting it go.
fn send(write_end: OwnedFd, word: &str) -> Result<(), Box<dyn Error>> {
    writeln!(File::from(write_end), "{word}")?;
    Ok(())
}

/// Reads one line and prints it in capitals.
fn shout(read_end: OwnedFd) -> Result<(), Box<dyn Error>> {
    let mut line = String::new();
    BufReader::new(File::from(read_end)).read_line(&mut line)?;
    print!("{}", line.to_uppercase());
    Ok(())
}
