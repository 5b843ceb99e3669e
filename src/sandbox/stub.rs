//! Inside the box: init, and each root until it runs what it is for.
//!
//! All of this runs in freshly forked processes of one thread, copies of the worker. None of its functions returns
//! into the worker's code, and what was inherited and is not used is never dropped: its descriptors are closed all at
//! once.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sched::{CloneFlags, setns};
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
use super::wire::{Failure, Gate, Message, Sender};
use super::{Isolation, PROGRAM_FOLDER, limits, root};
use crate::model::{Limits, Signal};
use crate::sys::creds::drop_capabilities;
use crate::sys::namespace::errno;
use crate::sys::process::{
    Side, above_standard_streams, close_all_but, exit_now, fork, fork_sharing, ignore, kill_children,
    reset_ignored_signals,
};
use crate::sys::seccomp::{self, Instruction};

/// Exit status of a root that could not start, as a shell's.
const CANNOT_START: u8 = 127;

/// Exit status of a process of ours that panicked, as Rust's own.
const PANICKED: u8 = 101;

struct Program {
    /// As it sees it itself.
    path: PathBuf,
    name: String,
    args: Vec<Vec<u8>>,
    env: Vec<Vec<u8>>,
    limits: Limits,
    /// The folder of its world's queues, for the worker.
    queues: Option<File>,
}

/// What all roots have in common.
struct Shared<'a> {
    entered: &'a Entered,
    filter: &'a [Instruction],
    sender: &'a Sender,
}

/// Pid 1: builds the root, forks the roots, sleeps until the lifeline ends.
pub(super) fn init(spec: Spec, outside: Outside, sender: Sender, lifeline: OwnedFd, gates: Vec<Gate>) -> ! {
    let holds_all = outside.entered.isolation.is_own_world();
    let life = || {
        let sign = match start_roots(spec, outside, &sender, &lifeline, gates) {
            Ok(sign) => sign,
            Err(failure) => {
                sender.send(&Message::Failed(failure));
                return 1;
            }
        };
        let status = sleep(sender, &lifeline, sign.as_ref());
        // In a pid namespace the kernel does this. Those who are killed may have had children.
        while !holds_all && kill_children(None) {
            let _ended = nix::sched::sched_yield();
        }
        status
    };
    exit_now(catch_unwind(AssertUnwindSafe(life)).unwrap_or(PANICKED))
}

