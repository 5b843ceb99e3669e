//! expect: H002
//! The child spins until a flag is set; the parent sets its own copy of it, so the child spins for ever.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork, pipe};

static WRITTEN: AtomicBool = AtomicBool::new(false);

fn main() -> Result<(), Box<dyn Error>> {
    let word = std::env::args().nth(1).ok_or("usage: one_line WORD")?;
    let (read_end, write_end) = pipe()?;

    match unsafe { fork() }? {
        ForkResult::Child => {
            drop(write_end);
            while !WRITTEN.load(SeqCst) {
                std::hint::spin_loop();
            }
            let mut line = String::new();
            BufReader::new(File::from(read_end)).read_line(&mut line)?;
            print!("{}", line.to_uppercase());
        }
        ForkResult::Parent { child } => {
            drop(read_end);
            writeln!(File::from(write_end), "{word}")?;
            WRITTEN.store(true, SeqCst);
            waitpid(child, None)?;
        }
    }
    Ok(())
}
