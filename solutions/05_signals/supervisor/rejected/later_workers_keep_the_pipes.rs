//! expect: F001
//! A pipe of each worker is to tell by its end that the worker is gone. Later workers inherit its write end.

use std::error::Error;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;

use nix::mqueue::{MQ_OFlag, MqAttr, MqdT, mq_open, mq_receive, mq_unlink};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, pipe, write};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, name, k] = arguments.as_slice() else { return Err("usage: supervisor NAME K".into()) };
    let (queue_name, k): (String, usize) = (format!("/{name}-jobs"), k.parse()?);

    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGCHLD);
    signals.thread_block()?;
    let jobs = create(&queue_name)?;
    let mut workers = Vec::new();
    for _ in 0..k {
        workers.push(Worker::start(&jobs, &signals)?);
    }
    while signals.wait()? != Signal::SIGTERM {
        while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            let Some(dead) = status.pid() else { break };
            workers.retain(|worker| worker.pid != dead);
            if matches!(status, WaitStatus::Signaled(..)) {
                workers.push(Worker::start(&jobs, &signals)?);
            }
        }
    }
    for mut worker in workers {
        kill(worker.pid, Signal::SIGTERM)?;
        drop(worker.write_end);
        worker.alive.read_to_end(&mut Vec::new())?;
        waitpid(worker.pid, None)?;
    }
    mq_unlink(queue_name.as_str())?;
    Ok(())
}

/// Makes the queue, which must not be there yet.
fn create(name: &str) -> Result<MqdT, Box<dyn Error>> {
    let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL | MQ_OFlag::O_RDWR;
    Ok(mq_open(name, flags, Mode::S_IRUSR | Mode::S_IWUSR, Some(&MqAttr::new(0, 10, 32, 0)))?)
}

/// A worker, and a pipe that is open for writing while it lives.
struct Worker {
    pid: Pid,
    alive: File,
    write_end: OwnedFd,
}

impl Worker {
    fn start(jobs: &MqdT, masked: &SigSet) -> Result<Self, Box<dyn Error>> {
        let (read_end, write_end) = pipe()?;
        match unsafe { fork() }? {
            ForkResult::Parent { child: pid } => {
                let mut alive = File::from(read_end);
                alive.read_exact(&mut [0])?; // it has begun
                Ok(Self { pid, alive, write_end })
            }
            ForkResult::Child => {
                masked.thread_unblock()?;
                write(&write_end, b"!")?;
                let mut buffer = [0; 32];
                loop {
                    mq_receive(jobs, &mut buffer, &mut 0)?;
                }
            }
        }
    }
}
