//! A seccomp filter that stops a tracee at the calls of interest (seccomp(2)), built without any library's policy.

use std::ops::Range;

use nix::errno::Errno;

use super::arch;

/// One instruction of classic BPF, ready to hand to the kernel after a fork.
pub type Instruction = libc::sock_filter;

const fn statement(code: u32, k: u32) -> Instruction {
    Instruction { code: code as u16, jt: 0, jf: 0, k }
}

const fn jump(code: u32, k: u32, jt: u8, jf: u8) -> Instruction {
    Instruction { code: code as u16, jt, jf, k }
}

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const ABOVE: u32 = libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K;
const HAS_BITS: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

/// Offsets into struct seccomp_data (seccomp(2)).
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const fn low_half_of_arg(index: u32) -> u32 {
    16 + 8 * index
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The tracer decides; without one the call fails with ENOSYS.
    Trace(i64),
    /// The tracer decides where this argument (its low 32 bits) has one of these bits, or lacks all of those, or where
    /// another one is large.
    TraceIf {
        /// The call.
        number: i64,
        /// The argument's index.
        arg: u32,
        /// Stop where one of these is set …
        any: u32,
        /// … or where none of these is …
        unless: u32,
        /// … or where the argument of this index is at least that.
        large: (u32, u32),
    },
    /// The tracer decides where this argument (its low 32 bits) is that; all else goes through.
    TraceIfEqual {
        /// The call.
        number: i64,
        /// The argument's index.
        arg: u32,
        /// What it is compared with.
        value: u32,
    },
    /// The tracer decides where this argument (its low 32 bits) is not that; all else goes through.
    TraceUnlessEqual {
        /// The call.
        number: i64,
        /// The argument's index.
        arg: u32,
        /// What it is compared with.
        value: u32,
    },
    /// It fails with this error and nobody stops.
    Fail(i64, i32),
    /// So does every call from this number on that no rule before names.
    FailFrom(i64, i32),
}

/// Builds the filter: foreign architectures end the process, what no rule names goes through at full speed.
pub fn build(rules: &[Rule]) -> Vec<Instruction> {
    let mut program = vec![
        statement(LOAD, ARCH),
        jump(EQUAL, arch::AUDIT_ARCH, 1, 0),
        statement(RETURN, libc::SECCOMP_RET_KILL_PROCESS),
        statement(LOAD, NUMBER),
    ];
    if let Some(foreign) = arch::FOREIGN_FROM {
        // x32 calls have numbers of their own on the same architecture. -1 is a call that a tracer took away.
        program.push(jump(EQUAL, u32::MAX, 2, 0));
        program.push(jump(AT_LEAST, foreign, 0, 1));
        program.push(statement(RETURN, libc::SECCOMP_RET_KILL_PROCESS));
    }
    for rule in rules {
        match *rule {
            Rule::Trace(number) => {
                program.push(jump(EQUAL, number as u32, 0, 1));
                program.push(statement(RETURN, libc::SECCOMP_RET_TRACE));
            }
            Rule::Fail(number, errno) => {
                program.push(jump(EQUAL, number as u32, 0, 1));
                program.push(statement(RETURN, libc::SECCOMP_RET_ERRNO | errno as u32));
            }
            Rule::FailFrom(number, errno) => {
                // -1 is a call that a tracer took away.
                program.push(jump(EQUAL, u32::MAX, 2, 0));
                program.push(jump(AT_LEAST, number as u32, 0, 1));
                program.push(statement(RETURN, libc::SECCOMP_RET_ERRNO | errno as u32));
            }
            Rule::TraceIfEqual { number, arg, value } => {
                program.extend(by_argument(number, arg, value, [libc::SECCOMP_RET_TRACE, libc::SECCOMP_RET_ALLOW]));
            }
            Rule::TraceUnlessEqual { number, arg, value } => {
                program.extend(by_argument(number, arg, value, [libc::SECCOMP_RET_ALLOW, libc::SECCOMP_RET_TRACE]));
            }
            Rule::TraceIf { number, arg, any, unless, large: (other, most) } => program.extend([
                jump(EQUAL, number as u32, 0, 9),
                statement(LOAD, low_half_of_arg(arg)),
                jump(HAS_BITS, any, 5, 0),
                jump(HAS_BITS, unless, 0, 4),
                statement(LOAD, low_half_of_arg(other) + 4),
                jump(EQUAL, 0, 0, 2),
                statement(LOAD, low_half_of_arg(other)),
                jump(AT_LEAST, most, 0, 1),
                statement(RETURN, libc::SECCOMP_RET_TRACE),
                statement(RETURN, libc::SECCOMP_RET_ALLOW),
            ]),
        }
    }
    program.push(statement(RETURN, libc::SECCOMP_RET_ALLOW));
    program
}

