//! Writes what it reads from standard input to standard output, in capitals, as it comes.

use std::io::{self, Read, Write};

fn main() -> io::Result<()> {
    let mut piece = [0; 8192];
    loop {
        let count = io::stdin().read(&mut piece)?;
        if count == 0 {
            return Ok(());
        }
        piece[..count].make_ascii_uppercase();
        io::stdout().write_all(&piece[..count])?;
        io::stdout().flush()?;
    }
}
