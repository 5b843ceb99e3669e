//! Ends are closed as soon as nobody after needs them; the children are waited for in the order of the stages.

use std::error::Error;
use std::process::exit;

use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, dup2_stdin, dup2_stdout, execvp, fork, pipe};

fn main() -> Result<(), Box<dyn Error>> {
    let (p_read, p_write) = pipe()?;
    let (q_read, q_write) = pipe()?;
    // SAFETY: this process has one thread, so the child may do all that a process may.
    let feed = match unsafe { fork() }? {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            dup2_stdout(&p_write)?;
            drop((p_read, p_write, q_read, q_write));
            execvp(c"feed", &[c"feed"])?;
            exit(127)
        }
    };
    // SAFETY: as above.
    let upper = match unsafe { fork() }? {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            dup2_stdin(&p_read)?;
            dup2_stdout(&q_write)?;
            drop((p_read, p_write, q_read, q_write));
            execvp(c"upper", &[c"upper"])?;
            exit(127)
        }
    };
    drop((p_read, p_write, q_write));
    // SAFETY: as above.
    let count = match unsafe { fork() }? {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            dup2_stdin(&q_read)?;
            drop(q_read);
            execvp(c"count", &[c"count"])?;
            exit(127)
        }
    };
    drop(q_read);
    for child in [feed, upper, count] {
        waitpid(child, None)?;
    }
    Ok(())
}
