//! A worker: this program started again, which runs attempts and calls of the compiler one after another; and the
//! runner's handle on it.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::build::{Call, Called, cache_folder};
use crate::harness::{Attempt, Attempted, attempt};
use crate::model::Signal;
use crate::sandbox::Isolation;
use crate::sys::{affinity, process};

/// The hidden command that makes this program a worker.
pub const COMMAND: &str = "worker";

/// How much longer than its own limit an attempt may take before the worker counts as lost.
const GRACE: Duration = Duration::from_secs(30);

/// What a worker is asked; `T` and `C` are an attempt and a call of the compiler, or references to them.
#[derive(Debug, Serialize, Deserialize)]
enum Request<T, C> {
    Attempt(T),
    Compile(C),
}

/// What the worker reads.
type Read = Request<Box<Attempt>, Box<Call>>;
/// What the runner writes.
type Written<'a> = Request<&'a Attempt, &'a Call>;

/// What a worker answers.
#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    Done(Box<Attempted>),
    Compiled(Box<Called>),
    Failed(String),
}

/// Why an attempt has no trace.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The worker could not be started.
    #[error("failed to start a worker: {0}")]
    Start(io::Error),
    /// The machine or the grader failed at the attempt; reads well after "failed to".
    #[error("failed to {0}")]
    Attempt(String),
    /// Two workers were lost over it, one after the other.
    #[error("the grader's worker was lost twice over this program ({0}); please report it")]
    Lost(String),
}

/// The workers that run now, for [`end_all`].
static RUNNING: Mutex<Workers> = Mutex::new(Workers { pids: Vec::new(), over: false });

#[derive(Debug)]
struct Workers {
    pids: Vec<u32>,
    /// No more of them are started.
    over: bool,
}

fn workers() -> MutexGuard<'static, Workers> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends all workers of this process at once, with everything that they run, for a program that is about to end: a thread
/// that would start another one stops there.
pub fn end_all() {
    let mut running = workers();
    running.over = true;
    let running = &running.pids;
    for pid in running {
        let _gone = process::kill(*pid as i32, Signal::KILL);
    }
    for pid in running {
        // Its tracees are killed before it can be waited for. Where its own thread was first, so much the better.
        let _gone = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(*pid as i32), None);
    }
}

/// A running worker. Dropping it ends it and everything that it runs.
#[derive(Debug)]
pub struct Worker {
    isolation: Option<Isolation>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    requests: ChildStdin,
    answers: Receiver<io::Result<String>>,
}

impl Worker {
    /// A worker that is started when it is needed, for attempts of this isolation; none is the best that there is.
    pub fn new(isolation: Option<Isolation>) -> Self {
        Self { isolation, running: None }
    }

    /// Runs an attempt; a worker that is lost over it is replaced once.
    ///
    /// # Errors
    /// [`WorkerError`].
    pub fn attempt(&mut self, attempt: &Attempt) -> Result<Attempted, WorkerError> {
        let attempt = &Attempt { isolation: self.isolation, ..attempt.clone() };
        let patience = Duration::from_millis(attempt.limits.wall_ms) + GRACE;
        match self.answer(&Request::Attempt(attempt), patience)? {
            Answer::Done(attempted) => Ok(*attempted),
            Answer::Failed(problem) => Err(WorkerError::Attempt(problem)),
            Answer::Compiled(_) => Err(WorkerError::Lost("it answered something else".to_owned())),
        }
    }

    /// Has the compiler called, in a box where the machine gives one. Where it gives none the compiler has limits alone,
    /// and the answer says so.
    ///
    /// # Errors
    /// [`WorkerError`].
    pub fn compile(&mut self, call: &Call) -> Result<Called, WorkerError> {
        let mut call = call.clone();
        call.isolation = self.isolation;
        match self.answer(&Request::Compile(&call), call.patience() + GRACE)? {
            Answer::Compiled(called) => Ok(*called),
            Answer::Failed(problem) => Err(WorkerError::Attempt(problem)),
            Answer::Done(_) => Err(WorkerError::Lost("it answered something else".to_owned())),
        }
    }

