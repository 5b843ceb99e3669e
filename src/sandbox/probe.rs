//! What this machine can give a box, each thing found out by trying it.
//!
//! Trials run in forked processes, so nothing of the caller changes; it must have one thread, as for
//! [`super::launch`].

use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use super::error::{SandboxError, Step, user_namespaces_remedy};
use super::{Spec, enter, launch};
use crate::model::Limits;
use crate::sys::namespace::write_once;
use crate::sys::process::{Side, clone_into, exit_now, fork};
use crate::sys::seccomp;
use crate::sys::wait::{Status, wait};

/// A thing that the box, or something that it holds, is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facility {
    /// What it is, as a person would name it.
    pub name: &'static str,
    /// What the trial gave.
    pub state: State,
    /// Whether there is a box without it.
    pub need: Need,
    /// What to change where it is missing.
    pub remedy: Option<String>,
}

/// What a trial gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It works.
    Works,
    /// It does not; the kernel's words.
    Missing(String),
}

/// Whether there is a box without a facility.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// No box without it.
    Must,
    /// The box is a little less tight, or less readable, without it.
    Better,
}

impl Facility {
    /// Whether it works.
    pub fn works(&self) -> bool {
        self.state == State::Works
    }
}

/// One trial: what runs in a process of its own, root in new namespaces where `inside` says so.
struct Trial {
    name: &'static str,
    need: Need,
    /// The step of building the box whose remedy helps.
    step: Step,
    run: fn() -> nix::Result<()>,
}

const TRIALS: [Trial; 11] = [
    Trial { name: "user namespaces", need: Need::Must, step: Step::UserNamespace, run: user },
    Trial { name: "network namespaces", need: Need::Must, step: Step::UserNamespace, run: network },
    Trial { name: "mount namespaces", need: Need::Must, step: Step::PrivateMounts, run: mounts },
    Trial { name: "pid namespaces", need: Need::Must, step: Step::Namespaces, run: pids },
    Trial { name: "ipc namespaces", need: Need::Must, step: Step::Namespaces, run: ipc },
    Trial { name: "/proc", need: Need::Must, step: Step::Proc, run: proc },
    Trial { name: "/dev/shm", need: Need::Must, step: Step::Tmpfs, run: shm },
    Trial { name: "/dev/mqueue", need: Need::Must, step: Step::Queues, run: queues },
    Trial { name: "high process ids", need: Need::Better, step: Step::Proc, run: high_pids },
    Trial { name: "a bound on System V shared memory", need: Need::Better, step: Step::Proc, run: shmall },
    Trial { name: "seccomp filters", need: Need::Must, step: Step::Filter, run: filter },
];

/// Tries everything that the box is made of, and then the box itself with `program` in it, which must end by itself.
///
/// # Errors
/// EBUSY where this process has several threads; EAGAIN where no process can be made.
pub fn probe(program: &Path) -> nix::Result<Vec<Facility>> {
    let mut facilities = Vec::new();
    for trial in TRIALS {
        let outcome = in_a_process(trial.run)?;
        let remedy = outcome.err().and_then(|errno| remedy(&trial, errno));
        let state = outcome.map_or_else(|errno| State::Missing(errno.desc().to_owned()), |()| State::Works);
        facilities.push(Facility { name: trial.name, state, need: trial.need, remedy });
    }
    let program = program.to_owned();
    let whole = in_a_process(move || whole(program))?;
    let state = whole.map_or_else(|errno| State::Missing(errno.desc().to_owned()), |()| State::Works);
    facilities.push(Facility { name: "the box as a whole", state, need: Need::Must, remedy: None });
    Ok(facilities)
}

fn remedy(trial: &Trial, errno: Errno) -> Option<String> {
    match trial.name {
        "high process ids" => Some("nothing to do: process ids are low, and the same in each run".into()),
        "a bound on System V shared memory" => Some("a kernel from 5.19 on lets an ordinary user set it".into()),
        "seccomp filters" => Some("the kernel lacks seccomp (CONFIG_SECCOMP_FILTER)".into()),
        "network namespaces" if errno == Errno::EINVAL => Some("the kernel lacks CONFIG_NET_NS".into()),
        _ => trial.step.remedy(errno).or_else(|| (errno == Errno::EPERM).then(user_namespaces_remedy)),
    }
}

