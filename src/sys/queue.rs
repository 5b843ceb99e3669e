//! Sending a timer's signal as the kernel would, and looking at it when it is delivered (rt_sigqueueinfo(2),
//! PTRACE_SETSIGINFO in ptrace(2)).

use nix::errno::Errno;

use crate::model::Signal;

/// What a timer's signal carries (sigaction(2), "The siginfo_t argument"): si_timerid, si_overrun, si_value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimerInfo {
    /// Which timer.
    pub id: i32,
    /// How often it expired since the one before was delivered.
    pub overrun: i32,
    /// The value that timer_create(2) was given.
    pub value: u64,
}

/// siginfo_t of 64-bit Linux, all processors (asm-generic/siginfo.h): the fields of a timer's signal.
#[repr(C)]
#[derive(Clone, Copy)]
struct Info {
    signo: i32,
    errno: i32,
    code: i32,
    pad: i32,
    id: i32,
    overrun: i32,
    value: u64,
    rest: [u64; 12],
}

const _: () = assert!(size_of::<Info>() == size_of::<libc::siginfo_t>());

/// Sends a signal with SI_TIMER to a process, or to one of its threads. A kernel's own code (SI_KERNEL) cannot be sent;
/// [`from_kernel`] puts it there at the delivery.
///
/// # Errors
/// ESRCH; EAGAIN where the queue of a real-time signal is full.
pub fn send_timer_signal(process: i32, thread: Option<i32>, signal: Signal, timer: TimerInfo) -> nix::Result<()> {
    super::ptrace::disturb();
    let TimerInfo { id, overrun, value } = timer;
    let info =
        Info { signo: signal.number(), errno: 0, code: libc::SI_TIMER, pad: 0, id, overrun, value, rest: [0; 12] };
    let number = signal.number();
    // SAFETY: both calls read one siginfo_t, which lives through them and is as long as one (asserted above).
    let sent = unsafe {
        match thread {
            Some(thread) => libc::syscall(libc::SYS_rt_tgsigqueueinfo, process, thread, number, &raw const info),
            None => libc::syscall(libc::SYS_rt_sigqueueinfo, process, number, &raw const info),
        }
    };
    Errno::result(sent).map(drop)
}

fn info(tid: i32) -> nix::Result<Info> {
    let mut info = Info { signo: 0, errno: 0, code: 0, pad: 0, id: 0, overrun: 0, value: 0, rest: [0; 12] };
    // SAFETY: PTRACE_GETSIGINFO writes one siginfo_t, which lives through the call.
    Errno::result(unsafe { libc::ptrace(libc::PTRACE_GETSIGINFO, tid, 0usize, &raw mut info) })?;
    Ok(info)
}

fn set_info(tid: i32, info: &Info) -> nix::Result<()> {
    // SAFETY: PTRACE_SETSIGINFO reads one siginfo_t, which lives through the call.
    Errno::result(unsafe { libc::ptrace(libc::PTRACE_SETSIGINFO, tid, 0usize, std::ptr::from_ref(info)) }).map(drop)
}

/// The timer whose signal the tracee stopped for; none where the signal is of another kind.
///
/// # Errors
/// ESRCH, EINVAL where it is in no signal-delivery-stop.
pub fn timer_of(tid: i32) -> nix::Result<Option<TimerInfo>> {
    let Info { code, id, overrun, value, .. } = info(tid)?;
    Ok((code == libc::SI_TIMER).then_some(TimerInfo { id, overrun, value }))
}

/// Makes the signal that the tracee stopped for tell of this many overruns.
///
/// # Errors
/// As for [`timer_of`].
pub fn set_overrun(tid: i32, overrun: i32) -> nix::Result<()> {
    set_info(tid, &Info { overrun, ..info(tid)? })
}

/// Makes the signal that the tracee stopped for one of the kernel's own, as alarm(2) and setitimer(2) send it.
///
/// # Errors
/// As for [`timer_of`].
pub fn from_kernel(tid: i32) -> nix::Result<()> {
    const SI_KERNEL: i32 = 0x80;
    set_info(tid, &Info { code: SI_KERNEL, id: 0, overrun: 0, value: 0, ..info(tid)? })
}