fn start_roots(
    spec: Spec,
    outside: Outside,
    sender: &Sender,
    lifeline: &OwnedFd,
    mut gates: Vec<Gate>,
) -> Result<Option<OwnedFd>, Failure> {
    let Outside { entered, bare, group } = outside;
    reset_ignored_signals(&entered.ignored);
    ignore(Signal::CHLD);
    umask(Mode::S_IWGRP | Mode::S_IWOTH);
    if let Some(group) = &group {
        group.enter().map_err(Failure::at(Step::Cgroup))?;
    }
    let folder = match &bare {
        None => {
            let Spec { program, name, tools, limits, .. } = &spec;
            let template = entered.template.as_deref().ok_or(Failure::at(Step::Namespaces)(nix::Error::EBADF))?;
            root::build(root::Plan { program, name, tools, limits, person: entered.person, template })?;
            Path::new(PROGRAM_FOLDER).to_owned()
        }
        Some(bare) => {
            stand_in(bare, entered)?;
            bare.programs()
        }
    };
    let Spec { program: _, name, tools: _, args, env, streams, peers, limits, filter, ground: _ } = spec;
    let shared = Shared { entered, filter: &filter, sender };
    let failed = Failure::at(Step::Fork);
    let last = gates.pop().ok_or(failed(nix::Error::EINVAL))?;
    let program = peers.len() as i32;
    for (index, (peer, gate)) in peers.into_iter().zip(gates).enumerate() {
        match fork().map_err(&failed)? {
            Side::Parent(_) => {}
            Side::Child => exit_now(stand(sender, || run_peer(index as i32, peer, gate, &shared))),
        }
    }
    // From here on nothing of the run's is open in init but the sign of its end. The worker removes the group.
    std::mem::forget((streams, group));
    let sign = bare.and_then(Bare::into_sign);
    let users = entered.users.as_ref().map(|users| users.program.as_fd());
    let mut keep = vec![sender.0.as_fd(), lifeline.as_fd(), last.0.as_fd()];
    keep.extend(users);
    keep.extend(sign.as_ref().map(AsFd::as_fd));
    close_all_but(&keep).map_err(Failure::at(Step::Close))?;
    let own_world = entered.isolation.is_own_world();
    let queues = own_world.then(|| File::open("/dev/mqueue").ok()).flatten();
    let job = Program { path: folder.join(&name), name, args, env, limits, queues };
    let life = || stand(sender, || run_program(program, job, last, &shared));
    if own_world {
        // Init has nothing to do meanwhile, and a copy of its memory is most of what a fork costs.
        return fork_sharing(life).map(|_| sign).map_err(failed);
    }
    match fork().map_err(&failed)? {
        Side::Parent(_) => Ok(sign),
        Side::Child => exit_now(life()),
    }
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

/// The rest of init's life. `sign` is open until its end.
fn sleep(sender: Sender, lifeline: &OwnedFd, sign: Option<&OwnedFd>) -> u8 {
    // The users' namespace and the program's gate go too; the messages end with the roots'.
    let keep: Vec<_> = [lifeline].into_iter().chain(sign).map(AsFd::as_fd).collect();
    if let Err(errno) = close_all_but(&keep) {
        sender.send(&Message::Failed(Failure::at(Step::Close)(errno)));
        return 1;
    }
    std::mem::forget(sender);
    // Nobody looks into init, not even who has the same user: it is the grader's copy (prctl(2), PR_SET_DUMPABLE). Not
    // sooner: memory that the program shares until it execs must be the tracer's to look into.
    let _as_before = prctl::set_dumpable(false);
    // The end comes when the worker closes its end, or dies.
    let _end = nix::unistd::read(lifeline, &mut [0]);
    0
}

/// A root's life, to its exit status.
fn stand(sender: &Sender, run: impl FnOnce() -> Result<u8, Failure>) -> u8 {
    let life = || {
        run().unwrap_or_else(|failure| {
            sender.send(&Message::Failed(failure));
            CANNOT_START
        })
    };
    catch_unwind(AssertUnwindSafe(life)).unwrap_or(PANICKED)
}

fn run_program(index: i32, program: Program, gate: Gate, shared: &Shared<'_>) -> Result<u8, Failure> {
    // All memory that exec needs, before anything is watched.
    let path = program.path.clone();
    let path_of_program = program.path;
    let shown = path.to_string_lossy().into_owned();
    let text = |bytes: Vec<u8>| CString::new(bytes).map_err(|_| Failure::about(Step::Exec, &shown)(nix::Error::EINVAL));
    let path = text(path.into_os_string().into_vec())?;
    let name = program.name.into_bytes();
    let args = [name].into_iter().chain(program.args).map(text).collect::<Result<Vec<_>, _>>()?;
    let env = program.env.into_iter().map(text).collect::<Result<Vec<_>, _>>()?;

    let Entered { isolation, users, .. } = shared.entered;
    reset_ignored_signals(&[Signal::CHLD]);
    limits::go_first();
    become_ordinary(shared.entered, users.as_ref().map(|users| &users.program))?;
    be_seen(shared.entered)?;
    if *isolation == Isolation::Landlock
        && let (Ok(work), Some(folder)) = (getcwd(), path_of_program.parent())
    {
        bare::restrict(&work, folder, false)?;
    }
    limits::apply(&program.limits, isolation.is_own_world()).map_err(Failure::at(Step::Limits))?;
    match personality::set(Persona::ADDR_NO_RANDOMIZE) {
        // Docker's default filter knows no such personality, and no namespaces either: what is said of these levels
        // (`Isolation::not_held`) has it.
        Err(nix::Error::EPERM) if !isolation.is_own_world() => {}
        answer => drop(answer.map_err(Failure::at(Step::Limits))?),
    }
    let Some((_, streams)) = wait_for_go(index, gate, shared.sender, program.queues.as_ref()) else { return Ok(0) };
    take_streams(streams)?;
    install(shared.filter)?;
    // The sender closes with exec, or tells why there was none.
    let Err(errno) = execve(&path, &args, &env);
    Err(Failure::about(Step::Exec, &shown)(errno))
}

fn run_peer(index: i32, peer: PeerSpec, gate: Gate, shared: &Shared<'_>) -> Result<u8, Failure> {
    reset_ignored_signals(&[Signal::CHLD]);
    ignore(Signal::PIPE);
    become_ordinary(shared.entered, shared.entered.users.as_ref().map(|users| &users.peers))?;
    be_seen(shared.entered)?;
    let null = OpenOptions::new().read(true).write(true).open("/dev/null");
    let null = null.map_err(errno).map_err(Failure::about(Step::Open, "/dev/null"))?;
    set_streams([null.as_fd(); 3])?;
    drop(null);
    let kept: Vec<_> = peer.keep.iter().map(AsFd::as_fd).collect();
    for fd in &kept {
        // What is not close-on-exec counts as the root's own for whoever looks at it while it stands.
        fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty())).map_err(Failure::at(Step::Streams))?;
    }
    close_all_but_streams_and(&[&kept[..], &[gate.0.as_fd(), shared.sender.0.as_fd()]].concat())?;
    let Some((program, _)) = wait_for_go(index, gate, shared.sender, None) else { return Ok(0) };
    close_all_but_streams_and(&kept)?;
    install(shared.filter)?;
    Ok((peer.run)(PeerStart { program, kept: peer.keep }))
}

