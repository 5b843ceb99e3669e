//! expect: P007
//! The name is misspelt, exec fails, and nobody asks: the child goes on and starts the next stage itself.

use std::error::Error;
use std::process::exit;

use nix::sys::wait::wait;
use nix::unistd::{ForkResult, dup2_stdin, dup2_stdout, execvp, fork, pipe};

fn main() -> Result<(), Box<dyn Error>> {
    let (p_read, p_write) = pipe()?;
    let (q_read, q_write) = pipe()?;
    if let ForkResult::Child = unsafe { fork() }? {
        dup2_stdout(&p_write)?;
        drop((p_read, p_write, q_read, q_write));
        let _ = execvp(c"feed", &[c"feed"]);
        exit(127)
    }
    if let ForkResult::Child = unsafe { fork() }? {
        dup2_stdin(&p_read)?;
        dup2_stdout(&q_write)?;
        let _ = execvp(c"uper", &[c"uper"]);
    }
    if let ForkResult::Child = unsafe { fork() }? {
        dup2_stdin(&q_read)?;
        drop((p_read, p_write, q_read, q_write));
        let _ = execvp(c"count", &[c"count"]);
        exit(127)
    }
    drop((p_read, p_write, q_read, q_write));
    while wait().is_ok() {}
    Ok(())
}
