//! Messages from init and the roots to the worker, and the one to each root that lets it go: one packet each, small enough
//! to go in one piece.

use std::cell::RefCell;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixCredentials, recvmsg, send,
    sendmsg, setsockopt, socketpair, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use super::error::Step;
use crate::sys::descriptor;

/// What init and the roots have to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    /// A root stands at its gate; beside the program's, the folder of its world's queues.
    Standing {
        /// Its place among the roots.
        index: i32,
        /// Its id as it sees it itself.
        inner: i32,
    },
    /// A tool ended: its exit status, or else the signal's number.
    Ended {
        /// 0 to 255; -1 where a signal ended it.
        status: i32,
        /// 0 where it ended by itself.
        signal: i32,
    },
    /// Something failed, and its teller ends.
    Failed(Failure),
}

/// A step that failed in init or in a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) step: Step,
    pub(super) errno: Errno,
    pub(super) subject: String,
}

impl Failure {
    /// For `map_err`.
    pub(super) fn at(step: Step) -> impl Fn(Errno) -> Self {
        move |errno| Self { step, errno, subject: String::new() }
    }

    /// For `map_err`, with what the step was about.
    pub(super) fn about<'a>(step: Step, subject: &'a str) -> impl Fn(Errno) -> Self + 'a {
        move |errno| Self { step, errno, subject: subject.to_owned() }
    }
}

const STANDING: i32 = 1;
const FAILED: i32 = 2;
const ENDED: i32 = 3;

/// Room for a message with its subject.
const ROOM: usize = 512;

impl Message {
    fn encode(&self) -> Vec<u8> {
        let (numbers, text) = match self {
            Self::Standing { index, inner } => ([STANDING, *index, *inner], ""),
            Self::Ended { status, signal } => ([ENDED, *status, *signal], ""),
            Self::Failed(failure) => ([FAILED, failure.step.number(), failure.errno as i32], failure.subject.as_str()),
        };
        let mut bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_ne_bytes()).collect();
        bytes.extend(text.bytes());
        bytes.truncate(ROOM);
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let number = |index: usize| Some(i32::from_ne_bytes(bytes.get(index * 4..index * 4 + 4)?.try_into().ok()?));
        Some(match number(0)? {
            STANDING => Self::Standing { index: number(1)?, inner: number(2)? },
            ENDED => Self::Ended { status: number(1)?, signal: number(2)? },
            FAILED => Self::Failed(Failure {
                step: Step::numbered(number(1)?)?,
                errno: Errno::from_raw(number(2)?),
                subject: String::from_utf8_lossy(&bytes[12..]).into_owned(),
            }),
            _ => return None,
        })
    }
}

/// The end that init and the roots have.
#[derive(Debug)]
pub(super) struct Sender(pub(super) OwnedFd);

impl Sender {
    /// Sends a message. When nobody listens any more there is nobody to tell.
    pub(super) fn send(&self, message: &Message) {
        let _unheard = send(self.0.as_raw_fd(), &message.encode(), MsgFlags::MSG_NOSIGNAL);
    }

    /// Sends a message, and a copy of a descriptor beside it (SCM_RIGHTS in unix(7)).
    pub(super) fn send_with(&self, message: &Message, beside: BorrowedFd<'_>) {
        let descriptors = [beside.as_raw_fd()];
        let beside = [ControlMessage::ScmRights(&descriptors)];
        let (bytes, end) = (message.encode(), self.0.as_raw_fd());
        let _unheard = sendmsg::<()>(end, &[IoSlice::new(&bytes)], &beside, MsgFlags::MSG_NOSIGNAL, None);
    }
}

/// The worker's end.
#[derive(Debug)]
pub(super) struct Receiver {
    end: OwnedFd,
    /// What the last message that had a descriptor beside it had.
    passed: RefCell<Option<OwnedFd>>,
}

/// What [`Receiver::receive`] got.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// A message, and its sender's id as this process sees it.
    Message(Message, i32),
    /// No sender is left.
    End,
    /// Nothing came in time.
    Nothing,
}

/// A pair of ends, both close-on-exec.
///
/// `patience` bounds each [`Receiver::receive`].
pub(super) fn channel(patience: Duration) -> nix::Result<(Sender, Receiver)> {
    let (sender, receiver) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
    // The kernel then puts the sender's ids beside each message, in the receiver's own pid namespace (unix(7)).
    setsockopt(&receiver, sockopt::PassCred, &true)?;
    setsockopt(&receiver, sockopt::ReceiveTimeout, &TimeVal::milliseconds(patience.as_millis() as i64))?;
    Ok((Sender(sender), Receiver { end: receiver, passed: RefCell::new(None) }))
}

impl Receiver {
    /// The next message; waits for it.
    pub(super) fn receive(&self) -> nix::Result<Received> {
        self.take(MsgFlags::empty())
    }

    /// The next message, if one is there.
    pub(super) fn look(&self) -> nix::Result<Received> {
        self.take(MsgFlags::MSG_DONTWAIT)
    }

    /// The descriptor that came beside a message, once.
    pub(super) fn passed(&self) -> Option<OwnedFd> {
        self.passed.take()
    }

