//! SO_RCVTIMEO and SO_SNDTIMEO (socket(7)): a socket's own time-outs, on the virtual clock.
//!
//! The kernel never hears of them: the recorder keeps them, answers who asks, and ends calls on such a socket itself.

use std::time::Duration;

use super::decode;
use super::engine::{Engine, Fallible};
use super::timeouts::{Deadline, Unit, bytes_of, time_at};
use crate::sys::arch::{Invocation, Registers, Sys};
use crate::sys::memory;
use crate::trace::raw::{Fd, FileKind, Tid};

/// Which of a socket's two time-outs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SocketTimeout {
    /// The socket: stat(2).
    dev: u64,
    ino: u64,
    /// SO_SNDTIMEO.
    sending: bool,
}

impl Engine<'_> {
    fn socket_timeout(&self, tid: Tid, fd: u64, sending: bool) -> Option<SocketTimeout> {
        let file = decode::files::file(tid, fd as Fd, None);
        (file.kind == FileKind::Socket).then_some(SocketTimeout { dev: file.dev, ino: file.ino, sending })
    }

    /// setsockopt(2), getsockopt(2), at its entry. False where the kernel is to answer.
    pub(super) fn socket_option(&mut self, tid: Tid, call: &Invocation, registers: Registers) -> Fallible<bool> {
        /// struct timeval.
        const LENGTH: u32 = 16;
        let [fd, level, option, value, length, _] = call.args;
        let times = [libc::SO_RCVTIMEO, libc::SO_SNDTIMEO];
        if !self.options.boxed || level as i32 != libc::SOL_SOCKET || !times.contains(&(option as i32)) {
            return Ok(false);
        }
        let Some(which) = self.socket_timeout(tid, fd, option as i32 == libc::SO_SNDTIMEO) else { return Ok(false) };
        if call.sys == Sys::Setsockopt {
            let Some(time) = time_at(tid, value, Unit::Micros).filter(|_| length >= LENGTH.into()) else {
                return Ok(false);
            };
            if time.is_zero() {
                self.socket_timeouts.remove(&which);
            } else {
                self.socket_timeouts.insert(which, time);
            }
        } else {
            if memory::read_u32(tid, length).is_none_or(|room| room < LENGTH) {
                return Ok(false);
            }
            let time = self.socket_timeouts.get(&which).copied().unwrap_or(Duration::ZERO);
            let bytes = bytes_of(time, Unit::Micros);
            if memory::write(tid, value, &bytes).and(memory::write(tid, length, &LENGTH.to_ne_bytes())).is_err() {
                return Ok(false);
            }
        }
        self.returned(tid, call, 0)?;
        self.skip(tid, registers, 0)?;
        Ok(true)
    }

    /// The deadline that a socket gives to a call on it.
    pub(super) fn socket_deadline(&mut self, tid: Tid, call: &Invocation) -> Option<Deadline> {
        if self.socket_timeouts.is_empty() {
            return None;
        }
        let sending = match call.sys {
            Sys::Read | Sys::Readv | Sys::Recvfrom | Sys::Recvmsg | Sys::Accept => false,
            Sys::Write | Sys::Writev | Sys::Sendto | Sys::Sendmsg | Sys::Connect => true,
            _ => return None,
        };
        let which = self.socket_timeout(tid, call.args[0], sending)?;
        let time = *self.socket_timeouts.get(&which)?;
        Some(Deadline::of_option(self.clock.after(time), libc::EAGAIN))
    }
}
