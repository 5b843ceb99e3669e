//! Arguments that lie in a tracee's memory: buffers, vectors, sets, messages.

use std::time::Duration;

use super::files::{file, link};
use crate::model::Signal;
use crate::recorder::proc;
use crate::sys::arch::{Invocation, Sys};
use crate::sys::memory;
use crate::trace::Bytes;
use crate::trace::raw::{Fd, RawFile};

/// Most bytes of one call that are kept; no exercise comes near.
const MOST: u64 = 64 << 20;
/// The kernel's own bound on a path (limits.h).
const PATH_MAX: usize = 4096;

/// Whether the call ends by itself after a time, as its arguments stand.
pub(crate) fn may_time_out(tid: i32, invocation: &Invocation) -> bool {
    let [a, b, c, d, e, _] = invocation.args;
    match invocation.sys {
        Sys::Poll => c as i32 >= 0,
        Sys::Ppoll => c != 0,
        Sys::Select | Sys::Pselect6 => e != 0,
        Sys::EpollWait => d as i32 >= 0,
        Sys::Futex => {
            d != 0 && [libc::FUTEX_WAIT, libc::FUTEX_WAIT_BITSET].contains(&(b as i32 & libc::FUTEX_CMD_MASK))
        }
        Sys::Semtimedop | Sys::FutexWaitv => d != 0,
        // recvmmsg(2), BUGS: its time-out ends no wait.
        Sys::MqTimedsend | Sys::MqTimedreceive => e != 0,
        Sys::RtSigtimedwait => c != 0,
        Sys::Nanosleep | Sys::ClockNanosleep | Sys::RestartSyscall => true,
        // A timerfd's reader waits for time; its descriptor says so.
        Sys::Read => link(format!("/proc/{tid}/fd/{}", a as Fd)).contains("[timerfd]"),
        _ => false,
    }
}

/// A text argument that ends with a zero byte.
pub(crate) fn text(tid: i32, addr: u64) -> String {
    String::from_utf8_lossy(&memory::read_text(tid, addr, PATH_MAX)).into_owned()
}

pub(super) fn bytes(tid: i32, addr: u64, len: u64) -> Bytes {
    Bytes(memory::read_vec(tid, addr, len.min(MOST) as usize))
}

pub(super) fn word(tid: i32, addr: u64) -> i64 {
    memory::read_u64(tid, addr).unwrap_or(0) as i64
}

pub(super) fn two(tid: i32, addr: u64) -> Option<(Fd, Fd)> {
    Some((memory::read_u32(tid, addr)? as Fd, memory::read_u32(tid, addr + 4)? as Fd))
}

/// The parts of an iovec array (readv(2)): address and length.
pub(crate) fn vectors(tid: i32, addr: u64, count: u64) -> Vec<(u64, u64)> {
    (0..count.min(libc::UIO_MAXIOV as u64))
        .map_while(|i| Some((memory::read_u64(tid, addr + 16 * i)?, memory::read_u64(tid, addr + 16 * i + 8)?)))
        .collect()
}

pub(super) fn length(parts: &[(u64, u64)]) -> u64 {
    parts.iter().map(|(_, len)| len).sum()
}

pub(super) fn gather(tid: i32, parts: &[(u64, u64)], most: u64) -> Bytes {
    let mut left = most.min(MOST);
    let mut all = Vec::new();
    for (addr, len) in parts {
        all.extend(memory::read_vec(tid, *addr, (*len).min(left) as usize));
        left = left.saturating_sub(*len);
    }
    Bytes(all)
}

/// The parts of a msghdr that matter (recvmsg(2)).
pub(super) struct Message {
    pub(super) parts: Vec<(u64, u64)>,
    control: (u64, u64),
}

pub(super) fn message(tid: i32, addr: u64) -> Message {
    let at = |offset: u64| memory::read_u64(tid, addr + offset).unwrap_or(0);
    Message { parts: vectors(tid, at(16), at(24)), control: (at(32), at(40)) }
}

/// The parts of a msghdr that names no address and brings no control data; none of any other, or of one whose parts are
/// not all there.
pub(crate) fn plain_message(tid: i32, addr: u64) -> Option<Vec<(u64, u64)>> {
    let message = message(tid, addr);
    let named = memory::read_u64(tid, addr)? != 0;
    let whole = memory::read_u64(tid, addr + 24)? == message.parts.len() as u64;
    (whole && !named && message.control.1 == 0).then_some(message.parts)
}

/// The messages of recvmmsg(2) and sendmmsg(2): where each begins, and how many of its bytes went over once the call is
/// back.
pub(super) fn messages(tid: i32, addr: u64, count: u64) -> Vec<(Message, u64)> {
    /// struct mmsghdr: a msghdr of 56 bytes, the length, and four bytes of nothing.
    const SIZE: u64 = 64;
    let one = |at: u64| (message(tid, at), u64::from(memory::read_u32(tid, at + 56).unwrap_or(0)));
    (0..count.min(libc::UIO_MAXIOV as u64)).map(|i| one(addr + SIZE * i)).collect()
}

/// How many bytes a call's result stands for, where it counts something else.
pub(crate) fn bytes_moved(tid: i32, invocation: &Invocation, result: i64) -> i64 {
    match invocation.sys {
        Sys::Recvmmsg | Sys::Sendmmsg if result > 0 => {
            messages(tid, invocation.args[1], result as u64).iter().map(|(_, len)| *len as i64).sum()
        }
        _ => result,
    }
}

