//! A child sends the orders through the descriptor that it inherits; when it has ended, the parent takes the replies.

use std::error::Error;
use std::process::exit;

use nix::mqueue::{MQ_OFlag, MqAttr, mq_close, mq_open, mq_receive, mq_send, mq_unlink};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (name, pairs) = arguments.split_first().ok_or("usage: send_and_receive NAME WORD PRIORITY ...")?;
    let names = [format!("/{name}-orders"), format!("/{name}-replies")];
    let room = MqAttr::new(0, 8, 64, 0);
    let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL | MQ_OFlag::O_RDWR;
    let orders = mq_open(names[0].as_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR, Some(&room))?;
    let replies = mq_open(names[1].as_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR, Some(&room))?;

    // SAFETY: this process has one thread, so the child may do all that a process may.
    match unsafe { fork() }? {
        ForkResult::Child => {
            for pair in pairs.chunks_exact(2) {
                mq_send(&orders, pair[0].as_bytes(), pair[1].parse()?)?;
            }
            exit(0)
        }
        ForkResult::Parent { child } => {
            if waitpid(child, None)? != WaitStatus::Exited(child, 0) {
                return Err("the child could not send".into());
            }
        }
    }

    let mut printed = String::new();
    for _ in pairs.chunks_exact(2) {
        let (mut buffer, mut priority) = ([0; 64], 0);
        let length = mq_receive(&replies, &mut buffer, &mut priority)?;
        printed += &format!("{priority} {}\n", str::from_utf8(&buffer[..length])?);
    }
    print!("{printed}");

    mq_close(orders)?;
    mq_close(replies)?;
    for name in &names {
        mq_unlink(name.as_str())?;
    }
    Ok(())
}
