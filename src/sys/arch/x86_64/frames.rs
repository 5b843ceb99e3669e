//! What a stack is walked by: the three registers of a frame, and the frame that the kernel puts there for a handler.

use super::Registers;
use crate::sys::arch::Frame;

/// What a handler returns to: `mov $15, %rax; syscall`, the number of rt_sigreturn(2), byte for byte as debuggers know it
/// (glibc, sysdeps/unix/sysv/linux/x86_64/libc_sigaction.c: "Do not change").
const TRAMPOLINE: [u8; 9] = [0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05];

/// Where the interrupted registers stand above the stack pointer at the trampoline: 40 bytes of `ucontext_t`, then its
/// `gregs` (arch/x86/include/uapi/asm/sigcontext.h).
const REGISTERS: u64 = 40;
const RBP: u64 = REGISTERS + 8 * libc::REG_RBP as u64;
const RSP: u64 = REGISTERS + 8 * libc::REG_RSP as u64;
const RIP: u64 = REGISTERS + 8 * libc::REG_RIP as u64;

impl Registers {
    /// The innermost frame. A thread that is in a system call stands behind the instruction that made it.
    pub fn frame(&self) -> Frame {
        Frame { instruction: self.0.rip, stack: self.0.rsp, base: self.0.rbp, behind: self.number() >= 0 }
    }
}

impl Frame {
    /// The same frame of one that a function has just returned to: it is behind the call.
    pub fn after_return(self) -> Self {
        Self { behind: true, ..self }
    }

    /// The registers of the frame, for who unwinds it.
    pub fn unwind_registers(self) -> framehop::UnwindRegsNative {
        framehop::UnwindRegsNative::new(self.instruction, self.stack, self.base)
    }

    /// The frame that called this one, where this one has put nothing on the stack.
    pub fn of_leaf(self, word: impl FnOnce(u64) -> Option<u64>) -> Option<Self> {
        Some(Self { instruction: word(self.stack)?, stack: self.stack + 8, base: self.base, behind: true })
    }

    /// The frame that a signal interrupted, where this one is what its handler returns to.
    ///
    /// `code` reads the bytes at an address, `word` a number of the stack.
    pub fn interrupted(
        self,
        code: impl FnOnce(u64, &mut [u8]) -> bool,
        mut word: impl FnMut(u64) -> Option<u64>,
    ) -> Option<Self> {
        let mut bytes = [0; TRAMPOLINE.len()];
        if !code(self.instruction, &mut bytes) || bytes != TRAMPOLINE {
            return None;
        }
        let mut register = |offset| word(self.stack.checked_add(offset)?);
        Some(Self { instruction: register(RIP)?, stack: register(RSP)?, base: register(RBP)?, behind: false })
    }
}
