//! Processes: fork(2), clone(2) into new namespaces, pidfds, and what a new process sheds before it runs a program.
//!
//! Everything here forks without exec, so the process that calls must have one thread: then nobody else can hold a
//! lock, and the child may allocate, open and run any code. [`fork`] and its like look before they do it.

use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};

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
/// ENOSYS where neither the kernel nor /proc says so.
pub fn single_threaded() -> nix::Result<bool> {
    // It unshares nothing and fails in a process with several (unshare(2), CLONE_THREAD); a container may forbid it.
    match unshare(CloneFlags::CLONE_THREAD) {
        Ok(()) => return Ok(true),
        Err(Errno::EINVAL) => return Ok(false),
        Err(_) => {}
    }
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
/// In the child every signal has its default action that is not ignored. The parent must reap the child.
///
/// # Errors
/// EBUSY in a process with several threads; what clone(2) says.
pub fn clone_into(namespaces: CloneFlags) -> nix::Result<Side<(i32, OwnedFd)>> {
    /// CLONE_CLEAR_SIGHAND of linux/sched.h (Linux 5.5).
    const CLEAR_SIGHAND: u64 = 1 << 32;
    check_single_threaded()?;
    let mut pidfd: RawFd = -1;
    let flags = namespaces.bits() | libc::CLONE_PIDFD;
    // SAFETY: clone_args is plain data, for which zeroes are valid.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags as u64 | CLEAR_SIGHAND;
    args.pidfd = (&raw mut pidfd) as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    // SAFETY: one thread, as above; no CLONE_VM and no stack, so the child runs on a copy of this one. `args`, and
    // `pidfd` to which it leads, live through the call.
    let pid = Errno::result(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of_val(&args)) });
    let pid = match pid {
        // A container's filter that knows no clone3 says so.
        Err(Errno::ENOSYS) => {
            let nothing = std::ptr::null_mut::<libc::c_void>();
            let flags = i64::from(flags | libc::SIGCHLD);
            // SAFETY: as above; `pidfd` is the third argument on every architecture.
            let pid = unsafe { libc::syscall(libc::SYS_clone, flags, nothing, &raw mut pidfd, nothing, nothing) };
            if pid == 0 {
                reset_signals();
            }
            Errno::result(pid)?
        }
        answer => answer?,
    };
    if pid == 0 {
        return Ok(Side::Child);
    }
    // SAFETY: the kernel made this descriptor for us, close-on-exec (clone(2), CLONE_PIDFD).
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Side::Parent((pid as i32, pidfd)))
}

/// The stack of a child that shares memory: few of its pages are ever touched.
const SHARING_STACK: usize = 1 << 20;

/// A child that runs `life` in this process's own memory; this process sleeps until the child execs or ends (vfork(2)).
/// Descriptors, working directory, user and limits are the child's own. The answer is its id.
///
/// What `life` changes in memory stays changed, whether it dumps core (PR_SET_DUMPABLE in prctl(2)) included.
///
/// # Errors
/// EBUSY in a process with several threads; what clone(2) says.
pub fn fork_sharing<F: FnOnce() -> u8>(life: F) -> nix::Result<i32> {
    extern "C" fn run<F: FnOnce() -> u8>(life: *mut libc::c_void) -> libc::c_int {
        // SAFETY: it is the parent's `life` below, which sleeps in the frame that has it.
        let life = unsafe { &mut *life.cast::<Option<F>>() };
        exit_now(life.take().map_or(0, |life| life()))
    }
    check_single_threaded()?;
    let mut life = Some(life);
    let mut stack = Vec::<u8>::with_capacity(SHARING_STACK);
    // The ABI wants 16; the allocator gives as many or more.
    let top = stack.as_mut_ptr().wrapping_add(SHARING_STACK & !15);
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: one thread, and that one sleeps until the child has left this memory: it is as if `run` were called here,
    // on another stack, and never returned into this frame. The stack lives through the call, and the child takes `life`,
    // so nobody drops it twice.
    Errno::result(unsafe { libc::clone(run::<F>, top.cast(), flags, (&raw mut life).cast()) })
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

/// SIGKILL to every child of this process's first thread but this one; whether there was any other that had not ended.
///
/// Children of theirs fall to init or to a subreaper above (prctl(2)): to be called again until there is none.
pub fn kill_children(but: Option<i32>) -> bool {
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
    for pid in ids.filter(|pid| Some(*pid) != but && alive(*pid)) {
        any = true;
        let _gone = kill(pid, Signal::KILL);
    }
    any
}

/// Gives every signal its default action and masks none: both are inherited through fork, and through exec
/// "ignored" and the mask are.
pub fn reset_signals() {
    (1..=LAST_SIGNAL).for_each(default_action);
    let _unmasked = nix::sys::signal::SigSet::empty().thread_set_mask();
}

/// The same in a child of [`clone_into`], of a process that ignores these signals.
pub fn reset_ignored_signals(ignored: &[Signal]) {
    ignored.iter().for_each(|signal| default_action(signal.number()));
    let _unmasked = nix::sys::signal::SigSet::empty().thread_set_mask();
}

/// The signals that this process ignores.
pub fn ignored_signals() -> Vec<Signal> {
    let ignores = |number: i32| {
        let mut action = [0u64; ACTION_WORDS];
        let no_action = std::ptr::null::<libc::c_void>();
        // SAFETY: `action` is as large as the kernel's structure and lives through the call; nothing is changed.
        let got = unsafe { libc::syscall(libc::SYS_rt_sigaction, number, no_action, action.as_mut_ptr(), MASK_BYTES) };
        // The handler comes first (struct kernel_sigaction).
        got == 0 && action[0] == libc::SIG_IGN as u64
    };
    (1..=LAST_SIGNAL).filter(|number| ignores(*number)).filter_map(Signal::from_number).collect()
}

const LAST_SIGNAL: i32 = 64;

/// struct sigaction as the kernel has it, which on no architecture is larger.
const ACTION_WORDS: usize = 8;

/// The kernel's sigset.
const MASK_BYTES: usize = 8;

/// Not by libc, which refuses its own two signals (nptl(7)) where they are inherited as ignored.
fn default_action(number: i32) {
    // SIG_DFL, no flags, no mask.
    let default = [0u64; ACTION_WORDS];
    let no_answer = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: `default` lives through the call, nothing is written back; SIGKILL and SIGSTOP answer EINVAL.
    unsafe { libc::syscall(libc::SYS_rt_sigaction, number, default.as_ptr(), no_answer, MASK_BYTES) };
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
        assert_eq!(fork_sharing(|| 0).err(), Some(Errno::EBUSY));
    }
}
