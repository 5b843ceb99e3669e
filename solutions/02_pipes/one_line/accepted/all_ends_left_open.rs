//! Nobody closes anything, and nobody needs to: the child reads as far as the newline and no further.
//! Close to F001, and not it. The text goes byte by byte, and the parent polls for the child (WNOHANG).

use std::error::Error;

use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, pipe, read, write};

fn main() -> Result<(), Box<dyn Error>> {
    let word = std::env::args().nth(1).ok_or("usage: one_line WORD")?;
    let (read_end, write_end) = pipe()?;

    // SAFETY: one thread, so the child may do all that a process may.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let mut line = String::new();
            let mut byte = [0];
            while !line.ends_with('\n') && read(&read_end, &mut byte)? == 1 {
                line.push(char::from(byte[0].to_ascii_uppercase()));
            }
            print!("{line}");
        }
        ForkResult::Parent { child } => {
            for byte in word.bytes().chain([b'\n']) {
                write(&write_end, &[byte])?;
            }
            while waitpid(child, Some(WaitPidFlag::WNOHANG))? == WaitStatus::StillAlive {
                std::thread::yield_now();
            }
        }
    }
    Ok(())
}
