//! expect: T002
//! The child prints the line twice.

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
            for line in BufReader::new(File::from(read_end)).lines() {
                let line = line?.to_uppercase();
                println!("{line}");
                println!("{line}"); // left over from looking for a mistake
            }
        }
        ForkResult::Parent { child } => {
            drop(read_end);
            writeln!(File::from(write_end), "{word}")?;
            waitpid(child, None)?;
        }
    }
    Ok(())
}
