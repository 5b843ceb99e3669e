//! The parent sends one block and reads its answer before it sends the next: no pipe ever holds more than a block.
//! The last block is asked for by closing, since it may be shorter.

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

    // SAFETY: this process has one thread, so the child may do all that a process may.
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
            let (mut req, mut ans) = (File::from(req_write), File::from(ans_read));
            let mut answer = Vec::new();
            let (whole, rest) = text.split_at(text.len() / 4096 * 4096);
            for block in whole.chunks(4096) {
                req.write_all(block)?;
                let mut turned = [0; 4096];
                ans.read_exact(&mut turned)?;
                answer.extend_from_slice(&turned);
            }
            req.write_all(rest)?;
            drop(req);
            ans.read_to_end(&mut answer)?;
            stdout().write_all(&answer)?;
            waitpid(child, None)?;
        }
    }
    Ok(())
}
