//! A program of ours on files that are not: the compiler, run to its end in a box of its own.
//!
//! # Theory of operation
//!
//! The worker clones *init* into new pid, mount and IPC namespaces, below its own user and network namespace. Init
//! builds the root (what [`Tool::mounts`] names, the system's libraries, /proc, one capped tmpfs as /tmp), forks the
//! tool, which becomes an ordinary user without capabilities, and waits for it; its status comes as a message. The
//! worker reads the tool's output to its end meanwhile. Init ends with the worker, whose end of a pipe it watches, and with
//! init all that is in its pid namespace.
//!
//! Where there are no namespaces ([`Held::Limits`]) init is a child like others, to whom orphans fall, and the tool stands
//! where init does, with the same limits. What is left when the tool ends, or the worker, init kills.

use std::ffi::CString;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::chown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::CloneFlags;
use nix::sys::prctl;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{execve, pipe2};

use serde::{Deserialize, Serialize};

use super::enter::{Entered, entered};
use super::error::{SandboxError, Step};
use super::launch::{Init, Orphans};
use super::limits::{self, Bounds};
use super::root;
use super::stub::{become_ordinary, close_all_but_streams_and, set_streams};
use super::wire::{Failure, Message, Received, Sender, channel};
use crate::model::Signal;
use crate::sys::affinity;
use crate::sys::mount::Reach;
use crate::sys::namespace::errno;
use crate::sys::process::{
    Side, clone_into, close_all_but, exit_now, kill_children, reset_ignored_signals, reset_signals,
};
use crate::sys::wait::{Status, wait};

/// A program of ours, what it is to do and what it may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// Its file, as it is called where it runs.
    pub program: PathBuf,
    /// Its arguments, without its name.
    pub args: Vec<String>,
    /// Its environment, `NAME=value`.
    pub env: Vec<String>,
    /// The folder that it starts in, as it is called where it runs.
    pub folder: PathBuf,
    /// What it sees besides the system's libraries.
    pub mounts: Vec<Mount>,
    /// It sees the system's programs too.
    pub programs: bool,
    /// What it may use.
    pub bounds: Bounds,
    /// The processors that it may run on, by number; those of the worker where none are named.
    pub processors: Vec<usize>,
    /// What is to stand around it.
    pub held: Held,
}

/// What stands around a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Held {
    /// A box of its own: it sees what it is given and nothing else, and has no network.
    Boxed,
    /// Limits alone: it sees what the grader sees.
    Limits,
}

/// A folder of the host's that a tool sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where it is on the host.
    pub host: PathBuf,
    /// Its name in the tool's root folder.
    pub inside: &'static str,
    /// What the tool may do there.
    pub access: Access,
}

/// What a tool may do with what it sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read and execute.
    Read,
    /// Write, too: the folder becomes the tool's own.
    Write,
}

/// How a tool ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolEnd {
    /// By itself, with this status.
    Exited(i32),
    /// By this signal.
    Killed(Signal),
    /// By us, when its real time was over.
    Late,
}

/// What came of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// How it ended.
    pub end: ToolEnd,
    /// The beginning of what it wrote to its standard output and error.
    pub said: Vec<u8>,
    /// How many bytes more it wrote.
    pub unkept: u64,
}

/// Folders of the system that any program needs, and those with programs. A parent comes before what is in it.
const LIBRARIES: [&str; 9] =
    ["lib", "lib32", "lib64", "libx32", "nix", "usr/lib", "usr/lib32", "usr/lib64", "usr/libx32"];
const PROGRAMS: [&str; 8] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix", "usr"];

