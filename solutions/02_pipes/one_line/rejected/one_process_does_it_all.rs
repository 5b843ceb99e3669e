//! expect: T001
//! One process writes to the pipe, reads from it and prints: there is no child.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};

use nix::unistd::pipe;

fn main() -> Result<(), Box<dyn Error>> {
    let word = std::env::args().nth(1).ok_or("usage: one_line WORD")?;
    let (read_end, write_end) = pipe()?;
    writeln!(File::from(write_end), "{word}")?;

    let mut line = String::new();
    BufReader::new(File::from(read_end)).read_line(&mut line)?;
    print!("{}", line.to_uppercase());
    Ok(())
}
