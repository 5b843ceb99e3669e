//! expect: F001
//! The child reads to the end of the pipe while it still has a write end open itself: the end never comes.

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
            let mut file = File::from(read_end);
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            print!("{}", text.to_uppercase());
        }
        ForkResult::Parent { child } => {
            drop(read_end);
            writeln!(File::from(write_end), "{word}")?;
            waitpid(child, None)?;
        }
    }
    Ok(())
}
