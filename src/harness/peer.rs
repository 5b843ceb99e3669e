//! A peer's life: plays its steps, in a process of its own inside the box.
//!
//! It calls what a program would call (open, read, mq_send …), so that the recorder sees it as it sees the program, and
//! says by the reserved call where it is. It never waits by itself for a fact, asks nobody for the time and never polls.
//!
//! A step that meets something else than it expected ends the peer, with a word on what it met: its descriptors close
//! and the program sees the other side gone, as it would in life.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mqueue::{MQ_OFlag, MqdT, mq_close, mq_getattr, mq_open, mq_receive, mq_send};
use nix::sys::mman::shm_open;
use nix::sys::stat::{Mode, fstat};

use super::resolve::{ResolvedStep, STDIN};
use crate::model::Signal;
use crate::model::peer::{Access, Scalar, Target};
use crate::sandbox::PeerStart;
use crate::sys::mapping::Mapping;
use crate::sys::namespace::errno;
use crate::sys::{peer_call, process};
use crate::trace::Bytes;

/// What a step met instead of what it expected, short and exact: `"hello kettl"`, `end of file`, `ENOENT`, `4711`.
type Instead = String;

/// Plays the steps to the end, or to the first that meets something else; the answer is the exit status.
///
/// The first of the kept descriptors, if there is one, is the write end of the program's standard input.
pub(super) fn play(steps: &[ResolvedStep], start: PeerStart) -> u8 {
    let mut peer = Peer { program: start.program, it: None, open: BTreeMap::new(), memory: None };
    if let Some(stdin) = start.kept.into_iter().next() {
        peer.open.insert(STDIN.as_bytes().to_vec(), Opened::Stream(stdin.into()));
    }
    let status = peer.play(steps);
    // All that is open closes at once, with the process.
    std::mem::forget(peer);
    status
}

struct Peer {
    /// The program's process id.
    program: i32,
    /// The process that a `when` has singled out last.
    it: Option<i32>,
    open: BTreeMap<Vec<u8>, Opened>,
    /// The name of the shared object opened last.
    memory: Option<Vec<u8>>,
}

enum Opened {
    Stream(File),
    Memory(Memory),
    Queue(MqdT),
}

/// A shared memory object, mapped as far as it reaches.
struct Memory {
    object: OwnedFd,
    mapping: Option<Mapping>,
}

impl Peer {
    fn play(&mut self, steps: &[ResolvedStep]) -> u8 {
        for (index, step) in (0..).zip(steps) {
            match step {
                ResolvedStep::When { .. } => {
                    if let Some(process) = peer_call::when(index) {
                        self.it = Some(process);
                    }
                }
                ResolvedStep::Exit { status } => {
                    peer_call::done(index, None);
                    return *status;
                }
                ResolvedStep::Die => {
                    peer_call::done(index, None);
                    let _dead = process::kill(std::process::id() as i32, Signal::KILL);
                }
                _ => {
                    if let Err(instead) = self.act(step) {
                        peer_call::done(index, Some(&instead));
                        return 0;
                    }
                }
            }
            peer_call::done(index, None);
        }
        0
    }

    fn act(&mut self, step: &ResolvedStep) -> Result<(), Instead> {
        match step {
            ResolvedStep::When { .. } | ResolvedStep::Exit { .. } | ResolvedStep::Die => Ok(()),
            ResolvedStep::Open { path, access } => {
                let mut options = OpenOptions::new();
                options.read(*access != Access::Write).write(*access != Access::Read);
                let file = options.open(std::ffi::OsStr::from_bytes(&path.0)).map_err(|e| name(errno(e)))?;
                self.open.insert(path.0.clone(), Opened::Stream(file));
                Ok(())
            }
            ResolvedStep::OpenShm { name: object } => {
                let path = std::ffi::OsStr::from_bytes(&object.0);
                let fd = shm_open(path, OFlag::O_RDWR, Mode::empty()).map_err(name)?;
                let mut memory = Memory { object: fd, mapping: None };
                memory.reach(0)?;
                self.open.insert(object.0.clone(), Opened::Memory(memory));
                self.memory = Some(object.0.clone());
                Ok(())
            }
            ResolvedStep::OpenQueue { name: queue, access } => {
                let path = std::ffi::OsStr::from_bytes(&queue.0);
                let flags = match access {
                    Access::Read => MQ_OFlag::O_RDONLY,
                    Access::Write => MQ_OFlag::O_WRONLY,
                    Access::Both => MQ_OFlag::O_RDWR,
                };
                let opened = mq_open(path, flags | MQ_OFlag::O_CLOEXEC, Mode::empty(), None).map_err(name)?;
                self.open.insert(queue.0.clone(), Opened::Queue(opened));
                Ok(())
            }
            ResolvedStep::Write { path, text } => {
                self.stream(path)?.write_all(&text.0).map_err(|error| name(errno(error)))
            }
            ResolvedStep::Read { path, text } => expect_text(self.stream(path)?, &text.0),
            ResolvedStep::ReadEnd { path } => expect_end(self.stream(path)?),
            ResolvedStep::Close { path } => match self.open.remove(&path.0).ok_or_else(|| never_opened(path))? {
                Opened::Queue(queue) => mq_close(queue).map_err(name),
                Opened::Stream(_) | Opened::Memory(_) => Ok(()),
            },
            ResolvedStep::Expect { offset, scalar, bytes } => self.memory()?.expect(*offset, *scalar, bytes),
            ResolvedStep::Store { offset, bytes } => self.memory()?.store(*offset, bytes),
            ResolvedStep::Send { queue, text, priority } => {
                mq_send(self.queue(queue)?, &text.0, *priority).map_err(name)
            }
            ResolvedStep::Receive { queue, text, priority } => expect_message(self.queue(queue)?, text, *priority),
            ResolvedStep::Signal { target: Target::Main, signal } => process::kill(self.program, *signal).map_err(name),
            ResolvedStep::Signal { target: Target::It, signal } => match self.it {
                Some(process) => process::kill(process, *signal).map_err(name),
                None => Err("nobody to signal".to_owned()),
            },
        }
    }

