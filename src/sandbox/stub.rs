//! Inside the box: init, and each root until it runs what it is for.
//!
//! All of this runs in freshly forked processes of one thread, copies of the worker. None of its functions returns
//! into the worker's code, and what was inherited and is not used is never dropped: its descriptors are closed all at
//! once.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sched::{CloneFlags, unshare};
use nix::sys::personality::{self, Persona};
use nix::sys::prctl;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{
    Gid, Uid, dup2_stderr, dup2_stdin, dup2_stdout, execve, getcwd, getpid, setgroups, setresgid, setresuid, setsid,
};

use super::bare::{self, Bare};
use super::enter::Entered;
use super::error::Step;
use super::launch::{Outside, PeerSpec, PeerStart, Spec};
use super::wire::{Failure, Message, Sender};
use super::{Isolation, PROGRAM_FOLDER, limits, root};
use crate::model::{Limits, Signal};
use crate::sys::creds::drop_capabilities;
use crate::sys::namespace::{Ids, deny_setgroups, errno, map_ids};
use crate::sys::process::{
    Side, above_standard_streams, close_all_but, exit_now, fork, ignore, kill_children, reset_signals,
};
use crate::sys::seccomp::{self, Instruction};

/// User and group of every root, as it sees itself.
const ORDINARY: u32 = 1000;

/// Exit status of a root that could not start, as a shell's.
const CANNOT_START: u8 = 127;

/// Exit status of a process of ours that panicked, as Rust's own.
const PANICKED: u8 = 101;

/// What a root is for.
enum Job {
    Program(Program),
    Peer(PeerSpec),
}

struct Program {
    /// As it sees it itself.
    path: PathBuf,
    name: String,
    args: Vec<Vec<u8>>,
    env: Vec<Vec<u8>>,
    streams: [OwnedFd; 3],
    limits: Limits,
}

/// What all roots have in common.
struct Shared<'a> {
    entered: &'a Entered,
    filter: &'a [Instruction],
    sender: &'a Sender,
}

/// Pid 1: builds the root, forks the roots, sleeps until the lifeline ends.
pub(super) fn init(spec: Spec, outside: Outside, sender: Sender, lifeline: OwnedFd, go: Vec<OwnedFd>) -> ! {
    let holds_all = outside.entered.isolation.is_own_world();
    let life = || {
        if let Err(failure) = start_roots(spec, outside, &sender, go) {
            sender.send(&Message::Failed(failure));
            return 1;
        }
        let status = sleep(sender, &lifeline, holds_all);
        // In a pid namespace the kernel does this. Those who are killed may have had children.
        while !holds_all && kill_children() {
            let _ended = nix::sched::sched_yield();
        }
        status
    };
    exit_now(catch_unwind(AssertUnwindSafe(life)).unwrap_or(PANICKED))
}

fn start_roots(spec: Spec, outside: Outside, sender: &Sender, go: Vec<OwnedFd>) -> Result<(), Failure> {
    reset_signals();
    ignore(Signal::CHLD);
    umask(Mode::S_IWGRP | Mode::S_IWOTH);
    let Outside { entered, bare, group } = outside;
    if let Some(group) = &group {
        group.enter().map_err(Failure::at(Step::Cgroup))?;
    }
    let folder = match &bare {
        None => {
            let (program, name, tools, limits) = (&spec.program, &spec.name, &spec.tools, &spec.limits);
            let template = entered.template.as_deref().ok_or(Failure::at(Step::Namespaces)(nix::Error::EBADF))?;
            root::build(root::Plan { program, name, tools, limits, person: entered.person, template })?;
            Path::new(PROGRAM_FOLDER).to_owned()
        }
        Some(bare) => {
            stand_in(bare, entered)?;
            bare.programs()
        }
    };
    // The worker's to remove.
    std::mem::forget((bare, group));
    let Spec { program: _, name, tools: _, args, env, streams, peers, limits, filter, ground: _ } = spec;
    let program = Program { path: folder.join(&name), name, args, env, streams, limits };
    let jobs = peers.into_iter().map(Job::Peer).chain([Job::Program(program)]);
    for (index, (job, go)) in jobs.zip(go).enumerate() {
        match fork().map_err(Failure::at(Step::Fork))? {
            Side::Parent(_) => {}
            Side::Child => stand(index as i32, job, go, &Shared { entered, filter: &filter, sender }),
        }
    }
    Ok(())
}

