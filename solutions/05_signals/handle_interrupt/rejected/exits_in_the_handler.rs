//! expect: T001
//! The handler ends the program at once: what the program would have said after its sleep is never said.

use std::error::Error;

use nix::libc::{_exit, c_int};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::pause;

extern "C" fn on_signal(_: c_int) {
    unsafe { _exit(0) }
}

fn main() -> Result<(), Box<dyn Error>> {
    let n = std::env::args().nth(1).ok_or("usage: handle_interrupt N")?;
    let requests = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    requests.thread_block()?;
    let action = SigAction::new(SigHandler::Handler(on_signal), SaFlags::empty(), SigSet::empty());
    for signal in &requests {
        unsafe { sigaction(signal, &action)? };
    }
    println!("ready");
    requests.thread_unblock()?;
    pause();
    println!("bye {n}");
    Ok(())
}
