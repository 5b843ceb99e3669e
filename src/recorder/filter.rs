//! Which calls stop a tracee: one filter for recording and for denying.
//!
//! A call that the box denies stops too: the recorder writes the error into it and knows that it did. Without a tracer a
//! stopped call fails with ENOSYS, so the filter stays closed (seccomp(2), SECCOMP_RET_TRACE).

use super::decode::name_of;
use crate::sys::arch::{NUMBERS, Sys};
use crate::sys::seccomp::{self, Instruction, Rule};

/// What stops, and what is refused without a stop.
pub fn filter() -> Vec<Instruction> {
    let rules: Vec<Rule> = NUMBERS.iter().map(|(number, sys)| rule(*number, *sys)).collect();
    seccomp::build(&rules)
}

fn rule(number: i64, sys: Sys) -> Rule {
    match sys {
        // Its arguments lie behind a pointer that another thread may change after our look; clone(2) does the same work.
        Sys::Clone3 => Rule::Fail(number, libc::ENOSYS),
        // Its calls pass a tracer by.
        Sys::IoUringSetup => Rule::Fail(number, libc::ENOSYS),
        // Private anonymous memory is nobody else's business.
        Sys::Mmap => Rule::TraceIf {
            number,
            arg: 3,
            // What has a fixed place may lie over shared memory.
            any: (libc::MAP_SHARED | libc::MAP_FIXED) as u32,
            unless: libc::MAP_ANONYMOUS as u32,
        },
        _ => Rule::Trace(number),
    }
}

/// Whether the call is denied, and with which error.
///
/// Recording a program where it stands denies only what would blind the recorder; the box denies more.
pub(super) fn denial(sys: Sys, boxed: bool) -> Option<i32> {
    match sys {
        Sys::Ptrace | Sys::Seccomp => Some(libc::EPERM),
        Sys::ProcessVmReadv
        | Sys::ProcessVmWritev
        | Sys::PidfdGetfd
        | Sys::Unshare
        | Sys::Setns
        | Sys::Mount
        | Sys::Umount2
        | Sys::PivotRoot
        | Sys::Chroot
        | Sys::Bpf
        | Sys::Keyctl
        | Sys::AddKey
        | Sys::RequestKey
        | Sys::Userfaultfd
        | Sys::PerfEventOpen
        | Sys::Personality
            if boxed =>
        {
            Some(libc::EPERM)
        }
        _ => None,
    }
}

/// Whether the box denies the call that a trace names so.
pub fn is_denied_in_the_box(name: &str) -> bool {
    NUMBERS.iter().any(|(_, sys)| denial(*sys, true).is_some() && name_of(*sys) == name)
}

/// Flags of clone(2) that the box denies: new namespaces.
pub(super) const NAMESPACES: u64 = (libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP) as u64;
