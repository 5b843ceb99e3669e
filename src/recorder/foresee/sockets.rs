//! recv(2), send(2) and their kin on socket pairs: reads and writes with flags.

use super::super::decode;
use super::super::engine::{Engine, Fallible};
use super::Way;
use crate::sys::arch::{Invocation, Sys};
use crate::trace::raw::{Fd, Tid};

/// What is known: MSG_NOSIGNAL changes nothing about what a call gives, MSG_CMSG_CLOEXEC is about descriptors that none is
/// sent here.
const KNOWN: i32 = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL | libc::MSG_CMSG_CLOEXEC;

impl Engine<'_> {
    /// A call on a socket that is known; one with an address, control data or other flags takes it out of the model.
    pub(super) fn foresee_message(&mut self, tid: Tid, call: &Invocation) -> Fallible<Way> {
        let [fd, b, c, _, address, _] = call.args;
        let fd = fd as Fd;
        if !self.kernel.is_socket(tid, fd) {
            return Ok(Way::Enter);
        }
        let parts = match call.sys {
            Sys::Recvfrom | Sys::Sendto if address == 0 => Some(vec![(b, c)]),
            Sys::Recvmsg | Sys::Sendmsg => decode::plain_message(tid, b),
            _ => None,
        };
        let known = parts.filter(|parts| flags(call) & !KNOWN == 0 && parts.iter().any(|(_, len)| *len > 0));
        match known {
            Some(parts) => self.foresee_transfer(tid, call, &parts),
            None => Ok(self.leave_to_the_kernel(tid, &[fd])),
        }
    }
}

/// Whether an option says or is told what nothing here depends on: an error that is asked for is gone thereby, and names of
/// AF_UNIX are not used again, whatever is asked for (socket(7), unix(7)).
pub(super) fn changes_nothing(call: &Invocation) -> bool {
    let [_, level, option, ..] = call.args.map(|arg| arg as i32);
    match call.sys {
        Sys::Getsockopt => (level, option) != (libc::SOL_SOCKET, libc::SO_ERROR),
        _ => (level, option) == (libc::SOL_SOCKET, libc::SO_REUSEADDR),
    }
}

fn flags(call: &Invocation) -> i32 {
    match call.sys {
        Sys::Recvfrom | Sys::Sendto => call.args[3] as i32,
        Sys::Recvmsg | Sys::Sendmsg => call.args[2] as i32,
        _ => 0,
    }
}

/// Whether its flags say that the call does not wait, whatever the descriptor says.
pub(super) fn asks_not_to_wait(call: &Invocation) -> bool {
    flags(call) & libc::MSG_DONTWAIT != 0
}
