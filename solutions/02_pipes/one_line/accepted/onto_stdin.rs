//! The child puts the pipe where its standard input was, as a shell would, and reads a line from there.

use std::error::Error;
use std::fs::File;
use std::io::Write;

use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{ForkResult, dup2_stdin, fork, pipe};

fn main() -> Result<(), Box<dyn Error>> {
    let word = std::env::args().nth(1).ok_or("usage: one_line WORD")?;
    let (read_end, write_end) = pipe()?;

    // SAFETY: one thread, so the child may do all that a process may.
    match unsafe { fork() }? {
        ForkResult::Child => {
            dup2_stdin(&read_end)?;
            drop((read_end, write_end));
            let mut line = String::new();
            std::io::stdin().read_line(&mut line)?;
            println!("{}", line.trim_end().to_uppercase());
        }
        ForkResult::Parent { child } => {
            drop(read_end);
            let mut pipe = File::from(write_end);
            writeln!(pipe, "{word}")?;
            waitid(Id::Pid(child), WaitPidFlag::WEXITED)?; // `pipe` is still open, and that does no harm
        }
    }
    Ok(())
}
