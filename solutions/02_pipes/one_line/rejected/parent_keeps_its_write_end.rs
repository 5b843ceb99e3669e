//! expect: F001
//! The child reads to the end, but the parent waits for it with the write end still open.

use std::error::Error;
use std::fs::File;
use std::io::{Read, Write};

use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork, pipe};

fn main() -> Result<(), Box<dyn Error>> {
    let word = std::env::args().nth(1).ok_or("usage: one_line WORD")?;
    let (read_end, write_end) = pipe()?;

    match unsafe { fork() }? {
        ForkResult::Child => {
            drop(write_end);
            let mut text = String::new();
            File::from(read_end).read_to_string(&mut text)?;
            print!("{}", text.to_uppercase());
        }
        ForkResult::Parent { child } => {
            drop(read_end);
            let mut pipe = File::from(write_end);
            writeln!(pipe, "{word}")?;
            waitpid(child, None)?; // `pipe` is closed only after this
        }
    }
    Ok(())
}
