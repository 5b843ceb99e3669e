//! expect: H001
//! The parent waits for the child before it has written the line for which the child waits.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};

use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork, pipe};

fn main() -> Result<(), Box<dyn Error>> {
    let word = std::env::args().nth(1).ok_or("usage: one_line WORD")?;
    let (read_end, write_end) = pipe()?;

    match unsafe { fork() }? {
        ForkResult::Child => {
            drop(write_end);
            let mut line = String::new();
            BufReader::new(File::from(read_end)).read_line(&mut line)?;
            print!("{}", line.to_uppercase());
        }
        ForkResult::Parent { child } => {
            drop(read_end);
            waitpid(child, None)?;
            writeln!(File::from(write_end), "{word}")?;
        }
    }
    Ok(())
}
