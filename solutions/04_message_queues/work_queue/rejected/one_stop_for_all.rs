//! expect: Q005
//! One stop message for three workers: it ends one of them, and the others wait for ever.

use std::error::Error;
use std::process::exit;

use nix::mqueue::{MQ_OFlag, MqAttr, MqdT, mq_open, mq_receive, mq_send, mq_unlink};
use nix::sys::stat::Mode;
use nix::sys::wait::wait;
use nix::unistd::{ForkResult, fork};

const WORKERS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, name, jobs] = arguments.as_slice() else { return Err("usage: work_queue NAME 'JOBS'".into()) };
    let jobs: Vec<u64> = jobs.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let (job_name, result_name) = (format!("/{name}-jobs"), format!("/{name}-results"));
    let (job_queue, result_queue) = (create(&job_name)?, create(&result_name)?);

    for _ in 0..WORKERS {
        if let ForkResult::Child = unsafe { fork() }? {
            work(&job_queue, &result_queue)?;
            exit(0);
        }
    }
    for job in &jobs {
        mq_send(&job_queue, job.to_string().as_bytes(), 0)?;
    }
    let mut sum = 0;
    for _ in &jobs {
        sum += receive(&result_queue)?.parse::<u64>()?;
    }
    println!("sum {sum}");

    mq_send(&job_queue, b"stop", 0)?;
    for _ in 0..WORKERS {
        wait()?;
    }
    mq_unlink(job_name.as_str())?;
    mq_unlink(result_name.as_str())?;
    Ok(())
}

/// Makes a queue, which must not be there yet.
fn create(name: &str) -> Result<MqdT, Box<dyn Error>> {
    let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL | MQ_OFlag::O_RDWR;
    let attributes = MqAttr::new(0, 10, 32, 0);
    mq_open(name, flags, Mode::S_IRUSR | Mode::S_IWUSR, Some(&attributes))
        .map_err(|errno| format!("mq_open {name}: {errno}").into())
}

/// The next message.
fn receive(queue: &MqdT) -> Result<String, Box<dyn Error>> {
    let mut buffer = [0; 32];
    let length = mq_receive(queue, &mut buffer, &mut 0)?;
    Ok(str::from_utf8(&buffer[..length])?.to_owned())
}

/// A worker: squares numbers until something comes that is none.
fn work(jobs: &MqdT, results: &MqdT) -> Result<(), Box<dyn Error>> {
    while let Ok(job) = receive(jobs)?.parse::<u64>() {
        mq_send(results, (job * job).to_string().as_bytes(), 0)?;
    }
    Ok(())
}
