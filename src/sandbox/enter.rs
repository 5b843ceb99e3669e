//! The worker's own namespaces, entered once.

use std::fs::File;
use std::io::{Read, Write};
use std::sync::{Arc, OnceLock};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid, pipe2, sethostname};

use super::cgroup::Delegated;
use super::error::{SandboxError, Step};
use super::kept::Users;
use super::level::Isolation;
use super::root;
use crate::model::Signal;
use crate::sys::namespace::{Ids, Stretch, deny_setgroups, map_ids};
use crate::sys::process::{Side, exit_now, fork, ignored_signals, single_threaded};
use crate::sys::wait::{Status, wait};

/// Who a root becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Person {
    /// The user who started the grader: number 0 in the worker's namespace, where there is one, and alone there.
    Starter,
    /// Nobody: the grader was started by root, and a program that ran as root would be above process limits
    /// (setrlimit(2), RLIMIT_NPROC).
    Nobody,
}

impl Person {
    /// Its user and group number in the worker's user namespace.
    pub(super) fn id(self) -> u32 {
        match self {
            Self::Starter => 0,
            Self::Nobody => 1,
        }
    }
}

/// The machine's user and group without rights of its own.
const NOBODY: u32 = 65_534;

/// What a worker is, once it has entered its box's outer part.
#[derive(Debug, Clone)]
pub(super) struct Entered {
    pub(super) isolation: Isolation,
    pub(super) person: Person,
    /// The group to divide, at L0.
    pub(super) cgroup: Option<Delegated>,
    /// The mount namespace that each run takes a copy of, at L0 and L1.
    pub(super) template: Option<Arc<File>>,
    /// The user namespaces of roots, at L0 and L1.
    pub(super) users: Option<Arc<Users>>,
    /// The signals that the worker ignores, which nobody in the box is to inherit.
    pub(super) ignored: Vec<Signal>,
}

impl Entered {
    /// Without namespaces and what belongs to them.
    fn new(isolation: Isolation, person: Person) -> Self {
        Self { isolation, person, cgroup: None, template: None, users: None, ignored: ignored_signals() }
    }

    /// The user and group that a root changes to, where that is another one than its own.
    pub(super) fn other_user(&self) -> Option<u32> {
        match (self.person, self.isolation.is_own_world()) {
            (Person::Starter, _) => None,
            (Person::Nobody, true) => Some(Person::Nobody.id()),
            (Person::Nobody, false) => Some(NOBODY),
        }
    }
}

/// Namespaces belong to the process as a whole, so this does.
static ENTERED: OnceLock<Entered> = OnceLock::new();

/// What the worker has entered.
pub(super) fn entered() -> Result<&'static Entered, SandboxError> {
    ENTERED.get().ok_or(SandboxError::NotEntered)
}

/// Makes this process a worker of this level, or of the best that the machine has, for the rest of its life; the answer
/// is which. To be called once, by a process with one thread; more calls do nothing.
///
/// # Errors
/// [`SandboxError::Step`] with what to change where the machine does not give the level. The process is then in an
/// unknown state and should end.
pub fn enter_level(wanted: Option<Isolation>) -> Result<Isolation, SandboxError> {
    if let Some(entered) = ENTERED.get() {
        return Ok(entered.isolation);
    }
    let isolation = wanted.or_else(super::probe::best).ok_or(SandboxError::NoLevel)?;
    match isolation {
        Isolation::Cgroup => {
            let cgroup = Delegated::take().map_err(|errno| SandboxError::step(Step::Cgroup, errno))?;
            enter_namespaces(isolation, Some(cgroup))?;
        }
        Isolation::Namespaces => enter_namespaces(isolation, None)?,
        Isolation::Landlock | Isolation::Limits => {
            // Whoever is orphaned in a run falls to init, and to this process when init is gone (prctl(2)).
            nix::sys::prctl::set_child_subreaper(true).map_err(|errno| SandboxError::step(Step::Fork, errno))?;
            let person = if geteuid().is_root() && maps(NOBODY) { Person::Nobody } else { Person::Starter };
            let _first = ENTERED.set(Entered::new(isolation, person));
        }
        Isolation::None => return Err(SandboxError::NoLevel),
    }
    Ok(isolation)
}

/// Whether there is such a user here: root of a user namespace may be alone in it (user_namespaces(7)).
fn maps(user: u32) -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.lines().any(|line| {
        let mut numbers = line.split_whitespace().filter_map(|number| number.parse::<u64>().ok());
        let (first, _, count) = (numbers.next(), numbers.next(), numbers.next());
        matches!((first, count), (Some(first), Some(count)) if (first..first + count).contains(&u64::from(user)))
    })
}

