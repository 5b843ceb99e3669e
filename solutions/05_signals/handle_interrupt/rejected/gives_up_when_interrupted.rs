//! expect: S003
//! A self-pipe without SA_RESTART: the signal ends the very read that waits for its byte, and the error is passed on.

use std::error::Error;
use std::os::fd::IntoRawFd;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::fcntl::OFlag;
use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::{pipe2, read};

/// The pipe's write end; open as long as the program lives.
static BELL: AtomicI32 = AtomicI32::new(-1);

extern "C" fn on_signal(_: libc::c_int) {
    // SAFETY: write is async-signal-safe, and the byte outlives the call.
    unsafe { libc::write(BELL.load(Ordering::SeqCst), b"!".as_ptr().cast(), 1) };
}

fn main() -> Result<(), Box<dyn Error>> {
    let n = std::env::args().nth(1).ok_or("usage: handle_interrupt N")?;
    let (ears, bell) = pipe2(OFlag::O_CLOEXEC)?;
    BELL.store(bell.into_raw_fd(), Ordering::SeqCst);

    let action = SigAction::new(SigHandler::Handler(on_signal), SaFlags::empty(), SigSet::empty());
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        // SAFETY: the handler calls nothing but write.
        unsafe { sigaction(signal, &action)? };
    }
    println!("ready");

    read(&ears, &mut [0])?; // EINTR, and the byte is never looked at
    println!("bye {n}");
    Ok(())
}
