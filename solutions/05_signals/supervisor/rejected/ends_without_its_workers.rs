//! expect: P005
//! SIGTERM ends the supervisor; the workers are not told and stay.

use std::error::Error;

use nix::mqueue::{MQ_OFlag, MqAttr, MqdT, mq_open, mq_receive, mq_unlink};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, name, k] = arguments.as_slice() else { return Err("usage: supervisor NAME K".into()) };
    let (queue_name, k): (String, usize) = (format!("/{name}-jobs"), k.parse()?);

    // Masked from here on: both are taken by sigwait, one at a time.
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGCHLD);
    signals.thread_block()?;
    let jobs = create(&queue_name)?;
    let mut workers = Vec::new();
    for _ in 0..k {
        workers.push(start(&jobs, &signals)?);
    }
    while signals.wait()? != Signal::SIGTERM {
        // One SIGCHLD may stand for several.
        while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            let Some(dead) = status.pid() else { break };
            workers.retain(|worker| *worker != dead);
            if matches!(status, WaitStatus::Signaled(..)) {
                workers.push(start(&jobs, &signals)?);
            }
        }
    }
    mq_unlink(queue_name.as_str())?;
    Ok(())
}

/// Makes the queue, which must not be there yet.
fn create(name: &str) -> Result<MqdT, Box<dyn Error>> {
    let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL | MQ_OFlag::O_RDWR;
    Ok(mq_open(name, flags, Mode::S_IRUSR | Mode::S_IWUSR, Some(&MqAttr::new(0, 10, 32, 0)))?)
}

/// Starts a worker, which receives for ever.
fn start(jobs: &MqdT, masked: &SigSet) -> Result<Pid, Box<dyn Error>> {
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            // The mask came through the fork; a worker has to die of SIGTERM.
            masked.thread_unblock()?;
            let mut buffer = [0; 32];
            loop {
                mq_receive(jobs, &mut buffer, &mut 0)?;
            }
        }
    }
}
