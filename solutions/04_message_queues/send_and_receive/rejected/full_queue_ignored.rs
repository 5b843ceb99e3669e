//! expect: Q004
//! The queue has room for one message and does not make its sender wait: what did not fit is lost.

use std::error::Error;

use nix::mqueue::{MQ_OFlag, MqAttr, MqdT, mq_attr_member_t, mq_close, mq_open, mq_receive, mq_send, mq_unlink};
use nix::sys::stat::Mode;

/// How many messages a queue keeps.
const CAPACITY: mq_attr_member_t = 1;
/// The longest message in bytes, and so the size of a receive buffer.
const LONGEST: usize = 64;

/// A message to send.
struct Order {
    word: String,
    priority: u32,
}

fn main() -> Result<(), Box<dyn Error>> {
    let (name, orders) = arguments()?;
    let (order_name, reply_name) = (format!("/{name}-orders"), format!("/{name}-replies"));
    let outbox = create(&order_name, MQ_OFlag::O_WRONLY | MQ_OFlag::O_NONBLOCK)?;
    let inbox = create(&reply_name, MQ_OFlag::O_RDONLY)?;

    let outcome = talk(&outbox, &inbox, &orders);
    // Before any error is passed on: a queue outlives the program.
    mq_close(outbox)?;
    mq_close(inbox)?;
    mq_unlink(order_name.as_str())?;
    mq_unlink(reply_name.as_str())?;
    outcome
}

/// Creates the queue `name`, which must not be there yet.
fn create(name: &str, access: MQ_OFlag) -> Result<MqdT, Box<dyn Error>> {
    let attributes = MqAttr::new(0, CAPACITY, LONGEST.try_into()?, 0);
    let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL | access;
    let queue = mq_open(name, flags, Mode::S_IRUSR | Mode::S_IWUSR, Some(&attributes));
    queue.map_err(|errno| format!("mq_open {name}: {errno}").into())
}

/// Sends all orders, then prints as many replies, each as it comes.
fn talk(outbox: &MqdT, inbox: &MqdT, orders: &[Order]) -> Result<(), Box<dyn Error>> {
    for order in orders {
        let _ = mq_send(outbox, order.word.as_bytes(), order.priority);
    }
    for _ in orders {
        let mut buffer = [0; LONGEST];
        let mut priority = 0;
        let length = mq_receive(inbox, &mut buffer, &mut priority)?;
        println!("{priority} {}", str::from_utf8(&buffer[..length])?);
    }
    Ok(())
}

/// The program's arguments: NAME, then a word and its priority for each order.
fn arguments() -> Result<(String, Vec<Order>), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (name, rest) = arguments.split_first().ok_or("usage: send_and_receive NAME WORD PRIORITY ...")?;
    let mut orders = Vec::new();
    for pair in rest.chunks(2) {
        let [word, priority] = pair else { return Err("the last word has no priority".into()) };
        orders.push(Order { word: word.clone(), priority: priority.parse()? });
    }
    Ok((name.clone(), orders))
}
