//! expect: P006
//! The second flow of control is a thread: it works on a copy, but no second process ever exists.

use std::error::Error;
use std::thread;

fn main() -> Result<(), Box<dyn Error>> {
    let (old, new, status) = arguments()?;
    let mut value = old;

    let child = thread::spawn(move || {
        let copy = &mut value; // `move` has copied the variable into the thread
        *copy = new;
        status
    });
    let code = child.join().expect("the thread does not panic");
    println!("parent still has {value}");
    println!("child exited with {code}");
    Ok(())
}

const USAGE: &str = "usage: separate_memory OLD NEW STATUS";

/// The program's three arguments: OLD, NEW and STATUS.
fn arguments() -> Result<(u64, u64, i32), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or(USAGE);
    Ok((next()?.parse()?, next()?.parse()?, next()?.parse()?))
}
