//! expect: F011
//! The pipe is made after the fork, by each process for itself: the line goes into one, the child reads the other.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};

use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork, pipe};

fn main() -> Result<(), Box<dyn Error>> {
    let word = std::env::args().nth(1).ok_or("usage: one_line WORD")?;

    let fork_result = unsafe { fork() }?;
    let (read_end, write_end) = pipe()?;
    match fork_result {
        ForkResult::Child => {
            drop(write_end);
            let mut line = String::new();
            BufReader::new(File::from(read_end)).read_line(&mut line)?;
            print!("{}", line.to_uppercase());
        }
        ForkResult::Parent { child } => {
            writeln!(File::from(write_end), "{word}")?;
            waitpid(child, None)?;
        }
    }
    Ok(())
}
