//! One attempt from its description to its trace.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use serde::{Deserialize, Serialize};

use super::leftovers::Leftovers;
use super::peer;
use super::resolve::{ResolvedPeer, ResolvedStep};
use super::script::FactScript;
use super::stdin::StdinSource;
use crate::model::{Fault, Hold, Limits, Place, Played, Schedule, Sleepers};
use crate::recorder::{self, Change, Options, Recorded, RecorderError, Root, RootKind, Sites, Substitution};
use crate::sandbox::{self, Ground, Isolation, Launch, PeerSpec, SandboxError, Spec};
use crate::trace::Trace;
use crate::trace::raw::RawEnd;

/// All that one run of a program depends on, besides the machine: the same attempt gives the same trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The program's file.
    pub program: PathBuf,
    /// Its name, which it sees as its own: a file name.
    pub name: String,
    /// The tools that the exercise brings, by name: they stand in the program's folder, which is on its PATH.
    #[serde(default)]
    pub tools: Vec<(String, PathBuf)>,
    /// Its arguments, without its name.
    pub args: Vec<Vec<u8>>,
    /// Its standard input.
    pub stdin: StdinSource,
    /// The processes on the other side, forked before the program in this order.
    pub peers: Vec<ResolvedPeer>,
    /// What it may use.
    pub limits: Limits,
    /// The order in which processes run.
    pub schedule: Schedule,
    /// When sleepers wake.
    #[serde(default)]
    pub sleepers: Sleepers,
    /// Who is held back, and until when.
    pub hold: Option<Hold>,
    /// Tell where in the schedule each event stood.
    pub places: bool,
    /// What getrandom(2) gives.
    pub entropy: u64,
    /// Drawn values to look for in each process's private memory at its end.
    pub holds: Vec<u64>,
    /// Bytes to exchange in transit.
    pub substitution: Option<Substitution>,
    /// What goes wrong with the program's calls.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// Each event carries the learner's own place: the same run, more slowly.
    #[serde(default)]
    pub sites: Option<Sites>,
    /// What is done to processes on the way, to see whether it mends the run.
    #[serde(default)]
    pub changes: Vec<Change>,
    /// Threads are followed by hand between accesses to shared memory: the same run, faster.
    #[serde(default = "by_hand")]
    pub by_hand: bool,
    /// What has to stand between the program and the machine; none is the best that there is.
    #[serde(default)]
    pub isolation: Option<Isolation>,
}

fn by_hand() -> bool {
    true
}

impl Attempt {
    /// A program alone, in order, with nothing on its standard input and the default limits.
    pub fn plain(program: PathBuf, name: &str, args: Vec<Vec<u8>>) -> Self {
        Self {
            program,
            name: name.to_owned(),
            tools: Vec::new(),
            args,
            stdin: StdinSource::Empty,
            peers: Vec::new(),
            limits: Limits::default(),
            schedule: Schedule::IN_ORDER,
            sleepers: Sleepers::OnTime,
            hold: None,
            places: false,
            entropy: 0,
            holds: Vec::new(),
            substitution: None,
            faults: Vec::new(),
            sites: None,
            changes: Vec::new(),
            by_hand: true,
            isolation: None,
        }
    }
}

/// libc's functions on memory and strings are those that every x86-64 processor has, so that a program's accesses are the
/// same on each (glibc manual, "Hardware Capability Tunables"); names that are not known elsewhere are ignored there.
const SAME_LIBC: &[u8] = b"GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX2,-AVX,-BMI2,-BMI1,-LZCNT,\
-MOVBE,-RTM,-SSE4_2,-SSE4_1,-SSSE3,-ERMS,-FSRM,-AVX_Fast_Unaligned_Load,-Fast_Copy_Backward,-Prefer_ERMS,-Prefer_FSRM";

/// What an attempt gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempted {
    /// What happened.
    pub trace: Trace,
    /// What stood between the program and the machine.
    pub isolation: Isolation,
    /// The turns that the run was made of.
    pub played: Played,
    /// In how many calls the recorder had to look whether the caller sleeps.
    #[serde(default)]
    pub looks: u64,
    /// For each event of the trace whose it is and where that one stood when it began, where the attempt asks for it.
    pub places: Vec<Place>,
    /// For each event of the trace the raw event with which it began, where the attempt asks for sites.
    #[serde(default)]
    pub origins: Vec<u32>,
    /// How many accesses to shared memory were come to by hand.
    #[serde(default)]
    pub by_hand: u64,
}

