//! The variable is a static; both processes leave by the same return from `main`.
//! The parent asks again and again (WNOHANG) instead of sleeping in the kernel.
//! Close to P002, and not it: the child goes on after its part, but takes none of the parent's steps.

use std::error::Error;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

static VALUE: AtomicU64 = AtomicU64::new(0);

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let (old, new, status) = arguments()?;
    VALUE.store(old, SeqCst);

    // SAFETY: one thread, so the child may do all that a process may.
    let code = match unsafe { fork() }? {
        ForkResult::Child => {
            VALUE.store(new, SeqCst);
            u8::try_from(status)?
        }
        ForkResult::Parent { child } => {
            let code = poll_for(child)?;
            println!("parent still has {}", VALUE.load(SeqCst));
            println!("child exited with {code}");
            0
        }
    };
    Ok(ExitCode::from(code))
}

/// Asks until `child` has ended; gives its exit status.
fn poll_for(child: Pid) -> Result<i32, Box<dyn Error>> {
    loop {
        match waitpid(child, Some(WaitPidFlag::WNOHANG))? {
            WaitStatus::StillAlive => std::thread::yield_now(),
            WaitStatus::Exited(_, code) => return Ok(code),
            other => return Err(format!("unexpected: {other:?}").into()),
        }
    }
}

const USAGE: &str = "usage: separate_memory OLD NEW STATUS";

/// The program's three arguments: OLD, NEW and STATUS.
fn arguments() -> Result<(u64, u64, i32), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or(USAGE);
    Ok((next()?.parse()?, next()?.parse()?, next()?.parse()?))
}