/// Moves this process into a user, a mount, a network and a UTS namespace of its own, for the rest of its life.
///
/// It sees the same files afterwards, no network but a loopback that is down, and is root over what it makes from now
/// on. To be called once, by a worker with one thread; more calls do nothing.
///
/// # Errors
/// [`SandboxError::Step`] with the switch to turn where the machine forbids user namespaces. The process is then in an
/// unknown state and should end.
pub fn enter() -> Result<(), SandboxError> {
    enter_level(Some(Isolation::Namespaces)).map(drop)
}

fn enter_namespaces(isolation: Isolation, cgroup: Option<Delegated>) -> Result<(), SandboxError> {
    match single_threaded() {
        Ok(true) => {}
        Ok(false) => return Err(SandboxError::step(Step::Fork, Errno::EBUSY)),
        Err(errno) => return Err(SandboxError::step(Step::Fork, errno)),
    }
    let others = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUTS;
    let person = map_user_namespace(others)?;
    let failed = |step| move |errno| SandboxError::step(step, errno);
    let nothing = None::<&str>;
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)
        .map_err(failed(Step::PrivateMounts))?;
    sethostname("box").map_err(failed(Step::HostName))?;
    let template = Some(Arc::new(root::template()?));
    let users = Some(Arc::new(Users::new(person)?));
    let _first = ENTERED.set(Entered { cgroup, template, users, ..Entered::new(isolation, person) });
    Ok(())
}

/// Enters a new user namespace, and others that it owns, and maps ids.
pub(super) fn map_user_namespace(others: CloneFlags) -> Result<Person, SandboxError> {
    let (user, group) = (geteuid(), getegid());
    let own = [(0, user.as_raw(), 1)];
    let own_group = [(0, group.as_raw(), 1)];
    let failed = |step| move |errno| SandboxError::step(step, errno);
    let mapper = if user.is_root() { Some(Mapper::start().map_err(failed(Step::Fork))?) } else { None };
    unshare(CloneFlags::CLONE_NEWUSER | others).map_err(failed(Step::UserNamespace))?;
    if let Some(mapper) = mapper {
        // Root in a container may lack CAP_SETUID, or have no user "nobody" to give: then it maps itself, below.
        if mapper.map().is_ok() {
            return Ok(Person::Nobody);
        }
    }
    map_ids("self", Ids::Users, &own).map_err(failed(Step::MapIds))?;
    deny_setgroups().map_err(failed(Step::MapIds))?;
    map_ids("self", Ids::Groups, &own_group).map_err(failed(Step::MapIds))?;
    Ok(Person::Starter)
}

/// A child that stays in the old user namespace: only from there may root map other ids than its own
/// (user_namespaces(7)).
struct Mapper {
    pid: i32,
    begin: std::fs::File,
}

/// Root, and nobody as number 1.
const ROOT_AND_NOBODY: [Stretch; 2] = [(0, 0, 1), (1, 65_534, 1)];

impl Mapper {
    fn start() -> nix::Result<Self> {
        let (wait_for, begin) = pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
        let parent = std::process::id().to_string();
        match fork()? {
            Side::Parent(pid) => Ok(Self { pid, begin: begin.into() }),
            Side::Child => {
                drop(begin);
                let mut word = [0];
                if std::fs::File::from(wait_for).read(&mut word).unwrap_or(0) == 0 {
                    exit_now(0);
                }
                let mapped = map_ids(&parent, Ids::Users, &ROOT_AND_NOBODY)
                    .and_then(|()| map_ids(&parent, Ids::Groups, &ROOT_AND_NOBODY));
                exit_now(mapped.err().map_or(0, |errno| errno as i32 as u8))
            }
        }
    }

    fn map(mut self) -> nix::Result<()> {
        let begun = self.begin.write_all(&[1]);
        match (begun, self.reap()) {
            (Ok(()), Some(Status::Exited(0))) => Ok(()),
            (Ok(()), Some(Status::Exited(errno))) => Err(Errno::from_raw(errno)),
            _ => Err(Errno::EIO),
        }
    }

    fn reap(&self) -> Option<Status> {
        loop {
            match wait(Some(self.pid), true) {
                Err(Errno::EINTR) => {}
                answer => return answer.ok().flatten().map(|(_, status)| status),
            }
        }
    }
}
