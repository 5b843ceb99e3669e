//! expect: P001
//! A second pipe tells the parent that the child has gone, and the parent goes too: it never waits, a zombie is left.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};

use nix::unistd::{ForkResult, fork, pipe};

fn main() -> Result<(), Box<dyn Error>> {
    let word = std::env::args().nth(1).ok_or("usage: one_line WORD")?;
    let (read_end, write_end) = pipe()?;
    let (child_gone, child_lives) = pipe()?;

    match unsafe { fork() }? {
        ForkResult::Child => {
            drop(write_end);
            let mut line = String::new();
            BufReader::new(File::from(read_end)).read_line(&mut line)?;
            print!("{}", line.to_uppercase());
            std::process::exit(0); // and with that `child_lives` is closed
        }
        ForkResult::Parent { .. } => {
            drop((read_end, child_lives));
            writeln!(File::from(write_end), "{word}")?;
            File::from(child_gone).read_to_end(&mut Vec::new())?;
        }
    }
    Ok(())
}
