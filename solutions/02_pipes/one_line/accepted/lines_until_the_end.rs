//! The child takes lines until the end of the pipe: it prints before it sees the end.
//! The pipe is the standard library's; the parent loops on wait until no child is left.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};

use nix::errno::Errno;
use nix::sys::wait::wait;
use nix::unistd::{ForkResult, fork};

fn main() -> Result<(), Box<dyn Error>> {
    let word = std::env::args().nth(1).ok_or("usage: one_line WORD")?;
    let (reader, mut writer) = std::io::pipe()?;

    // SAFETY: one thread, so the child may do all that a process may.
    if let ForkResult::Child = unsafe { fork() }? {
        drop(writer);
        for line in BufReader::new(reader).lines() {
            println!("{}", line?.to_uppercase());
        }
        return Ok(());
    }

    drop(reader);
    writer.write_all(format!("{word}\n").as_bytes())?;
    drop(writer);
    loop {
        match wait() {
            Ok(_) => {}
            Err(Errno::ECHILD) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}
