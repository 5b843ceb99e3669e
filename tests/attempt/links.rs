//! A FIFO that the recorder takes for something else: from outside of the box its link leads nowhere.
#![expect(unsafe_code, reason = "a process that forks")]

use std::fs::File;
use std::io::{Read, Write};

use ipc_grade::trace::canonical::RunEnd;
use nix::sys::stat::Mode;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork, mkfifo};

use crate::cases::{described, run};

/// Two that meet in a FIFO which both open by an absolute link.
pub(crate) fn meets_behind_a_link() {
    mkfifo("names", Mode::S_IRWXU).expect("a FIFO");
    let names = std::env::current_dir().expect("a folder").join("names");
    std::os::unix::fs::symlink(names, "link").expect("a link");
    // SAFETY: one thread.
    match unsafe { fork() }.expect("a child") {
        ForkResult::Child => {
            let mut text = String::new();
            File::open("link").and_then(|mut fifo| fifo.read_to_string(&mut text)).expect("a writer");
            assert_eq!(text, "kettle\n");
            std::process::exit(0);
        }
        ForkResult::Parent { child } => {
            let mut fifo = File::options().write(true).open("link").expect("a reader");
            fifo.write_all(b"kettle\n").expect("a reader");
            drop(fifo);
            waitpid(child, None).expect("a child");
        }
    }
}

/// An open that was not looked after, and sleeps, is found asleep all the same.
pub(crate) fn found_asleep() {
    let trace = run(&described("meets behind a link", Vec::new()));
    assert_eq!(trace.end, RunEnd::Finished, "{trace:?}");
}