/// Init of a run without namespaces, where its roots begin.
fn stand_in(bare: &Bare, entered: &Entered) -> Result<(), Failure> {
    prctl::set_child_subreaper(true).map_err(Failure::at(Step::Fork))?;
    let work = bare.work();
    let about = work.to_string_lossy();
    std::env::set_current_dir(&work).map_err(errno).map_err(Failure::about(Step::Open, &about))?;
    match entered.isolation {
        Isolation::Landlock => bare::restrict(&work, &bare.programs(), true),
        _ => Ok(()),
    }
}

/// The rest of init's life.
fn sleep(sender: Sender, lifeline: &OwnedFd, holds_all: bool) -> u8 {
    // A write end of the program's input, or its output's, must not stay open here.
    if let Err(errno) = close_all_but(&[sender.0.as_fd(), lifeline.as_fd()]) {
        sender.send(&Message::Failed(Failure::at(Step::Close)(errno)));
        return 1;
    }
    let queues = holds_all.then(|| File::open("/dev/mqueue").ok()).flatten();
    // Nobody looks into it, not even who has the same user: it is the grader's copy (prctl(2), PR_SET_DUMPABLE).
    let _as_before = prctl::set_dumpable(false);
    match &queues {
        Some(queues) => sender.send_with(&Message::Ready, queues.as_fd()),
        None => sender.send(&Message::Ready),
    }
    drop((sender, queues));
    // The end comes when the worker closes its end, or dies.
    let _end = nix::unistd::read(lifeline, &mut [0]);
    0
}

/// A root's life.
fn stand(index: i32, job: Job, go: OwnedFd, shared: &Shared<'_>) -> ! {
    let life = || {
        let run = match job {
            Job::Program(program) => run_program(index, program, go, shared),
            Job::Peer(peer) => run_peer(index, peer, go, shared),
        };
        run.unwrap_or_else(|failure| {
            shared.sender.send(&Message::Failed(failure));
            CANNOT_START
        })
    };
    exit_now(catch_unwind(AssertUnwindSafe(life)).unwrap_or(PANICKED))
}

fn run_program(index: i32, program: Program, go: OwnedFd, shared: &Shared<'_>) -> Result<u8, Failure> {
    // All memory that exec needs, before anything is watched.
    let path = program.path.clone();
    let path_of_program = program.path;
    let shown = path.to_string_lossy().into_owned();
    let text = |bytes: Vec<u8>| CString::new(bytes).map_err(|_| Failure::about(Step::Exec, &shown)(nix::Error::EINVAL));
    let path = text(path.into_os_string().into_vec())?;
    let name = program.name.into_bytes();
    let args = [name].into_iter().chain(program.args).map(text).collect::<Result<Vec<_>, _>>()?;
    let env = program.env.into_iter().map(text).collect::<Result<Vec<_>, _>>()?;

    reset_signals();
    become_ordinary(shared.entered)?;
    set_streams(program.streams.each_ref().map(AsFd::as_fd))?;
    drop(program.streams);
    close_all_but_streams_and(&[go.as_fd(), shared.sender.0.as_fd()])?;
    if shared.entered.isolation == Isolation::Landlock
        && let (Ok(work), Some(folder)) = (getcwd(), path_of_program.parent())
    {
        bare::restrict(&work, folder, false)?;
    }
    limits::apply(&program.limits, shared.entered.isolation.is_own_world()).map_err(Failure::at(Step::Limits))?;
    personality::set(Persona::ADDR_NO_RANDOMIZE).map_err(Failure::at(Step::Limits))?;
    if wait_for_go(index, go, shared.sender).is_none() {
        return Ok(0);
    }
    install(shared.filter)?;
    // The sender closes with exec, or tells why there was none.
    let Err(errno) = execve(&path, &args, &env);
    Err(Failure::about(Step::Exec, &shown)(errno))
}

