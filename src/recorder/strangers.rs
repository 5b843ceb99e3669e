//! Calls that name a process: whether the box lets them reach it.
//!
//! What a learner's process does to the others of its program, and to peers, is recorded. Some calls would act on a
//! process without a trace of it, and where the box has no ids of its own (a level below namespaces) every call that
//! takes an id may name a stranger of the machine's. No tracee runs while one is looked at, so what a pointer leads to
//! is still what it was when the call is made.

use nix::unistd::{Pid, getpgid};

use super::decode;
use super::engine::Engine;
use crate::sys::arch::{Invocation, Sys};
use crate::sys::memory;
use crate::trace::raw::Tid;

/// struct f_owner_ex of fcntl(2): a kind, and an id.
const F_SETOWN_EX: u64 = 15;
/// ioctl(2) of sockets: as F_SETOWN.
const FIOSETOWN: u64 = 0x8901;
const SIOCSPGRP: u64 = 0x8902;

impl Engine<'_> {
    /// Why a learner's call may not act on the process that it names, in the box.
    pub(super) fn denied_target(&mut self, tid: Tid, call: &Invocation) -> Option<i32> {
        if !self.options.boxed {
            return None;
        }
        let tracee = self.tracee(tid)?;
        if tracee.peer {
            return None;
        }
        let tgid = tracee.tgid;
        let own = self.tracee(tgid).map(|first| first.inner);
        let [a, b, c, ..] = call.args;
        let not_own = |id: i32| (id != 0 && Some(id) != own).then_some(libc::EPERM);
        match call.sys {
            Sys::Prlimit64 => not_own(a as i32),
            // Signals of input and output that somebody else's doing sends: nobody would be told who sent them.
            Sys::Fcntl if b as i32 == libc::F_SETOWN => not_own(c as i32),
            Sys::Fcntl if b == F_SETOWN_EX => not_own((memory::read_u64(tid, c)? >> 32) as i32),
            Sys::Ioctl if matches!(b, FIOSETOWN | SIOCSPGRP) => not_own(memory::read_u64(tid, c)? as i32),
            Sys::Kill | Sys::RtSigqueueinfo | Sys::Tkill | Sys::Tgkill | Sys::PidfdOpen if self.options.strangers => {
                (!self.is_ours(a as i32)).then_some(libc::EPERM)
            }
            _ => None,
        }
    }

    /// Lets the script know, before a call may make it, of what would be there after the run.
    pub(super) fn tell_of_making(&mut self, tid: Tid, call: &Invocation) {
        let makes = matches!(
            call.sys,
            Sys::Openat
                | Sys::Openat2
                | Sys::Linkat
                | Sys::Renameat2
                | Sys::MqOpen
                | Sys::Shmget
                | Sys::Semget
                | Sys::Msgget
        );
        if self.options.strangers && makes {
            let process = self.tracee(tid).map_or(tid, |tracee| tracee.tgid);
            self.script.may_make(process, &decode::call(tid, call, None));
        }
    }

    /// Whether an id as kill(2) takes it reaches tracees alone, where ids are the machine's.
    fn is_ours(&self, id: i32) -> bool {
        match id {
            // Everybody: the machine's too.
            -1 => false,
            // Its own group: it was made a leader of its session.
            0 => true,
            1.. => self.tracees.values().any(|tracee| tracee.tid == id || tracee.tgid == id),
            _ => self.tracees.values().any(|tracee| {
                getpgid(Some(Pid::from_raw(tracee.tgid))).is_ok_and(|group| group.as_raw() == id.wrapping_neg())
            }),
        }
    }
}
