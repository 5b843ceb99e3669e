//! The parent waits until the kernel says that there is no child any more: one wait reaps, one gets ECHILD.
//! The child steps out of a nested call and talks on stderr, which is free.

use std::error::Error;
use std::process::exit;

use nix::errno::Errno;
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::{ForkResult, fork};

struct Account {
    balance: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let (old, new, status) = arguments()?;
    let mut account = Account { balance: old };

    // SAFETY: one thread, so the child may do all that a process may.
    if let ForkResult::Child = unsafe { fork() }? {
        account.balance = new;
        eprintln!("child: {} at {:p}", account.balance, &account.balance);
        exit(status);
    }

    let mut code = None;
    loop {
        match wait() {
            Ok(WaitStatus::Exited(_, answer)) => code = Some(answer),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(Errno::ECHILD) => break,
            Err(error) => return Err(error.into()),
        }
    }
    eprintln!("parent: {} at {:p}", account.balance, &account.balance);
    println!("parent still has {}", account.balance);
    println!("child exited with {}", code.ok_or("no child has exited")?);
    Ok(())
}

const USAGE: &str = "usage: separate_memory OLD NEW STATUS";

/// The program's three arguments: OLD, NEW and STATUS.
fn arguments() -> Result<(u64, u64, i32), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or(USAGE);
    Ok((next()?.parse()?, next()?.parse()?, next()?.parse()?))
}
