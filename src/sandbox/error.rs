//! What can go wrong with the box: never the learner's fault, so each error says what to do about the machine.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;

use super::wire::Failure;

/// The machine does not give what the box needs, or a part of ours failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SandboxError {
    /// A step of building the box failed.
    #[error("{step}{}: {}{}", subject_of(.subject), .errno.desc(), remedy_of(*.step, *.errno))]
    Step {
        /// Which.
        step: Step,
        /// The file or process that it was about; empty where the step says it all.
        subject: String,
        /// The kernel's answer.
        errno: Errno,
    },
    /// [`super::launch`] before [`super::enter`].
    #[error("start an attempt outside the worker's namespaces: the worker has not entered them")]
    NotEntered,
    /// Not even the last level works here.
    #[error("start a program with any isolation: `ipc-grade doctor` says what is missing")]
    NoLevel,
    /// The program's name is no file name.
    #[error("start a program called {0:?}: that is no file name")]
    BadName(String),
    /// Init or a root ended before it stood ready and said nothing.
    #[error("start the box: its first process ended without a word")]
    Lost,
    /// The box was not ready in time.
    #[error("start the box within {} s: it says nothing (a file system that does not answer?)", .0.as_secs())]
    Late(Duration),
    /// Processes were left after the box was ended.
    #[error("end the box: processes in it are still there {} s after SIGKILL", .0.as_secs())]
    Left(Duration),
}

impl SandboxError {
    pub(super) fn step(step: Step, errno: Errno) -> Self {
        Self::Step { step, subject: String::new(), errno }
    }
}

impl From<Failure> for SandboxError {
    fn from(Failure { step, errno, subject }: Failure) -> Self {
        Self::Step { step, subject, errno }
    }
}

fn subject_of(subject: &str) -> String {
    if subject.is_empty() { String::new() } else { format!(" {subject}") }
}

fn remedy_of(step: Step, errno: Errno) -> String {
    step.remedy(errno).map(|remedy| format!("; {remedy}")).unwrap_or_default()
}

