//! The worker's side of an attempt: start the box, let its roots go, end it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::CloneFlags;
use nix::unistd::{UnlinkatFlags, pipe2, unlinkat};

use super::bare::Bare;
use super::cgroup::Group;
use super::enter::{Entered, entered};
use super::error::{SandboxError, Step};
use super::stub;
use super::sweeper::Notes;
use super::wire::{Go, Message, Received, Receiver, channel, gate};
use super::{PROGRAM_FOLDER, WORK_FOLDER};
use crate::model::Limits;
use crate::sys::process::{Side, clone_into, kill_by_pidfd, kill_children};
use crate::sys::ptrace;
use crate::sys::seccomp::Instruction;
use crate::sys::wait::{Status, wait};

/// How long init and the roots may be silent while the box is built: mounts and forks, no program's code.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the kernel may take to end what SIGKILL has reached.
const LAST_BREATH: Duration = Duration::from_secs(10);

/// What is to run in the box.
pub struct Spec {
    /// The program's file on the host; it must be executable for everybody.
    pub program: PathBuf,
    /// Its name in the box, which is its `argv[0]` too: a file name.
    pub name: String,
    /// Other programs that stand beside it in its folder: their names there, and their files on the host.
    pub tools: Vec<(String, PathBuf)>,
    /// Its arguments, without its name.
    pub args: Vec<Vec<u8>>,
    /// Its environment, `NAME=value`.
    pub env: Vec<Vec<u8>>,
    /// Its standard input, output and error.
    pub streams: [OwnedFd; 3],
    /// The processes that stand beside it, forked before it in this order.
    pub peers: Vec<PeerSpec>,
    /// What it may use.
    pub limits: Limits,
    /// The seccomp filter of all roots; none is installed where it is empty.
    pub filter: Vec<Instruction>,
    /// Where it runs.
    pub ground: Ground,
}

/// Where a program runs: its working directory and its own folder. Without namespaces they are made for one run; the
/// default is inside a box of namespaces.
#[derive(Debug, Default)]
pub struct Ground(Option<Bare>);

impl Ground {
    /// A place of what the worker has entered. Without namespaces it waits until no other run of this user has one.
    ///
    /// # Errors
    /// [`SandboxError::NotEntered`]; a folder that cannot be made.
    pub fn new() -> Result<Self, SandboxError> {
        if entered()?.isolation.is_own_world() { Ok(Self(None)) } else { Bare::make().map(Some).map(Self) }
    }

    /// The working directory of every root, as they see it.
    pub fn work(&self) -> PathBuf {
        self.0.as_ref().map_or_else(|| WORK_FOLDER.into(), Bare::work)
    }

    /// Where the program and the tools beside it are, as they see it.
    pub fn programs(&self) -> PathBuf {
        self.0.as_ref().map_or_else(|| PROGRAM_FOLDER.into(), Bare::programs)
    }
}

/// A process of ours beside the program.
pub struct PeerSpec {
    /// For whoever looks at [`RootHandle::name`].
    pub name: String,
    /// Descriptors that it, and no other root, gets.
    pub keep: Vec<OwnedFd>,
    /// What it does when it is let go; the answer is its exit status. It runs in a process of its own, which ends when
    /// it returns or panics. Only what is in [`PeerStart`] is open there, besides /dev/null as 0, 1 and 2.
    pub run: Box<dyn FnOnce(PeerStart) -> u8>,
}

/// What a peer starts with.
#[derive(Debug)]
pub struct PeerStart {
    /// The program's process id, as the peer sees it.
    pub program: i32,
    /// [`PeerSpec::keep`].
    pub kept: Vec<OwnedFd>,
}

/// A process that the box was started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootHandle {
    /// The peer's name; none for the program.
    pub name: Option<String>,
    /// Its id, as the worker sees it.
    pub outer: i32,
    /// Its id, as it sees it itself.
    pub inner: i32,
}

/// A started box: its roots stand and wait to be let go.
///
/// Whatever becomes of it, it takes its processes with it: dropping it is [`Launch::end`] without the answer.
#[derive(Debug)]
pub struct Launch {
    roots: Vec<RootHandle>,
    go: Vec<Go>,
    /// The program's, until it is let go.
    streams: Vec<OwnedFd>,
    init: Init,
    messages: Receiver,
    /// The folder of a run without namespaces; after `init`, so that it goes when nobody is in it any more.
    bare: Option<Bare>,
    /// The run's own, at L0; after `init` too.
    group: Option<Group>,
}

