//! expect: F001
//! The writer lends its end to the thread and keeps it: the child waits for more text, the parent for more answer.

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
            let (from, mut to) = (File::from(req_read), File::from(ans_write));
            let mut block = Vec::new();
            while (&from).take(4096).read_to_end(&mut block)? > 0 {
                block.reverse();
                to.write_all(&block)?;
                block.clear();
            }
        }
        ForkResult::Parent { child } => {
            drop((req_read, ans_write));
            let mut req = File::from(req_write);
            std::thread::scope(|scope| {
                scope.spawn(|| req.write_all(&text));
                let mut answer = Vec::new();
                File::from(ans_read).read_to_end(&mut answer)?;
                stdout().write_all(&answer)
            })?;
            waitpid(child, None)?;
        }
    }
    Ok(())
}
