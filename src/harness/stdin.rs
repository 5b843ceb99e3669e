//! The program's standard input: always a pipe, so that its end is an end as in a shell's pipeline.

use std::io::{PipeReader, PipeWriter, Write, pipe};

use nix::fcntl::{FcntlArg, fcntl};
use serde::{Deserialize, Serialize};

use crate::trace::Bytes;

/// What the program's standard input is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StdinSource {
    /// At its end from the start.
    Empty,
    /// This text, then the end; at most [`StdinSource::MOST`] bytes.
    Text(Bytes),
    /// A pipe that the peers with such steps, and nobody else, can write to.
    Peer,
}

impl StdinSource {
    /// The longest text: what an ordinary user's pipe can hold (pipe(7), pipe-max-size).
    pub const MOST: usize = 1 << 20;

    /// The end that the program gets, and the one that peers share where it is theirs.
    pub(super) fn open(&self) -> std::io::Result<(PipeReader, Option<PipeWriter>)> {
        let (read, mut write) = pipe()?;
        match self {
            Self::Empty => Ok((read, None)),
            Self::Peer => Ok((read, Some(write))),
            Self::Text(text) => {
                let size = text.len().clamp(1 << 16, Self::MOST);
                fcntl(&write, FcntlArg::F_SETPIPE_SZ(size as i32))?;
                // Nobody reads yet: what did not fit would never be written.
                if text.len() > Self::MOST {
                    return Err(std::io::ErrorKind::FileTooLarge.into());
                }
                write.write_all(&text.0)?;
                Ok((read, None))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_text_is_there_at_once_and_ends() {
        for text in ["", "one line\n", &"long\n".repeat(100_000)] {
            let source = if text.is_empty() { StdinSource::Empty } else { StdinSource::Text(text.into()) };
            let (mut read, write) = source.open().expect("a pipe");
            assert!(write.is_none());
            let mut found = String::new();
            read.read_to_string(&mut found).expect("text");
            assert!(found == text, "{} bytes of {}", found.len(), text.len());
        }
        assert!(StdinSource::Text(Bytes(vec![0; StdinSource::MOST + 1])).open().is_err());
    }
}