/// Runs a tool to its end.
///
/// The caller has one thread; for [`Held::Boxed`] it has entered namespaces ([`super::enter_level`]).
///
/// # Errors
/// What the machine does not give. How the tool ended is none.
pub fn run(tool: &Tool) -> Result<Ran, SandboxError> {
    let failed = |errno| SandboxError::step(Step::Channels, errno);
    let (output, written) = pipe2(OFlag::O_CLOEXEC).map_err(failed)?;
    let entered = match tool.held {
        Held::Boxed => Some(entered()?).filter(|entered| entered.isolation.is_own_world()),
        Held::Limits => None,
    };
    let (namespaces, orphans) = match (tool.held, &entered) {
        (Held::Boxed, None) => return Err(SandboxError::NotEntered),
        (Held::Boxed, Some(_)) => {
            (CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC, Orphans::Ended)
        }
        (Held::Limits, _) => {
            // As a worker of such a level is already: whoever is left when init is killed falls to this process.
            prctl::set_child_subreaper(true).map_err(|errno| SandboxError::step(Step::Fork, errno))?;
            (CloneFlags::empty(), Orphans::FallToUs(None))
        }
    };
    let (sender, messages) = channel(tool.bounds.wall).map_err(failed)?;
    let (until, lifeline) = pipe2(OFlag::O_CLOEXEC).map_err(failed)?;
    let mut init = match clone_into(namespaces).map_err(|errno| SandboxError::step(Step::Namespaces, errno))? {
        Side::Child => {
            drop((lifeline, output));
            live(tool, entered, &sender, &written, &until)
        }
        Side::Parent((pid, pidfd)) => Init::new(pid, pidfd, lifeline, orphans),
    };
    drop((sender, written, until));
    let Some((said, unkept)) = drain(output, &tool.bounds) else {
        init.end()?;
        return Ok(Ran { end: ToolEnd::Late, said: Vec::new(), unkept: 0 });
    };
    let end = match messages.receive().map_err(failed)? {
        Received::Message(Message::Ended { status, signal: 0 }, _) => ToolEnd::Exited(status),
        Received::Message(Message::Ended { signal, .. }, _) => {
            ToolEnd::Killed(Signal::from_number(signal).unwrap_or(Signal::KILL))
        }
        Received::Message(Message::Failed(failure), _) => return Err(failure.into()),
        Received::Nothing => ToolEnd::Late,
        _ => return Err(SandboxError::Lost),
    };
    init.end()?;
    Ok(Ran { end, said, unkept })
}

/// Exit status of a tool that could not be started, as a shell's.
const CANNOT_START: u8 = 127;

/// Reads the output to its end and keeps its beginning; none where the end does not come in time.
fn drain(output: OwnedFd, bounds: &Bounds) -> Option<(Vec<u8>, u64)> {
    let deadline = Instant::now() + bounds.wall;
    let mut output = File::from(output);
    let (mut said, mut unkept, mut piece) = (Vec::new(), 0, vec![0; 1 << 16]);
    loop {
        let left = deadline.saturating_duration_since(Instant::now()).as_millis();
        let mut ready = [PollFd::new(output.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ready, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
            Ok(0) if left == 0 => return None,
            Ok(0) | Err(Errno::EINTR) => continue,
            _ => {}
        }
        let count = output.read(&mut piece).unwrap_or(0);
        if count == 0 {
            return Some((said, unkept));
        }
        let room = bounds.said.saturating_sub(said.len()).min(count);
        said.extend_from_slice(&piece[..room]);
        unkept += (count - room) as u64;
    }
}

/// Init.
fn live(tool: &Tool, entered: Option<&Entered>, sender: &Sender, written: &OwnedFd, lifeline: &OwnedFd) -> ! {
    let life = || match wait_for_tool(tool, entered, sender, written, lifeline) {
        Ok(message) => sender.send(&message),
        Err(failure) => sender.send(&Message::Failed(failure)),
    };
    let _panic = catch_unwind(AssertUnwindSafe(life));
    // In a pid namespace the kernel does this.
    while entered.is_none() && kill_children(None) {
        let _ended = nix::sched::sched_yield();
    }
    exit_now(0)
}

fn wait_for_tool(
    tool: &Tool,
    entered: Option<&Entered>,
    sender: &Sender,
    written: &OwnedFd,
    lifeline: &OwnedFd,
) -> Result<Message, Failure> {
    let failed = Failure::at(Step::Fork);
    umask(Mode::S_IWGRP | Mode::S_IWOTH);
    match entered {
        Some(entered) => {
            // At once, also while this is being built; a worker that has died before is seen below.
            prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL).map_err(&failed)?;
            reset_ignored_signals(&entered.ignored);
            build(tool, entered)?;
        }
        None => {
            reset_signals();
            prctl::set_child_subreaper(true).map_err(&failed)?;
        }
    }
    let (pid, pidfd) = match clone_into(CloneFlags::empty()).map_err(&failed)? {
        Side::Parent(tool) => tool,
        Side::Child => {
            let life = || match start(tool, entered, written, &[sender]) {
                Err(failure) => sender.send(&Message::Failed(failure)),
                Ok(never) => match never {},
            };
            let _panic = catch_unwind(AssertUnwindSafe(life));
            exit_now(CANNOT_START)
        }
    };
    // The output must end with the tool.
    close_all_but(&[sender.0.as_fd(), lifeline.as_fd(), pidfd.as_fd()]).map_err(Failure::at(Step::Close))?;
    let mut ends = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN), PollFd::new(lifeline.as_fd(), PollFlags::empty())];
    while poll(&mut ends, PollTimeout::NONE) == Err(Errno::EINTR) {}
    if ends[0].revents().is_none_or(|seen| seen.is_empty()) {
        // The worker is gone.
        return Err(failed(Errno::EPIPE));
    }
    Ok(match reap(pid).map_err(&failed)? {
        Status::Killed(signal) => Message::Ended { status: -1, signal: signal.number() },
        Status::Exited(status) => Message::Ended { status, signal: 0 },
        Status::Stopped(_) => return Err(failed(Errno::ECHILD)),
    })
}

