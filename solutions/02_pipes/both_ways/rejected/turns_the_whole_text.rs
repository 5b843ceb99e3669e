//! expect: T005
//! The text is turned around as a whole, not block by block.

use std::error::Error;
use std::fs::File;
use std::io::{Read, Write, stdin, stdout};

use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork, pipe};

fn main() -> Result<(), Box<dyn Error>> {
    let mut text = Vec::new();
    stdin().read_to_end(&mut text)?;
    let (req_read, req_write) = pipe()?;
    let (ans_read, ans_write) = pipe()?;

    match unsafe { fork() }? {
        ForkResult::Child => {
            drop((req_write, ans_read));
            let mut all = Vec::new();
            File::from(req_read).read_to_end(&mut all)?;
            all.reverse();
            File::from(ans_write).write_all(&all)?;
        }
        ForkResult::Parent { child } => {
            drop((req_read, ans_write));
            let mut req = File::from(req_write);
            let writer = std::thread::spawn(move || req.write_all(&text));
            let mut answer = Vec::new();
            File::from(ans_read).read_to_end(&mut answer)?;
            stdout().write_all(&answer)?;
            writer.join().expect("the writer does not panic")?;
            waitpid(child, None)?;
        }
    }
    Ok(())
}
