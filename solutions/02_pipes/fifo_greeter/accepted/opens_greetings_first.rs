//! Opens `greetings` first, but for reading and writing, which on Linux waits for nobody (fifo(7)).
//! Close to F006, and not it: no open waits for the other. Close to F001, and not it: only the client reads
//! `greetings`, and this program has closed its end before it waits for anything more.

use std::error::Error;
use std::fs::{File, remove_file};
use std::io::{BufRead, BufReader, BufWriter, Write};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(names), Some(greetings)) = (arguments.next(), arguments.next()) else {
        return Err("usage: fifo_greeter NAMES GREETINGS".into());
    };
    mkfifo(names.as_str(), Mode::S_IRUSR | Mode::S_IWUSR)?;
    mkfifo(greetings.as_str(), Mode::S_IRUSR | Mode::S_IWUSR)?;

    let mut output = BufWriter::new(File::options().read(true).write(true).open(&greetings)?);
    let mut input = BufReader::new(File::open(&names)?);
    let mut name = String::new();
    while input.read_line(&mut name)? > 0 {
        write!(output, "hello {name}")?;
        output.flush()?;
        name.clear();
    }

    drop((input, output));
    remove_file(names)?;
    remove_file(greetings)?;
    Ok(())
}