/// Descriptors that came with SCM_RIGHTS (unix(7), cmsg(3)).
pub(super) fn received_descriptors(tid: i32, message: &Message) -> Vec<(Fd, RawFile)> {
    descriptors_in(tid, message).into_iter().map(|fd| (fd, file(tid, fd, None))).collect()
}

/// Descriptors that sendmsg(2) or sendmmsg(2) is about to send.
pub(crate) fn sent_descriptors(tid: i32, invocation: &Invocation) -> Vec<Fd> {
    let [_, addr, count, ..] = invocation.args;
    let all = match invocation.sys {
        Sys::Sendmmsg => messages(tid, addr, count).into_iter().map(|(message, _)| message).collect(),
        _ => vec![message(tid, addr)],
    };
    all.iter().flat_map(|message| descriptors_in(tid, message)).collect()
}

fn descriptors_in(tid: i32, message: &Message) -> Vec<Fd> {
    let (addr, len) = message.control;
    let control = memory::read_vec(tid, addr, len.min(4096) as usize);
    let number = |at: usize| Some(i32::from_ne_bytes(control.get(at..at + 4)?.try_into().ok()?));
    let mut descriptors = Vec::new();
    let mut at = 0;
    while let (Some(size), Some(level), Some(kind)) = (number(at), number(at + 8), number(at + 12)) {
        let Some(size) = usize::try_from(size).ok().filter(|size| *size >= 16) else { break };
        if level == libc::SOL_SOCKET && kind == libc::SCM_RIGHTS {
            descriptors.extend((at + 16..at + size).step_by(4).filter_map(number));
        }
        at += size.next_multiple_of(8);
    }
    descriptors
}

fn signals(bits: u64) -> Vec<Signal> {
    (1..=64).filter(|n| bits >> (n - 1) & 1 == 1).filter_map(Signal::from_number).collect()
}

pub(super) fn signal_set(tid: i32, addr: u64, size: u64) -> Vec<Signal> {
    let mut bits = memory::read_vec(tid, addr, size.min(8) as usize);
    bits.resize(8, 0);
    signals(bits.try_into().map_or(0, u64::from_ne_bytes))
}

/// A line of /proc/PID/status that is a set of signals: `SigBlk`, `SigCgt`, `SigIgn` (proc_pid_status(5)).
pub(crate) fn status_signals(tid: i32, field: &str) -> Vec<Signal> {
    signals_in(&proc::text(tid, "status"), field)
}

/// The same of the file's text.
pub(crate) fn signals_in(status: &str, field: &str) -> Vec<Signal> {
    let bits = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    signals(bits.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0))
}

/// The operations of semop(2): semaphore number and what is added, and the flags (struct sembuf).
pub(super) fn semaphore_operations(tid: i32, addr: u64, count: u64) -> Vec<((u16, i16), i16)> {
    let half = |at: u64| memory::read_vec(tid, at, 2).try_into().map_or(0, u16::from_ne_bytes);
    let operation = |at: u64| ((half(at), half(at + 2) as i16), half(at + 4) as i16);
    (0..count.min(500)).map(|i| operation(addr + 6 * i)).collect()
}

/// The values that semctl(2) with SETALL sets, one for each semaphore of the set.
pub(crate) fn semaphore_values(tid: i32, addr: u64, count: u64) -> Vec<(u16, u16)> {
    let count = count.min(u64::from(u16::MAX)) as u16;
    (0..count)
        .map(|i| (i, memory::read_vec(tid, addr + 2 * u64::from(i), 2).try_into().map_or(0, u16::from_ne_bytes)))
        .collect()
}

/// The descriptors of poll(2), and whether each is waited on for reading, for writing.
pub(super) fn polled(tid: i32, addr: u64, count: u64) -> Vec<(Fd, bool, bool)> {
    (0..count.min(1024))
        .map_while(|i| {
            let fd = memory::read_u32(tid, addr + 8 * i)? as Fd;
            let events = memory::read_u32(tid, addr + 8 * i + 4)? as i16;
            Some((fd, events & libc::POLLIN != 0, events & libc::POLLOUT != 0))
        })
        .filter(|(fd, ..)| *fd >= 0)
        .collect()
}

/// The descriptors of select(2), likewise.
pub(super) fn selected(tid: i32, invocation: &Invocation) -> Vec<(Fd, bool, bool)> {
    let [count, read, write, ..] = invocation.args;
    let set = |addr: u64| if addr == 0 { Vec::new() } else { memory::read_vec(tid, addr, 128) };
    let (read, write) = (set(read), set(write));
    let has = |set: &[u8], fd: u64| set.get(fd as usize / 8).is_some_and(|byte| byte >> (fd % 8) & 1 == 1);
    (0..count.min(1024))
        .map(|fd| (fd as Fd, has(&read, fd), has(&write, fd)))
        .filter(|(_, read, write)| *read || *write)
        .collect()
}

/// A timespec; below zero is zero.
pub(crate) fn timespec(tid: i32, addr: u64) -> Duration {
    let (seconds, nanos) = (word(tid, addr).max(0) as u64, word(tid, addr + 8).clamp(0, 999_999_999) as u32);
    Duration::new(seconds, nanos)
}

/// A timespec in milliseconds, rounded up.
pub(super) fn millis(tid: i32, addr: u64) -> u64 {
    timespec(tid, addr).as_nanos().div_ceil(1_000_000).try_into().unwrap_or(u64::MAX)
}
