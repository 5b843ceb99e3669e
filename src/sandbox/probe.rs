//! What this machine can give a box, each thing found out by trying it.
//!
//! Trials run in forked processes, so nothing of the caller changes; it must have one thread, as for
//! [`super::launch`].

use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use super::error::{SandboxError, Step, user_namespaces_remedy};
use super::{Ground, Isolation, Spec, enter_level, launch};
use crate::model::Limits;
use crate::sys::namespace::{errno, write_once};
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
    /// No box of namespaces without it; a lesser level may work.
    World,
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

/// Without these no other is tried.
const USER_NAMESPACES: &str = "user namespaces";
/// Without these none after them is: they stand in the order in which they rest on one another.
const MOUNT_NAMESPACES: &str = "mount namespaces";

const TRIALS: [Trial; 11] = [
    Trial { name: USER_NAMESPACES, need: Need::World, step: Step::UserNamespace, run: user },
    Trial { name: "network namespaces", need: Need::World, step: Step::UserNamespace, run: network },
    Trial { name: MOUNT_NAMESPACES, need: Need::World, step: Step::PrivateMounts, run: mounts },
    Trial { name: "pid namespaces", need: Need::World, step: Step::Namespaces, run: pids },
    Trial { name: "ipc namespaces", need: Need::World, step: Step::Namespaces, run: ipc },
    Trial { name: "/proc", need: Need::World, step: Step::Proc, run: proc },
    Trial { name: "/dev/shm", need: Need::World, step: Step::Tmpfs, run: shm },
    Trial { name: "/dev/mqueue", need: Need::World, step: Step::Queues, run: queues },
    Trial { name: "high process ids", need: Need::Better, step: Step::Proc, run: high_pids },
    Trial { name: "a bound on System V shared memory", need: Need::Better, step: Step::Proc, run: shmall },
    Trial { name: "seccomp filters", need: Need::Must, step: Step::Filter, run: filter },
];

/// Tries everything that a box of namespaces is made of.
///
/// # Errors
/// EBUSY where this process has several threads; EAGAIN where no process can be made.
pub fn probe() -> nix::Result<Vec<Facility>> {
    let mut facilities: Vec<Facility> = Vec::new();
    for trial in TRIALS {
        // What is tried inside of them fails with them, and is mended with them.
        let lacks = |name: &str| facilities.iter().any(|other| other.name == name && !other.works());
        let within =
            [USER_NAMESPACES, MOUNT_NAMESPACES].into_iter().find(|name| trial.need != Need::Must && lacks(name));
        if let Some(within) = within {
            let state = State::Missing(format!("needs {within}"));
            facilities.push(Facility { name: trial.name, state, need: trial.need, remedy: None });
            continue;
        }
        let outcome = in_a_process(trial.run)?;
        let remedy = outcome.err().and_then(|errno| remedy(&trial, errno));
        let state = outcome.map_or_else(|errno| State::Missing(errno.desc().to_owned()), |()| State::Works);
        facilities.push(Facility { name: trial.name, state, need: trial.need, remedy });
    }
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

/// The best level that this machine has, found by a run from its beginning to its end; none where not even the last
/// works. To be called by a process of one thread.
pub fn best() -> Option<Isolation> {
    Isolation::LEVELS.into_iter().find(|level| works(*level).is_ok_and(|tried| tried.is_ok()))
}

/// Tries a level with a whole run. The shape of a failure is all that crosses from the process that tries: which step,
/// and the kernel's answer.
///
/// A namespace alone proves nothing: where AppArmor restricts them (Ubuntu 24.04) one is made, and only its use fails.
///
/// # Errors
/// EBUSY where this process has several threads; EAGAIN where no process can be made. The inner result is the level's.
pub fn works(level: Isolation) -> nix::Result<Result<(), SandboxError>> {
    let (told, tell) = std::io::pipe().map_err(errno)?;
    match fork()? {
        Side::Child => {
            drop(told);
            let failure = match whole(level) {
                Ok(()) => exit_now(0),
                Err(SandboxError::Step { step, errno, .. }) => [step.number(), errno as i32],
                Err(_) => [-1, Errno::EIO as i32],
            };
            let bytes: Vec<u8> = failure.iter().flat_map(|number| number.to_ne_bytes()).collect();
            let mut tell = tell;
            let _unheard = std::io::Write::write_all(&mut tell, &bytes);
            exit_now(1)
        }
        Side::Parent(pid) => {
            drop(tell);
            let mut bytes = [0; 8];
            let mut told = told;
            let failed = std::io::Read::read_exact(&mut told, &mut bytes).is_ok();
            let ended = reap(pid);
            let number = |at: usize| i32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
            Ok(match (failed, Step::numbered(number(0))) {
                (false, _) => ended.map_err(|errno| SandboxError::step(Step::Exec, errno)),
                (true, Some(step)) => Err(SandboxError::step(step, Errno::from_raw(number(4)))),
                (true, None) => Err(SandboxError::Lost),
            })
        }
    }
}

/// A program that every machine has and that ends by itself.
const NOTHING: [&str; 2] = ["/bin/true", "/usr/bin/env"];

/// A run from the beginning to the end of a program.
fn whole(level: Isolation) -> Result<(), SandboxError> {
    let failed = |error| SandboxError::step(Step::Channels, errno(error));
    enter_level(Some(level))?;
    let program = NOTHING.iter().map(Path::new).find(|path| path.is_file()).unwrap_or(Path::new(NOTHING[0]));
    let null = || std::fs::File::options().read(true).write(true).open("/dev/null").map_err(failed);
    let (mut output, stdout) = std::io::pipe().map_err(failed)?;
    let spec = Spec {
        program: program.to_owned(),
        name: "program".into(),
        tools: Vec::new(),
        args: Vec::new(),
        env: Vec::new(),
        streams: [null()?.into(), stdout.into(), null()?.into()],
        peers: Vec::new(),
        limits: Limits::default(),
        filter: Vec::new(),
        ground: Ground::new()?,
    };
    let mut launch = launch(spec)?;
    launch.go().map_err(failed)?;
    // Its end is the end of its output.
    let read = std::io::Read::read_to_end(&mut output, &mut Vec::new());
    launch.end()?;
    read.map(drop).map_err(failed)
}
