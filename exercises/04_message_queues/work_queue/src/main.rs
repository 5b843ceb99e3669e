//! A boss, three workers, one queue of jobs. The lesson is in README.md.
#![allow(unused)] // the imports below are there for you: take what you need

use std::error::Error;
use std::process::exit;

use nix::mqueue::{MQ_OFlag, MqAttr, MqdT, mq_close, mq_open, mq_receive, mq_send, mq_unlink};
use nix::sys::stat::Mode;
use nix::sys::wait::wait;
use nix::unistd::{ForkResult, fork};

const WORKERS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, name, jobs] = arguments.as_slice() else { return Err("usage: work_queue NAME 'JOBS'".into()) };
    let jobs: Vec<u64> = jobs.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;

    // TODO 1: make the two queues.
    // TODO 2: fork the workers. Each receives jobs, as long as there are any, and sends squares.
    // TODO 3: send the jobs, receive the results, print their sum.
    // TODO 4: how do the workers learn that there is no more work? Wait for them.
    // TODO 5: remove the queues.
    Ok(())
}
