//! expect: T005
//! Greets, whatever the name is, always in the same words.

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
    for name in input.lines() {
        name?;
        writeln!(output, "hello everybody at the other end of this pipe")?;
    }
    drop(output);

    remove_file(names)?;
    remove_file(greetings)?;
    Ok(())
}