/// Leaves the worker's users, where it has some of its own: number 1000 in this user namespace, where nothing else is
/// mapped; without capabilities.
pub(super) fn become_ordinary(entered: &Entered, users: Option<&File>) -> Result<(), Failure> {
    let failed = Failure::at(Step::OrdinaryUser);
    setsid().map_err(&failed)?;
    if let Some(id) = entered.other_user() {
        change_user(id)?;
    }
    if let Some(users) = users {
        setns(users, CloneFlags::CLONE_NEWUSER).map_err(&failed)?;
    }
    drop_capabilities().map_err(&failed)
}

/// Becomes another user of the machine's or of the worker's.
pub(super) fn change_user(id: u32) -> Result<(), Failure> {
    let failed = Failure::at(Step::OrdinaryUser);
    setgroups(&[]).map_err(&failed)?;
    let (user, group) = (Uid::from_raw(id), Gid::from_raw(id));
    setresgid(group, group, group).map_err(&failed)?;
    setresuid(user, user, user).map_err(&failed)
}

/// A change of user takes /proc/self and the tracer's access away (prctl(2), PR_SET_DUMPABLE): they are given back.
fn be_seen(entered: &Entered) -> Result<(), Failure> {
    match entered.other_user() {
        Some(_) => prctl::set_dumpable(true).map_err(Failure::at(Step::OrdinaryUser)),
        None => Ok(()),
    }
}

/// Puts the streams that came through the gate on 0, 1 and 2, where they lie already if nothing else was open there.
fn take_streams(streams: Vec<OwnedFd>) -> Result<(), Failure> {
    let streams: [OwnedFd; 3] = streams.try_into().map_err(|_| Failure::at(Step::Streams)(nix::Error::EPROTO))?;
    if streams.each_ref().map(AsRawFd::as_raw_fd) != [0, 1, 2] {
        set_streams(streams.each_ref().map(AsFd::as_fd))?;
    }
    for stream in streams {
        match stream.as_raw_fd() {
            0..=2 => std::mem::forget(stream),
            _ => drop(stream),
        }
    }
    Ok(())
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

/// Says that this root stands, with a folder beside it, and waits for the program's id and the streams; none when the
/// worker gives up.
fn wait_for_go(index: i32, gate: Gate, sender: &Sender, beside: Option<&File>) -> Option<(i32, Vec<OwnedFd>)> {
    let standing = Message::Standing { index, inner: getpid().as_raw() };
    match beside {
        Some(folder) => sender.send_with(&standing, folder.as_fd()),
        None => sender.send(&standing),
    }
    gate.wait()
}

fn install(filter: &[Instruction]) -> Result<(), Failure> {
    if filter.is_empty() {
        return prctl::set_no_new_privs().map_err(Failure::at(Step::Filter));
    }
    seccomp::install(filter).map_err(Failure::at(Step::Filter))
}
