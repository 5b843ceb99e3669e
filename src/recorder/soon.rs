//! Which calls come back by themselves, although others of their kind may sleep: for those the recorder blocks in its own
//! wait, and need not look again and again who sleeps.
//!
//! It is a guess and nothing rests on it but time: one that sleeps all the same is found asleep at the next tick
//! ([`Engine::follow`]).

use std::fs::{File, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use super::decode::files::path_at;
use super::engine::Engine;
use super::foresee::held::asked_child;
use super::schedule::{may_sleep, seldom_sleeps};
use super::tracee::Tracee;
use crate::sys::arch::{Invocation, Sys};
use crate::trace::raw::Tid;

/// What a pipe that is empty takes at once, whatever its size (PIPE_BUF in pipe(7)).
const SMALL: u64 = libc::PIPE_BUF as u64;

impl Engine<'_> {
    /// Whether a tracee that goes into this call may be asleep before it is back, so that somebody has to look.
    pub(super) fn may_be_asleep(&self, order: u32, call: &Invocation) -> bool {
        may_sleep(call.sys)
            && !seldom_sleeps(call.sys)
            && self.tracees.get(&order).is_some_and(|tracee| !self.is_back_soon(tracee, call))
    }

    fn is_back_soon(&self, tracee: &Tracee, call: &Invocation) -> bool {
        let [fd, b, c, ..] = call.args;
        // A held call that goes in all the same is to show that it sleeps.
        if tracee.enters {
            return false;
        }
        match call.sys {
            // One that would wait is held.
            Sys::Read | Sys::Readv if self.kernel.is_of_signals(tracee.tid, fd as i32) => true,
            Sys::Accept | Sys::Connect => self.is_let_in(tracee),
            Sys::Openat => opens_at_once(tracee.tid, fd as i32, b, c as i32),
            Sys::Read | Sys::Readv | Sys::Preadv | Sys::Writev | Sys::Pwritev => {
                open_on(tracee.tid, fd).is_some_and(|seen| is_plain(&seen))
            }
            Sys::Write => open_on(tracee.tid, fd).is_some_and(|seen| is_plain(&seen) || self.takes(&seen, c)),
            Sys::Wait4 | Sys::Waitid if let Some(which) = asked_child(call) => {
                !self.kernel.children.sleeps(tracee.tgid, which)
            }
            _ => asks_not_to_wait(call),
        }
    }

    /// Whether what a descriptor is open on takes these few bytes at once: the pipes that are emptied as the run goes on.
    fn takes(&self, seen: &Metadata, len: u64) -> bool {
        let same = |drain: &File| drain.metadata().is_ok_and(|own| (own.dev(), own.ino()) == (seen.dev(), seen.ino()));
        len <= SMALL && seen.file_type().is_fifo() && self.drains.iter().any(same)
    }
}

/// Whether an open has nobody to wait for, as a FIFO's has (fifo(7)), or a device's.
fn opens_at_once(tid: Tid, folder: i32, path: u64, flags: i32) -> bool {
    let file = |path: String| std::fs::metadata(format!("/proc/{tid}/root{path}"));
    flags & libc::O_NONBLOCK != 0 || file(path_at(tid, folder, path)).map_or(true, |seen| is_plain(&seen))
}

fn open_on(tid: Tid, fd: u64) -> Option<Metadata> {
    std::fs::metadata(format!("/proc/{tid}/fd/{}", fd as i32)).ok()
}

/// A file on a disk or in memory: nobody waits for others there.
fn is_plain(seen: &Metadata) -> bool {
    seen.is_file() || seen.is_dir()
}

/// Whether the arguments say that the call waits for nobody.
fn asks_not_to_wait(call: &Invocation) -> bool {
    let [_, b, c, d, e, _] = call.args.map(|arg| arg as i32);
    match call.sys {
        Sys::Fcntl => !matches!(b, libc::F_SETLKW | libc::F_OFD_SETLKW),
        Sys::Ioctl => true,
        Sys::Flock => b & (libc::LOCK_NB | libc::LOCK_UN) != 0,
        Sys::Poll => c == 0,
        Sys::EpollWait => d == 0,
        Sys::Wait4 => c & libc::WNOHANG != 0,
        Sys::Waitid => d & libc::WNOHANG != 0,
        Sys::Msgsnd => d & libc::IPC_NOWAIT != 0,
        Sys::Msgrcv => e & libc::IPC_NOWAIT != 0,
        Sys::Futex => !matches!(
            b & libc::FUTEX_CMD_MASK,
            libc::FUTEX_WAIT
                | libc::FUTEX_WAIT_BITSET
                | libc::FUTEX_WAIT_REQUEUE_PI
                | libc::FUTEX_LOCK_PI
                | libc::FUTEX_LOCK_PI2
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_say_whether_a_call_waits() {
        let check = |sys: Sys, args: [i32; 6], waits: bool| {
            let call = Invocation { sys, args: args.map(|arg| arg as u64) };
            assert_eq!(asks_not_to_wait(&call), !waits, "{call:?}");
        };
        check(Sys::Fcntl, [3, libc::F_SETLKW, 0, 0, 0, 0], true);
        check(Sys::Fcntl, [3, libc::F_SETLK, 0, 0, 0, 0], false);
        check(Sys::Flock, [3, libc::LOCK_EX, 0, 0, 0, 0], true);
        check(Sys::Flock, [3, libc::LOCK_EX | libc::LOCK_NB, 0, 0, 0, 0], false);
        check(Sys::Poll, [0, 0, -1, 0, 0, 0], true);
        check(Sys::Poll, [0, 0, 0, 0, 0, 0], false);
        check(Sys::Futex, [0, libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG, 0, 0, 0, 0], true);
        check(Sys::Futex, [0, libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, 0, 0, 0, 0], false);
        check(Sys::Wait4, [-1, 0, 0, 0, 0, 0], true);
        check(Sys::Wait4, [-1, 0, libc::WNOHANG, 0, 0, 0], false);
        check(Sys::Pause, [0; 6], true);
    }
}
