//! expect: S002
//! The handler prints: println! takes the lock of standard output, which the interrupted program may hold.

use std::error::Error;
use std::process::exit;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::{ForkResult, fork};

/// How many children are reaped.
static REAPED: AtomicUsize = AtomicUsize::new(0);

/// Signals merge, so one may stand for several children: reap until nobody is left for now.
extern "C" fn on_child(_: libc::c_int) {
    let errno = Errno::last_raw(); // what the handler has interrupted may be about to look at it
    // SAFETY: waitpid is async-signal-safe, and nobody wants to know the status.
    while unsafe { libc::waitpid(-1, null_mut(), libc::WNOHANG) } > 0 {
        println!("one more is gone");
        REAPED.fetch_add(1, Ordering::SeqCst);
    }
    Errno::set_raw(errno);
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, n, code] = arguments.as_slice() else { return Err("usage: reap_on_sigchld N CODE".into()) };
    let (n, code): (usize, i32) = (n.parse()?, code.parse()?);

    // Masked from here on: it is taken only while main sleeps, so none slips in between looking and sleeping.
    let mut child = SigSet::empty();
    child.add(Signal::SIGCHLD);
    child.thread_block()?;
    let action = SigAction::new(SigHandler::Handler(on_child), SaFlags::empty(), SigSet::empty());
    // SAFETY: none: the handler calls what it must not.
    unsafe { sigaction(Signal::SIGCHLD, &action)? };

    for _ in 0..n {
        // SAFETY: this process has one thread, so the child may do all that a process may.
        if let ForkResult::Child = unsafe { fork() }? {
            exit(code);
        }
    }
    while REAPED.load(Ordering::SeqCst) < n {
        SigSet::empty().suspend()?;
    }
    println!("all {n}");
    Ok(())
}
