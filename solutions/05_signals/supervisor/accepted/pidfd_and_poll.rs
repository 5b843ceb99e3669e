//! A descriptor for each worker says when it has ended, and a signalfd when to stop: one poll for all of them.

use std::error::Error;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::mqueue::{MQ_OFlag, MqAttr, MqdT, mq_open, mq_receive, mq_unlink};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, name, k] = arguments.as_slice() else { return Err("usage: supervisor NAME K".into()) };
    let (queue_name, k): (String, usize) = (format!("/{name}-jobs"), k.parse()?);

    // Masked from here on: it is read from a descriptor.
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;
    let stop = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC)?;
    let jobs = create(&queue_name)?;
    let mut workers = Vec::new();
    for _ in 0..k {
        workers.push(Worker::start(&jobs, &signals)?);
    }
    loop {
        let mut events: Vec<PollFd> =
            workers.iter().map(|worker| PollFd::new(worker.end.as_fd(), PollFlags::POLLIN)).collect();
        events.push(PollFd::new(stop.as_fd(), PollFlags::POLLIN));
        poll(&mut events, PollTimeout::NONE)?;
        let ready: Vec<bool> = events.iter().map(|event| event.any() == Some(true)).collect();
        if ready[k] {
            stop.read_signal()?;
            break;
        }
        for (worker, _) in workers.iter_mut().zip(ready).filter(|(_, ready)| *ready) {
            let status = waitpid(worker.pid, None)?;
            if !matches!(status, WaitStatus::Signaled(..)) {
                return Err(format!("a worker is not to end by itself: {status:?}").into());
            }
            *worker = Worker::start(&jobs, &signals)?;
        }
    }
    for worker in &workers {
        kill(worker.pid, Signal::SIGTERM)?;
    }
    for worker in workers {
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

/// A worker and the descriptor that becomes readable when it has ended (pidfd_open(2)).
struct Worker {
    pid: Pid,
    end: OwnedFd,
}

impl Worker {
    /// Starts one, which receives for ever.
    fn start(jobs: &MqdT, masked: &SigSet) -> Result<Self, Box<dyn Error>> {
        // SAFETY: this process has one thread, so the child may do all that a process may.
        match unsafe { fork() }? {
            ForkResult::Parent { child: pid } => {
                // SAFETY: the number names a child that nobody has waited for yet.
                let end = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
                let end = Errno::result(end)?.try_into()?;
                // SAFETY: the descriptor is new, and nobody else's.
                Ok(Self { pid, end: unsafe { OwnedFd::from_raw_fd(end) } })
            }
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
}
