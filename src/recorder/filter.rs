//! Which calls stop a tracee: one filter for recording and for denying.
//!
//! A call that the box denies stops too: the recorder writes the error into it and knows that it did. Without a tracer a
//! stopped call fails with ENOSYS, so the filter stays closed (seccomp(2), SECCOMP_RET_TRACE). Two do not stop: calls by
//! another processor's numbers end the process (SIGSYS), for their numbers mean other calls here; and clone3(2), which
//! every program with threads tries first, fails with ENOSYS at once.

use std::ops::Range;

use super::decode::name_of;
use crate::sys::arch::{Invocation, NUMBERS, Sys};
use crate::sys::seccomp::{self, Instruction, Rule};

/// Calls from here on are newer than the table of those that are looked at: nobody knows what they do (Linux 6.8 ended
/// at 461, lsm_list_modules). libc falls back to older ones.
const NEWER: i64 = 462;

/// Private mappings from this length on stop, so that a limit that they meet is seen: 32 MiB, more than a thread's stack.
const LARGE: u32 = 32 << 20;

/// What stops, and what is refused without a stop.
pub fn filter() -> Vec<Instruction> {
    let mut rules: Vec<Rule> = NUMBERS.iter().map(|(number, sys)| rule(*number, *sys)).collect();
    rules.push(Rule::FailFrom(NEWER, libc::ENOSYS));
    seccomp::build(&rules)
}

fn rule(number: i64, sys: Sys) -> Rule {
    match sys {
        // Its arguments lie behind a pointer that another thread may change after our look; clone(2) does the same work.
        Sys::Clone3 => Rule::Fail(number, libc::ENOSYS),
        // Private anonymous memory is nobody else's business, but where it is too much.
        Sys::Mmap => Rule::TraceIf {
            number,
            arg: 3,
            // What has a fixed place may lie over shared memory.
            any: (libc::MAP_SHARED | libc::MAP_FIXED) as u32,
            unless: libc::MAP_ANONYMOUS as u32,
            large: (1, LARGE),
        },
        // The rest of prctl(2) is the process's own business.
        Sys::Prctl => Rule::TraceIfEqual { number, arg: 0, value: libc::PR_SET_SECCOMP as u32 },
        // Limits of another process; 0 is the caller itself.
        Sys::Prlimit64 => Rule::TraceUnlessEqual { number, arg: 0, value: 0 },
        _ => Rule::Trace(number),
    }
}

/// Calls that take places in memory and do not follow them, or not before they are over. Of others that do, all stop.
const PLACES: [i64; 15] = [
    libc::SYS_mmap,
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_mincore,
    libc::SYS_mlock,
    libc::SYS_mlock2,
    libc::SYS_munlock,
    libc::SYS_msync,
    libc::SYS_mbind,
    libc::SYS_get_mempolicy,
    libc::SYS_remap_file_pages,
    libc::SYS_rseq,
    libc::SYS_set_tid_address,
    libc::SYS_set_robust_list,
    libc::SYS_arch_prctl,
];

/// One filter more, for where memory is guarded: calls that point into it stop, whatever they are.
pub(super) fn filter_for(guarded: Range<u64>) -> Vec<Instruction> {
    seccomp::build_for_range(guarded, &PLACES)
}

/// Whether a call is looked at; one that is not stops only where it points into guarded memory ([`filter_for`]).
pub(super) fn is_looked_at(call: &Invocation) -> bool {
    let first = call.args[0] as i32;
    match call.sys {
        Sys::Prctl => first == libc::PR_SET_SECCOMP,
        Sys::Prlimit64 => first != 0,
        _ => true,
    }
}

/// A call that is denied.
#[derive(Debug)]
struct Denial {
    sys: Sys,
    /// What the caller is told.
    errno: i32,
    /// Where.
    reach: Reach,
    /// What it is denied for.
    #[cfg_attr(not(test), expect(dead_code, reason = "for people, and for the test that asks for it"))]
    why: &'static str,
}

/// Where a denial holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Also where a program is recorded where it stands: it would blind the recorder.
    Everywhere,
    /// In the box.
    Box,
}

use Reach::{Box as Boxed, Everywhere};
use libc::{EACCES, ENOSPC, ENOSYS, EPERM};