    fn take(&self, flags: MsgFlags) -> nix::Result<Received> {
        let mut bytes = [0; ROOM];
        let mut control = nix::cmsg_space!(UnixCredentials, [RawFd; 1]);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let flags = flags | MsgFlags::MSG_CMSG_CLOEXEC;
        let got = loop {
            match recvmsg::<()>(self.end.as_raw_fd(), &mut parts, Some(&mut control), flags) {
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(Received::Nothing),
                Err(errno) => return Err(errno),
                Ok(got) => break got,
            }
        };
        let mut sender = None;
        for message in got.cmsgs()? {
            match message {
                ControlMessageOwned::ScmCredentials(credentials) => sender = Some(credentials.pid()),
                other => {
                    self.passed.replace(descriptor::passed(other).pop());
                }
            }
        }
        let length = got.bytes;
        if length == 0 {
            return Ok(Received::End);
        }
        let message = Message::decode(&bytes[..length]).ok_or(Errno::EPROTO)?;
        Ok(Received::Message(message, sender.ok_or(Errno::EPROTO)?))
    }
}

/// The worker's end of what a root waits on.
#[derive(Debug)]
pub(super) struct Go(OwnedFd);

/// The root's end: it waits there to be let go.
#[derive(Debug)]
pub(super) struct Gate(pub(super) OwnedFd);

/// A pair of ends, both close-on-exec.
pub(super) fn gate() -> nix::Result<(Gate, Go)> {
    let (gate, go) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
    Ok((Gate(gate), Go(go)))
}

impl Go {
    /// Lets the root go, with the program's id as roots see it, and the streams that the root gets.
    ///
    /// # Errors
    /// EPIPE where nobody waits there any more.
    pub(super) fn send(self, program: i32, streams: &[OwnedFd]) -> nix::Result<()> {
        let numbers: Vec<RawFd> = streams.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&numbers)];
        let beside = if streams.is_empty() { &[][..] } else { &rights };
        let bytes = program.to_ne_bytes();
        sendmsg::<()>(self.0.as_raw_fd(), &[IoSlice::new(&bytes)], beside, MsgFlags::MSG_NOSIGNAL, None).map(drop)
    }
}

impl Gate {
    /// Waits to be let go: the program's id, and the streams, not close-on-exec. None when the worker gives up.
    pub(super) fn wait(self) -> Option<(i32, Vec<OwnedFd>)> {
        let mut bytes = [0; 4];
        let mut control = nix::cmsg_space!([RawFd; 3]);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let got = loop {
            match recvmsg::<()>(self.0.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::empty()) {
                Err(Errno::EINTR) => {}
                answer => break answer.ok()?,
            }
        };
        let whole = got.bytes == 4;
        let streams = got.cmsgs().ok()?.flat_map(descriptor::passed).collect();
        whole.then(|| (i32::from_ne_bytes(bytes), streams))
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_root_is_let_go_with_its_streams_or_given_up() {
        let same = |fd: &OwnedFd| nix::sys::stat::fstat(fd).expect("a pipe").st_ino;
        let (gate_of_one, go) = gate().expect("a socket pair");
        let (read, write) = nix::unistd::pipe().expect("a pipe");
        let streams = [read, write];
        go.send(700_001, &streams).expect("somebody waits");
        let (program, passed) = gate_of_one.wait().expect("it was let go");
        assert_eq!(
            (program, passed.iter().map(same).collect::<Vec<_>>()),
            (700_001, streams.iter().map(same).collect())
        );
        let (gate_of_one, go) = gate().expect("a socket pair");
        go.send(5, &[]).expect("somebody waits");
        assert!(gate_of_one.wait().is_some_and(|(program, passed)| program == 5 && passed.is_empty()));
        let (gate_of_one, go) = gate().expect("a socket pair");
        drop(go);
        assert!(gate_of_one.wait().is_none());
    }

    #[test]
    fn messages_arrive_with_their_sender_then_the_end() {
        let (sender, receiver) = channel(Duration::from_secs(5)).expect("a socket pair");
        let failure = Failure { step: Step::Bind, errno: Errno::EPERM, subject: "/usr".into() };
        let ended = Message::Ended { status: -1, signal: 9 };
        let standing = Message::Standing { index: 1, inner: 700_002 };
        let sent = [standing.clone(), ended, Message::Failed(failure)];
        assert_eq!(receiver.look(), Ok(Received::Nothing));
        sent.iter().for_each(|message| sender.send(message));
        for message in sent {
            assert_eq!(receiver.receive(), Ok(Received::Message(message, std::process::id() as i32)));
        }
        assert!(receiver.passed().is_none());
        sender.send_with(&standing, sender.0.as_fd());
        assert_eq!(receiver.receive(), Ok(Received::Message(standing, std::process::id() as i32)));
        let passed = receiver.passed().expect("a copy");
        let same = |fd: BorrowedFd<'_>| nix::sys::stat::fstat(fd).expect("a socket").st_ino;
        assert_eq!(same(passed.as_fd()), same(sender.0.as_fd()));
        drop((sender, passed));
        assert_eq!(receiver.receive(), Ok(Received::End));
    }
}
