//! No handler at all: both signals are masked and read from a descriptor, as a program with an event loop does.

use std::error::Error;
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

fn main() -> Result<(), Box<dyn Error>> {
    let n = std::env::args().nth(1).ok_or("usage: handle_interrupt N")?;
    let mut requests = SigSet::empty();
    requests.add(Signal::SIGINT);
    requests.add(Signal::SIGTERM);
    requests.thread_block()?; // or the default action would come first
    let signals = SignalFd::with_flags(&requests, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
    println!("ready");

    while signals.read_signal()?.is_none() {
        poll(&mut [PollFd::new(signals.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE)?;
    }
    println!("bye {n}");
    Ok(())
}