/// Pid 1 of the box, or the first of the run's processes where there are no namespaces; reaped once `ended`.
#[derive(Debug)]
pub(super) struct Init {
    pid: i32,
    orphans: Orphans,
    pidfd: OwnedFd,
    /// Init ends when the last copy of this is closed.
    lifeline: Option<OwnedFd>,
    /// The folder of its world's POSIX queues.
    queues: Option<Dir>,
    ended: bool,
}

/// What becomes of the others of a run when its init ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Orphans {
    /// It was the first of a pid namespace: they have ended before.
    Ended,
    /// They fall to the worker, which has no other children, but for this one.
    FallToUs(Option<i32>),
}

/// Starts the box of one attempt.
///
/// The descriptors in `spec` are closed in this process when it returns, the program's streams when it is let go.
///
/// # Errors
/// What the machine does not give, or a program that cannot be opened; the box is gone again then.
pub fn launch(mut spec: Spec) -> Result<Launch, SandboxError> {
    let entered = entered()?;
    let bad = |name: &str| name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']);
    if let Some(name) = [&spec.name].into_iter().chain(spec.tools.iter().map(|(name, _)| name)).find(|name| bad(name)) {
        return Err(SandboxError::BadName(name.clone()));
    }
    let names: Vec<_> = spec.peers.iter().map(|peer| Some(peer.name.clone())).chain([None]).collect();
    let failed = |errno| SandboxError::step(Step::Channels, errno);
    let (sender, messages) = channel(PATIENCE).map_err(failed)?;
    let (until, lifeline) = pipe2(OFlag::O_CLOEXEC).map_err(failed)?;
    let gates: Result<Vec<_>, _> = names.iter().map(|_| gate()).collect();
    let (gates, go) = gates.map_err(failed)?.into_iter().unzip();
    let bare = spec.ground.0.take();
    if let Some(bare) = &bare {
        let tools = spec.tools.iter().map(|(name, file)| (name.as_str(), file.as_path()));
        let programs: Vec<_> = [(spec.name.as_str(), spec.program.as_path())].into_iter().chain(tools).collect();
        bare.fill(&programs, entered.other_user())?;
    }
    let own_world = entered.isolation.is_own_world();
    if bare.is_some() == own_world {
        return Err(SandboxError::NotEntered);
    }
    let group = entered.cgroup.as_ref().map(|cgroup| cgroup.group(&spec.limits)).transpose();
    let group = group.map_err(|errno| SandboxError::step(Step::Cgroup, errno))?;
    let namespaces = match own_world {
        true => CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWIPC,
        false => CloneFlags::empty(),
    };
    let orphans = match &bare {
        None => Orphans::Ended,
        Some(bare) => Orphans::FallToUs(Some(bare.sweeper())),
    };
    let init = match clone_into(namespaces).map_err(|errno| SandboxError::step(Step::Namespaces, errno))? {
        Side::Child => stub::init(spec, Outside { entered, bare, group }, sender, until, gates),
        Side::Parent((pid, pidfd)) => Init::new(pid, pidfd, lifeline, orphans),
    };
    // Ours must go, or the messages would never end, and a reader of the program's output would never see it end.
    drop((sender, until, gates));
    let Spec { streams, .. } = spec;
    let mut launch = Launch { roots: Vec::new(), go, streams: streams.into(), init, messages, bare, group };
    let mut standing = vec![None; names.len()];
    while standing.iter().any(Option::is_none) {
        match launch.messages.receive().map_err(failed)? {
            Received::Message(Message::Standing { index, inner }, outer) => {
                let place = usize::try_from(index).ok().and_then(|index| standing.get_mut(index));
                *place.ok_or(SandboxError::Lost)? = Some((outer, inner));
            }
            Received::Message(Message::Failed(failure), _) => return Err(failure.into()),
            Received::Message(Message::Ended { .. }, _) => return Err(SandboxError::Lost),
            Received::Nothing => return Err(SandboxError::Late(PATIENCE)),
            Received::End => return Err(SandboxError::Lost),
        }
    }
    // Where there is none the next run has less room, sometimes: no reason not to make this one.
    launch.init.queues = launch.messages.passed().and_then(|folder| Dir::from_fd(folder).ok());
    launch.roots = names
        .into_iter()
        .zip(standing.into_iter().flatten())
        .map(|(name, (outer, inner))| RootHandle { name, outer, inner })
        .collect();
    Ok(launch)
}

impl Launch {
    /// The processes that wait to be let go: the peers in order, then the program.
    pub fn roots(&self) -> &[RootHandle] {
        &self.roots
    }

