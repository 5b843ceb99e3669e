//! Reads names from one FIFO and answers each with a greeting on another.

use std::error::Error;
use std::fs::{File, remove_file};
use std::io::{BufRead, BufReader, Write};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

const USAGE: &str = "usage: fifo_greeter NAMES GREETINGS";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or(USAGE);
    let (names, greetings) = (next()?, next()?);

    let owner_only = Mode::S_IRUSR | Mode::S_IWUSR;
    mkfifo(names.as_str(), owner_only)?;
    mkfifo(greetings.as_str(), owner_only)?;

    greet(&names, &greetings)?;

    remove_file(names)?;
    remove_file(greetings)?;
    Ok(())
}

/// Greets each name on `names`, to the end; both FIFOs are closed on return.
fn greet(names: &str, greetings: &str) -> Result<(), Box<dyn Error>> {
    let names = BufReader::new(File::open(names)?); // waits for a writer
    let mut greetings = File::options().write(true).open(greetings)?; // waits for a reader
    for name in names.lines() {
        writeln!(greetings, "hello {}", name?)?;
    }
    Ok(())
}
