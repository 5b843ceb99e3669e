//! On Linux a queue is a descriptor like others: this one is never waited for in mq_receive, but in poll.
//! The names go as soon as the first reply shows that the other side has both queues open.

use std::error::Error;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::mqueue::{MQ_OFlag, MqAttr, mq_close, mq_open, mq_receive, mq_send, mq_unlink};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (name, pairs) = arguments.split_first().ok_or("usage: send_and_receive NAME WORD PRIORITY ...")?;
    let order_name = format!("/{name}-orders");
    let reply_name = format!("/{name}-replies");
    let (mode, room) = (Mode::S_IRUSR | Mode::S_IWUSR, MqAttr::new(0, 10, 512, 0));
    let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_RDWR;
    let replies = mq_open(reply_name.as_str(), flags | MQ_OFlag::O_NONBLOCK, mode, Some(&room))?;
    let orders = mq_open(order_name.as_str(), flags, mode, Some(&room))?;

    for pair in pairs.chunks_exact(2) {
        mq_send(&orders, pair[0].as_bytes(), pair[1].parse()?)?;
    }

    let mut buffer = [0; 4096]; // more than a message can have is fine
    let mut missing = pairs.len() / 2;
    let mut named = true;
    while missing > 0 {
        let mut priority = 0;
        match mq_receive(&replies, &mut buffer, &mut priority) {
            Ok(length) => {
                println!("{priority} {}", String::from_utf8_lossy(&buffer[..length]));
                missing -= 1;
                if named {
                    mq_unlink(order_name.as_str())?;
                    mq_unlink(reply_name.as_str())?;
                    named = false;
                }
            }
            Err(Errno::EAGAIN) => {
                poll(&mut [PollFd::new(replies.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE)?;
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    mq_close(orders)?;
    mq_close(replies)?;
    Ok(())
}
