//! A chain: each stage is forked by the process that makes the pipe before it, and every one of them waits for its own.

use std::error::Error;
use std::os::fd::OwnedFd;
use std::process::exit;

use nix::fcntl::OFlag;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, dup2_stdin, dup2_stdout, execvp, fork, pipe2};

fn main() -> Result<(), Box<dyn Error>> {
    // SAFETY: this process has one thread, so the child may do all that a process may.
    let ForkResult::Parent { child } = (unsafe { fork() }?) else {
        chain()?;
        return Ok(());
    };
    waitpid(child, None)?;
    Ok(())
}

/// Close-on-exec ends close themselves; those that dup2 makes stay.
fn piece() -> nix::Result<(OwnedFd, OwnedFd)> {
    pipe2(OFlag::O_CLOEXEC)
}

fn chain() -> Result<(), Box<dyn Error>> {
    let (q_read, q_write) = piece()?;
    // SAFETY: as above.
    if let ForkResult::Parent { child } = unsafe { fork() }? {
        // The last stage is started by a process that waits for both.
        drop(q_write);
        // SAFETY: as above.
        if let ForkResult::Parent { child: last } = unsafe { fork() }? {
            drop(q_read);
            waitpid(last, None)?;
            waitpid(child, None)?;
            return Ok(());
        }
        dup2_stdin(&q_read)?;
        execvp(c"count", &[c"count"])?;
        exit(127);
    }
    drop(q_read);
    let (p_read, p_write) = piece()?;
    // SAFETY: as above.
    if let ForkResult::Parent { child } = unsafe { fork() }? {
        drop(p_write);
        // SAFETY: as above.
        if let ForkResult::Parent { child: upper } = unsafe { fork() }? {
            drop((p_read, q_write));
            waitpid(upper, None)?;
            waitpid(child, None)?;
            return Ok(());
        }
        dup2_stdin(&p_read)?;
        dup2_stdout(&q_write)?;
        execvp(c"upper", &[c"upper"])?;
        exit(127);
    }
    dup2_stdout(&p_write)?;
    execvp(c"feed", &[c"feed"])?;
    Ok(())
}
