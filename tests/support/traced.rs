//! Programs recorded by `ipc-grade trace`, as anybody would record them.
#![allow(dead_code, reason = "each test file uses its part")]

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use ipc_grade::trace::{Trace, codec};

/// Guards the test itself: a recording that takes this long hangs.
const HANGS: Duration = Duration::from_secs(60);

/// A recorded run.
pub(crate) struct Traced {
    pub(crate) trace: Trace,
    /// What the program wrote to its standard output.
    pub(crate) stdout: Vec<u8>,
    /// The recorder's exit code.
    pub(crate) code: Option<i32>,
}

/// Records a command in a folder, with nothing on its standard input.
pub(crate) fn trace(options: &[&str], command: &[String], folder: &Path) -> Traced {
    let place = tempfile::tempdir().expect("a folder");
    let file = place.path().join("trace.jsonl");
    let mut recorder = Command::new(env!("CARGO_BIN_EXE_ipc-grade"));
    recorder.args(["trace", "--format", "json", "-o"]).arg(&file).args(options).arg("--").args(command);
    let output = run(recorder.current_dir(folder));
    let text = std::fs::read_to_string(&file);
    let text = text.unwrap_or_else(|error| panic!("{command:?} gave no trace ({error}): {output:?}"));
    let trace = codec::read(&text).unwrap_or_else(|error| panic!("{command:?}: {error}"));
    Traced { trace, stdout: output.stdout, code: output.status.code() }
}

/// Runs a command to its end.
///
/// # Panics
/// Where it hangs; it is ended then.
pub(crate) fn run(command: &mut Command) -> Output {
    let shown = format!("{command:?}");
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.unwrap_or_else(|error| panic!("{shown}: {error}"));
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || done.send(child.wait_with_output()));
    match ended.recv_timeout(HANGS) {
        Ok(output) => output.unwrap_or_else(|error| panic!("{shown}: {error}")),
        Err(_) => {
            // The recorder's tracees end with it (PTRACE_O_EXITKILL).
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
            panic!("{shown} hangs");
        }
    }
}
