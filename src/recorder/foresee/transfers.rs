//! Reads and writes of modelled objects.

use nix::errno::Errno;

use super::super::decode;
use super::super::engine::{Engine, Fallible, failed};
use super::super::kernel::{Answer, PAGE};
use super::{Ask, Split, Way, sockets};
use crate::sys::arch::{Invocation, Sys};
use crate::sys::{memory, ptrace};
use crate::trace::Bytes;
use crate::trace::raw::{Call, Fd, Tid};

/// A call of more bytes than this is left to the kernel, which cuts it short (MAX_RW_COUNT in read(2), NOTES).
const MOST: u64 = 1 << 30;

impl Engine<'_> {
    pub(super) fn foresee_transfer(&mut self, tid: Tid, call: &Invocation, parts: &[(u64, u64)]) -> Fallible<Way> {
        let fd = call.args[0] as Fd;
        let rest = self.tracee(tid).and_then(|tracee| tracee.split.as_ref()).map(Split::rest);
        let (split, parts) = (rest.is_some(), rest.as_deref().unwrap_or(parts));
        let writes = matches!(call.sys, Sys::Write | Sys::Writev | Sys::Sendto | Sys::Sendmsg);
        let len: u64 = parts.iter().fold(0, |sum, (_, len)| sum.saturating_add(*len));
        let vectored = matches!(call.sys, Sys::Readv | Sys::Writev);
        if len > MOST || vectored && !split && parts.len() as u64 != call.args[2] {
            return Ok(self.leave_to_the_kernel(tid, &[fd]));
        }
        let len = len as usize;
        let counts = self.kernel.counts(tid, fd);
        if counts && vectored {
            // Each part of a writev(2) is a number of its own.
            return Ok(self.leave_to_the_kernel(tid, &[fd]));
        }
        let value = if counts && writes { memory::read_u64(tid, call.args[1]).unwrap_or(0) } else { 0 };
        let answer = if writes { self.kernel.write(tid, fd, len, value) } else { self.kernel.read(tid, fd, len) };
        match answer {
            Answer::Waits if sockets::asks_not_to_wait(call) => {
                Ok(self.foresee_failure(tid, call, writes, Errno::EAGAIN))
            }
            Answer::Unknown => Ok(Way::Enter),
            Answer::Waits => {
                Ok(self.hold(tid, call, if writes { Ask::Write(fd, len, value) } else { Ask::Read(fd, len) }))
            }
            _ if split || matches!(answer, Answer::Part(..)) => Ok(self.foresee_piece(tid, call, answer, parts)),
            Answer::Fails(errno) => Ok(self.foresee_failure(tid, call, writes, errno)),
            Answer::Reads(got) => {
                if self.hear_modelled(tid, fd) {
                    return self.give_expirations(tid, call, parts, len);
                }
                Ok(self.foresee_read(tid, call, parts, (got, len)))
            }
            Answer::Writes(count) => {
                let Some(bytes) = gathered(tid, parts, len) else { return Ok(self.leave_to_the_kernel(tid, &[fd])) };
                let taken = self.kernel.put_in(tid, fd, &bytes);
                debug_assert_eq!(taken, count);
                Ok(self.told(tid, call, Call::Write { fd, bytes: Bytes(bytes) }, count as i64, Vec::new()))
            }
            Answer::Part(..) => unreachable!("asked above"),
        }
    }

    fn foresee_failure(&mut self, tid: Tid, call: &Invocation, writes: bool, errno: Errno) -> Way {
        let fd = call.args[0] as Fd;
        if writes {
            self.kernel.not_written(tid, fd, errno);
        } else {
            self.kernel.not_read(tid, fd, errno);
        }
        let result = -i64::from(errno as i32);
        let decoded = decode::call(tid, call, Some(result));
        self.told(tid, call, decoded, result, Vec::new())
    }

    fn foresee_read(&mut self, tid: Tid, call: &Invocation, parts: &[(u64, u64)], (got, want): (usize, usize)) -> Way {
        let fd = call.args[0] as Fd;
        let audited = self.audits() || self.needs_its_exit(tid);
        let bytes = self.kernel.peek(tid, fd, got);
        let stack = self.tracee(tid).map_or(0, |tracee| tracee.stack);
        let mut spread = Vec::new();
        let mut rest = &bytes[..];
        for (addr, len) in parts {
            let (part, others) = rest.split_at((*len).min(rest.len() as u64) as usize);
            rest = others;
            // The call writes the same bytes to the same place, so nobody can see that they are there already: what
            // matters is that they can be. An audit must not find what it has put there itself.
            let fits = if audited {
                let other: Vec<u8> = part.iter().map(|byte| !byte).collect();
                memory::fill(tid, *addr, &other)
            } else {
                is_at_top(stack, *addr, part.len()) || memory::fill(tid, *addr, part)
            };
            if !fits {
                return self.leave_to_the_kernel(tid, &[fd]);
            }
            if audited {
                spread.push((*addr, part.to_vec()));
            }
        }
        self.kernel.take(tid, fd, got);
        let decoded = Call::Read { fd, want: want as u64, bytes: Bytes(bytes), descriptors: Vec::new() };
        let way = self.tell_foreseen(tid, decoded, got as i64);
        if audited { self.audit_later(tid, call, got as i64, spread) } else { way }
    }

    /// A read of a timerfd that has expired more often than the kernel's own knows of: it is not made.
    fn give_expirations(&mut self, tid: Tid, call: &Invocation, parts: &[(u64, u64)], len: usize) -> Fallible<Way> {
        let fd = call.args[0] as Fd;
        let bytes = self.kernel.peek(tid, fd, len);
        self.kernel.take(tid, fd, bytes.len());
        let fits = spread(tid, parts, &bytes);
        let result = if fits { bytes.len() as i64 } else { -i64::from(libc::EFAULT) };
        let registers = ptrace::registers(tid).map_err(|errno| failed("read the registers of", tid, errno))?;
        self.skip(tid, registers, result)?;
        let bytes = Bytes(if fits { bytes } else { Vec::new() });
        let decoded = Call::Read { fd, want: len as u64, bytes, descriptors: Vec::new() };
        Ok(self.tell_foreseen(tid, decoded, result))
    }
}

/// Whether all of a buffer lies in the page that the stack pointer is in, which the thread writes to all the time.
fn is_at_top(stack: u64, addr: u64, len: usize) -> bool {
    let page = |addr: u64| addr / PAGE as u64;
    let last = addr.saturating_add((len as u64).saturating_sub(1));
    page(addr) == page(stack) && page(last) == page(stack)
}

/// Writes bytes into the parts of a buffer, as far as they go; whether that could be done.
pub(in crate::recorder) fn spread(tid: Tid, parts: &[(u64, u64)], bytes: &[u8]) -> bool {
    let mut rest = bytes;
    parts.iter().all(|(addr, len)| {
        let (part, others) = rest.split_at((*len).min(rest.len() as u64) as usize);
        rest = others;
        memory::fill(tid, *addr, part)
    })
}

/// All bytes of a write; none where they are not all there.
pub(super) fn gathered(tid: Tid, parts: &[(u64, u64)], len: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(len);
    for (addr, len) in parts {
        let from = bytes.len();
        bytes.resize(from + *len as usize, 0);
        let got = memory::read_stopped(tid, *addr, &mut bytes[from..]).unwrap_or(0);
        bytes.truncate(from + got);
    }
    (bytes.len() == len).then_some(bytes)
}
