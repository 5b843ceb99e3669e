//! The box of a machine without namespaces (L2 and L3): a folder of its own, and what can be shut of the rest.
//!
//! # Theory of operation
//!
//! The worker makes a folder with the program and a working directory in it, and becomes the one to whom orphans fall
//! (PR_SET_CHILD_SUBREAPER in prctl(2)). Init is a child like others; at L2 it restricts itself by Landlock before it
//! forks the roots, so that all of them are in one domain: they may signal one another and nobody else, trace nobody
//! outside, and open only what the rules name. The program stands in a domain within that one, so that it cannot look into
//! init and peers. Ids, names of IPC objects and /proc are the machine's. That no signal
//! reaches a stranger at L3 is the recorder's doing (`recorder/strangers.rs`).
//!
//! One run at a time of a user on the machine: they could meet by the names that they use. Whose turn it is, is a lock
//! on a file. What a run has made is swept away after it, whatever becomes of the worker: see `sweeper.rs`.

use std::fs::{self, File, Permissions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
    path_beneath_rules,
};
use nix::errno::Errno;

use super::error::{SandboxError, Step};
use super::sweeper::{self, Notes, Sweeper};
use super::wire::Failure;
use crate::sys::namespace::errno;

/// What a program needs of the machine to run at all: read-only.
const SHOWN: [&str; 13] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix",
    "/etc/ld.so.cache",
    "/etc/alternatives",
    "/proc",
    "/dev/random",
    "/dev/urandom",
];

/// What it may write to besides its own folder.
///
/// Where /dev/mqueue is not mounted no rule can name queues, and there are none.
const WRITABLE: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/shm", "/dev/mqueue"];

/// A folder for one run, with a turn on the machine; gone when it is dropped, with all that the run has made.
#[derive(Debug)]
pub(super) struct Bare {
    folder: PathBuf,
    /// Ended before the turn is given away.
    sweeper: Sweeper,
    /// Locked.
    _turn: File,
}

impl Bare {
    /// Waits for its turn and makes the folder.
    pub(super) fn make() -> Result<Self, SandboxError> {
        let failed = |step: Step, subject: &Path| {
            let subject = subject.display().to_string();
            move |error| SandboxError::Step { step, subject, errno: errno(error) }
        };
        let user = nix::unistd::geteuid();
        let lock = std::env::temp_dir().join(format!("ipc-grade-{user}.lock"));
        let turn = File::options()
            .create(true)
            .append(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&lock)
            .and_then(|file| file.lock().map(|()| file))
            .map_err(failed(Step::Turn, &lock))?;
        sweeper::remove_old_folders(&std::env::temp_dir());
        let folder = tempfile::Builder::new().prefix(sweeper::PREFIX).tempdir();
        let folder = folder.map_err(failed(Step::Make, &std::env::temp_dir()))?.keep();
        let sweeper = Sweeper::start(&folder, &turn).map_err(|errno| SandboxError::step(Step::Fork, errno))?;
        let bare = Self { folder, sweeper, _turn: turn };
        let make = |path: &Path| {
            fs::create_dir(path)?;
            fs::set_permissions(path, Permissions::from_mode(0o755))
        };
        let open = fs::set_permissions(&bare.folder, Permissions::from_mode(0o755));
        open.map_err(failed(Step::Make, &bare.folder))?;
        for path in [bare.work(), bare.programs()] {
            make(&path).map_err(failed(Step::Make, &path))?;
        }
        Ok(bare)
    }

    pub(super) fn work(&self) -> PathBuf {
        self.folder.join("work")
    }

    pub(super) fn programs(&self) -> PathBuf {
        self.folder.join("box")
    }

    /// Puts a program there, and gives the working directory to whom the program runs as.
    pub(super) fn fill(&self, programs: &[(&str, &Path)], owner: Option<u32>) -> Result<(), SandboxError> {
        for (name, file) in programs {
            let subject = file.display().to_string();
            // A copy: a link would lead into folders that it must not see, and whoever may not read it must not run it.
            let copied = fs::copy(file, self.programs().join(name));
            copied.map_err(|error| SandboxError::Step { step: Step::Open, subject, errno: errno(error) })?;
        }
        let subject = self.work().display().to_string();
        chown(self.work(), owner, owner).map_err(|error| SandboxError::Step {
            step: Step::Make,
            subject,
            errno: errno(error),
        })
    }

    /// Where what the run makes is noted.
    pub(super) fn notes(&self) -> Notes {
        self.sweeper.notes()
    }

    /// The process that sweeps, which is this one's child.
    pub(super) fn sweeper(&self) -> i32 {
        self.sweeper.pid()
    }

    /// For init: what tells the sweeper, by its end, that nobody of the run is left.
    pub(super) fn into_sign(self) -> Option<OwnedFd> {
        let sign = self.sweeper.sign();
        // The folder and the turn are the worker's.
        std::mem::forget(self);
        sign
    }
}

/// Leaves this process and all that it forks from now on only what a program needs (landlock(7)).
///
/// `alone`: and no process outside of its new domain can be signalled by it, nor reached by an abstract socket. Without,
/// it is a domain within another one, from which nobody there can be traced or looked into.
pub(super) fn restrict(work: &Path, programs: &Path, alone: bool) -> Result<(), Failure> {
    let failed = || Failure::at(Step::Landlock)(Errno::ENOSYS);
    // Newer kernels restrict more; the oldest with Landlock is enough for files.
    let abi = ABI::V6;
    let own = path_beneath_rules([work], AccessFs::from_all(abi));
    let program = path_beneath_rules([programs], AccessFs::from_read(abi));
    let shown = path_beneath_rules(SHOWN, AccessFs::from_read(abi));
    let writable = path_beneath_rules(WRITABLE, AccessFs::from_all(abi));
    let rules = Ruleset::default()
        .handle_access(AccessFs::from_all(abi))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(abi)));
    let rules = if alone { rules.and_then(|rules| rules.scope(Scope::from_all(abi))) } else { rules };
    let status = rules
        .and_then(Ruleset::create)
        .and_then(|rules| rules.add_rules(own))
        .and_then(|rules| rules.add_rules(program))
        .and_then(|rules| rules.add_rules(shown))
        .and_then(|rules| rules.add_rules(writable))
        .and_then(|rules| rules.restrict_self())
        .map_err(|_| failed())?;
    if status.ruleset == RulesetStatus::NotEnforced { Err(failed()) } else { Ok(()) }
}
