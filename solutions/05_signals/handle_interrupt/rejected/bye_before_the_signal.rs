//! expect: T003
//! It says goodbye and only then waits for the signal: the lines are right, their moment is not.

use std::error::Error;

use nix::sys::signal::{SigSet, Signal};

fn main() -> Result<(), Box<dyn Error>> {
    let n = std::env::args().nth(1).ok_or("usage: handle_interrupt N")?;
    let requests = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    requests.thread_block()?;
    println!("ready");
    println!("bye {n}");
    requests.wait()?;
    Ok(())
}
