//! expect: T005
//! Prints what waitpid stored as it is: the exit status is only the second byte of it.

use std::error::Error;
use std::process::exit;

fn main() -> Result<(), Box<dyn Error>> {
    let (old, new, status) = arguments()?;
    let mut value = old;

    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let copy = &mut value;
        *copy = new;
        exit(status);
    }
    let mut code = 0;
    unsafe { libc::waitpid(pid, &mut code, 0) };
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
