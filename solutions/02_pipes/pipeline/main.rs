//! Three children, side by side: each gets its ends as 0 and 1, closes the others and becomes its program.

use std::error::Error;
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::exit;

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, dup2_stdin, dup2_stdout, execvp, fork, pipe};

fn main() -> Result<(), Box<dyn Error>> {
    let (p_read, p_write) = pipe()?;
    let (q_read, q_write) = pipe()?;
    let all = [p_read, p_write, q_read, q_write];
    let stages = [
        start(c"feed", None, Some(1), &all)?,
        start(c"upper", Some(0), Some(3), &all)?,
        start(c"count", Some(2), None, &all)?,
    ];
    drop(all); // while a write end is open here, its reader sees no end
    for stage in stages {
        match waitpid(stage, None)? {
            WaitStatus::Exited(_, 0) => {}
            other => return Err(format!("a stage did not end well: {other:?}").into()),
        }
    }
    Ok(())
}

/// Starts a program in a child, with these of the ends as its standard input and output; `None` leaves them.
fn start(program: &CStr, stdin: Option<usize>, stdout: Option<usize>, ends: &[OwnedFd; 4]) -> nix::Result<Pid> {
    // SAFETY: this process has one thread, so the child may do all that a process may.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            let end = |index: usize| -> BorrowedFd<'_> { ends[index].as_fd() };
            let connected = stdin.map_or(Ok(()), |index| dup2_stdin(end(index)));
            let connected = connected.and(stdout.map_or(Ok(()), |index| dup2_stdout(end(index))));
            for end in ends {
                // SAFETY: this process ends or becomes another program: nobody uses these any more.
                unsafe { libc::close(std::os::fd::AsRawFd::as_raw_fd(end)) };
            }
            // exec returns only when it has failed.
            let failed = connected.and_then(|()| execvp(program, &[program]).map(|_| ()));
            eprintln!("{program:?}: {failed:?}");
            exit(127)
        }
    }
}
