//! expect: F005
//! The child reads the pipe for show, and prints the word that it has inherited in a variable.

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
            println!("{}", word.to_uppercase()); // not `line`
        }
        ForkResult::Parent { child } => {
            drop(read_end);
            writeln!(File::from(write_end), "{word}")?;
            waitpid(child, None)?;
        }
    }
    Ok(())
}
