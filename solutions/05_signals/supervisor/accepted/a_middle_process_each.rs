//! A process between the supervisor and each worker replaces that one; the supervisor itself only says when to stop.

use std::error::Error;

use nix::mqueue::{MQ_OFlag, MqAttr, MqdT, mq_open, mq_receive, mq_unlink};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, name, k] = arguments.as_slice() else { return Err("usage: supervisor NAME K".into()) };
    let (queue_name, k): (String, usize) = (format!("/{name}-jobs"), k.parse()?);

    // Masked from here on, in the processes between as well: signals are taken one at a time, by sigwait.
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGCHLD);
    signals.thread_block()?;
    let jobs = create(&queue_name)?;
    let mut between = Vec::new();
    for _ in 0..k {
        // SAFETY: this process has one thread, so the child may do all that a process may.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => between.push(child),
            ForkResult::Child => return watch_over_one(&jobs, &signals),
        }
    }
    while signals.wait()? != Signal::SIGTERM {}
    for child in &between {
        kill(*child, Signal::SIGTERM)?;
    }
    for child in between {
        waitpid(child, None)?;
    }
    mq_unlink(queue_name.as_str())?;
    Ok(())
}

/// Has one worker at a time until SIGTERM comes, and passes that on.
fn watch_over_one(jobs: &MqdT, signals: &SigSet) -> Result<(), Box<dyn Error>> {
    let mut worker = start(jobs, signals)?;
    while signals.wait()? != Signal::SIGTERM {
        if matches!(waitpid(worker, None)?, WaitStatus::Signaled(..)) {
            worker = start(jobs, signals)?;
        }
    }
    kill(worker, Signal::SIGTERM)?;
    waitpid(worker, None)?;
    Ok(())
}

/// Makes the queue, which must not be there yet.
fn create(name: &str) -> Result<MqdT, Box<dyn Error>> {
    let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL | MQ_OFlag::O_RDWR;
    Ok(mq_open(name, flags, Mode::S_IRUSR | Mode::S_IWUSR, Some(&MqAttr::new(0, 10, 32, 0)))?)
}

/// Starts a worker, which receives for ever.
fn start(jobs: &MqdT, masked: &SigSet) -> Result<Pid, Box<dyn Error>> {
    // SAFETY: this process has one thread, so the child may do all that a process may.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            // The mask came through two forks; a worker has to die of SIGTERM.
            masked.thread_unblock()?;
            let mut buffer = [0; 32];
            loop {
                mq_receive(jobs, &mut buffer, &mut 0)?;
            }
        }
    }
}
