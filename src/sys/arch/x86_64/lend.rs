//! A call that a stopped thread makes because we want it to.

use super::Registers;
use crate::sys::memory;

/// The instruction that makes a call.
const SYSCALL: [u8; 2] = [0x0f, 0x05];

impl Registers {
    /// The registers with which the thread makes this call next and then stands where it stands now; none where it does
    /// not stand behind a call of its own.
    pub fn lent_to(&self, tid: i32, number: i64, args: [u64; 6]) -> Option<Self> {
        let mut lent = *self;
        lent.0.rip = self.0.rip.checked_sub(SYSCALL.len() as u64)?;
        if memory::read_vec(tid, lent.0.rip, SYSCALL.len()) != SYSCALL {
            return None;
        }
        // No call to be made again, whatever the one before returned.
        lent.0.orig_rax = u64::MAX;
        lent.0.rax = number as u64;
        [lent.0.rdi, lent.0.rsi, lent.0.rdx, lent.0.r10, lent.0.r8, lent.0.r9] = args;
        Some(lent)
    }
}
