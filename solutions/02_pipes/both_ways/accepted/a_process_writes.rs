//! A second child does the writing, so the parent is free to read. Three processes, and no thread.

use std::error::Error;
use std::fs::File;
use std::io::{Read, Write, stdin, stdout};
use std::os::fd::OwnedFd;
use std::process::exit;

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, pipe};

fn main() -> Result<(), Box<dyn Error>> {
    let mut text = Vec::new();
    stdin().read_to_end(&mut text)?;
    let (req_read, req_write) = pipe()?;
    let (ans_read, ans_write) = pipe()?;

    // SAFETY: this process has one thread, so the child may do all that a process may.
    let ForkResult::Parent { child } = (unsafe { fork() }?) else {
        drop((req_write, ans_read));
        turn_around(req_read, ans_write)?;
        exit(0)
    };
    // SAFETY: as above.
    let ForkResult::Parent { child: writer } = (unsafe { fork() }?) else {
        drop((req_read, ans_read, ans_write));
        File::from(req_write).write_all(&text)?;
        exit(0)
    };
    drop((req_read, req_write, ans_write));

    let mut answer = Vec::new();
    File::from(ans_read).read_to_end(&mut answer)?;
    stdout().write_all(&answer)?;
    for pid in [writer, child] {
        if waitpid(pid, None)? != WaitStatus::Exited(pid, 0) {
            return Err("a child did not end well".into());
        }
    }
    Ok(())
}

fn turn_around(from: OwnedFd, to: OwnedFd) -> std::io::Result<()> {
    let (mut from, mut to) = (File::from(from), File::from(to));
    let mut text = Vec::new();
    from.read_to_end(&mut text)?; // all of it first: the parent's writer can always go on
    for block in text.chunks(4096) {
        to.write_all(&block.iter().rev().copied().collect::<Vec<u8>>())?;
    }
    Ok(())
}
