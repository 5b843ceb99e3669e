//! expect: S005
//! The last SIGCHLD may come after the look at the count and before pause: then main sleeps for ever.

use std::error::Error;
use std::process::exit;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::{ForkResult, fork, pause};

/// How many children are reaped.
static REAPED: AtomicUsize = AtomicUsize::new(0);

/// Signals merge, so one may stand for several children: reap until nobody is left for now.
extern "C" fn on_child(_: libc::c_int) {
    let errno = Errno::last_raw();
    while unsafe { libc::waitpid(-1, null_mut(), libc::WNOHANG) } > 0 {
        REAPED.fetch_add(1, Ordering::SeqCst);
    }
    Errno::set_raw(errno);
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, n, code] = arguments.as_slice() else { return Err("usage: reap_on_sigchld N CODE".into()) };
    let (n, code): (usize, i32) = (n.parse()?, code.parse()?);

    let action = SigAction::new(SigHandler::Handler(on_child), SaFlags::empty(), SigSet::empty());
    unsafe { sigaction(Signal::SIGCHLD, &action)? };

    for _ in 0..n {
        if let ForkResult::Child = unsafe { fork() }? {
            exit(code);
        }
    }
    while REAPED.load(Ordering::SeqCst) < n {
        pause();
    }
    println!("all {n}");
    Ok(())
}
