//! expect: T003
//! It says that it is ready and gets ready afterwards: a signal that comes in between kills it.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::libc::c_int;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction};

/// Set by the handler, looked at by the program.
static STOP: AtomicBool = AtomicBool::new(false);

extern "C" fn on_signal(_: c_int) {
    STOP.store(true, Ordering::SeqCst);
}

fn main() -> Result<(), Box<dyn Error>> {
    let n = std::env::args().nth(1).ok_or("usage: handle_interrupt N")?;

    println!("ready");
    // Masked from here on: a signal cannot slip in between the look at STOP and the sleep.
    let requests = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    let mut asleep = requests.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let action = SigAction::new(SigHandler::Handler(on_signal), SaFlags::empty(), SigSet::empty());
    for signal in &requests {
        asleep.remove(signal);
        // SAFETY: the handler only stores to an atomic, which signal-safety(7) allows.
        unsafe { sigaction(signal, &action)? };
    }

    while !STOP.load(Ordering::SeqCst) {
        asleep.suspend()?;
    }
    println!("bye {n}");
    Ok(())
}
