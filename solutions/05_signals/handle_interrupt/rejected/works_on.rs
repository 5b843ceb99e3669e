//! expect: H002
//! The handler sets a flag that nobody looks at: the program counts on and never ends.

use std::error::Error;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::libc::c_int;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

static STOP: AtomicBool = AtomicBool::new(false);

extern "C" fn on_signal(_: c_int) {
    STOP.store(true, Ordering::SeqCst);
}

fn main() -> Result<(), Box<dyn Error>> {
    let n: u64 = std::env::args().nth(1).ok_or("usage: handle_interrupt N")?.parse()?;
    let action = SigAction::new(SigHandler::Handler(on_signal), SaFlags::empty(), SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        unsafe { sigaction(signal, &action)? };
    }
    println!("ready");

    let mut work = n;
    loop {
        work = black_box(work.wrapping_add(1));
    }
}
