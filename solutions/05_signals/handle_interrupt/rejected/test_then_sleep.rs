//! expect: S005
//! A signal that comes after the look at STOP and before pause sets the flag and wakes nobody: it sleeps for ever.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::libc::c_int;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::pause;

static STOP: AtomicBool = AtomicBool::new(false);

extern "C" fn on_signal(_: c_int) {
    STOP.store(true, Ordering::SeqCst);
}

fn main() -> Result<(), Box<dyn Error>> {
    let n = std::env::args().nth(1).ok_or("usage: handle_interrupt N")?;
    let action = SigAction::new(SigHandler::Handler(on_signal), SaFlags::empty(), SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        unsafe { sigaction(signal, &action)? };
    }
    println!("ready");

    while !STOP.load(Ordering::SeqCst) {
        pause();
    }
    println!("bye {n}");
    Ok(())
}