    fn stream(&mut self, path: &Bytes) -> Result<&mut File, Instead> {
        match self.open.get_mut(&path.0) {
            Some(Opened::Stream(file)) => Ok(file),
            _ => Err(never_opened(path)),
        }
    }

    fn queue(&mut self, path: &Bytes) -> Result<&MqdT, Instead> {
        match self.open.get(&path.0) {
            Some(Opened::Queue(queue)) => Ok(queue),
            _ => Err(never_opened(path)),
        }
    }

    fn memory(&mut self) -> Result<&mut Memory, Instead> {
        let last = self.memory.as_ref().and_then(|name| self.open.get_mut(name));
        match last {
            Some(Opened::Memory(memory)) => Ok(memory),
            _ => Err("no shared object is open".to_owned()),
        }
    }
}

impl Memory {
    /// Maps at least the first `len` bytes, and all that there is; fails where the object is smaller.
    fn reach(&mut self, len: u64) -> Result<&Mapping, Instead> {
        let size = fstat(&self.object).map_err(name)?.st_size;
        let size = usize::try_from(size).unwrap_or(0);
        let enough = self.mapping.as_ref().is_some_and(|mapping| mapping.len() as u64 >= len);
        if let Some(size) = NonZeroUsize::new(size).filter(|_| !enough) {
            self.mapping = Some(Mapping::new(&self.object, size).map_err(name)?);
        }
        // A mapping that reaches beyond an object that has shrunk is deadly there (mmap(2), SIGBUS).
        let inside = (size as u64) >= len;
        self.mapping.as_ref().filter(|_| inside).ok_or_else(|| format!("an object of {size} bytes"))
    }

    fn expect(&mut self, offset: u64, scalar: Scalar, expected: &Bytes) -> Result<(), Instead> {
        let mapping = self.reach(offset.saturating_add(expected.len() as u64))?;
        let found = mapping.load(offset as usize, expected.len()).ok_or("an offset out of range")?;
        peer_call::loaded(self.object.as_fd(), offset, &found);
        if found == expected.0 {
            return Ok(());
        }
        Err(scalar.decode(&found).map_or_else(|| format!("{:?}", Bytes(found)), |number| number.to_string()))
    }

    fn store(&mut self, offset: u64, bytes: &Bytes) -> Result<(), Instead> {
        let mapping = self.reach(offset.saturating_add(bytes.len() as u64))?;
        mapping.store(offset as usize, &bytes.0).ok_or("an offset out of range")?;
        peer_call::stored(self.object.as_fd(), offset, &bytes.0);
        Ok(())
    }
}

/// Reads until the text is there or cannot come any more: a wrong byte is told at once, not waited behind.
fn expect_text(stream: &mut File, expected: &[u8]) -> Result<(), Instead> {
    let mut found = Vec::new();
    while found.len() < expected.len() {
        let mut chunk = vec![0; expected.len() - found.len()];
        let count = stream.read(&mut chunk).map_err(|error| name(errno(error)))?;
        found.extend_from_slice(&chunk[..count]);
        if count == 0 {
            return Err(match found.is_empty() {
                true => "end of file".to_owned(),
                false => format!("{:?}, then end of file", Bytes(found)),
            });
        }
        if !expected.starts_with(&found) {
            return Err(format!("{:?}", Bytes(found)));
        }
    }
    Ok(())
}

