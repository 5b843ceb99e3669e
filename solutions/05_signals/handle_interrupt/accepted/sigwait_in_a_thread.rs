//! A thread of its own waits for the signals and wakes the rest of the program through a channel.

use std::error::Error;
use std::sync::mpsc;
use std::thread;

use nix::sys::signal::{SigSet, Signal};

fn main() -> Result<(), Box<dyn Error>> {
    let n = std::env::args().nth(1).ok_or("usage: handle_interrupt N")?;
    let requests = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    // Before the thread begins, which inherits the mask: a signal that one thread lets in takes its default action.
    requests.thread_block()?;

    let (sender, receiver) = mpsc::channel();
    let listener = thread::spawn(move || sender.send(requests.wait()));
    println!("ready");

    receiver.recv()??;
    println!("bye {n}");
    listener.join().map_err(|_| "the listener panicked")??;
    Ok(())
}
