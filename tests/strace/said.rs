//! What strace says, read from its output file (strace 5 and 6: `-f -y -xx`).
//!
//! ```text
//! 71 pipe2([3<\x70\x69…>, 4<\x70\x69…>], 0) = 0
//! 71 write(4<\x70\x69…>, "\x61\x0a" <unfinished ...>
//! 72 --- SIGUSR1 {si_signo=SIGUSR1, si_code=SI_USER, si_pid=71, si_uid=0} ---
//! 71 <... write resumed>) = 2
//! 72 +++ exited with 0 +++
//! ```

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::process::Command;

use ipc_grade::model::Signal;

use crate::{Account, count, lines, traced};

const CALLS: &str = "trace=execve,execveat,read,readv,write,writev,pipe,pipe2,clone,clone3,fork,vfork,kill,tkill,tgkill,\
                     rt_sigqueueinfo,rt_sigaction";

pub(crate) fn account(strace: &Path, command: &[String], folder: &Path) -> Account {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("strace.out");
    let mut runner = Command::new(strace);
    runner.args(["-f", "-y", "-xx", "-s", "100000", "-e", CALLS, "-o"]).arg(&file).args(command);
    let output = traced::run(runner.current_dir(folder));
    let text = std::fs::read_to_string(&file);
    let text = text.unwrap_or_else(|error| panic!("strace wrote nothing ({error}): {output:?}"));
    let mut account = Reader::read(&text);
    account.output = lines(&output.stdout);
    account
}

/// A process by the thread that it began with.
type Pid = u32;

#[derive(Debug, Default, Clone)]
struct Process {
    program: String,
    /// Signals with a handler.
    handled: HashSet<String>,
}

#[derive(Default)]
struct Reader {
    account: Account,
    processes: HashMap<Pid, Process>,
    /// Threads that are not the first of their process.
    threads: HashMap<Pid, Pid>,
    /// Who forked whom, found before all else: a child may be told of before the fork that made it returns.
    parents: HashMap<Pid, Pid>,
    /// Pipes that were made in the run, by the kernel's name; bytes in and out.
    pipes: HashMap<String, (u64, u64)>,
}

impl Reader {
    fn read(text: &str) -> Account {
        let lines = whole_lines(text);
        let mut reader = Self::default();
        for (pid, line) in &lines {
            reader.note_birth(*pid, line);
        }
        for (pid, line) in &lines {
            reader.line(*pid, line);
        }
        for pipe in reader.pipes.values().filter(|pipe| **pipe != (0, 0)) {
            count(&mut reader.account.pipes, *pipe);
        }
        reader.account
    }

    fn note_birth(&mut self, pid: Pid, line: &str) {
        let is_birth = ["clone(", "clone3(", "fork(", "vfork("].iter().any(|call| line.starts_with(call));
        let Some(child) = result(line).filter(|_| is_birth).and_then(|child| u32::try_from(child).ok()) else { return };
        if line.contains("CLONE_THREAD") {
            self.threads.insert(child, pid);
        } else {
            self.parents.insert(child, pid);
        }
    }

    fn first_thread(&self, mut pid: Pid) -> Pid {
        while let Some(maker) = self.threads.get(&pid) {
            pid = *maker;
        }
        pid
    }

    fn process(&mut self, pid: Pid) -> &mut Process {
        if !self.processes.contains_key(&pid) {
            let parent = self.parents.get(&pid).map(|parent| self.first_thread(*parent));
            let same = parent.map(|parent| self.process(parent).clone()).unwrap_or_default();
            self.processes.insert(pid, same);
        }
        self.processes.get_mut(&pid).unwrap()
    }

    fn line(&mut self, tid: Pid, line: &str) {
        let pid = self.first_thread(tid);
        if let Some(what) = line.strip_prefix("+++ ").and_then(|line| line.strip_suffix(" +++")) {
            self.ended(tid, what);
        } else if let Some(what) = line.strip_prefix("--- ") {
            let signal = what.split(' ').next().and_then(signal).unwrap_or_default();
            if self.process(pid).handled.contains(&signal) {
                count(&mut self.account.taken, signal);
            }
        } else if let (Some((call, arguments)), Some(result @ 0..)) = (line.split_once('('), result(line)) {
            self.call(pid, call, arguments, result as u64);
        }
    }

