//! expect: S002
//! Says goodbye from the handler, by println!: that takes the lock of standard output, which the code that the signal
//! interrupts may have.

use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use nix::libc::c_int;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction};

static STOP: AtomicBool = AtomicBool::new(false);
static N: AtomicU32 = AtomicU32::new(0);

extern "C" fn on_signal(_: c_int) {
    println!("bye {}", N.load(Ordering::SeqCst));
    STOP.store(true, Ordering::SeqCst);
}

fn main() -> Result<(), Box<dyn Error>> {
    let n = std::env::args().nth(1).ok_or("usage: handle_interrupt N")?;
    N.store(n.parse()?, Ordering::SeqCst);

    let requests = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    let mut asleep = requests.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let action = SigAction::new(SigHandler::Handler(on_signal), SaFlags::empty(), SigSet::empty());
    for signal in &requests {
        asleep.remove(signal);
        // SAFETY: this is what is wrong here: the handler prints, which signal-safety(7) does not allow.
        unsafe { sigaction(signal, &action)? };
    }
    println!("ready");
    while !STOP.load(Ordering::SeqCst) {
        asleep.suspend()?;
    }
    Ok(())
}
