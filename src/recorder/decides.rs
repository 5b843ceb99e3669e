//! Where a decision falls: before a step that another process can see, from `main` on.
//!
//! What nobody else can see need not be tried in another order, and each decision more makes the ones that matter rarer.
//! So a descriptor's call decides by what it is open on, a path's by where it leads; what the loader and the language's
//! runtime do before `main` decides nothing, and how much of it there is (the Rust runtime reads /proc/self/maps in
//! pieces, as many as its program's path is long) does not move the schedule.

use super::decode;
use super::engine::Engine;
use super::tracee::{Resume, Tracee};
use crate::model::{Place, Signal};
use crate::sys::arch::{Invocation, Sys};
use crate::sys::memory;
use crate::trace::raw::Tid;

/// What programs are started from and only read: nobody changes anything there.
const SYSTEM: [&str; 9] = ["/proc/", "/sys/", "/usr/", "/lib", "/etc/", "/bin/", "/sbin/", "/nix/", "/box/"];
/// Devices that are the same to everybody.
const DEVICES: &str = "/dev/";
/// Where named shared memory and queues are (shm_overview(7), mq_overview(7)).
const NAMED: [&str; 2] = ["/dev/shm/", "/dev/mqueue/"];

impl Engine<'_> {
    /// Whether a tracee that may go on stands before a step that others can see.
    pub(super) fn decides(&self, tracee: &Tracee) -> bool {
        if tracee.before {
            return self.tracees.len() > 1;
        }
        let stands = tracee.resume == Resume::Exit && !tracee.past && !tracee.prelude;
        let Some(call) = tracee.call.filter(|_| stands) else { return false };
        // One that runs alone decides nothing, and neither does a lone thread at a word of its own (futex(2)).
        let own_word = call.sys == Sys::Futex
            && call.args[1] as i32 & libc::FUTEX_PRIVATE_FLAG != 0
            && !self.tracees.values().any(|other| other.tgid == tracee.tgid && other.tid != tracee.tid);
        // Asked again and again while it stands there, and each answer may cost a look into /proc, which is not for what
        // the model knows.
        if self.tracees.len() <= 1 || own_word {
            return false;
        }
        let modelled = matches!(call.sys, Sys::Read | Sys::Readv | Sys::Write | Sys::Writev)
            && self.kernel.object_of(tracee.tid, call.args[0] as i32).is_some();
        let visible = modelled || tracee.visible.get().unwrap_or_else(|| others_can_see(tracee.tid, &call));
        tracee.visible.set(Some(visible));
        visible
    }

    /// Where a tracee stands in the schedule.
    pub(super) fn place(&self, tid: Tid) -> Place {
        let order = self.order_of.get(&tid).copied().unwrap_or_default();
        Place { order, at: self.tracees.get(&order).map_or(0, |tracee| tracee.at) }
    }

    /// A tracee has come to a call: its place, and whether the prelude is over.
    pub(super) fn comes_to_call(&mut self, tid: Tid, call: &Invocation) {
        let Some(tracee) = self.tracee(tid) else { return };
        tracee.comes_to(false);
        tracee.prelude = tracee.prelude && is_prelude(tid, call);
    }
}

/// Whether another process can notice when this call is made.
fn others_can_see(tid: Tid, call: &Invocation) -> bool {
    let [a, b, ..] = call.args;
    match call.sys {
        Sys::Mmap
        | Sys::Dup
        | Sys::Dup3
        | Sys::Ioctl
        | Sys::Getrandom
        | Sys::Chdir
        | Sys::Fchdir
        | Sys::RtSigreturn
        | Sys::TimerfdCreate
        | Sys::EpollCreate1
        | Sys::Eventfd2
        | Sys::Signalfd4
        | Sys::Pipe2
        | Sys::Socketpair
        | Sys::MemfdCreate => false,
        Sys::Read
        | Sys::Readv
        | Sys::Pread
        | Sys::Preadv
        | Sys::Write
        | Sys::Writev
        | Sys::Pwrite
        | Sys::Pwritev
        | Sys::Close
        | Sys::Ftruncate => is_reachable(tid, a as i32),
        // fcntl_locking(2); O_NONBLOCK belongs to the open file description, which others may share.
        Sys::Fcntl => matches!(
            b as i32,
            libc::F_SETLK
                | libc::F_SETLKW
                | libc::F_OFD_SETLK
                | libc::F_OFD_SETLKW
                | libc::F_GETLK
                | libc::F_SETFL
                | libc::F_SETPIPE_SZ
        ),
        Sys::Openat | Sys::Openat2 | Sys::Unlinkat | Sys::Mknodat => {
            !is_system(&decode::files::path_at(tid, a as i32, b))
        }
        Sys::RtSigaction => b != 0,
        // What libc masks for a moment are all signals, its own two among them; it then sets the mask that was.
        Sys::RtSigprocmask => {
            let own = 0b11 << 31;
            b != 0 && a as i32 != libc::SIG_SETMASK && memory::read_u64(tid, b).is_some_and(|set| set & own != own)
        }
        _ => true,
    }
}

/// Whether others may come to what a descriptor is open on.
fn is_reachable(tid: Tid, fd: i32) -> bool {
    let target = decode::files::link(format!("/proc/{tid}/fd/{fd}"));
    !target.is_empty() && (!target.starts_with('/') || !is_system(&target))
}

/// Whether a path leads to what everybody only reads.
fn is_system(path: &str) -> bool {
    let within = |folders: &[&str]| folders.iter().any(|folder| path.starts_with(folder));
    within(&SYSTEM) || path.starts_with(DEVICES) && !within(&NAMED)
}

/// Whether loader and runtime make such a call before `main`: they open, read and map what is there already; Rust's
/// looks at its three standard streams, catches stack overflows and ignores SIGPIPE.
fn is_prelude(tid: Tid, call: &Invocation) -> bool {
    let [a, b, ..] = call.args;
    match call.sys {
        Sys::Mmap | Sys::Getrandom | Sys::ClockGettime | Sys::Fcntl | Sys::Ioctl => true,
        Sys::Read | Sys::Pread | Sys::Close => !is_reachable(tid, a as i32),
        Sys::Openat => is_system(&decode::files::path_at(tid, a as i32, b)),
        Sys::Poll => call.args[2] == 0,
        Sys::RtSigaction => {
            let runtimes = [Signal::PIPE, Signal::SEGV, Signal::BUS];
            b == 0 || Signal::from_number(a as i32).is_some_and(|signal| runtimes.contains(&signal))
        }
        // A C library that starts threads asks what is masked.
        Sys::RtSigprocmask => b == 0,
        _ => false,
    }
}