/// Builds a filter to be added to another: the tracer decides where an argument lies in this range, unless the call has one
/// of these numbers. All else goes through.
pub fn build_for_range(range: Range<u64>, unless: &[i64]) -> Vec<Instruction> {
    const ARGUMENTS: u32 = 6;
    let mut program = vec![statement(LOAD, NUMBER)];
    for number in unless {
        program.push(jump(EQUAL, *number as u32, 0, 1));
        program.push(statement(RETURN, libc::SECCOMP_RET_ALLOW));
    }
    let last = range.end.saturating_sub(1).max(range.start);
    let halves = |addr: u64| ((addr >> 32) as u32, addr as u32);
    let ((from_high, from_low), (last_high, last_low)) = (halves(range.start), halves(last));
    for high in from_high..=last_high {
        let low = if high == from_high { from_low } else { 0 };
        let most = if high == last_high { last_low } else { u32::MAX };
        for index in 0..ARGUMENTS {
            program.extend([
                statement(LOAD, low_half_of_arg(index) + 4),
                jump(EQUAL, high, 0, 4),
                statement(LOAD, low_half_of_arg(index)),
                jump(AT_LEAST, low, 0, 2),
                jump(ABOVE, most, 1, 0),
                statement(RETURN, libc::SECCOMP_RET_TRACE),
            ]);
        }
    }
    program.push(statement(RETURN, libc::SECCOMP_RET_ALLOW));
    program
}

/// A program as seccomp(2) takes it from memory at `place`: struct sock_fprog, then its instructions.
pub fn in_memory(program: &[Instruction], place: u64) -> Vec<u8> {
    let mut bytes = vec![0; size_of::<libc::sock_fprog>()];
    let pointer = std::mem::offset_of!(libc::sock_fprog, filter);
    let first = place + bytes.len() as u64;
    bytes[..2].copy_from_slice(&(program.len() as u16).to_ne_bytes());
    bytes[pointer..pointer + 8].copy_from_slice(&first.to_ne_bytes());
    for instruction in program {
        bytes.extend(instruction.code.to_ne_bytes());
        bytes.extend([instruction.jt, instruction.jf]);
        bytes.extend(instruction.k.to_ne_bytes());
    }
    bytes
}

/// What becomes of a call where an argument equals a value, and where it does not.
fn by_argument(number: i64, arg: u32, value: u32, [equal, other]: [u32; 2]) -> [Instruction; 5] {
    [
        jump(EQUAL, number as u32, 0, 4),
        statement(LOAD, low_half_of_arg(arg)),
        jump(EQUAL, value, 0, 1),
        statement(RETURN, equal),
        statement(RETURN, other),
    ]
}

/// Sets no_new_privs and installs the filter on this thread, for ever, with all that it forks or execs.
///
/// Async-signal-safe: to be called between fork and exec.
///
/// # Errors
/// What prctl(2) or seccomp(2) say.
pub fn install(program: &[Instruction]) -> nix::Result<()> {
    // SAFETY: numbers only.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
    // SAFETY: `filter` and the instructions live through the call; the kernel copies and only reads them.
    Errno::result(unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, std::ptr::from_ref(&filter))
    })
    .map(drop)
}
