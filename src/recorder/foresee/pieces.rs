//! Writes of more bytes than fit into their pipe, and than PIPE_BUF: made piece by piece (write(2), pipe(7)).
//!
//! # Theory of operation
//!
//! The kernel puts in what fits, sleeps until there is room, puts in more. So does the recorder, without the sleep: the
//! call goes in with less to write, the first time as much as the kernel's own first part, and at its exit the thread is
//! set back to before the call. It comes through the filter again and is held there like
//! any other call that would wait; so each piece is a place of the schedule. The program sees one call, which returns the
//! whole count at the end, and one is told: it waits from the first piece on.
//!
//! A signal that the kernel would have ended the sleep for ends the call with the count so far, whatever SA_RESTART says
//! (signal(7)); so does the last reader's end, and SIGPIPE comes as ever.

use super::super::engine::{Engine, Fallible, failed};
use super::super::kernel::Answer;
use super::super::tracee::{Resume, State};
use super::super::{decode, stops};
use super::Way;
use super::transfers::gathered;
use crate::model::Signal;
use crate::sys::arch::{Invocation, Registers, Sys};
use crate::sys::{memory, ptrace};
use crate::trace::Bytes;
use crate::trace::raw::{Call, Fd, RawKind, Tid};

/// Where the address and the number of bytes, or of parts, stand among the arguments of write(2) and writev(2).
const ADDRESS: usize = 1;
const COUNT: usize = 2;

/// Bytes of a part's address and length (struct iovec).
const PART: u64 = 16;

/// How much memory below the stack pointer functions may use that call no others (System V ABI, AMD64 supplement, 3.2.2).
const RED_ZONE: u64 = 128;

/// A write of which a part is in its pipe.
#[derive(Debug)]
pub(crate) struct Split {
    fd: Fd,
    bytes: Vec<u8>,
    /// How many of them are in.
    done: usize,
    /// Where they are.
    parts: Vec<(u64, u64)>,
    vectored: bool,
    /// What the piece that is under way gives, and whether another follows; none where the kernel decides.
    piece: Option<(i64, bool)>,
}

impl Split {
    /// Where the bytes are that are still to be written.
    pub(super) fn rest(&self) -> Vec<(u64, u64)> {
        let mut skipped = self.done as u64;
        let mut rest = Vec::new();
        for (addr, len) in &self.parts {
            let part = skipped.min(*len);
            skipped -= part;
            if part < *len {
                rest.push((addr + part, len - part));
            }
        }
        rest
    }
}

/// The first bytes of these, so many.
fn first(parts: &[(u64, u64)], count: usize) -> Vec<(u64, u64)> {
    let mut left = count as u64;
    let mut taken = Vec::new();
    for (addr, len) in parts {
        let part = left.min(*len);
        left -= part;
        if part > 0 {
            taken.push((*addr, part));
        }
    }
    taken
}

