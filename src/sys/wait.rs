//! waitpid(2) with every signal number.
//!
//! `nix::sys::wait::waitpid` answers EINVAL for a child that a real-time signal killed, and the status is lost.

use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, sigaction};

use crate::model::Signal;

/// What waitpid(2) told of a tracee or child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It ended by itself with this status, 0 to 255; it is reaped.
    Exited(i32),
    /// This signal ended it; it is reaped.
    Killed(Signal),
    /// It stopped.
    Stopped(Stop),
}

/// Why a tracee stopped (ptrace(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// A signal is about to be delivered.
    Signal(Signal),
    /// It entered or left a system call for which a stop was asked.
    Call,
    /// The seccomp filter said SECCOMP_RET_TRACE; the call has not begun.
    Seccomp,
    /// PTRACE_EVENT_FORK, PTRACE_EVENT_VFORK or PTRACE_EVENT_CLONE.
    Fork {
        /// It is vfork(2), or clone(2) with CLONE_VFORK.
        vfork: bool,
    },
    /// The child of a vfork let go of its parent.
    VforkDone,
    /// It runs another program now.
    Exec,
    /// It is about to end; its memory is still there.
    Exit,
    /// Group-stop by this signal.
    Group(Signal),
    /// The first stop of a new tracee, PTRACE_INTERRUPT, or the end of a group-stop.
    Trap,
    /// An event that this program never asks for.
    Other(i32),
}

/// Spares the kernel the SIGCHLD that each stop of a tracee would else make, and that nobody takes (SA_NOCLDSTOP in
/// sigaction(2)): [`wait`] tells of stops all the same.
///
/// # Errors
/// None that sigaction(2) has for these arguments.
pub fn without_signals_of_stops() -> nix::Result<()> {
    let action = SigAction::new(SigHandler::SigDfl, SaFlags::SA_NOCLDSTOP, SigSet::empty());
    // SAFETY: no handler is set; the default action is to ignore it.
    unsafe { sigaction(nix::sys::signal::Signal::SIGCHLD, &action) }.map(drop)
}

/// Waits for a thread that this very thread traces or is parent of; any of them where `tid` is none.
///
/// With `block` it waits, and a signal handler that runs meanwhile makes it fail with EINTR; without, none means that
/// nothing has happened.
///
/// # Errors
/// ECHILD where there is no such thread; EINTR.
pub fn wait(tid: Option<i32>, block: bool) -> nix::Result<Option<(i32, Status)>> {
    // Of this thread only: another thread's tracees are not ours to take.
    let flags = libc::__WALL | libc::__WNOTHREAD | if block { 0 } else { libc::WNOHANG };
    let mut status = 0;
    // SAFETY: `status` lives through the call.
    let got = Errno::result(unsafe { libc::waitpid(tid.unwrap_or(-1), &mut status, flags) })?;
    Ok((got != 0).then(|| (got, Status::decode(status))))
}

impl Status {
    fn decode(status: i32) -> Self {
        let signal = |number| Signal::from_number(number).unwrap_or(Signal::KILL);
        if libc::WIFEXITED(status) {
            return Self::Exited(libc::WEXITSTATUS(status));
        }
        if libc::WIFSIGNALED(status) {
            return Self::Killed(signal(libc::WTERMSIG(status)));
        }
        let number = libc::WSTOPSIG(status);
        Self::Stopped(match status >> 16 {
            0 if number == libc::SIGTRAP | 0x80 => Stop::Call,
            0 => Stop::Signal(signal(number)),
            libc::PTRACE_EVENT_SECCOMP => Stop::Seccomp,
            libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_CLONE => Stop::Fork { vfork: false },
            libc::PTRACE_EVENT_VFORK => Stop::Fork { vfork: true },
            libc::PTRACE_EVENT_VFORK_DONE => Stop::VforkDone,
            libc::PTRACE_EVENT_EXEC => Stop::Exec,
            libc::PTRACE_EVENT_EXIT => Stop::Exit,
            libc::PTRACE_EVENT_STOP => match number {
                libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU => Stop::Group(signal(number)),
                _ => Stop::Trap,
            },
            other => Stop::Other(other),
        })
    }
}
