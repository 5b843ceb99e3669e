//! expect: P001
//! Waits for the last stage alone, as if the others ended with it.

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
    drop((p_write, q_write, p_read));
    let last = match unsafe { fork() }? {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            dup2_stdin(&q_read)?;
            drop(q_read);
            let _ = execvp(c"count", &[c"count"]);
            exit(127)
        }
    };
    drop(q_read);
    nix::sys::wait::waitpid(last, None)?;
    Ok(())
}