fn run_peer(index: i32, peer: PeerSpec, go: OwnedFd, shared: &Shared<'_>) -> Result<u8, Failure> {
    reset_signals();
    ignore(Signal::PIPE);
    become_ordinary(shared.entered)?;
    let null = OpenOptions::new().read(true).write(true).open("/dev/null");
    let null = null.map_err(errno).map_err(Failure::about(Step::Open, "/dev/null"))?;
    set_streams([null.as_fd(); 3])?;
    drop(null);
    let kept: Vec<_> = peer.keep.iter().map(AsFd::as_fd).collect();
    for fd in &kept {
        // What is not close-on-exec counts as the root's own for whoever looks at it while it stands.
        fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty())).map_err(Failure::at(Step::Streams))?;
    }
    close_all_but_streams_and(&[&kept[..], &[go.as_fd(), shared.sender.0.as_fd()]].concat())?;
    let Some(program) = wait_for_go(index, go, shared.sender) else { return Ok(0) };
    close_all_but_streams_and(&kept)?;
    install(shared.filter)?;
    Ok((peer.run)(PeerStart { program, kept: peer.keep }))
}

/// Leaves the worker's users, where it has some of its own: number 1000 in a user namespace where nothing else is mapped;
/// without capabilities.
pub(super) fn become_ordinary(entered: &Entered) -> Result<(), Failure> {
    let failed = Failure::at(Step::OrdinaryUser);
    setsid().map_err(&failed)?;
    if let Some(id) = entered.other_user() {
        setgroups(&[]).map_err(&failed)?;
        let (user, group) = (Uid::from_raw(id), Gid::from_raw(id));
        setresgid(group, group, group).map_err(&failed)?;
        setresuid(user, user, user).map_err(&failed)?;
        // A change of user takes /proc/self and the tracer's access away (prctl(2), PR_SET_DUMPABLE).
        prctl::set_dumpable(true).map_err(&failed)?;
    }
    if !entered.isolation.is_own_world() {
        return drop_capabilities().map_err(&failed);
    }
    let id = entered.person.id();
    unshare(CloneFlags::CLONE_NEWUSER).map_err(&failed)?;
    map_ids("self", Ids::Users, &[(ORDINARY, id, 1)]).map_err(&failed)?;
    deny_setgroups().map_err(&failed)?;
    map_ids("self", Ids::Groups, &[(ORDINARY, id, 1)]).map_err(&failed)?;
    drop_capabilities().map_err(&failed)
}

/// Puts these on 0, 1 and 2. Copies first: one of them may be what another is to become.
pub(super) fn set_streams(streams: [BorrowedFd<'_>; 3]) -> Result<(), Failure> {
    let failed = Failure::at(Step::Streams);
    let [input, output, error] = streams.map(|stream| above_standard_streams(&stream));
    dup2_stdin(input.map_err(&failed)?).map_err(&failed)?;
    dup2_stdout(output.map_err(&failed)?).map_err(&failed)?;
    dup2_stderr(error.map_err(&failed)?).map_err(&failed)
}

pub(super) fn close_all_but_streams_and(keep: &[BorrowedFd<'_>]) -> Result<(), Failure> {
    let (input, output, error) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let mut all = vec![input.as_fd(), output.as_fd(), error.as_fd()];
    all.extend_from_slice(keep);
    close_all_but(&all).map_err(Failure::at(Step::Close))
}

/// Says that this root stands, and waits for the program's id; none when the worker gives up.
fn wait_for_go(index: i32, go: OwnedFd, sender: &Sender) -> Option<i32> {
    sender.send(&Message::Standing { index, inner: getpid().as_raw() });
    let mut program = [0; 4];
    File::from(go).read_exact(&mut program).ok()?;
    Some(i32::from_ne_bytes(program))
}

fn install(filter: &[Instruction]) -> Result<(), Failure> {
    if filter.is_empty() {
        return prctl::set_no_new_privs().map_err(Failure::at(Step::Filter));
    }
    seccomp::install(filter).map_err(Failure::at(Step::Filter))
}
