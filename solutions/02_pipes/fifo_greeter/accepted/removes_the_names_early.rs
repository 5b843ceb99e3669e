//! Removes both files as soon as both sides have them open: the names go, the FIFOs live on until they are closed.
//! Close to F008, and not it: nothing is left at the end, however the program ends.

use std::error::Error;
use std::fs::{File, remove_file};
use std::io::{BufReader, Read, Write};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    for path in &arguments {
        mkfifo(path.as_str(), Mode::S_IRUSR | Mode::S_IWUSR)?;
    }
    let [names, greetings] = &arguments[..] else {
        return Err("usage: fifo_greeter NAMES GREETINGS".into());
    };
    let input = BufReader::new(File::open(names)?);
    let mut output = File::create(greetings)?; // O_TRUNC and O_CREAT mean nothing to a FIFO that is there
    for path in &arguments {
        remove_file(path)?;
    }

    let mut greeting = b"hello ".to_vec();
    for byte in input.bytes() {
        let byte = byte?;
        greeting.push(byte);
        if byte == b'\n' {
            output.write_all(&greeting)?;
            greeting.truncate(b"hello ".len());
        }
    }
    Ok(())
}
