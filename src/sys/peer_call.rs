//! The reserved system call by which a peer talks to the recorder.
//!
//! Its number is no call of any Linux architecture. The recorder stops the peer at it, does what it asks and gives
//! the result; without a recorder the kernel answers ENOSYS, and the peer goes on.
//!
//! | what | arguments | meaning |
//! |---|---|---|
//! | 0 WHEN | step | held until the step's facts are true; gives the id of the process that they singled out, or 0 |
//! | 1 DONE | step, text, length | the step is done; the text says what it met instead of what it expected |
//! | 2 LOADED | descriptor, offset, bytes, length | it looked at shared memory |
//! | 3 STORED | descriptor, offset, bytes, length | it changed shared memory |

use std::os::fd::{AsRawFd, BorrowedFd};

use super::arch::PEER_CALL;

/// Held until the step's facts are true: `step`.
pub const WHEN: u64 = 0;
/// A step is done: `step, text, length`; no text where all was as expected.
pub const DONE: u64 = 1;
/// Shared memory was looked at: `descriptor, offset, bytes, length`.
pub const LOADED: u64 = 2;
/// Shared memory was changed: `descriptor, offset, bytes, length`.
pub const STORED: u64 = 3;

/// Waits until the recorder lets this step begin; gives the process that the step's facts have singled out, if one.
pub fn when(step: u32) -> Option<i32> {
    let process = call(WHEN, [step.into(), 0], &[]);
    i32::try_from(process).ok().filter(|process| *process > 0)
}

/// Says that a step is done, and what it met instead of what it expected.
pub fn done(step: u32, instead: Option<&str>) {
    let text = instead.unwrap_or_default().as_bytes();
    // DONE has no second number: text and length are its third and fourth arguments.
    // SAFETY: the text lives through the call, and only the recorder reads it.
    unsafe { libc::syscall(PEER_CALL, DONE, u64::from(step), text.as_ptr(), text.len()) };
}

/// Says which bytes of shared memory were seen.
pub fn loaded(object: BorrowedFd<'_>, offset: u64, bytes: &[u8]) {
    call(LOADED, [object.as_raw_fd() as u64, offset], bytes);
}

/// Says which bytes of shared memory were changed, and to what.
pub fn stored(object: BorrowedFd<'_>, offset: u64, bytes: &[u8]) {
    call(STORED, [object.as_raw_fd() as u64, offset], bytes);
}

fn call(what: u64, numbers: [u64; 2], bytes: &[u8]) -> i64 {
    // SAFETY: the bytes live through the call, and only the recorder reads them.
    unsafe { libc::syscall(PEER_CALL, what, numbers[0], numbers[1], bytes.as_ptr(), bytes.len()) }
}
