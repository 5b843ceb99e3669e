//! expect: H001
//! Reads all names before it greets the first one; a client that wants its greeting before it goes on waits for ever.

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
    mkfifo(names.as_str(), Mode::S_IRUSR | Mode::S_IWUSR)?;
    mkfifo(greetings.as_str(), Mode::S_IRUSR | Mode::S_IWUSR)?;

    let input = BufReader::new(File::open(&names)?);
    let mut output = File::options().write(true).open(&greetings)?;
    let all: Vec<String> = input.lines().collect::<Result<_, _>>()?;
    for name in all {
        writeln!(output, "hello {name}")?;
    }
    drop(output);

    remove_file(names)?;
    remove_file(greetings)?;
    Ok(())
}