/// Everything that is denied whatever its arguments are, and why.
const DENIALS: &[Denial] = &[
    deny(Sys::Ptrace, EPERM, Everywhere, "a process has one tracer, which is the recorder"),
    deny(Sys::Seccomp, EPERM, Everywhere, "a filter of its own would hide calls from the recorder"),
    deny(Sys::Prctl, EPERM, Everywhere, "PR_SET_SECCOMP: the older way to the same filter"),
    deny(Sys::IoUringSetup, ENOSYS, Everywhere, "calls that go through a ring pass a tracer by"),
    deny(Sys::ProcessVmReadv, EPERM, Boxed, "the memory of others, of peers too"),
    deny(Sys::ProcessVmWritev, EPERM, Boxed, "the memory of others, of peers too"),
    deny(Sys::ProcessMadvise, EPERM, Boxed, "the memory of others"),
    deny(Sys::PidfdGetfd, EPERM, Boxed, "the descriptors of others"),
    deny(Sys::Kcmp, EPERM, Boxed, "tells addresses of the kernel's objects apart, of others too"),
    deny(Sys::Unshare, EPERM, Boxed, "in a user namespace of its own it would be root"),
    deny(Sys::Setns, EPERM, Boxed, "the namespaces of others"),
    deny(Sys::Mount, EPERM, Boxed, "what can be seen is the box's to say"),
    deny(Sys::Umount2, EPERM, Boxed, "what a mount covers"),
    deny(Sys::PivotRoot, EPERM, Boxed, "the way out of a root"),
    deny(Sys::Chroot, EPERM, Boxed, "the way out of a root"),
    deny(Sys::OpenTree, EPERM, Boxed, "mount(2) in pieces"),
    deny(Sys::MoveMount, EPERM, Boxed, "mount(2) in pieces"),
    deny(Sys::Fsopen, EPERM, Boxed, "mount(2) in pieces"),
    deny(Sys::Fspick, EPERM, Boxed, "mount(2) in pieces"),
    deny(Sys::Fsmount, EPERM, Boxed, "mount(2) in pieces"),
    deny(Sys::MountSetattr, EPERM, Boxed, "would make writable what is read-only"),
    deny(Sys::OpenByHandleAt, EPERM, Boxed, "opens what no path of the box leads to"),
    deny(Sys::FanotifyInit, EPERM, Boxed, "watches what others do with files"),
    deny(Sys::Bpf, EPERM, Boxed, "code in the kernel"),
    deny(Sys::PerfEventOpen, EPERM, Boxed, "code and counters in the kernel, of others too"),
    deny(Sys::Keyctl, EPERM, Boxed, "key rings are the user's: they outlive the run"),
    deny(Sys::AddKey, EPERM, Boxed, "key rings are the user's: they outlive the run"),
    deny(Sys::RequestKey, EPERM, Boxed, "key rings are the user's: they outlive the run"),
    deny(Sys::Userfaultfd, EPERM, Boxed, "holds the kernel at an access, and the recorder with it"),
    deny(Sys::MemfdSecret, ENOSYS, Boxed, "memory that no tracer can read, and no limit of the box counts"),
    deny(Sys::ModifyLdt, ENOSYS, Boxed, "segments: 16-bit code, and accesses that no one can decode"),
    deny(Sys::PkeyAlloc, ENOSPC, Boxed, "not every processor has such keys, and the recorder's accesses know none"),
    deny(Sys::Personality, EPERM, Boxed, "the fixed layout of memory goes with it"),
    deny(Sys::Syslog, EPERM, Boxed, "the kernel's messages are the machine's"),
];

const fn deny(sys: Sys, errno: i32, reach: Reach, why: &'static str) -> Denial {
    Denial { sys, errno, reach, why }
}

/// Calls of which some arguments are denied, in the box alone: [`denied_arguments`].
const BY_ARGUMENTS: &[(Sys, i32)] = &[(Sys::Clone, EPERM), (Sys::Socket, EACCES), (Sys::Socketpair, EACCES)];

/// Whether the call is denied, and with which error.
///
/// Recording a program where it stands denies only what would blind the recorder; the box denies more.
pub(super) fn denial(call: &Invocation, boxed: bool) -> Option<i32> {
    let whole = DENIALS.iter().find(|row| row.sys == call.sys && (boxed || row.reach == Everywhere));
    let part = || {
        let row = BY_ARGUMENTS.iter().find(|(sys, _)| *sys == call.sys)?;
        (boxed && denied_arguments(call)).then_some(row.1)
    };
    whole.map(|row| row.errno).or_else(part)
}

fn denied_arguments(call: &Invocation) -> bool {
    match call.sys {
        // New namespaces, and a child that its tracer would not get.
        Sys::Clone => call.args[0] & (NAMESPACES | libc::CLONE_UNTRACED as u64) != 0,
        // IPC is what the course is about: every other family leads out of the box, or into rarely used code of the kernel.
        Sys::Socket | Sys::Socketpair => call.args[0] as i32 != libc::AF_UNIX,
        _ => false,
    }
}

/// Whether a call of this name that failed so was denied by the box.
pub fn is_denied_in_the_box(name: &str, errno: &str) -> bool {
    let whole = DENIALS.iter().map(|row| (row.sys, row.errno));
    whole
        .chain(BY_ARGUMENTS.iter().copied())
        .any(|(sys, error)| name_of(sys) == name && format!("{:?}", nix::errno::Errno::from_raw(error)) == errno)
}

/// Flags of clone(2) that the box denies: new namespaces.
const NAMESPACES: u64 = (libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP) as u64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_denied_call_stops_and_has_a_reason() {
        for row in DENIALS {
            assert!(NUMBERS.iter().any(|(_, sys)| *sys == row.sys), "{row:?} does not stop");
            assert!(!row.why.is_empty(), "{row:?}");
            let same = DENIALS.iter().filter(|other| other.sys == row.sys).count();
            assert_eq!(same, 1, "{row:?}");
        }
    }

    #[test]
    fn a_call_is_denied_by_its_arguments() {
        let call = |sys, first: i32| Invocation { sys, args: [first as u64, 0, 0, 0, 0, 0] };
        for (sys, first, boxed, expected) in [
            (Sys::Socket, libc::AF_UNIX, true, None),
            (Sys::Socket, libc::AF_VSOCK, true, Some(EACCES)),
            (Sys::Socket, libc::AF_INET, false, None),
            (Sys::Clone, libc::SIGCHLD, true, None),
            (Sys::Clone, libc::CLONE_NEWUSER, true, Some(EPERM)),
            (Sys::Clone, libc::CLONE_UNTRACED, true, Some(EPERM)),
            (Sys::Ptrace, 0, false, Some(EPERM)),
            (Sys::Mount, 0, false, None),
            (Sys::Mount, 0, true, Some(EPERM)),
        ] {
            assert_eq!(denial(&call(sys, first), boxed), expected, "{sys:?} {first}");
        }
    }
}
