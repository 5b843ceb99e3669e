//! The handler only sets a flag; main does the reaping, in a loop, and looks at each status.

use std::error::Error;
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

static SOMEBODY_ENDED: AtomicBool = AtomicBool::new(false);

extern "C" fn on_child(_: libc::c_int) {
    SOMEBODY_ENDED.store(true, Ordering::SeqCst);
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let n: usize = arguments.next().ok_or("usage: reap_on_sigchld N CODE")?.parse()?;
    let code: i32 = arguments.next().ok_or("usage: reap_on_sigchld N CODE")?.parse()?;

    let action = SigAction::new(SigHandler::Handler(on_child), SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the handler stores into an atomic and does nothing else.
    unsafe { sigaction(Signal::SIGCHLD, &action)? };
    let mut child = SigSet::empty();
    child.add(Signal::SIGCHLD);
    let before = child.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK)?;

    for _ in 0..n {
        // SAFETY: this process has one thread, so the child may do all that a process may.
        if let ForkResult::Child = unsafe { fork() }? {
            exit(code);
        }
    }
    let mut reaped = 0;
    while reaped < n {
        while !SOMEBODY_ENDED.swap(false, Ordering::SeqCst) {
            before.suspend()?;
        }
        loop {
            match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(_, status)) if status == code => reaped += 1,
                Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => break,
                other => return Err(format!("a child did not end well: {other:?}").into()),
            }
        }
    }
    println!("all {reaped}");
    Ok(())
}