/// Runs it in a forked process; the inner result is what it said.
fn in_a_process(run: impl FnOnce() -> nix::Result<()>) -> nix::Result<nix::Result<()>> {
    match fork()? {
        Side::Child => exit_now(answer(run())),
        Side::Parent(pid) => Ok(reap(pid)),
    }
}

/// An errno as an exit status: all of Linux's are below 255.
fn answer(result: nix::Result<()>) -> u8 {
    result.err().map_or(0, |errno| u8::try_from(errno as i32).unwrap_or(u8::MAX))
}

fn reap(pid: i32) -> nix::Result<()> {
    loop {
        match wait(Some(pid), true) {
            Ok(Some((_, Status::Exited(0)))) => return Ok(()),
            Ok(Some((_, Status::Exited(errno)))) => return Err(Errno::from_raw(errno)),
            Ok(Some((_, Status::Killed(_)))) => return Err(Errno::EIO),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

fn errno_of(error: SandboxError) -> Errno {
    match error {
        SandboxError::Step { errno, .. } => errno,
        _ => Errno::EIO,
    }
}

fn user() -> nix::Result<()> {
    super::enter::map_user_namespace(CloneFlags::empty()).map(drop).map_err(errno_of)
}

fn network() -> nix::Result<()> {
    user()?;
    unshare(CloneFlags::CLONE_NEWNET)
}

fn mounts() -> nix::Result<()> {
    user()?;
    unshare(CloneFlags::CLONE_NEWNS)?;
    let nothing = None::<&str>;
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)
}

/// Runs it as pid 1 of a new pid namespace with new mount and IPC namespaces, as init is.
fn as_init(namespaces: CloneFlags, run: fn() -> nix::Result<()>) -> nix::Result<()> {
    mounts()?;
    match clone_into(namespaces)? {
        Side::Child => exit_now(answer(run())),
        Side::Parent((pid, _pidfd)) => reap(pid),
    }
}

fn init_namespaces() -> CloneFlags {
    CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC
}

fn pids() -> nix::Result<()> {
    as_init(CloneFlags::CLONE_NEWPID, || Ok(()))
}

fn ipc() -> nix::Result<()> {
    as_init(CloneFlags::CLONE_NEWIPC, || Ok(()))
}

/// Mounts a file system of this kind over a folder that every machine has.
fn mount_kind(kind: &str) -> nix::Result<()> {
    mount(Some(kind), "/usr", Some(kind), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, None::<&str>)
}

fn proc() -> nix::Result<()> {
    as_init(init_namespaces(), || mount_kind("proc"))
}

fn shm() -> nix::Result<()> {
    as_init(init_namespaces(), || mount_kind("tmpfs"))
}

fn queues() -> nix::Result<()> {
    as_init(init_namespaces(), || mount_kind("mqueue"))
}

fn high_pids() -> nix::Result<()> {
    as_init(init_namespaces(), || {
        mount_kind("proc")?;
        write_once(Path::new("/usr/sys/kernel/ns_last_pid"), &super::FIRST_PID.to_string())
    })
}

fn shmall() -> nix::Result<()> {
    as_init(init_namespaces(), || {
        mount_kind("proc")?;
        write_once(Path::new("/usr/sys/kernel/shmall"), "4096")
    })
}

fn filter() -> nix::Result<()> {
    seccomp::install(&seccomp::build(&[]))
}

/// A launch from the beginning to the end.
fn whole(program: PathBuf) -> nix::Result<()> {
    let null = || std::fs::File::options().read(true).write(true).open("/dev/null").map(Into::into);
    let null = || null().map_err(|_| Errno::ENODEV);
    let spec = Spec {
        program,
        name: "program".into(),
        tools: Vec::new(),
        args: Vec::new(),
        env: Vec::new(),
        streams: [null()?, null()?, null()?],
        peers: Vec::new(),
        limits: Limits::default(),
        filter: Vec::new(),
    };
    enter().map_err(errno_of)?;
    let mut box_ = launch(spec).map_err(errno_of)?;
    let go = box_.go().map_err(|_| Errno::EPIPE);
    box_.end().map_err(errno_of).and(go)
}