    fn ended(&mut self, tid: Pid, what: &str) {
        if self.threads.contains_key(&tid) {
            return;
        }
        let how = match what.strip_prefix("killed by ") {
            Some(killer) => signal(killer.split(' ').next().unwrap()).unwrap(),
            None => what.strip_prefix("exited with ").unwrap_or(what).to_owned(),
        };
        let program = self.process(tid).program.clone();
        count(&mut self.account.endings, (program, how));
    }

    fn call(&mut self, pid: Pid, call: &str, arguments: &str, result: u64) {
        let of_descriptor = || arguments.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(it, _)| it);
        match call {
            "execve" => {
                let path = plain(arguments.split('"').nth(1).unwrap());
                let name = path.rsplit('/').next().unwrap().to_owned();
                count(&mut self.account.programs, name.clone());
                *self.process(pid) = Process { program: name, handled: HashSet::new() };
            }
            "pipe" | "pipe2" => {
                self.pipes.insert(plain(of_descriptor().unwrap()), (0, 0));
            }
            "read" | "readv" | "write" | "writev" => {
                let pipe = of_descriptor().and_then(|name| self.pipes.get_mut(&plain(name)));
                if let Some((written, read)) = pipe {
                    *(if call.starts_with("read") { read } else { written }) += result;
                }
            }
            "rt_sigaction" => {
                let mut parts = arguments.splitn(2, ", ");
                let (signal, new) = (parts.next().and_then(signal).unwrap(), parts.next().unwrap());
                let Some(handler) = new.strip_prefix("{sa_handler=") else { return };
                let handled = &mut self.process(pid).handled;
                if handler.starts_with("SIG_") {
                    handled.remove(&signal)
                } else {
                    handled.insert(signal)
                };
            }
            "kill" | "tkill" | "tgkill" | "rt_sigqueueinfo" => {
                let named = arguments.split([',', ')']).find_map(|part| signal(part.trim()));
                // A thread of the same process is a matter of its own.
                let target = arguments.split(',').next().and_then(|target| target.parse().ok());
                let within = call.starts_with('t') && target.is_some_and(|target| self.first_thread(target) == pid);
                if let Some(signal) = named.filter(|_| !within) {
                    count(&mut self.account.sent, signal);
                }
            }
            _ => {}
        }
    }
}

/// Each line with its process, the halves of interrupted ones joined at the place of the second.
fn whole_lines(text: &str) -> Vec<(Pid, String)> {
    let mut begun: HashMap<Pid, String> = HashMap::new();
    let mut whole = Vec::new();
    for line in text.lines() {
        let (pid, line) = line.split_once(' ').unwrap();
        let (pid, line) = (pid.parse().unwrap(), line.trim_start());
        if let Some(half) = line.strip_suffix("<unfinished ...>") {
            begun.insert(pid, half.to_owned());
        } else if line.starts_with("<... ") {
            let rest = line.split_once(" resumed>").unwrap().1;
            whole.push((pid, begun.remove(&pid).unwrap_or_default() + rest));
        } else {
            whole.push((pid, line.to_owned()));
        }
    }
    whole
}

/// What the call returned: behind the last equals sign.
fn result(line: &str) -> Option<i64> {
    let (_, result) = line.rsplit_once(" = ")?;
    result.split(' ').next()?.parse().ok()
}

/// `SIGTERM` is TERM to us, and `SIGRT_5` is RTMIN+3: strace counts from the kernel's first one, which is 32.
fn signal(strace: &str) -> Option<String> {
    let name = strace.strip_prefix("SIG")?;
    match name.strip_prefix("RT_").and_then(|distance| distance.parse::<i32>().ok()) {
        Some(distance) => Some(Signal::from_number(32 + distance)?.to_string()),
        None if name == "RTMIN" => Some(Signal::from_number(32)?.to_string()),
        None => Some(name.to_owned()),
    }
}

/// A text in which each byte is written `\x61`.
fn plain(text: &str) -> String {
    let bytes = text.split("\\x").filter(|part| !part.is_empty());
    bytes
        .map(|hex| u8::from_str_radix(hex, 16).map_or_else(|_| hex.to_owned(), |it| char::from(it).to_string()))
        .collect()
}
