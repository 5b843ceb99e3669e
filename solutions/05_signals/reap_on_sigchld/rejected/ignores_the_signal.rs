//! expect: S008
//! SIGCHLD is ignored "to be rid of zombies": the kernel reaps the children, and wait has nobody to tell of.
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
    COUNT.fetch_add(1, Ordering::SeqCst);
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, n, code] = arguments.as_slice() else { return Err("usage: reap_on_sigchld N CODE".into()) };
    let (n, code): (usize, i32) = (n.parse()?, code.parse()?);

    unsafe { sigaction(Signal::SIGCHLD, &SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty()))? };
    for _ in 0..n {
        if let ForkResult::Child = unsafe { fork() }? {
            exit(code);
        }
    }
    for _ in 0..n {
        wait()?;
    }
    println!("all {n}");
    Ok(())
}
