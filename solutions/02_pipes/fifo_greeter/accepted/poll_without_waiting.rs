//! Opens the reading end without waiting for a writer (O_NONBLOCK), and asks poll when there is something.

use std::error::Error;
use std::fs::{File, remove_file};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, names_path, greetings_path] = &arguments[..] else {
        return Err("usage: fifo_greeter NAMES GREETINGS".into());
    };
    mkfifo(names_path.as_str(), Mode::S_IRWXU)?;
    mkfifo(greetings_path.as_str(), Mode::S_IRWXU)?;

    let mut names = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(names_path)?;
    let mut greetings = File::options().write(true).open(greetings_path)?;

    let mut unread = Vec::new(); // the beginning of a line whose end has not come yet
    let mut piece = [0; 512];
    loop {
        poll(&mut [PollFd::new(names.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE)?;
        match names.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => unread.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error.into()),
        }
        while let Some(end) = unread.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = unread.drain(..=end).collect();
            greetings.write_all(&[b"hello ", &line[..]].concat())?;
        }
    }

    drop((names, greetings));
    remove_file(names_path)?;
    remove_file(greetings_path)?;
    Ok(())
}