    /// Lets the roots go; more calls do nothing.
    ///
    /// # Errors
    /// EPIPE where a root is gone already.
    pub fn go(&mut self) -> io::Result<()> {
        let program = self.roots.last().map_or(0, |root| root.inner);
        let streams = std::mem::take(&mut self.streams);
        let last = self.go.len().saturating_sub(1);
        for (index, go) in self.go.drain(..).enumerate() {
            go.send(program, if index == last { &streams } else { &[] })?;
        }
        Ok(())
    }

    /// What a root said that could not start after it was let go: exec or the filter failed.
    pub fn failure(&self) -> Option<SandboxError> {
        match self.messages.look() {
            Ok(Received::Message(Message::Failed(failure), _)) => Some(failure.into()),
            _ => None,
        }
    }

    /// Whether the kernel has killed a process of the box for the memory that all hold together.
    pub fn ran_out_of_memory(&self) -> bool {
        self.group.as_ref().is_some_and(Group::ran_out)
    }

    /// Ends every process of the box and waits until they are gone.
    ///
    /// What the run has made goes too. Reaps every child and tracee of the calling thread that ends meanwhile: a worker
    /// has no others.
    ///
    /// # Errors
    /// [`SandboxError::Left`] where the kernel does not end them; what [`Launch::failure`] would say.
    pub fn end(mut self) -> Result<(), SandboxError> {
        let failure = self.failure();
        self.init.end()?;
        failure.map_or(Ok(()), Err)
    }

    /// Where what the run makes is to be noted, where its processes' end does not take that with it.
    pub fn notes(&self) -> Option<Notes> {
        self.bare.as_ref().map(Bare::notes)
    }
}

/// What init has to know of the worker and of the place.
pub(super) struct Outside {
    pub(super) entered: &'static Entered,
    pub(super) bare: Option<Bare>,
    pub(super) group: Option<Group>,
}

impl Init {
    pub(super) fn new(pid: i32, pidfd: OwnedFd, lifeline: OwnedFd, orphans: Orphans) -> Self {
        Self { pid, orphans, pidfd, lifeline: Some(lifeline), queues: None, ended: false }
    }

    /// Removes what is in /dev/mqueue of the box, which nobody has open any more.
    ///
    /// The kernel takes an IPC namespace down in the background, some time after its last process, and until then counts
    /// its queues against the user (RLIMIT_MSGQUEUE in getrlimit(2), ipc/namespace.c): the next run would be refused its
    /// own.
    fn remove_queues(&mut self) {
        let Some(mut queues) = self.queues.take() else { return };
        let names: Vec<_> = queues.iter().flatten().map(|entry| entry.file_name().to_owned()).collect();
        for name in names.iter().filter(|name| !matches!(name.to_bytes(), b"." | b"..")) {
            let _gone = unlinkat(&queues, name.as_c_str(), UnlinkatFlags::NoRemoveDir);
        }
    }

    /// Kills pid 1, and with it all of its namespace (pid_namespaces(7)); waits for the last of them.
    pub(super) fn end(&mut self) -> Result<(), SandboxError> {
        if self.ended {
            return Ok(());
        }
        // ESRCH: it ended by itself and waits to be reaped.
        let _already = kill_by_pidfd(self.pidfd.as_fd());
        self.lifeline = None;
        let deadline = Instant::now() + LAST_BREATH;
        loop {
            // Init becomes a zombie only when the others are reaped; tracees wait for their tracer, this thread, to do it.
            while let Some((pid, status)) = next_change() {
                match status {
                    // It stopped on its way to the end (PTRACE_EVENT_EXIT).
                    Status::Stopped(_) => {
                        let _gone = ptrace::cont(pid, None);
                    }
                    Status::Exited(_) | Status::Killed(_) if pid == self.pid => self.ended = true,
                    Status::Exited(_) | Status::Killed(_) => {}
                }
            }
            let left = match self.orphans {
                Orphans::Ended => false,
                Orphans::FallToUs(but) => self.ended && kill_children(but),
            };
            if self.ended && !left {
                self.remove_queues();
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(SandboxError::Left(LAST_BREATH));
            }
            // There is no descriptor for "a tracee has ended", so this looks again after 2 ms where the pidfd is silent.
            let mut ends = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
            let _interrupted = poll(&mut ends, PollTimeout::from(2u8));
        }
    }
}

impl Drop for Init {
    fn drop(&mut self) {
        let _left = self.end();
    }
}

/// What happened to a child or tracee of this thread since the last look.
fn next_change() -> Option<(i32, Status)> {
    loop {
        match wait(None, false) {
            Err(Errno::EINTR) => {}
            answer => return answer.ok().flatten(),
        }
    }
}
