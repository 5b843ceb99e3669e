//! A worker that is killed in the midst of a run, where no namespace takes along what that has made: nothing of it is left
//! when the next run begins.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ipc_grade::harness::{Attempt, attempt};
use ipc_grade::model::Limits;
use ipc_grade::sandbox::Isolation;
use ipc_grade::sys::process::{Side, exit_now, fork};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, geteuid};

use crate::own_process::Case;
use crate::processes::until;
use crate::run::{LIMITS, Program, has};

/// Every case by name.
pub(crate) const ALL: &[Case] = &[
    ("a killed worker leaves nothing, at Landlock", || killed(Isolation::Landlock)),
    ("a killed worker leaves nothing, at Limits", || killed(Isolation::Limits)),
    ("a worker that is killed with its first process leaves no objects, at Landlock", || group(Isolation::Landlock)),
    ("a worker that is killed with its first process leaves no objects, at Limits", || group(Isolation::Limits)),
];

/// A run that goes on until it is ended.
struct Run {
    worker: Pid,
    /// What nobody else's objects are called.
    name: String,
    /// The System V objects that it has made: kind and id.
    made: Vec<(String, String)>,
}

impl Run {
    fn start(isolation: Isolation) -> Self {
        let program = Program::compile(include_str!("programs/leaves_all_and_goes_on.c"));
        let name = format!("ipc-grade-left-{}", std::process::id());
        let key = (0x0bad_0000 + std::process::id() as i32 % 0xffff).to_string();
        let args = [&name, &key].map(|arg| arg.clone().into_bytes()).to_vec();
        let plain = Attempt::plain(program.path(), "attack", args);
        let limits = Limits { cpu_ms: 600_000, steps: u64::MAX, ..LIMITS };
        let worker = match fork().expect("one thread") {
            Side::Parent(worker) => Pid::from_raw(worker),
            Side::Child => {
                // A group of its own, as a shell gives it.
                let _own = nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0));
                let _ended = attempt(&Attempt { limits, isolation: Some(isolation), ..plain });
                exit_now(1)
            }
        };
        let told = Path::new("/dev/shm").join(format!("{name}-made"));
        let text = until("all that it makes", || {
            let whole = fs::metadata(&told).is_ok_and(|seen| seen.permissions().mode() & 0o777 == 0o444);
            whole.then(|| fs::read_to_string(&told).expect("what it has made"))
        });
        let made = text.lines().filter_map(|line| line.split_once(' '));
        let made: Vec<_> = made.map(|(kind, id)| (kind.to_owned(), id.to_owned())).collect();
        assert_eq!(made.iter().filter(|(_, id)| id != "-1").count(), 6, "{text}");
        Self { worker, name, made }
    }

    /// What is there of it.
    fn left(&self) -> Vec<String> {
        let names = fs::read_dir("/dev/shm").expect("a folder").flatten().map(|entry| entry.path());
        let mut left: Vec<String> =
            names.map(|path| path.display().to_string()).filter(|path| path.contains(&self.name)).collect();
        if ipc_grade::sys::objects::queue_stands(&format!("/{}", self.name)) {
            left.push("the queue".to_owned());
        }
        for (kind, id) in &self.made {
            let table = fs::read_to_string(format!("/proc/sysvipc/{kind}")).unwrap_or_default();
            if table.lines().skip(1).any(|line| line.split_whitespace().nth(1) == Some(id)) {
                left.push(format!("{kind} {id}"));
            }
        }
        left.extend(self.processes().iter().map(|pid| format!("process {pid}")));
        left.extend(folders().iter().map(|path| path.display().to_string()));
        left
    }

    /// Those of the program.
    fn processes(&self) -> Vec<i32> {
        let pids = fs::read_dir("/proc").expect("/proc").flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let its = |pid: &i32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&self.name)
        };
        pids.filter(its).collect()
    }
}

/// The folders of this user's runs.
fn folders() -> Vec<PathBuf> {
    let all = fs::read_dir(std::env::temp_dir()).expect("a folder").flatten();
    let its = all.filter(|entry| {
        entry.file_name().to_string_lossy().starts_with("ipc-grade-run-")
            && entry.metadata().is_ok_and(|seen| seen.uid() == geteuid().as_raw())
    });
    its.map(|entry| entry.path()).collect()
}

/// The next run, to its end: it waits for its turn.
fn next(isolation: Isolation) {
    let program = Program::compile("int main(void) { return 0; }");
    match fork().expect("one thread") {
        Side::Child => {
            let plain = Attempt::plain(program.path(), "attack", Vec::new());
            exit_now(attempt(&Attempt { isolation: Some(isolation), ..plain }).is_err().into())
        }
        Side::Parent(worker) => {
            let status = waitpid(Pid::from_raw(worker), None);
            assert!(matches!(status, Ok(nix::sys::wait::WaitStatus::Exited(_, 0))), "{status:?}");
        }
    }
}

fn killed(isolation: Isolation) {
    if !has(isolation) {
        return;
    }
    let run = Run::start(isolation);
    // Shared memory twice and a semaphore, the queue, six ids, two processes, and the folder.
    assert!(run.left().len() >= 12, "{:?}", run.left());
    kill(run.worker, Signal::SIGKILL).expect("it is there");
    waitpid(run.worker, None).expect("our child");
    next(isolation);
    assert_eq!(run.left(), Vec::<String>::new());
}

/// As `kill -9 -GROUP` does it: init dies at the same time.
fn group(isolation: Isolation) {
    if !has(isolation) {
        return;
    }
    let run = Run::start(isolation);
    nix::sys::signal::killpg(run.worker, Signal::SIGKILL).expect("it is there");
    waitpid(run.worker, None).expect("our child");
    next(isolation);
    assert_eq!(run.left(), Vec::<String>::new());
}
