//! One thread: poll says which end can be used, and the end to write into does not wait.

use std::error::Error;
use std::fs::File;
use std::io::{ErrorKind, Read, Write, stdin, stdout};
use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork, pipe};

fn main() -> Result<(), Box<dyn Error>> {
    let mut text = Vec::new();
    stdin().read_to_end(&mut text)?;
    let (req_read, req_write) = pipe()?;
    let (ans_read, ans_write) = pipe()?;

    // SAFETY: this process has one thread, so the child may do all that a process may.
    match unsafe { fork() }? {
        ForkResult::Child => {
            drop((req_write, ans_read));
            turn_around(req_read, ans_write)?;
        }
        ForkResult::Parent { child } => {
            drop((req_read, ans_write));
            fcntl(&req_write, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
            converse(&text, File::from(req_write), File::from(ans_read))?;
            waitpid(child, None)?;
        }
    }
    Ok(())
}

fn converse(text: &[u8], req: File, mut ans: File) -> Result<(), Box<dyn Error>> {
    let (mut req, mut left) = (Some(req), text);
    let mut buffer = [0; 16 * 1024];
    loop {
        let mut ends = vec![PollFd::new(ans.as_fd(), PollFlags::POLLIN)];
        ends.extend(req.as_ref().map(|req| PollFd::new(req.as_fd(), PollFlags::POLLOUT)));
        poll(&mut ends, PollTimeout::NONE)?;
        let ready = |index: usize| ends.get(index).is_some_and(|end| end.any() == Some(true));
        let (readable, writable) = (ready(0), ready(1));
        if readable {
            match ans.read(&mut buffer)? {
                0 => return Ok(()),
                count => stdout().write_all(&buffer[..count])?,
            }
        }
        if let Some(pipe) = req.as_mut().filter(|_| writable) {
            match pipe.write(left) {
                Ok(count) => left = &left[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
            if left.is_empty() {
                req = None; // closes it: the child sees the end
            }
        }
    }
}

fn turn_around(from: OwnedFd, to: OwnedFd) -> Result<(), Box<dyn Error>> {
    let (mut from, mut to) = (File::from(from), File::from(to));
    let mut block = [0; 4096];
    loop {
        let mut filled = 0;
        while filled < block.len() {
            match from.read(&mut block[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        if filled == 0 {
            return Ok(());
        }
        block[..filled].reverse();
        to.write_all(&block[..filled])?;
    }
}
