//! Processes: fork(2), clone(2) into new namespaces, pidfds, and what a new process sheds before it runs a program.
//!
//! Everything here forks without exec, so the process that calls must have one thread: then nobody else can hold a
//! lock, and the child may allocate, open and run any code. [`fork`] and [`clone_into`] look before they do it.

use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;
use nix::sched::CloneFlags;

use crate::model::Signal;

/// Which side of a fork this is.
#[derive(Debug)]
pub enum Side<P> {
    /// The new process.
    Child,
    /// The one that forked, with what it knows of the child.
    Parent(P),
}

/// Whether this process has one thread only.
///
/// # Errors
/// ENOSYS where /proc cannot be read.
pub fn single_threaded() -> nix::Result<bool> {
    // A folder has one link for each folder in it and two of its own: proc(5) makes one folder per thread.
    fs::metadata("/proc/self/task").map(|task| task.nlink() <= 3).map_err(|_| Errno::ENOSYS)
}

fn check_single_threaded() -> nix::Result<()> {
    if single_threaded()? { Ok(()) } else { Err(Errno::EBUSY) }
}

/// fork(2). The parent gets the child's id, and must reap it unless it ignores SIGCHLD.
///
/// # Errors
/// EBUSY in a process with several threads; what fork(2) says.
pub fn fork() -> nix::Result<Side<i32>> {
    check_single_threaded()?;
    // SAFETY: one thread, so the child's copy of the memory is in no half-done state.
    match Errno::result(unsafe { libc::fork() })? {
        0 => Ok(Side::Child),
        pid => Ok(Side::Parent(pid)),
    }
}

/// clone(2) as fork does it, with the child in these new namespaces; the parent gets a pidfd and the child's id.
///
/// The parent must reap the child.
///
/// # Errors
/// EBUSY in a process with several threads; what clone(2) says.
pub fn clone_into(namespaces: CloneFlags) -> nix::Result<Side<(i32, OwnedFd)>> {
    check_single_threaded()?;
    let flags = i64::from(namespaces.bits() | libc::CLONE_PIDFD | libc::SIGCHLD);
    let mut pidfd: RawFd = -1;
    let nothing = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: one thread, as above; no CLONE_VM and no stack, so the child runs on a copy of this one. `pidfd` is the
    // third argument on every architecture and lives through the call.
    let pid =
        Errno::result(unsafe { libc::syscall(libc::SYS_clone, flags, nothing, &raw mut pidfd, nothing, nothing) })?;
    if pid == 0 {
        return Ok(Side::Child);
    }
    // SAFETY: the kernel made this descriptor for us, close-on-exec (clone(2), CLONE_PIDFD).
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Side::Parent((pid as i32, pidfd)))
}

/// Ends this process at once: no destructor, no buffer written (\_exit(2)).
pub fn exit_now(status: u8) -> ! {
    // SAFETY: takes a number and does not return.
    unsafe { libc::_exit(status.into()) }
}

/// SIGKILL to the process behind a pidfd (pidfd_send_signal(2)).
///
/// # Errors
/// ESRCH where it has been reaped.
pub fn kill_by_pidfd(pidfd: BorrowedFd<'_>) -> nix::Result<()> {
    let no_info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: the descriptor is borrowed for the call; a null siginfo is allowed.
    Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), libc::SIGKILL, no_info, 0) })
        .map(drop)
}

/// kill(2) with every signal number.
///
/// # Errors
/// What kill(2) says.
pub fn kill(pid: i32, signal: Signal) -> nix::Result<()> {
    super::ptrace::disturb();
    // SAFETY: numbers only.
    Errno::result(unsafe { libc::kill(pid, signal.number()) }).map(drop)
}

/// SIGKILL to every child of this process's first thread; whether there was any that had not ended.
///
/// Children of theirs fall to init or to a subreaper above (prctl(2)): to be called again until there is none.
pub fn kill_children() -> bool {
    let own = std::process::id();
    let alive = |pid: i32| {
        // Whoever is not yet waited for is a zombie (proc_pid_stat(5)).
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        let (state, parent) = (fields.next(), fields.next());
        parent == Some(own.to_string().as_str()) && state.is_some_and(|state| !matches!(state, "Z" | "X"))
    };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut any = false;
    for pid in ids.filter(|pid| alive(*pid)) {
        any = true;
        let _gone = kill(pid, Signal::KILL);
    }
    any
}

/// Gives every signal its default action and masks none: both are inherited through fork, and through exec
/// "ignored" and the mask are.
pub fn reset_signals() {
    // SIG_DFL, no flags, no mask: struct sigaction as the kernel has it, which on no architecture is larger.
    let default = [0u64; 8];
    let mask_bytes = 8usize;
    for number in 1..=64 {
        // Not by libc, which refuses its own two signals (nptl(7)) where they are inherited as ignored.
        // SAFETY: `default` lives through the call, nothing is written back; SIGKILL and SIGSTOP answer EINVAL.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                number,
                default.as_ptr(),
                std::ptr::null_mut::<libc::c_void>(),
                mask_bytes,
            )
        };
    }
    let _unmasked = nix::sys::signal::SigSet::empty().thread_set_mask();
}

/// Ignores a signal. An ignored SIGCHLD lets the kernel reap children (wait(2), NOTES).
pub fn ignore(signal: Signal) {
    // SAFETY: SIG_IGN is a valid action; the signals that refuse it stay as they are.
    unsafe { libc::signal(signal.number(), libc::SIG_IGN) };
}

/// Closes every descriptor of this process but these (close_range(2), Linux 5.9).
///
/// Any other [`OwnedFd`] of the process is dead after this: for a freshly forked child only, which forgets what it
/// inherited (`mem::forget`) and ends with exec or [`exit_now`].
///
/// # Errors
/// ENOSYS on older kernels.
pub fn close_all_but(keep: &[BorrowedFd<'_>]) -> nix::Result<()> {
    let mut keep: Vec<u32> = keep.iter().map(|fd| fd.as_raw_fd() as u32).collect();
    keep.sort_unstable();
    keep.dedup();
    let close = |first: u32, last: u32| {
        // SAFETY: numbers only; that nobody uses the closed descriptors is the caller's promise above.
        Errno::result(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }).map(drop)
    };
    let mut first = 0;
    for kept in keep {
        if first < kept {
            close(first, kept - 1)?;
        }
        first = kept + 1;
    }
    close(first, u32::MAX)
}

/// A copy of the descriptor with a number that is no standard stream's, close-on-exec.
///
/// # Errors
/// EMFILE.
pub fn above_standard_streams(fd: &impl AsFd) -> nix::Result<OwnedFd> {
    let copy = nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_DUPFD_CLOEXEC(3))?;
    // SAFETY: fcntl made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_threads_does_not_fork() {
        // The test harness runs this on a thread of its own.
        assert_eq!(single_threaded(), Ok(false));
        assert_eq!(fork().err(), Some(Errno::EBUSY));
        assert_eq!(clone_into(CloneFlags::empty()).err(), Some(Errno::EBUSY));
    }
}
