//! A thread sits in sigwait for SIGTERM; the main thread sits in waitpid. The lock says which workers there are.

use std::error::Error;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::mqueue::{MQ_OFlag, MqAttr, MqdT, mq_open, mq_receive, mq_unlink};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::{ForkResult, Pid, fork};

static STOPPING: AtomicBool = AtomicBool::new(false);
static WORKERS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, name, k] = arguments.as_slice() else { return Err("usage: supervisor NAME K".into()) };
    let (queue_name, k): (String, usize) = (format!("/{name}-jobs"), k.parse()?);

    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;
    let jobs = create(&queue_name)?;
    for _ in 0..k {
        let worker = start(&jobs, &signals)?;
        WORKERS.lock().expect("nobody panics").push(worker);
    }
    std::thread::spawn(move || {
        signals.wait().expect("a signal");
        let workers = WORKERS.lock().expect("nobody panics");
        STOPPING.store(true, Ordering::SeqCst);
        for worker in workers.iter() {
            kill(*worker, Signal::SIGTERM).expect("a child that is not reaped");
        }
    });
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGTERM);
    while let Ok(status) = wait_locked() {
        let mut workers = WORKERS.lock().expect("nobody panics");
        workers.retain(|worker| Some(*worker) != status.pid());
        if !STOPPING.load(Ordering::SeqCst) && matches!(status, WaitStatus::Signaled(..)) {
            workers.push(start(&jobs, &mask)?);
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

/// The next child that has ended.
fn wait_locked() -> nix::Result<WaitStatus> {
    wait()
}

/// Starts a worker, which receives for ever.
fn start(jobs: &MqdT, masked: &SigSet) -> Result<Pid, Box<dyn Error>> {
    // SAFETY: the child calls the kernel alone, and takes no lock that the other thread may hold.
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
