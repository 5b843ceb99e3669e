//! ptrace(2), the calls that the recorder uses, with every signal number.
//!
//! All of them must be called by the thread that seized the tracee, and all but [`seize`] and [`interrupt`] while it is
//! stopped; otherwise they fail with ESRCH, which is also the answer for a tracee that was killed meanwhile.

use std::cell::Cell;

use nix::errno::Errno;

use super::arch::Registers;
use crate::model::Signal;

/// What [`seize`] asks for: seccomp, fork, exec and exit stops, syscall stops that cannot be taken for SIGTRAP, and that
/// the kernel kills the tracee when this process dies.
const OPTIONS: i32 = libc::PTRACE_O_TRACESYSGOOD
    | libc::PTRACE_O_TRACESECCOMP
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEVFORKDONE
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_TRACEEXIT
    | libc::PTRACE_O_EXITKILL;

thread_local! {
    static DISTURBANCES: Cell<u64> = const { Cell::new(0) };
}

/// How often this thread has let a tracee run, changed its memory by [`super::memory`], or sent a signal. While that
/// stays the same, and all tracees are stopped or asleep, nothing of theirs changes.
pub fn disturbances() -> u64 {
    DISTURBANCES.get()
}

pub(super) fn disturb() {
    DISTURBANCES.set(DISTURBANCES.get() + 1);
}

fn request(request: libc::c_uint, tid: i32, data: usize) -> nix::Result<()> {
    // SAFETY: these requests take numbers, no pointers into our memory.
    Errno::result(unsafe { libc::ptrace(request, tid, 0usize, data) }).map(drop)
}

/// Attaches without stopping; the tracee's future children and threads come along.
///
/// # Errors
/// EPERM where the machine does not allow it (ptrace(2), Yama; or another tracer has it), ESRCH.
pub fn seize(tid: i32) -> nix::Result<()> {
    request(libc::PTRACE_SEIZE, tid, OPTIONS as usize)
}

/// Lets it run to its next stop of interest, with a signal to deliver.
///
/// # Errors
/// ESRCH.
pub fn cont(tid: i32, signal: Option<Signal>) -> nix::Result<()> {
    disturb();
    request(libc::PTRACE_CONT, tid, signal.map_or(0, Signal::number) as usize)
}

/// Lets it run to the exit of the system call that it is about to make, or to any stop before.
///
/// # Errors
/// ESRCH.
pub fn cont_to_exit(tid: i32, signal: Option<Signal>) -> nix::Result<()> {
    disturb();
    request(libc::PTRACE_SYSCALL, tid, signal.map_or(0, Signal::number) as usize)
}

/// Lets it run one instruction, with a signal to deliver; with one that has a handler it stops before the handler's
/// first instruction. The stop is a [`super::wait::Stop::Signal`] of SIGTRAP.
///
/// # Errors
/// ESRCH.
pub fn step(tid: i32, signal: Option<Signal>) -> nix::Result<()> {
    disturb();
    request(libc::PTRACE_SINGLESTEP, tid, signal.map_or(0, Signal::number) as usize)
}

/// The signals that the thread masks, a bit each; inside sigsuspend(2) and its like those that it comes back to.
///
/// # Errors
/// ESRCH.
pub fn masked(tid: i32) -> nix::Result<u64> {
    let mut mask: u64 = 0;
    // SAFETY: PTRACE_GETSIGMASK writes a kernel sigset of the size given, which lives through the call.
    Errno::result(unsafe { libc::ptrace(libc::PTRACE_GETSIGMASK, tid, size_of::<u64>(), &raw mut mask) })?;
    Ok(mask)
}

/// Sets them; SIGKILL and SIGSTOP are left out.
///
/// # Errors
/// ESRCH.
pub fn mask(tid: i32, mask: u64) -> nix::Result<()> {
    // SAFETY: PTRACE_SETSIGMASK reads a kernel sigset of the size given, which lives through the call.
    Errno::result(unsafe { libc::ptrace(libc::PTRACE_SETSIGMASK, tid, size_of::<u64>(), &raw const mask) }).map(drop)
}

