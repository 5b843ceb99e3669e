//! Descriptors of other processes, by way of a copy of our own (pidfd_getfd(2), unix(7)).

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::socket::ControlMessageOwned;

/// The descriptors that came beside a message (SCM_RIGHTS in unix(7)); none where it is about something else.
///
/// `message` is one that recvmsg(2) has just filled in, and nobody else has taken its descriptors.
pub fn passed(message: ControlMessageOwned) -> Vec<OwnedFd> {
    let ControlMessageOwned::ScmRights(numbers) = message else { return Vec::new() };
    // SAFETY: the kernel made these descriptors for us when the message was received; the caller took no others.
    numbers.into_iter().map(|number| unsafe { OwnedFd::from_raw_fd(number) }).collect()
}

/// A copy of a process's descriptor, close-on-exec. Whoever may trace the process may have one.
///
/// # Errors
/// What pidfd_open(2) and pidfd_getfd(2) say.
pub fn copy(pid: i32, fd: i32) -> nix::Result<OwnedFd> {
    // SAFETY: numbers only.
    let process = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    // SAFETY: the kernel made this descriptor for us.
    let process = unsafe { OwnedFd::from_raw_fd(process as i32) };
    // SAFETY: numbers only; the pidfd lives through the call.
    let copy = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), fd, 0) })?;
    // SAFETY: the kernel made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(copy as i32) })
}

/// How much a process's socket may send that nobody has read (SO_SNDBUF in socket(7)).
///
/// # Errors
/// As for [`copy`]; ENOTSOCK where it is no socket.
pub fn send_buffer(pid: i32, fd: i32) -> nix::Result<usize> {
    nix::sys::socket::getsockopt(&copy(pid, fd)?, nix::sys::socket::sockopt::SndBuf)
}

/// The abstract name that a process's socket is bound to, without its first byte; none where it has no such name (unix(7)).
///
/// # Errors
/// As for [`copy`]; ENOTSOCK where it is no socket.
pub fn abstract_name(pid: i32, fd: i32) -> nix::Result<Option<Vec<u8>>> {
    let name: nix::sys::socket::UnixAddr = nix::sys::socket::getsockname(copy(pid, fd)?.as_raw_fd())?;
    Ok(name.as_abstract().map(<[u8]>::to_vec))
}

/// How many bytes a process's pipe holds (F_GETPIPE_SZ in fcntl(2)).
///
/// # Errors
/// As for [`copy`]; EBADF where it is no pipe.
pub fn pipe_size(pid: i32, fd: i32) -> nix::Result<usize> {
    fcntl(copy(pid, fd)?, FcntlArg::F_GETPIPE_SZ).map(|size| size as usize)
}

/// How many messages a process's queue holds at most, how many bytes each may have, and how many are in it (mq_getattr(3)).
///
/// # Errors
/// As for [`copy`]; EBADF where it is no queue.
pub fn queue_attributes(pid: i32, fd: i32) -> nix::Result<[usize; 3]> {
    let copy = copy(pid, fd)?;
    // SAFETY: all zero is a value of this plain structure of numbers.
    let mut attributes: libc::mq_attr = unsafe { std::mem::zeroed() };
    // SAFETY: mq_getattr writes one structure, which lives through the call, as does the descriptor.
    Errno::result(unsafe { libc::mq_getattr(copy.as_raw_fd(), &raw mut attributes) })?;
    let libc::mq_attr { mq_maxmsg, mq_msgsize, mq_curmsgs, .. } = attributes;
    Ok([mq_maxmsg, mq_msgsize, mq_curmsgs].map(|number| number as usize))
}