/// As much of a surplus as a finding can show.
const SURPLUS: usize = 64;

fn expect_end(stream: &mut File) -> Result<(), Instead> {
    let mut surplus = vec![0; SURPLUS];
    let count = stream.read(&mut surplus).map_err(|error| name(errno(error)))?;
    surplus.truncate(count);
    if count == 0 { Ok(()) } else { Err(format!("{:?}", Bytes(surplus))) }
}

fn expect_message(queue: &MqdT, text: &Bytes, priority: Option<u32>) -> Result<(), Instead> {
    let room = mq_getattr(queue).map_err(name)?.msgsize();
    let mut message = vec![0; usize::try_from(room).unwrap_or(0)];
    let mut found_priority = 0;
    let count = mq_receive(queue, &mut message, &mut found_priority).map_err(name)?;
    message.truncate(count);
    let right_priority = priority.is_none_or(|priority| priority == found_priority);
    match (message == text.0, right_priority) {
        (true, true) => Ok(()),
        (false, true) => Err(format!("{:?}", Bytes(message))),
        (_, false) => Err(format!("{:?} priority {found_priority}", Bytes(message))),
    }
}

/// The errno as the manual names it: `ENOENT`.
fn name(errno: Errno) -> Instead {
    format!("{errno:?}")
}

/// The course is checked before it runs, so nobody should read this.
fn never_opened(path: &Bytes) -> Instead {
    format!("`{path}` was never opened")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream with these bytes in it, at its end then.
    fn stream(text: &str) -> File {
        let (read, mut write) = std::io::pipe().expect("a pipe");
        write.write_all(text.as_bytes()).expect("room");
        File::from(OwnedFd::from(read))
    }

    #[test]
    fn what_a_read_met_instead_is_short_and_exact() {
        let check = |text: &str, expected: &str| expect_text(&mut stream(text), expected.as_bytes());
        assert_eq!(check("hello kettle\n", "hello kettle\n"), Ok(()));
        assert_eq!(check("hello kettle\nmore", "hello kettle\n"), Ok(()));
        assert_eq!(check("", "hello"), Err("end of file".into()));
        assert_eq!(check("hello kettl", "hello kettle\n"), Err("\"hello kettl\", then end of file".into()));
        assert_eq!(check("Hello kettle\n", "hello kettle\n"), Err("\"Hello kettle\\n\"".into()));
        assert_eq!(expect_end(&mut stream("")), Ok(()));
        assert_eq!(expect_end(&mut stream("x\n")), Err("\"x\\n\"".into()));
    }

    #[test]
    fn a_wrong_byte_is_not_waited_behind() {
        let (read, mut write) = std::io::pipe().expect("a pipe");
        write.write_all(b"no").expect("room");
        assert_eq!(expect_text(&mut File::from(OwnedFd::from(read)), b"hello\n"), Err("\"no\"".into()));
        drop(write);
    }

    #[test]
    fn nobody_reads_is_an_answer() {
        let (read, write) = std::io::pipe().expect("a pipe");
        drop(read);
        let mut peer = Peer { program: 0, it: None, open: BTreeMap::new(), memory: None };
        peer.open.insert(b"names".to_vec(), Opened::Stream(File::from(OwnedFd::from(write))));
        let step = ResolvedStep::Write { path: "names".into(), text: "x".into() };
        assert_eq!(peer.act(&step), Err("EPIPE".into()));
        let missing = ResolvedStep::Open { path: "/no/such/path".into(), access: Access::Read };
        assert_eq!(peer.act(&missing), Err("ENOENT".into()));
    }

    #[test]
    fn memory_is_looked_at_as_far_as_it_reaches() {
        let object = tempfile::tempfile().expect("a file");
        let mut memory = Memory { object: object.try_clone().expect("a copy").into(), mapping: None };
        let four = |n: u32| Bytes(n.to_ne_bytes().to_vec());
        assert_eq!(memory.expect(0, Scalar::U32, &four(7)), Err("an object of 0 bytes".into()));
        object.set_len(8).expect("a size");
        assert_eq!(memory.store(4, &four(4711)), Ok(()));
        assert_eq!(memory.expect(4, Scalar::U32, &four(4711)), Ok(()));
        assert_eq!(memory.expect(4, Scalar::U32, &four(7)), Err("4711".into()));
        assert_eq!(memory.expect(6, Scalar::U32, &four(0)), Err("an object of 8 bytes".into()));
        assert_eq!(memory.expect(u64::MAX, Scalar::U32, &four(0)), Err("an object of 8 bytes".into()));
    }
}
