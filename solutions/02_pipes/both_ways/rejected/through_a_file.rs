//! expect: F005
//! The answer goes into a file, which is never full; nothing comes back through the second pipe.

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
            drop((req_write, ans_read, ans_write));
            let (from, mut to) = (File::from(req_read), File::create("answer")?);
            let mut block = Vec::new();
            while (&from).take(4096).read_to_end(&mut block)? > 0 {
                block.reverse();
                to.write_all(&block)?;
                block.clear();
            }
        }
        ForkResult::Parent { child } => {
            drop((req_read, ans_write, ans_read));
            File::from(req_write).write_all(&text)?;
            waitpid(child, None)?;
            stdout().write_all(&std::fs::read("answer")?)?;
            std::fs::remove_file("answer")?;
        }
    }
    Ok(())
}
