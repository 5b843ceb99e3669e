//! A socket pair in place of a pipe, half closed: the parent shuts down its writing half, so the child sees an end.

use std::error::Error;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork};

fn main() -> Result<(), Box<dyn Error>> {
    let word = std::env::args().nth(1).ok_or("usage: one_line WORD")?;
    let (mut here, mut there) = UnixStream::pair()?;

    // SAFETY: one thread, so the child may do all that a process may.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let mut text = String::new();
            there.read_to_string(&mut text)?;
            print!("{}", text.to_uppercase());
        }
        ForkResult::Parent { child } => {
            here.write_all(word.as_bytes())?;
            here.write_all(b"\n")?;
            here.shutdown(Shutdown::Write)?;
            waitpid(child, None)?;
        }
    }
    Ok(())
}
