//! A signal at regular times, so that a wait that would never return comes back and budgets can be looked at.

use std::time::Duration;

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

extern "C" fn nothing(_: libc::c_int) {}

/// SIGALRM to this process every so often, until dropped; a blocking call that it meets fails with EINTR.
///
/// One at a time in a process. Timers are not inherited by forked children (fork(2)).
#[derive(Debug)]
pub struct Ticks(());

impl Ticks {
    /// Starts ticking. A signal that falls between two waits is lost, which the next one makes good.
    ///
    /// # Errors
    /// What sigaction(2) or setitimer(2) say.
    pub fn every(interval: Duration) -> nix::Result<Self> {
        // Without SA_RESTART: that the wait fails with EINTR is the point.
        let action = SigAction::new(SigHandler::Handler(nothing), SaFlags::empty(), SigSet::empty());
        // SAFETY: the handler does nothing, which is async-signal-safe.
        unsafe { sigaction(Signal::SIGALRM, &action) }?;
        set(interval)?;
        Ok(Self(()))
    }
}

impl Drop for Ticks {
    fn drop(&mut self) {
        // Stopping a timer that runs cannot fail; there would be nobody to tell.
        let _ = set(Duration::ZERO);
    }
}

fn set(interval: Duration) -> nix::Result<()> {
    let value = libc::timeval {
        tv_sec: interval.as_secs() as libc::time_t,
        tv_usec: interval.subsec_micros() as libc::suseconds_t,
    };
    let timer = libc::itimerval { it_interval: value, it_value: value };
    // SAFETY: `timer` lives through the call, and no old value is asked for.
    nix::errno::Errno::result(unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut()) }).map(drop)
}
