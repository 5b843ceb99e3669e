//! A call that a stopped thread makes, or a function that it calls, because we want it to.

use super::{LENGTH_OF_SYSCALL, Registers, SYSCALL};
use crate::sys::memory;

impl Registers {
    /// The registers with which the thread makes this call next and then stands where it stands now; none where it
    /// stands neither behind a call of its own nor before one.
    pub fn lent_to(&self, tid: i32, number: i64, args: [u64; 6]) -> Option<Self> {
        let before = |addr: &u64| memory::read_vec(tid, *addr, SYSCALL.len()) == SYSCALL;
        let behind = self.0.rip.checked_sub(LENGTH_OF_SYSCALL)?;
        let at = [behind, self.0.rip].into_iter().find(before)?;
        let mut lent = *self;
        lent.go_and_call(at, number, args);
        Some(lent)
    }

    /// The registers with which the thread calls a function for one argument. Its return address is to be written where
    /// their stack pointer points (System V ABI, AMD64 supplement, 3.2.2).
    pub fn calling(&self, function: u64, argument: u64) -> Self {
        let mut lent = *self;
        lent.0.rip = function;
        lent.0.orig_rax = u64::MAX;
        lent.0.rdi = argument;
        lent.0.rsp = self.below_stack(0) - size_of::<u64>() as u64;
        lent
    }

    /// Where so many bytes may be written below the stack.
    pub fn below_stack(&self, len: u64) -> u64 {
        /// The red zone (3.2.2) is the program's; a little more does no harm.
        const RED_ZONE: u64 = 256;
        (self.0.rsp - RED_ZONE - len) & !15
    }
}
