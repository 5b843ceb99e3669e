//! expect: S004
//! One wait for each signal: where several children end before the handler runs, some are never reaped.
#![allow(unused)]

use std::error::Error;
use std::process::exit;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::wait::wait;
use nix::unistd::{ForkResult, fork, pause};

static COUNT: AtomicUsize = AtomicUsize::new(0);

extern "C" fn on_child(_: libc::c_int) {
    if unsafe { libc::waitpid(-1, null_mut(), libc::WNOHANG) } > 0 {
        COUNT.fetch_add(1, Ordering::SeqCst);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, n, code] = arguments.as_slice() else { return Err("usage: reap_on_sigchld N CODE".into()) };
    let (n, code): (usize, i32) = (n.parse()?, code.parse()?);

    let mut child = SigSet::empty();
    child.add(Signal::SIGCHLD);
    child.thread_block()?;
    let action = SigAction::new(SigHandler::Handler(on_child), SaFlags::empty(), SigSet::empty());
    unsafe { sigaction(Signal::SIGCHLD, &action)? };
    for _ in 0..n {
        if let ForkResult::Child = unsafe { fork() }? {
            exit(code);
        }
    }
    while COUNT.load(Ordering::SeqCst) < n {
        SigSet::empty().suspend()?;
    }
    println!("all {n}");
    Ok(())
}
