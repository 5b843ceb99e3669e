//! Another process's timerfd (timerfd_create(2)), made to expire at a moment of our choice.

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::time::TimeSpec;

/// KCMP_FILE (linux/kcmp.h).
const KCMP_FILE: i32 = 0;

/// A descriptor of our own for the open file description behind another process's (pidfd_getfd(2)). It is close-on-exec.
///
/// # Errors
/// EBADF where the process has no such descriptor; EPERM where we may not trace it.
pub fn duplicate(process: i32, fd: i32) -> nix::Result<OwnedFd> {
    // SAFETY: takes numbers; the result is a new descriptor that nobody else has.
    let pidfd = unsafe { Errno::result(libc::syscall(libc::SYS_pidfd_open, process, 0))? };
    // SAFETY: as above.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd as i32) };
    // SAFETY: takes numbers.
    let own = unsafe { Errno::result(libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), fd, 0))? };
    // SAFETY: the result is a new descriptor that nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(own as i32) })
}

/// Whether a descriptor of ours and another process's lead to one open file description (kcmp(2)).
///
/// # Errors
/// EBADF where it has no such descriptor; ENOSYS on a kernel without the call.
pub fn is_same(own: &OwnedFd, process: i32, fd: i32) -> nix::Result<bool> {
    let me = std::process::id() as i32;
    // SAFETY: takes numbers.
    let order =
        unsafe { libc::syscall(libc::SYS_kcmp, me, process, KCMP_FILE, own.as_raw_fd() as u64, u64::from(fd as u32)) };
    Errno::result(order).map(|order| order == 0)
}

/// Makes the timer expire once, now: whoever waits for it is woken before this returns. What it had counted is gone.
///
/// # Errors
/// What timerfd_settime(2) says.
pub fn expire(timer: &OwnedFd) -> nix::Result<()> {
    /// `_IOW('T', 0, u64)`; on kernels with CONFIG_CHECKPOINT_RESTORE (timerfd_create(2), TFD_IOC_SET_TICKS).
    const TFD_IOC_SET_TICKS: libc::Ioctl = 0x4008_5400;
    let once: u64 = 1;
    set(timer, Duration::ZERO)?;
    // SAFETY: the call reads one number, which lives through it.
    if unsafe { libc::ioctl(timer.as_raw_fd(), TFD_IOC_SET_TICKS, &raw const once) } == 0 {
        return Ok(());
    }
    set(timer, Duration::from_nanos(1))?;
    // One that sleeps in a read may take it before we see it, so not for ever.
    const LONG_PAST: u16 = 20;
    loop {
        match poll(&mut [PollFd::new(timer.as_fd(), PollFlags::POLLIN)], PollTimeout::from(LONG_PAST)) {
            Err(Errno::EINTR) => {}
            other => return other.map(drop),
        }
    }
}

/// Disarms the timer; what it had counted is gone.
///
/// # Errors
/// What timerfd_settime(2) says.
pub fn disarm(timer: &OwnedFd) -> nix::Result<()> {
    set(timer, Duration::ZERO)
}

fn set(timer: &OwnedFd, value: Duration) -> nix::Result<()> {
    let [it_value, it_interval] = [value, Duration::ZERO].map(|time| *TimeSpec::from(time).as_ref());
    let value = libc::itimerspec { it_interval, it_value };
    // SAFETY: `value` lives through the call, and no old value is asked for.
    Errno::result(unsafe { libc::timerfd_settime(timer.as_raw_fd(), 0, &raw const value, std::ptr::null_mut()) })
        .map(drop)
}
