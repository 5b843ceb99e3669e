//! expect: F001
//! The last stage inherits the write end of the pipe that it reads, through exec as well.

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
        drop((p_read, p_write, q_read, q_write));
        let _ = execvp(c"upper", &[c"upper"]);
        exit(127)
    }
    if let ForkResult::Child = unsafe { fork() }? {
        dup2_stdin(&q_read)?;
        drop((p_read, p_write, q_read));
        std::mem::forget(q_write); // "it needs only to read"
        let _ = execvp(c"count", &[c"count"]);
        exit(127)
    }
    drop((p_read, p_write, q_read, q_write));
    for _ in 0..3 {
        wait()?;
    }
    Ok(())
}
