//! expect: S009
//! Before it begins it clears up with a kill to -1, which reaches all that it may signal, not its own children alone.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::libc::c_int;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, kill, sigaction};
use nix::unistd::Pid;

static STOP: AtomicBool = AtomicBool::new(false);

extern "C" fn on_signal(_: c_int) {
    STOP.store(true, Ordering::SeqCst);
}

fn main() -> Result<(), Box<dyn Error>> {
    let n = std::env::args().nth(1).ok_or("usage: handle_interrupt N")?;
    // "Nothing of an earlier try may still be running."
    kill(Pid::from_raw(-1), Signal::SIGKILL).ok();

    let requests = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    let mut asleep = requests.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let action = SigAction::new(SigHandler::Handler(on_signal), SaFlags::empty(), SigSet::empty());
    for signal in &requests {
        asleep.remove(signal);
        // SAFETY: the handler only stores to an atomic.
        unsafe { sigaction(signal, &action)? };
    }
    println!("ready");

    while !STOP.load(Ordering::SeqCst) {
        asleep.suspend()?;
    }
    println!("bye {n}");
    Ok(())
}
