//! Reads standard input to its end, and prints how many lines there were.

use std::io::{self, Read};

fn main() -> io::Result<()> {
    let mut text = Vec::new();
    io::stdin().read_to_end(&mut text)?;
    println!("{}", text.iter().filter(|byte| **byte == b'\n').count());
    Ok(())
}