/// Why there is no trace: the machine's fault or ours, never the learner's. Reads well after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// There is no box.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The worker has entered another box before.
    #[error("run in another box than the worker's, which has {}", .0.name())]
    Another(Isolation),
    /// There is no recording.
    #[error(transparent)]
    Recorder(#[from] RecorderError),
    /// The program's streams could not be made.
    #[error("make the program's standard streams: {0}")]
    Streams(#[from] std::io::Error),
}

/// Runs the program once with its peers, in a box, and names what happened.
///
/// To be called by a worker: a process with one thread, whose isolation the first call decides for good, and
/// whose children and tracees are all waited for here. Nothing of the attempt is left when it returns.
///
/// # Errors
/// [`AttemptError`]; what the program does wrong is in the trace.
pub fn attempt(attempt: &Attempt) -> Result<Attempted, AttemptError> {
    let isolation = sandbox::enter_level(attempt.isolation)?;
    if attempt.isolation.is_some_and(|wanted| wanted != isolation) {
        return Err(AttemptError::Another(isolation));
    }
    let (spec, drains) = spec_of(attempt)?;
    let work = spec.ground.work().to_string_lossy().into_owned();
    let mut launch = sandbox::launch(spec)?;
    let options = Options {
        audits: recorder::AUDITS,
        limits: Some(attempt.limits),
        schedule: attempt.schedule.clone(),
        sleepers: attempt.sleepers,
        hold: attempt.hold,
        entropy: Some(attempt.entropy),
        holds: attempt.holds.clone(),
        substitution: attempt.substitution.clone(),
        faults: attempt.faults.clone(),
        boxed: true,
        strangers: !isolation.is_own_world(),
        drains,
        sites: attempt.sites,
        changes: attempt.changes.clone(),
        by_hand: attempt.by_hand,
    };
    let mut script = FactScript::new(&attempt.peers, Leftovers::new(launch.notes()));
    let recorded = recorder::record(&roots_of(&launch, &work), || launch.go(), options, &mut script);
    let ran_out = launch.ran_out_of_memory();
    // A root that could not start knows why better than the recorder, who saw it end.
    launch.end()?;
    let Recorded { mut recording, played, places, looks, by_hand } = recorded?;
    if ran_out {
        let figure = format!("{} MiB in all", attempt.limits.run_memory_mib());
        recording.end = RawEnd::Limit { limit: "memory".into(), figure, tid: None, site: None };
    }
    let (trace, began) = script.finish(&recording.end);
    let place = |raw: &u32| places.get(*raw as usize).copied().unwrap_or_default();
    let places = if attempt.places { began.iter().map(place).collect() } else { Vec::new() };
    let origins = if attempt.sites.is_some() { began } else { Vec::new() };
    Ok(Attempted { trace, isolation, played, looks, places, origins, by_hand })
}

fn spec_of(attempt: &Attempt) -> Result<(Spec, Vec<OwnedFd>), AttemptError> {
    let (stdin, to_stdin) = attempt.stdin.open()?;
    let (output, stdout) = std::io::pipe()?;
    let (errors, stderr) = std::io::pipe()?;
    for drain in [&output, &errors] {
        fcntl(drain.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(std::io::Error::from)?;
    }
    let mut peers = Vec::new();
    for peer in &attempt.peers {
        let mut keep = Vec::new();
        if peer.steps.iter().any(ResolvedStep::uses_stdin)
            && let Some(to_stdin) = &to_stdin
        {
            keep.push(to_stdin.try_clone()?.into());
        }
        let steps = peer.steps.clone();
        let run = Box::new(move |start| peer::play(&steps, start));
        peers.push(PeerSpec { name: peer.name.as_str().to_owned(), keep, run });
    }
    let ground = Ground::new()?;
    let spec = Spec {
        env: vec![path(attempt, &ground), SAME_LIBC.to_vec()],
        ground,
        program: attempt.program.clone(),
        name: attempt.name.clone(),
        tools: attempt.tools.clone(),
        args: attempt.args.clone(),
        streams: [stdin.into(), stdout.into(), stderr.into()],
        peers,
        limits: attempt.limits,
        filter: recorder::filter(),
    };
    Ok((spec, vec![output.into(), errors.into()]))
}

/// Where the program looks for other programs: where an exercise brings tools, in its own folder first.
fn path(attempt: &Attempt, ground: &Ground) -> Vec<u8> {
    let own = if attempt.tools.is_empty() { String::new() } else { format!("{}:", ground.programs().display()) };
    format!("PATH={own}/usr/bin:/bin").into_bytes()
}

fn roots_of(launch: &Launch, work: &str) -> Vec<Root> {
    let root = |handle: &sandbox::RootHandle| Root {
        pid: handle.outer,
        inner: handle.inner,
        kind: handle.name.clone().map_or(RootKind::Program, RootKind::Peer),
        cwd: work.to_owned(),
    };
    launch.roots().iter().map(root).collect()
}
