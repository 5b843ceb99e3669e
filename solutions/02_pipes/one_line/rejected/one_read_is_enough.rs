//! expect: F004
//! Reads once, with room for any word, and prints what came. Alone on a quiet machine the whole word comes.

use std::error::Error;
use std::fs::File;
use std::io::Write;

use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork, pipe, read};

fn main() -> Result<(), Box<dyn Error>> {
    let word = std::env::args().nth(1).ok_or("usage: one_line WORD")?;
    let (read_end, write_end) = pipe()?;

    match unsafe { fork() }? {
        ForkResult::Child => {
            drop(write_end);
            let mut buffer = [0; 64];
            let count = read(&read_end, &mut buffer)?;
            print!("{}", String::from_utf8_lossy(&buffer[..count]).to_uppercase());
        }
        ForkResult::Parent { child } => {
            drop(read_end);
            writeln!(File::from(write_end), "{word}")?;
            waitpid(child, None)?;
        }
    }
    Ok(())
}
