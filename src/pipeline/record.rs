//! Recording a program where it stands: its own files, terminal and network, only watched.
//!
//! # Theory of operation
//!
//! This process forks one child, which sleeps reading a pipe until the recorder has seized it, then installs the filter
//! and execs. The program keeps this process's standard streams and stays in its process group, so Ctrl-C reaches it as
//! it would from a shell; this process ignores SIGINT meanwhile and tells what the program made of it.

use std::ffi::{CString, OsString};
use std::io::{Read, Write};
use std::num::NonZeroU64;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use nix::unistd::{execvp, getcwd, pipe2};

use crate::harness::{Attempt, AttemptError, attempt};
use crate::model::{Schedule, ScheduleSeed, Signal, Sleepers, Strategy};
use crate::recorder::{self, NoScript, Options, RecorderError, Root, RootKind, Sites};
use crate::sys::affinity;
use crate::sys::process::{Side, exit_now, fork, ignore, reset_signals};
use crate::sys::seccomp;
use crate::trace::Trace;
use crate::trace::raw::Recording;

/// How many decisions a program is taken to have that is run but once, where PCT wants to know.
const STEPS: u32 = 100;

/// Exit status of a child that could not exec, as a shell's.
const NOT_FOUND: u8 = 127;

/// Why a program could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The program could not be executed.
    #[error("failed to run `{program}`: {errno}")]
    Exec {
        /// As it was given.
        program: String,
        /// Why.
        errno: nix::errno::Errno,
    },
    /// No name, or one with a zero byte in it.
    #[error("`{0}` cannot be a program or an argument")]
    BadArgument(String),
    /// Pipes or the fork failed.
    #[error("failed to start a process: {0}")]
    Start(#[from] nix::errno::Errno),
    /// The recorder failed.
    #[error("failed to {0}")]
    Recorder(#[from] RecorderError),
    /// There is no box, or no recording in it.
    #[error("failed to {0}")]
    Attempt(#[from] AttemptError),
}

/// Runs a program file in the box that graded programs run in, without peers and with nothing on its standard input.
///
/// To be called by a process of one thread, which is in the box's outer namespaces for good afterwards.
///
/// # Errors
/// [`RecordError`].
pub fn record_in_box(
    program: &Path,
    args: &[OsString],
    schedule: ScheduleSeed,
    sites: Option<Sites>,
) -> Result<Trace, RecordError> {
    let shown = program.display().to_string();
    let exec = |error: std::io::Error| {
        let errno = nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or(libc::ENOENT));
        RecordError::Exec { program: shown.clone(), errno }
    };
    let program = program.canonicalize().map_err(exec)?;
    let name = program.file_name().map_or_else(|| shown.clone(), |name| name.to_string_lossy().into_owned());
    let mut described = Attempt {
        sleepers: Sleepers::under(schedule),
        sites,
        ..Attempt::plain(program, &name, args.iter().map(|arg| arg.clone().into_vec()).collect())
    };
    let steps = match Strategy::of(schedule).needs_steps() {
        true => attempt(&described)?.played.steps,
        false => 0,
    };
    described.schedule = Schedule::Seeded { seed: schedule, steps };
    Ok(attempt(&described)?.trace)
}

/// Runs a program as a shell would and records it.
///
/// To be called by a process of one thread.
///
/// # Errors
/// [`RecordError`].
pub fn record(command: &[OsString], schedule: ScheduleSeed, sites: Option<Sites>) -> Result<Recording, RecordError> {
    record_audited(command, schedule, sites, recorder::AUDITS)
}

/// The same, with as many of the foreseen calls audited as asked for: one in so many ([`Options::audits`]).
///
/// # Errors
/// [`RecordError`].
pub fn record_audited(
    command: &[OsString],
    schedule: ScheduleSeed,
    sites: Option<Sites>,
    audits: NonZeroU64,
) -> Result<Recording, RecordError> {
    let lossy = |part: &OsString| part.to_string_lossy().into_owned();
    let program = command.first().map(lossy).unwrap_or_default();
    let args: Vec<CString> = command
        .iter()
        .map(|part| CString::new(part.clone().into_vec()).map_err(|_| RecordError::BadArgument(lossy(part))))
        .collect::<Result<_, _>>()?;
    // One processor for tracer and tracees hands over without waking another; where it cannot be had, all is slower.
    if let Some(cpu) = affinity::allowed()?.first() {
        let _any = affinity::pin(*cpu);
    }
    let filter = recorder::filter();
    let (go, let_go) = pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    let (failure, tell) = pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    let pid = match fork()? {
        Side::Child => {
            drop((let_go, failure));
            reset_signals();
            let mut byte = [0];
            if nix::unistd::read(&go, &mut byte) != Ok(1) {
                exit_now(NOT_FOUND);
            }
            let run = || -> nix::Result<std::convert::Infallible> {
                seccomp::install(&filter)?;
                execvp(args.first().ok_or(nix::errno::Errno::ENOENT)?, &args)
            };
            let Err(errno) = run();
            // The other end may be gone; then nobody wants to know.
            let _ = std::fs::File::from(tell).write_all(&(errno as i32).to_ne_bytes());
            exit_now(NOT_FOUND)
        }
        Side::Parent(pid) => pid,
    };
    drop((go, tell));
    ignore(Signal::INT);
    ignore(Signal::from_number(libc::SIGQUIT).expect("SIGQUIT is a signal"));
    let cwd = getcwd().map(|cwd| cwd.to_string_lossy().into_owned()).unwrap_or_default();
    let roots = [Root { pid, inner: pid, kind: RootKind::Program, cwd }];
    let options = Options {
        limits: None,
        schedule: Schedule::Seeded { seed: schedule, steps: STEPS },
        sleepers: Sleepers::OnTime,
        hold: None,
        entropy: None,
        holds: Vec::new(),
        substitution: None,
        faults: Vec::new(),
        boxed: false,
        strangers: true,
        drains: Vec::new(),
        sites,
        changes: Vec::new(),
        by_hand: true,
        audits,
    };
    let let_it_go = || std::fs::File::from(let_go).write_all(&[1]);
    let recorded = recorder::record(&roots, let_it_go, options, &mut NoScript);
    let mut errno = [0; 4];
    if std::fs::File::from(failure).read_exact(&mut errno).is_ok() {
        return Err(RecordError::Exec { program, errno: nix::errno::Errno::from_raw(i32::from_ne_bytes(errno)) });
    }
    Ok(recorded?.recording)
}