fn reap(pid: i32) -> nix::Result<Status> {
    loop {
        match wait(Some(pid), true) {
            Err(Errno::EINTR) | Ok(None) => {}
            Ok(Some((_, status))) => return Ok(status),
            Err(errno) => return Err(errno),
        }
    }
}

/// Builds the tool's root and makes it this process's.
fn build(tool: &Tool, entered: &Entered) -> Result<(), Failure> {
    // Opened before the stage covers what leads to them.
    let opened = tool.mounts.iter().map(|mount| {
        let folder = open(&mount.host, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
            .map_err(Failure::about(Step::Open, &mount.host.to_string_lossy()))?;
        Ok((mount, folder))
    });
    let opened: Vec<_> = opened.collect::<Result<_, Failure>>()?;
    root::stage()?;
    let system: &[&str] = if tool.programs { &PROGRAMS } else { &LIBRARIES };
    if !tool.programs {
        root::make_folder("usr", 0o755)?;
    }
    system.iter().try_for_each(|name| root::system_folder(name))?;
    root::make_folder("etc", 0o755)?;
    root::loader_cache()?;
    root::devices()?;
    root::make_folder("proc", 0o555)?;
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    for (mount, folder) in &opened {
        root::make_folder(mount.inside, 0o755)?;
        let source = format!("/proc/self/fd/{}", folder.as_raw_fd());
        match mount.access {
            Access::Read => root::bind(Path::new(&source), mount.inside, Reach::Mount)?,
            Access::Write => {
                let id = Some(entered.person.id());
                chown(&source, id, id).map_err(errno).map_err(Failure::about(Step::Make, mount.inside))?;
                root::mount_from(Path::new(&source), mount.inside, MsFlags::MS_BIND)?;
            }
        }
    }
    mount(Some("proc"), "proc", Some("proc"), quiet, None::<&str>).map_err(Failure::at(Step::Proc))?;
    root::make_folder("tmp", 0o1777)?;
    root::tmpfs(Path::new("tmp"), &format!("mode=1777,size={}", tool.bounds.scratch))?;
    root::exchange("/")
}

/// Becomes the tool, in the box as an ordinary user.
fn start(
    tool: &Tool,
    boxed: Option<&Entered>,
    written: &OwnedFd,
    keep: &[&Sender],
) -> Result<std::convert::Infallible, Failure> {
    let shown = tool.program.to_string_lossy().into_owned();
    let text = |bytes: &[u8]| CString::new(bytes).map_err(|_| Failure::about(Step::Exec, &shown)(Errno::EINVAL));
    let path = text(tool.program.as_os_str().as_bytes())?;
    let args = [shown.as_bytes()].into_iter().chain(tool.args.iter().map(String::as_bytes)).map(text);
    let args = args.collect::<Result<Vec<_>, _>>()?;
    let env = tool.env.iter().map(|line| text(line.as_bytes())).collect::<Result<Vec<_>, _>>()?;

    reset_signals();
    if let Some(entered) = boxed {
        become_ordinary(entered, entered.users.as_ref().map(|users| &users.program))?;
    }
    if !tool.processors.is_empty() {
        // A wish: where it is not granted the tool runs where the worker does.
        let _pinned = affinity::allow(&tool.processors);
    }
    let null = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(Failure::about(Step::Open, "/dev/null"))?;
    set_streams([null.as_fd(), written.as_fd(), written.as_fd()])?;
    drop(null);
    let kept: Vec<_> = keep.iter().map(|sender| sender.0.as_fd()).collect();
    close_all_but_streams_and(&kept)?;
    limits::bind(&tool.bounds, boxed.is_some()).map_err(Failure::at(Step::Limits))?;
    prctl::set_no_new_privs().map_err(Failure::at(Step::Filter))?;
    std::env::set_current_dir(&tool.folder)
        .map_err(errno)
        .map_err(Failure::about(Step::Open, &tool.folder.to_string_lossy()))?;
    execve(&path, &args, &env).map_err(Failure::about(Step::Exec, &shown))
}
