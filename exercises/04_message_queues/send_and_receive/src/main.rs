//! Orders out on one queue, replies in on another. The lesson is in README.md.
#![allow(unused)] // the imports below are there for you: take what you need

use std::error::Error;

use nix::mqueue::{MQ_OFlag, MqAttr, MqdT, mq_close, mq_open, mq_receive, mq_send, mq_unlink};
use nix::sys::stat::Mode;

/// A message to send.
struct Order {
    word: String,
    priority: u32,
}

fn main() -> Result<(), Box<dyn Error>> {
    let (name, orders) = arguments()?;

    // TODO 1: create the queues /NAME-orders and /NAME-replies, with attributes: 8 messages of up to 64 bytes.
    // TODO 2: send each order's word, with its priority.
    // TODO 3: receive as many replies, and print each one: PRIORITY TEXT
    // TODO 4: close both queues and remove both names.
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