    /// An answer; a worker that is lost over it is replaced once.
    fn answer(&mut self, request: &Written<'_>, patience: Duration) -> Result<Answer, WorkerError> {
        let request = serde_json::to_string(request).expect("a request has no maps with odd keys");
        let mut why = String::new();
        for _ in 0..2 {
            match self.ask(&request, patience)? {
                Ok(answer) => return Ok(answer),
                Err(lost) => why = lost,
            }
            self.running = None;
        }
        Err(WorkerError::Lost(why))
    }

    /// An answer, or why there is none.
    fn ask(&mut self, request: &str, patience: Duration) -> Result<Result<Answer, String>, WorkerError> {
        if self.running.is_none() {
            self.running = Some(Running::start().map_err(WorkerError::Start)?);
        }
        let running = self.running.as_mut().expect("started above");
        if let Err(error) = running.requests.write_all(format!("{request}\n").as_bytes()) {
            return Ok(Err(error.to_string()));
        }
        Ok(match running.answers.recv_timeout(patience) {
            Ok(Ok(line)) => serde_json::from_str(&line).map_err(|error| error.to_string()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(RecvTimeoutError::Timeout) => Err(format!("no answer in {} s", patience.as_secs())),
            Err(RecvTimeoutError::Disconnected) => Err("it ended".to_owned()),
        })
    }
}

impl Running {
    fn start() -> io::Result<Self> {
        // The file that is running, also where it has been replaced on disk since.
        let program = "/proc/self/exe";
        let mut command = Command::new(program);
        command.args([COMMAND, &std::process::id().to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = {
            // Nobody ends all while one is being started.
            let mut running = workers();
            while running.over {
                drop(running);
                std::thread::park();
                running = workers();
            }
            let child = command.spawn()?;
            running.pids.push(child.id());
            child
        };
        let (Some(requests), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("a child without pipes"));
        };
        let (send, answers) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, requests, answers })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Its tracees and its box go with it. One that is gone already is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let pid = self.child.id();
        workers().pids.retain(|running| *running != pid);
    }
}

/// The worker's own life: answers requests of this runner on standard input until they end.
///
/// # Errors
/// What reading or writing the pipes says.
pub fn serve(runner: u32) -> io::Result<()> {
    // The runner may die without a word; the thread that started us lives as long as it wants us.
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
    if std::os::unix::process::parent_id() != runner {
        // It died before that.
        return Ok(());
    }
    let _claim = claim_processor();
    let mut answers = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let answer = match serde_json::from_str::<Read>(&line?) {
            Ok(Request::Attempt(request)) => match attempt(&request) {
                Ok(attempted) => Answer::Done(Box::new(attempted)),
                Err(error) => Answer::Failed(error.to_string()),
            },
            Ok(Request::Compile(call)) => match call.perform() {
                Ok(called) => Answer::Compiled(Box::new(called)),
                Err(error) => Answer::Failed(error.to_string()),
            },
            Err(error) => Answer::Failed(format!("read the request: {error}")),
        };
        let line = serde_json::to_string(&answer).map_err(io::Error::other)?;
        answers.write_all(line.as_bytes())?;
        answers.write_all(b"\n")?;
        answers.flush()?;
    }
    Ok(())
}

/// Binds this process to a processor that no other worker of this user has claimed, or, where all are, to one of them:
/// tracer and tracees that stand on different processors hand over many times slower.
///
/// The claim is a lock on a file, which goes with the process.
fn claim_processor() -> Option<File> {
    let allowed = affinity::allowed().ok()?;
    let claim = |cpu: &usize| {
        let folder = cache_folder().join("processors");
        fs::create_dir_all(&folder).ok()?;
        let file = File::options().create(true).append(true).open(folder.join(cpu.to_string())).ok()?;
        file.try_lock().is_ok().then_some((*cpu, Some(file)))
    };
    let any = || Some((*allowed.get(std::process::id() as usize % allowed.len().max(1))?, None));
    let (cpu, file) = allowed.iter().find_map(claim).or_else(any)?;
    affinity::pin(cpu).ok()?;
    file
}
