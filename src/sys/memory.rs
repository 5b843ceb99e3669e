//! Reading and writing another process's memory (process_vm_readv(2), /proc/PID/mem).

use std::fs::{File, OpenOptions};
use std::io::{IoSlice, IoSliceMut};
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::sys::uio::{RemoteIoVec, process_vm_readv, process_vm_writev};
use nix::unistd::Pid;

use super::ptrace;

const PAGE: u64 = 4096;

/// Reads up to `buffer.len()` bytes at `addr`; fewer where the memory ends before. Memory that the tracee itself must not
/// touch is read too: process_vm_readv stops there, /proc/PID/mem does not.
///
/// # Errors
/// EFAULT where not even the first byte is there; ESRCH; EPERM.
pub fn read(tid: i32, addr: u64, buffer: &mut [u8]) -> nix::Result<usize> {
    if buffer.is_empty() {
        return Ok(0);
    }
    let got = read_open(tid, addr, buffer);
    match got {
        Ok(got) if got == buffer.len() => Ok(got),
        Ok(_) | Err(Errno::EFAULT) => {
            let done = got.unwrap_or(0);
            let more = File::open(format!("/proc/{tid}/mem"))
                .and_then(|memory| memory.read_at(&mut buffer[done..], addr + done as u64))
                .unwrap_or(0);
            if done + more > 0 { Ok(done + more) } else { got }
        }
        other => other,
    }
}

/// Reads only what the tracee itself could read.
///
/// # Errors
/// As [`read`].
pub fn read_open(tid: i32, addr: u64, buffer: &mut [u8]) -> nix::Result<usize> {
    let remote = RemoteIoVec { base: addr as usize, len: buffer.len() };
    process_vm_readv(Pid::from_raw(tid), &mut [IoSliceMut::new(buffer)], &[remote])
}

/// Writes all of it where the tracee itself could write.
///
/// # Errors
/// EFAULT where it could not; ESRCH; EPERM.
pub fn write_open(tid: i32, addr: u64, bytes: &[u8]) -> nix::Result<()> {
    ptrace::disturb();
    write_back(tid, addr, bytes)
}

/// The same for one who keeps a copy of the memory and has changed that already: no disturbance
/// ([`ptrace::disturbances`]).
///
/// # Errors
/// As [`write_open`].
pub fn write_back(tid: i32, addr: u64, bytes: &[u8]) -> nix::Result<()> {
    let remote = RemoteIoVec { base: addr as usize, len: bytes.len() };
    let put = process_vm_writev(Pid::from_raw(tid), &[IoSlice::new(bytes)], &[remote])?;
    if put == bytes.len() { Ok(()) } else { Err(Errno::EFAULT) }
}

/// Reads a few bytes of a stopped tracee's, which cost less where they lie in one word.
///
/// # Errors
/// As [`read`].
pub fn read_stopped(tid: i32, addr: u64, buffer: &mut [u8]) -> nix::Result<usize> {
    let Some(place) = in_word(addr, buffer.len()) else { return read(tid, addr, buffer) };
    let Ok(word) = ptrace::peek(tid, addr - place.start as u64) else { return read(tid, addr, buffer) };
    buffer.copy_from_slice(&word.to_ne_bytes()[place]);
    Ok(buffer.len())
}

/// Writes into shared memory of a stopped tracee where it could write itself; what stood there.
///
/// # Errors
/// EFAULT where it could not; ESRCH; EPERM.
pub fn exchange_stopped(tid: i32, addr: u64, bytes: &[u8]) -> nix::Result<Vec<u8>> {
    if let Some(place) = in_word(addr, bytes.len()) {
        let at = addr - place.start as u64;
        if let Ok(before) = ptrace::peek(tid, at).map(u64::to_ne_bytes) {
            let mut after = before;
            after[place.clone()].copy_from_slice(bytes);
            if ptrace::poke(tid, at, u64::from_ne_bytes(after)).is_ok() {
                return Ok(before[place].to_vec());
            }
        }
    }
    let before = read_vec(tid, addr, bytes.len());
    write_open(tid, addr, bytes)?;
    Ok(before)
}

/// Where in the word that holds them bytes lie; none where they are in several.
fn in_word(addr: u64, len: usize) -> Option<std::ops::Range<usize>> {
    const WORD: usize = size_of::<u64>();
    let start = (addr % WORD as u64) as usize;
    (len > 0 && start + len <= WORD).then(|| start..start + len)
}

/// Reads `len` bytes at `addr`, or as many as are there.
pub fn read_vec(tid: i32, addr: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let got = read(tid, addr, &mut bytes).unwrap_or(0);
    bytes.truncate(got);
    bytes
}

/// Reads a number of this machine's byte order.
pub fn read_u64(tid: i32, addr: u64) -> Option<u64> {
    let mut bytes = [0; 8];
    (read(tid, addr, &mut bytes) == Ok(8)).then(|| u64::from_ne_bytes(bytes))
}

/// Reads a number of this machine's byte order.
pub fn read_u32(tid: i32, addr: u64) -> Option<u32> {
    let mut bytes = [0; 4];
    (read(tid, addr, &mut bytes) == Ok(4)).then(|| u32::from_ne_bytes(bytes))
}

/// Reads a text that ends with a zero byte, at most `most` bytes of it.
pub fn read_text(tid: i32, addr: u64, most: usize) -> Vec<u8> {
    let mut text = Vec::new();
    while text.len() < most {
        // Never across a page in one read: the next one may be missing where the text ends in this one.
        let at = addr + text.len() as u64;
        let room = ((PAGE - at % PAGE) as usize).min(most - text.len());
        let part = read_vec(tid, at, room);
        if let Some(end) = part.iter().position(|byte| *byte == 0) {
            text.extend_from_slice(&part[..end]);
            return text;
        }
        if part.len() < room {
            text.extend_from_slice(&part);
            return text;
        }
        text.extend_from_slice(&part);
    }
    text
}

/// Puts bytes where a process may write itself; false where it may not, and then perhaps some of them.
pub fn fill(tid: i32, addr: u64, bytes: &[u8]) -> bool {
    ptrace::disturb();
    let remote = RemoteIoVec { base: addr as usize, len: bytes.len() };
    bytes.is_empty() || process_vm_writev(Pid::from_raw(tid), &[IoSlice::new(bytes)], &[remote]) == Ok(bytes.len())
}

/// Writes into a tracee's memory, also where the page is read-only there.
///
/// # Errors
/// What opening or writing /proc/PID/mem says.
pub fn write(tid: i32, addr: u64, bytes: &[u8]) -> std::io::Result<()> {
    ptrace::disturb();
    open(tid)?.write_all_at(bytes, addr)
}

fn open(tid: i32) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).open(format!("/proc/{tid}/mem"))
}