impl Engine<'_> {
    /// A write that goes in as a piece: the first part of one that does not fit, or what comes after one.
    pub(super) fn foresee_piece(&mut self, tid: Tid, call: &Invocation, answer: Answer, parts: &[(u64, u64)]) -> Way {
        let fd = call.args[0] as Fd;
        let (piece, result, follows) = match answer {
            Answer::Writes(count) | Answer::Part(count) => {
                let piece = first(parts, count);
                let Some(bytes) = gathered(tid, &piece, count) else { return self.leave_to_the_kernel(tid, &[fd]) };
                if self.tracee(tid).is_some_and(|tracee| tracee.split.is_none()) && !self.begin_split(tid, call, parts)
                {
                    return self.leave_to_the_kernel(tid, &[fd]);
                }
                let taken = self.kernel.put_in(tid, fd, &bytes);
                debug_assert_eq!(taken, count);
                self.note_poll(tid, false);
                (piece, count as i64, matches!(answer, Answer::Part(..)))
            }
            Answer::Fails(errno) => {
                self.kernel.not_written(tid, fd, errno);
                (parts.to_vec(), -i64::from(errno as i32), false)
            }
            Answer::Unknown | Answer::Waits | Answer::Reads(_) => return Way::Enter,
        };
        self.writes_only(tid, &piece);
        if let Some(tracee) = self.tracee(tid) {
            tracee.foreseen = true;
            if let Some(split) = &mut tracee.split {
                split.piece = Some((result, follows));
            }
        }
        Way::Piece
    }

    /// A call between two pieces goes into the kernel, which decides what comes of it: with all that is left to write.
    pub(crate) fn writes_the_rest(&mut self, tid: Tid) {
        let split = self.tracee(tid).and_then(|tracee| tracee.split.as_ref());
        if let Some(rest) = split.filter(|split| split.piece.is_none()).map(Split::rest) {
            self.writes_only(tid, &rest);
        }
    }

    /// The call writes these bytes and no others. A list of parts stands below the thread's stack for so long.
    fn writes_only(&mut self, tid: Tid, parts: &[(u64, u64)]) {
        let Some(tracee) = self.tracee(tid) else { return };
        let vectored = tracee.split.as_ref().is_some_and(|split| split.vectored);
        let (addr, count) = match parts {
            [(addr, len)] if !vectored => (*addr, *len),
            _ => {
                let place = below(tracee.stack, parts.len());
                let list: Vec<u8> =
                    parts.iter().flat_map(|(addr, len)| [*addr, *len]).flat_map(u64::to_ne_bytes).collect();
                // It could be written when the call began.
                let _ = memory::write(tid, place, &list);
                (place, parts.len() as u64)
            }
        };
        tracee.changes.extend([(ADDRESS, addr), (COUNT, count)]);
    }

    /// The first piece is about to be made; false where it cannot be.
    fn begin_split(&mut self, tid: Tid, call: &Invocation, parts: &[(u64, u64)]) -> bool {
        let fd = call.args[0] as Fd;
        let vectored = call.sys == Sys::Writev;
        let len = parts.iter().map(|(_, len)| *len as usize).sum();
        let Some(bytes) = gathered(tid, parts, len) else { return false };
        let Some(tracee) = self.tracee(tid) else { return false };
        let list = vec![0; parts.len() * PART as usize];
        if vectored && !memory::fill(tid, below(tracee.stack, parts.len()), &list) {
            return false;
        }
        let told = std::mem::replace(&mut tracee.entered, true);
        let split = Split { fd, bytes: bytes.clone(), done: 0, parts: parts.to_vec(), vectored, piece: None };
        tracee.split = Some(split);
        if !told {
            self.tell(tid, RawKind::Entered { call: Call::Write { fd, bytes: Bytes(bytes) } });
        }
        true
    }

    /// A piece came back, of `call`. The thread goes on to the next one, or out of its call.
    pub(crate) fn on_piece(&mut self, tid: Tid, call: &Invocation, result: i64) -> Fallible<()> {
        let Some(tracee) = self.tracee(tid) else { return Ok(()) };
        tracee.foreseen = false;
        tracee.enters = false;
        let Some(split) = &mut tracee.split else { return Ok(()) };
        let fd = split.fd;
        let put = usize::try_from(result).unwrap_or(0);
        let piece = split.piece.take();
        let from = split.done;
        split.done = (from + put).min(split.bytes.len());
        let rest = if piece.is_none() { split.bytes[from..].to_vec() } else { Vec::new() };
        let interrupted = stops::is_restart(result);
        match piece {
            Some((believed, _)) if believed != result => {
                return Err(self.disagreement(tid, call, format!("{believed}"), format!("{result}")));
            }
            Some(_) => {}
            None => {
                if !interrupted {
                    self.check_proof(tid, call, result)?;
                }
                if put > 0 {
                    self.note_written(tid, fd, &rest, put);
                }
            }
        }
        let error = |errno| failed("set the registers of", tid, errno);
        let mut registers = ptrace::registers(tid).map_err(error)?;
        if !interrupted && !piece.is_some_and(|(_, follows)| follows) {
            return self.end_split(tid, registers, Registers::set_result);
        }
        registers.make_again();
        ptrace::set_registers(tid, &mut registers).map_err(error)?;
        ptrace::cont(tid, None).map_err(|errno| failed("continue", tid, errno))?;
        self.set(tid, State::Running, Resume::Next(None));
        Ok(())
    }

    /// A signal is about to be delivered to a thread between two pieces: where the kernel would have ended its sleep for
    /// it, the call is over.
    pub(crate) fn cut_short(&mut self, tid: Tid, signal: Signal, handled: bool) -> Fallible<()> {
        if self.tracee(tid).is_none_or(|tracee| tracee.split.is_none()) {
            return Ok(());
        }
        let passes = signal.default_is_harmless() || decode::status_signals(tid, "SigIgn").contains(&signal);
        if passes && !handled {
            return Ok(());
        }
        let registers = ptrace::registers(tid).map_err(|errno| failed("read the registers of", tid, errno))?;
        self.end_split(tid, registers, Registers::not_again)
    }

    /// The call is over, with what is in the pipe by now.
    fn end_split(&mut self, tid: Tid, mut registers: Registers, gives: fn(&mut Registers, i64)) -> Fallible<()> {
        let Some(mut split) = self.tracee(tid).and_then(|tracee| tracee.split.take()) else { return Ok(()) };
        gives(&mut registers, split.done as i64);
        ptrace::set_registers(tid, &mut registers).map_err(|errno| failed("set the registers of", tid, errno))?;
        self.put_back(tid);
        split.bytes.truncate(split.done);
        let decoded = Call::Write { fd: split.fd, bytes: Bytes(split.bytes) };
        self.tell_foreseen(tid, decoded, split.done as i64);
        if let Some(tracee) = self.tracee(tid) {
            tracee.foreseen = false;
        }
        Ok(())
    }
}

/// Where a list of so many parts has room below a thread's stack.
fn below(stack: u64, parts: usize) -> u64 {
    stack.saturating_sub(RED_ZONE + PART * parts as u64) & !(PART - 1)
}
