//! Programs that nobody here wrote, recorded and compared with what strace says of the same command, in all that does
//! not depend on who runs when: the programs that ran, how each process ended, the bytes through each pipe and to
//! standard output, the signals sent and taken.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../support/require.rs"]
mod require;
mod said;
mod seen;
#[path = "../support/traced.rs"]
mod traced;

use std::collections::BTreeMap;
use std::path::Path;

/// How often each thing is there.
pub(crate) type Bag<T> = BTreeMap<T, usize>;

/// What both tell of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// Programs that were executed, by the file's name.
    pub(crate) programs: Bag<String>,
    /// How processes ended: the program that each had become, and its exit status or the signal.
    pub(crate) endings: Bag<(String, String)>,
    /// Of each pipe that was used, how many bytes went in and came out.
    pub(crate) pipes: Bag<(u64, u64)>,
    /// The lines of standard output, sorted: who comes first is a matter of chance.
    pub(crate) output: Vec<String>,
    /// Signals that processes sent to others or to themselves as processes.
    pub(crate) sent: Bag<String>,
    /// Signals for which a handler ran. Two children that end close together give one SIGCHLD or two, so how often
    /// that was taken is not told.
    pub(crate) taken: Bag<String>,
}

pub(crate) fn count<T: Ord>(bag: &mut Bag<T>, thing: T) {
    *bag.entry(thing).or_default() += 1;
}

pub(crate) fn lines(output: &[u8]) -> Vec<String> {
    let mut lines: Vec<String> = String::from_utf8_lossy(output).lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

/// Records the command, runs it under strace, and compares what is left when the `chance` part is taken away: that which
/// depends on who runs when.
#[track_caller]
fn agree(command: &[&str], folder: &Path, chance: fn(&mut Account)) -> Option<Account> {
    let strace = require::program("strace")?;
    let command: Vec<String> = command.iter().map(|part| (*part).to_owned()).collect();
    let mut seen = seen::account(&command, folder);
    let mut said = said::account(&strace, &command, folder);
    for account in [&mut seen, &mut said] {
        account.taken.entry("CHLD".to_owned()).and_modify(|count| *count = 1);
        chance(account);
    }
    assert_eq!(seen, said, "the recorder (left) and strace (right) do not agree on {command:?}");
    Some(seen)
}

/// The command in an empty folder; what both told.
#[track_caller]
fn agree_anywhere(command: &[&str]) -> Option<Account> {
    agree(command, tempfile::tempdir().unwrap().path(), |_| {})
}

fn python(script: &str) -> Option<Account> {
    let python = require::python()?;
    agree_anywhere(&[python.to_str().unwrap(), "-c", script])
}

#[test]
fn a_pipeline_of_sh() {
    let Some(account) = agree_anywhere(&["sh", "-c", "seq 1000 | sort -r | head -3"]) else { return };
    assert_eq!(account.output, ["997", "998", "999"]);
    assert_eq!(account.programs.len(), 4, "{account:?}");
    assert_eq!(account.pipes.keys().map(|(written, _)| *written).collect::<Vec<_>>(), [3893]);
}

#[test]
fn process_substitution_of_bash() {
    let Some(account) = agree_anywhere(&["bash", "-c", "cat <(seq 5) <(seq 6 9) | wc -l"]) else { return };
    assert_eq!(account.output, ["9"]);
    assert_eq!(account.programs.get("seq"), Some(&2));
}

#[test]
fn a_pool_of_python() {
    let script = "
from multiprocessing import Pool

def square(x):
    return x * x

if __name__ == '__main__':
    pool = Pool(2)
    print(pool.map(square, range(6)))
    pool.close()
    pool.join()
";
    let Some(account) = python(script) else { return };
    assert_eq!(account.output, ["[0, 1, 4, 9, 16, 25]"]);
}

#[test]
fn fork_of_python() {
    let script = "
import os
read, write = os.pipe()
child = os.fork()
if child == 0:
    os.close(read)
    os.write(write, b'from the child')
    os._exit(7)
os.close(write)
print(os.read(read, 100).decode(), flush=True)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
";
    let Some(account) = python(script) else { return };
    assert_eq!(account.output, ["7", "from the child"]);
    assert_eq!(account.pipes.keys().copied().collect::<Vec<_>>(), [(14, 14)]);
}

#[test]
fn signal_handlers_of_python() {
    let script = "
import os, signal
taken = []
def take(number, frame):
    taken.append(number)
for number in (signal.SIGUSR1, signal.SIGALRM, signal.SIGRTMIN + 3):
    signal.signal(number, take)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
child = os.fork()
if child == 0:
    os.kill(os.getppid(), signal.SIGUSR1)
    os.kill(os.getppid(), signal.SIGHUP)
    os.kill(os.getpid(), signal.SIGRTMIN + 3)
    os.kill(os.getpid(), signal.SIGTERM)
os.waitpid(child, 0)
os.kill(os.getpid(), signal.SIGRTMIN + 3)
signal.setitimer(signal.ITIMER_REAL, 0.01)
while signal.SIGALRM not in taken:
    signal.pause()
print(len(taken))
";
    let Some(account) = python(script) else { return };
    assert_eq!(account.output, ["3"]);
    let bag = |names: &[(&str, usize)]| names.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect::<Bag<_>>();
    assert_eq!(account.taken, bag(&[("USR1", 1), ("ALRM", 1), ("RTMIN+3", 2)]));
    assert_eq!(account.sent, bag(&[("USR1", 1), ("HUP", 1), ("RTMIN+3", 2), ("TERM", 1)]));
}

#[test]
fn two_jobs_of_make() {
    let folder = tempfile::tempdir().unwrap();
    let makefile = "all: one two three\n\t@cat one two three\none two three:\n\t@echo $@ | tr a-z A-Z > $@\n";
    std::fs::write(folder.path().join("Makefile"), makefile).unwrap();
    // Made anew for each of the two runs.
    let command = ["sh", "-c", "make -s -j2; rm one two three"];
    if require::program("make").is_none() {
        return;
    }
    // Each line has four bytes or more. What has less is the pipe of tokens, of one byte each, that make's jobs take when
    // they find another job running.
    let tokens = |account: &mut Account| account.pipes.retain(|(written, _), _| *written >= 4);
    let Some(account) = agree(&command, folder.path(), tokens) else { return };
    assert_eq!(account.output, ["ONE", "THREE", "TWO"]);
}

#[test]
fn two_processes_of_xargs() {
    let Some(account) = agree_anywhere(&["sh", "-c", "seq 6 | xargs -P2 -n2 echo"]) else { return };
    assert_eq!(account.output, ["1 2", "3 4", "5 6"]);
    assert_eq!(account.programs.get("echo"), Some(&3));
}

#[test]
fn a_timeout() {
    let Some(account) = agree_anywhere(&["timeout", "1", "sleep", "5"]) else { return };
    assert_eq!(account.endings.get(&("sleep".to_owned(), "TERM".to_owned())), Some(&1));
    assert_eq!(account.endings.get(&("timeout".to_owned(), "124".to_owned())), Some(&1));
    assert_eq!(account.taken.get("ALRM"), Some(&1));
}
