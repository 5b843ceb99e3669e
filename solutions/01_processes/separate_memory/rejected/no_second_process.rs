//! expect: T001
//! The right text, straight from the arguments: nothing is forked.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let (old, _new, status) = arguments()?;
    println!("parent still has {old}");
    println!("child exited with {status}");
    Ok(())
}

const USAGE: &str = "usage: separate_memory OLD NEW STATUS";

/// The program's three arguments: OLD, NEW and STATUS.
fn arguments() -> Result<(u64, u64, i32), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or(USAGE);
    Ok((next()?.parse()?, next()?.parse()?, next()?.parse()?))
}
