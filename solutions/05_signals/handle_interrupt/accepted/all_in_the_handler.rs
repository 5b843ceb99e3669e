//! The handler itself says goodbye and ends the program, with nothing but calls that are allowed there. No flag is
//! tested before pause, so no wakeup can be lost: whenever the signal comes, the handler runs and that is all.

use std::error::Error;
use std::sync::OnceLock;

use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::pause;

/// The last words, ready before the handler is: nothing is formatted or allocated there.
static LAST_WORDS: OnceLock<String> = OnceLock::new();

extern "C" fn on_signal(_: libc::c_int) {
    let words = LAST_WORDS.get().map_or("", String::as_str);
    // SAFETY: write and _exit are async-signal-safe, and the words are never freed.
    unsafe {
        libc::write(libc::STDOUT_FILENO, words.as_ptr().cast(), words.len());
        libc::_exit(0)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let n = std::env::args().nth(1).ok_or("usage: handle_interrupt N")?;
    LAST_WORDS.get_or_init(|| format!("bye {n}\n"));

    // Masked until `ready` is out, or `bye` might come before it. Both masked in the handler: it runs once.
    let requests = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    requests.thread_block()?;
    let action = SigAction::new(SigHandler::Handler(on_signal), SaFlags::empty(), requests);
    for signal in &requests {
        // SAFETY: the handler makes async-signal-safe calls only.
        unsafe { sigaction(signal, &action)? };
    }
    println!("ready");
    requests.thread_unblock()?;
    loop {
        pause();
    }
}