macro_rules! steps {
    ($($(#[$doc:meta])* $name:ident = $words:literal,)+) => {
        /// A step of building the box. Displays as what it does, to be read after "failed to".
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Step { $($(#[$doc])* $name,)+ }

        impl Step {
            const ALL: &'static [Self] = &[$(Self::$name,)+];

            fn words(self) -> &'static str {
                match self { $(Self::$name => $words,)+ }
            }
        }
    };
}

steps! {
    /// Count threads, fork.
    Fork = "fork",
    /// unshare(2) with CLONE_NEWUSER and the others that last as long as the worker.
    UserNamespace = "make a user namespace",
    /// `uid_map` and `gid_map` of the worker's namespace.
    MapIds = "map user ids",
    /// No mount of ours reaches the host.
    PrivateMounts = "make mounts private",
    /// The fixed host name.
    HostName = "set the host name",
    /// Sockets and pipes between worker, init and roots.
    Channels = "make pipes",
    /// clone(2) of init.
    Namespaces = "make pid, mount and ipc namespaces",
    /// A tmpfs.
    Tmpfs = "mount a tmpfs on",
    /// A folder, file or link of the new root.
    Make = "make",
    /// A host's folder or file in the new root.
    Bind = "mount",
    /// mount_setattr(2).
    ReadOnly = "make read-only",
    /// A procfs of the new pid namespace.
    Proc = "mount /proc",
    /// The new IPC namespace's queues.
    Queues = "mount /dev/mqueue",
    /// The program, or a file of the host's.
    Open = "open",
    /// pivot_root(2).
    Pivot = "change the root",
    /// `/dev/null` and the program's own streams as 0, 1, 2.
    Streams = "set standard streams",
    /// Closing what is not the root's own.
    Close = "close descriptors",
    /// The root's own user namespace.
    OrdinaryUser = "become an ordinary user",
    /// setrlimit(2), personality(2).
    Limits = "set limits",
    /// seccomp(2).
    Filter = "install the filter",
    /// execve(2).
    Exec = "run",
    /// A lock: one run at a time where there are no namespaces.
    Turn = "wait for a turn with",
    /// landlock_restrict_self(2).
    Landlock = "restrict a process by Landlock",
    /// The group of a run.
    Cgroup = "make a cgroup",
}

impl Step {
    pub(super) fn number(self) -> i32 {
        self as i32
    }

    pub(super) fn numbered(number: i32) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// What to change on the machine, where that is known.
    pub fn remedy(self, errno: Errno) -> Option<String> {
        let text = match (self, errno) {
            (
                Self::UserNamespace | Self::MapIds | Self::PrivateMounts,
                Errno::EPERM | Errno::EACCES | Errno::ENOSPC,
            ) => {
                return Some(user_namespaces_remedy());
            }
            (Self::UserNamespace | Self::Namespaces, Errno::ENOSYS | Errno::EINVAL) => {
                "the kernel lacks namespaces (CONFIG_USER_NS, CONFIG_PID_NS, CONFIG_IPC_NS, CONFIG_NET_NS)"
            }
            (Self::Namespaces, Errno::EPERM | Errno::EACCES) => {
                "in a container, allow clone(2) with new namespaces (docker run --security-opt seccomp=unconfined)"
            }
            (Self::Namespaces, Errno::ENOSPC) => {
                "raise user.max_pid_namespaces, user.max_mnt_namespaces and user.max_ipc_namespaces (sysctl)"
            }
            (Self::Proc, Errno::EPERM | Errno::EACCES) => {
                "in a container parts of /proc are covered: start it with --security-opt systempaths=unconfined"
            }
            (Self::Queues, Errno::ENODEV) => "the kernel lacks POSIX message queues (CONFIG_POSIX_MQUEUE)",
            (Self::ReadOnly, Errno::ENOSYS) => "this needs Linux 5.12 or newer",
            (Self::Close, Errno::ENOSYS) => "this needs Linux 5.9 or newer",
            (Self::Pivot, Errno::EINVAL) => "the root is the boot image or a chroot, which cannot be exchanged",
            (Self::Landlock, _) => {
                "the kernel lacks Landlock (CONFIG_SECURITY_LANDLOCK, and landlock in lsm=), from 5.13 on"
            }
            (Self::Cgroup, Errno::ENOENT | Errno::ENOTSUP) => {
                "the machine has no cgroups of version 2 with controllers of memory and pids"
            }
            (Self::Cgroup, Errno::EACCES | Errno::EPERM | Errno::EBUSY | Errno::EROFS) => CGROUP_REMEDY,
            (Self::Fork, Errno::EBUSY) => "the process has several threads; a worker has one",
            (Self::Exec, Errno::EACCES) => "the file must be executable for everybody, on a file system without noexec",
            _ => return None,
        };
        Some(text.to_owned())
    }
}

/// How a user gets a group of its own (systemd-run(1)).
const CGROUP_REMEDY: &str =
    "start the grader in a group of its own: systemd-run --user --scope -p Delegate=yes ipc-grade …";

/// The switch that this machine has, by name.
pub(super) fn user_namespaces_remedy() -> String {
    let switches = [
        (
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ("/proc/sys/kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
        ("/proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces=10000"),
    ];
    for (path, off, set) in switches {
        if std::fs::read_to_string(Path::new(path)).is_ok_and(|value| value.trim() == off) {
            return format!("allow user namespaces: sudo sysctl -w {set}");
        }
    }
    "allow user namespaces (sysctl user.max_user_namespaces; in a container, docker run --security-opt \
     seccomp=unconfined)"
        .to_owned()
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_cross_the_wire() {
        for step in Step::ALL {
            assert_eq!(Step::numbered(step.number()), Some(*step));
        }
        assert_eq!(Step::numbered(-1), None);
        assert_eq!(Step::numbered(Step::ALL.len() as i32), None);
    }

    #[test]
    fn errors_read_after_failed_to_and_say_what_to_do() {
        let error = SandboxError::Step { step: Step::Bind, subject: "/usr".into(), errno: Errno::ENOENT };
        assert_eq!(error.to_string(), "mount /usr: No such file or directory");
        let error = SandboxError::step(Step::UserNamespace, Errno::EPERM);
        assert!(error.to_string().contains("allow user namespaces"), "{error}");
    }
}
