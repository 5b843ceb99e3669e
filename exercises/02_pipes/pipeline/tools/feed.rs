//! Writes what it reads from standard input to standard output.

use std::io::{self, Read, Write};

fn main() -> io::Result<()> {
    let mut text = Vec::new();
    io::stdin().read_to_end(&mut text)?;
    // One write, so that the line buffer of standard output does not cut it at a line.
    let out = io::stdout().lock();
    io::BufWriter::with_capacity(text.len() + 1, out).write_all(&text)
}