/// Whether a signal is queued that the thread would take as soon as it goes on (PTRACE_PEEKSIGINFO); cheaper than what
/// /proc tells. One that is masked is not, where only a few are queued.
///
/// # Errors
/// ESRCH.
pub fn awaits_signal(tid: i32) -> nix::Result<bool> {
    const LOOKED_AT: usize = 8;
    for flags in [0, libc::PTRACE_PEEKSIGINFO_SHARED] {
        let args = libc::ptrace_peeksiginfo_args { off: 0, flags, nr: LOOKED_AT as i32 };
        // SAFETY: siginfo_t is plain data, for which zeroes are valid.
        let mut queued: [libc::siginfo_t; LOOKED_AT] = unsafe { std::mem::zeroed() };
        let to = queued.as_mut_ptr();
        // SAFETY: PTRACE_PEEKSIGINFO reads the arguments and writes at most `nr` siginfo_t; all live through the call.
        let got = Errno::result(unsafe { libc::ptrace(libc::PTRACE_PEEKSIGINFO, tid, &raw const args, to) })?;
        let queued = &queued[..usize::try_from(got).unwrap_or(0)];
        if queued.len() == LOOKED_AT {
            return Ok(true);
        }
        if !queued.is_empty() {
            let masked = masked(tid)?;
            // The first real-time signals, and those that nobody may mask, are bits as well.
            if queued.iter().any(|signal| masked >> (signal.si_signo - 1) & 1 == 0) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Where the access failed for which the thread stopped with SIGSEGV; none where the memory is not there, or somebody
/// sent the signal (sigaction(2): SEGV_ACCERR).
///
/// # Errors
/// ESRCH, EINVAL where it is in no signal-delivery-stop.
pub fn denied_access(tid: i32) -> nix::Result<Option<u64>> {
    const SEGV_ACCERR: i32 = 2;
    // SAFETY: siginfo_t is plain data, for which zeroes are valid.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: PTRACE_GETSIGINFO writes one siginfo_t, which lives through the call.
    Errno::result(unsafe { libc::ptrace(libc::PTRACE_GETSIGINFO, tid, 0usize, &raw mut info) })?;
    let denied = info.si_signo == libc::SIGSEGV && info.si_code == SEGV_ACCERR;
    // SAFETY: for this code the kernel filled in si_addr.
    Ok(denied.then(|| unsafe { info.si_addr() } as u64))
}

/// Says that the fault for which the thread stopped was `distance` further down than it was.
///
/// # Errors
/// ESRCH, EINVAL where it is in no signal-delivery-stop.
pub fn move_fault(tid: i32, distance: u64) -> nix::Result<()> {
    /// Where si_addr stands in it, on 64-bit Linux (include/uapi/asm-generic/siginfo.h).
    const ADDR: usize = 16;
    let mut info = [0u8; size_of::<libc::siginfo_t>()];
    // SAFETY: PTRACE_GETSIGINFO writes one siginfo_t into as many bytes, which live through the call.
    Errno::result(unsafe { libc::ptrace(libc::PTRACE_GETSIGINFO, tid, 0usize, info.as_mut_ptr()) })?;
    let addr = u64::from_ne_bytes(info[ADDR..ADDR + 8].try_into().expect("eight bytes"));
    info[ADDR..ADDR + 8].copy_from_slice(&addr.wrapping_sub(distance).to_ne_bytes());
    // SAFETY: PTRACE_SETSIGINFO reads one siginfo_t, which lives through the call.
    Errno::result(unsafe { libc::ptrace(libc::PTRACE_SETSIGINFO, tid, 0usize, info.as_ptr()) }).map(drop)
}

/// Where the list of robust locks begins that a thread holds (get_robust_list(2)); none where it has none.
///
/// # Errors
/// ESRCH, EPERM.
pub fn robust_list(tid: i32) -> nix::Result<Option<u64>> {
    let (mut head, mut len) = (0u64, 0usize);
    // SAFETY: get_robust_list writes a pointer and a length, which live through the call.
    Errno::result(unsafe { libc::syscall(libc::SYS_get_robust_list, tid, &raw mut head, &raw mut len) })?;
    Ok((head != 0).then_some(head))
}

/// Leaves it in its group-stop, so that SIGCONT can end it.
///
/// # Errors
/// ESRCH; EIO where it is in no group-stop.
pub fn listen(tid: i32) -> nix::Result<()> {
    request(libc::PTRACE_LISTEN, tid, 0)
}

/// Stops it where it is: a [`super::wait::Stop::Trap`] follows.
///
/// # Errors
/// ESRCH.
pub fn interrupt(tid: i32) -> nix::Result<()> {
    request(libc::PTRACE_INTERRUPT, tid, 0)
}

/// The new child's id after a fork event, the former thread id after an exec.
///
/// # Errors
/// ESRCH.
pub fn event_message(tid: i32) -> nix::Result<i32> {
    let mut message: libc::c_ulong = 0;
    // SAFETY: PTRACE_GETEVENTMSG writes one unsigned long, which lives through the call.
    Errno::result(unsafe { libc::ptrace(libc::PTRACE_GETEVENTMSG, tid, 0usize, &raw mut message) })?;
    Ok(message as i32)
}

/// The sender of the signal that the tracee stopped for, in the tracee's own numbering; 0 is the kernel.
///
/// # Errors
/// ESRCH, EINVAL where it is in no signal-delivery-stop.
pub fn signal_sender(tid: i32) -> nix::Result<i32> {
    // SAFETY: siginfo_t is plain data, for which zeroes are valid.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: PTRACE_GETSIGINFO writes one siginfo_t, which lives through the call.
    Errno::result(unsafe { libc::ptrace(libc::PTRACE_GETSIGINFO, tid, 0usize, &raw mut info) })?;
    // Only kill, sigqueue and tkill name a sender (sigaction(2)); for SIGCHLD si_pid is the child.
    let sent = matches!(info.si_code, libc::SI_USER | libc::SI_QUEUE | libc::SI_TKILL | libc::SI_MESGQ);
    // SAFETY: for these codes the kernel filled in si_pid.
    Ok(if sent { unsafe { info.si_pid() } } else { 0 })
}

/// Whether the SIGTRAP that the tracee stopped for is a breakpoint's: of `int3` the kernel says that it comes from
/// itself (arch/x86/kernel/traps.c), of a single step that it is a trace.
///
/// # Errors
/// ESRCH, EINVAL where it is in no signal-delivery-stop.
pub fn at_breakpoint(tid: i32) -> nix::Result<bool> {
    const SI_KERNEL: i32 = 0x80;
    // SAFETY: siginfo_t is plain data, for which zeroes are valid.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: PTRACE_GETSIGINFO writes one siginfo_t, which lives through the call.
    Errno::result(unsafe { libc::ptrace(libc::PTRACE_GETSIGINFO, tid, 0usize, &raw mut info) })?;
    Ok(info.si_code == SI_KERNEL)
}

/// A call as its thread made it, in the kernel's own numbering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub number: i64,
    /// Its arguments.
    pub args: [u64; 6],
    /// The stack pointer.
    pub stack: u64,
}

/// The call at whose entry a thread stopped; cheaper than all of its registers.
///
/// # Errors
/// ESRCH.
pub fn entry(tid: i32) -> nix::Result<Entry> {
    let info = call_info(tid)?;
    if info.op != libc::PTRACE_SYSCALL_INFO_SECCOMP {
        let registers = registers(tid)?;
        return Ok(Entry { number: registers.number(), args: registers.raw_args(), stack: registers.stack() });
    }
    // SAFETY: for this operation the kernel filled in this member.
    let call = unsafe { info.u.seccomp };
    Ok(Entry { number: call.nr as i64, args: call.args, stack: info.stack_pointer })
}

/// The result of the call at whose exit a thread stopped, an errno below zero; cheaper than all of its registers.
///
/// # Errors
/// ESRCH.
pub fn result(tid: i32) -> nix::Result<i64> {
    let info = call_info(tid)?;
    if info.op != libc::PTRACE_SYSCALL_INFO_EXIT {
        return Ok(registers(tid)?.result());
    }
    // SAFETY: for this operation the kernel filled in this member.
    Ok(unsafe { info.u.exit }.sval)
}

/// What the kernel says of the call that a thread stopped for (PTRACE_GET_SYSCALL_INFO in ptrace(2), Linux 5.3).
fn call_info(tid: i32) -> nix::Result<libc::ptrace_syscall_info> {
    // SAFETY: ptrace_syscall_info is plain data, for which zeroes are valid.
    let mut info: libc::ptrace_syscall_info = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::ptrace_syscall_info>();
    // SAFETY: PTRACE_GET_SYSCALL_INFO writes at most the size given, and `info` lives through the call.
    Errno::result(unsafe { libc::ptrace(libc::PTRACE_GET_SYSCALL_INFO, tid, size, &raw mut info) })?;
    Ok(info)
}

/// Eight bytes of its memory, at an address that they do not divide; also of what it may not read itself. Cheaper than
/// process_vm_readv(2) and its like.
///
/// # Errors
/// EIO where nothing is there; ESRCH.
pub fn peek(tid: i32, addr: u64) -> nix::Result<u64> {
    let mut word: u64 = 0;
    // SAFETY: the system call itself, unlike libc's ptrace(), writes the word to the address given; it lives through it.
    Errno::result(unsafe { libc::syscall(libc::SYS_ptrace, libc::PTRACE_PEEKDATA, tid, addr, &raw mut word) })?;
    Ok(word)
}

/// Writes them; shared memory only where it may write itself.
///
/// # Errors
/// EIO where it cannot be written; ESRCH.
pub fn poke(tid: i32, addr: u64, word: u64) -> nix::Result<()> {
    // SAFETY: PTRACE_POKEDATA takes numbers; that the tracee's memory changes is what is asked for.
    Errno::result(unsafe { libc::ptrace(libc::PTRACE_POKEDATA, tid, addr, word) }).map(drop)
}

/// The registers.
///
/// # Errors
/// ESRCH.
pub fn registers(tid: i32) -> nix::Result<Registers> {
    let mut registers = Registers::zeroed();
    // SAFETY: PTRACE_GETREGS writes one user_regs_struct, which lives through the call.
    Errno::result(unsafe { libc::ptrace(libc::PTRACE_GETREGS, tid, 0usize, registers.as_mut_ptr()) })?;
    Ok(registers)
}

/// Sets the registers.
///
/// # Errors
/// ESRCH.
pub fn set_registers(tid: i32, registers: &mut Registers) -> nix::Result<()> {
    // SAFETY: PTRACE_SETREGS reads one user_regs_struct, which lives through the call.
    Errno::result(unsafe { libc::ptrace(libc::PTRACE_SETREGS, tid, 0usize, registers.as_mut_ptr()) }).map(drop)
}
