//! Writes of more bytes than fit into their pipe, and than PIPE_BUF: made piece by piece (write(2), pipe(7)).
//!
//! # Theory of operation
//!
//! The kernel puts in what fits, sleeps until there is room, puts in more. So does the recorder, without the sleep: the
//! call goes in with a smaller count, the first time as large as the kernel's own first part, and at its exit the thread
//! is set back to before the call, with what is left to write. It comes through the filter again and is held there like
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
use crate::sys::arch::{Invocation, Registers};
use crate::sys::ptrace;
use crate::trace::Bytes;
use crate::trace::raw::{Call, Fd, RawKind, Tid};

/// Where the address and the number of bytes stand among the arguments of write(2).
const ADDRESS: usize = 1;
const COUNT: usize = 2;

/// A write of which a part is in its pipe.
#[derive(Debug)]
pub(crate) struct Split {
    fd: Fd,
    bytes: Vec<u8>,
    /// How many of them are in.
    done: usize,
    /// Where the program has them.
    addr: u64,
    /// What the piece that is under way gives, and whether another follows; none where the kernel decides.
    piece: Option<(i64, bool)>,
}

impl Engine<'_> {
    /// A write that goes in as a piece: the first part of one that does not fit, or what comes after one.
    pub(super) fn foresee_piece(&mut self, tid: Tid, call: &Invocation, answer: Answer) -> Way {
        let fd = call.args[0] as Fd;
        let (addr, len) = (call.args[ADDRESS], call.args[COUNT] as usize);
        let (result, follows) = match answer {
            Answer::Writes(pipe, count) | Answer::Part(pipe, count) => {
                let Some(piece) = gathered(tid, &[(addr, count as u64)], count) else {
                    return self.leave_to_the_kernel(tid, &[fd]);
                };
                if self.tracee(tid).is_some_and(|tracee| tracee.split.is_none()) {
                    let Some(bytes) = gathered(tid, &[(addr, len as u64)], len) else {
                        return self.leave_to_the_kernel(tid, &[fd]);
                    };
                    self.begin_split(tid, fd, bytes);
                }
                let taken = self.kernel.pipe(pipe).write(&piece);
                debug_assert_eq!(taken, count);
                self.kernel.changed = true;
                self.note_poll(tid, false);
                (count as i64, matches!(answer, Answer::Part(..)))
            }
            Answer::Fails(errno) => (-i64::from(errno as i32), false),
            Answer::Unknown | Answer::Waits | Answer::Reads(..) => return Way::Enter,
        };
        if let Some(tracee) = self.tracee(tid) {
            tracee.foreseen = true;
            if (1..len as i64).contains(&result) {
                tracee.changes.push((COUNT, result as u64));
            }
            if let Some(split) = &mut tracee.split {
                split.piece = Some((result, follows));
            }
        }
        Way::Piece
    }

    fn begin_split(&mut self, tid: Tid, fd: Fd, bytes: Vec<u8>) {
        let Some(tracee) = self.tracee(tid) else { return };
        let told = std::mem::replace(&mut tracee.entered, true);
        tracee.split = Some(Split { fd, bytes: bytes.clone(), done: 0, addr: 0, piece: None });
        if !told {
            self.tell(tid, RawKind::Entered { call: Call::Write { fd, bytes: Bytes(bytes) } });
        }
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
        let Some(split) = self.tracee(tid).and_then(|tracee| tracee.split.as_mut()) else { return Ok(()) };
        if from == 0 {
            split.addr = registers.arg(ADDRESS);
        }
        if !interrupted && !piece.is_some_and(|(_, follows)| follows) {
            return self.end_split(tid, registers, Registers::set_result);
        }
        registers.make_again();
        registers.set_arg(ADDRESS, split.addr.wrapping_add(split.done as u64));
        registers.set_arg(COUNT, (split.bytes.len() - split.done) as u64);
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
        registers.set_arg(ADDRESS, split.addr);
        registers.set_arg(COUNT, split.bytes.len() as u64);
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
