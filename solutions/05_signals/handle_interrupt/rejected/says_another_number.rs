//! expect: T005
//! It says goodbye with the number of the signal, not with the number that it was given.

use std::error::Error;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::libc::c_int;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction};

/// The signal's number: set by the handler, looked at by the program.
static STOP: AtomicI32 = AtomicI32::new(0);

extern "C" fn on_signal(number: c_int) {
    STOP.store(number, Ordering::SeqCst);
}

fn main() -> Result<(), Box<dyn Error>> {
    let _n = std::env::args().nth(1).ok_or("usage: handle_interrupt N")?;

    // Masked from here on: a signal cannot slip in between the look at STOP and the sleep.
    let requests = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    let mut asleep = requests.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let action = SigAction::new(SigHandler::Handler(on_signal), SaFlags::empty(), SigSet::empty());
    for signal in &requests {
        asleep.remove(signal);
        // SAFETY: the handler only stores to an atomic, which signal-safety(7) allows.
        unsafe { sigaction(signal, &action)? };
    }
    println!("ready");

    while STOP.load(Ordering::SeqCst) == 0 {
        asleep.suspend()?;
    }
    println!("bye {}", STOP.load(Ordering::SeqCst));
    Ok(())
}
