//! A cgroup of version 2 for each case of a suite that root starts, as a session has one where systemd delegates it
//! (cgroups(7), "Delegation"): its folder and what it is divided by belong to the user whom the case runs as.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a user may write of a group that is his.
const HIS: [&str; 4] = ["", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"];

/// What the box divides.
const CONTROLLERS: [&str; 2] = ["memory", "pids"];

/// A group for one case; gone when it is dropped.
#[derive(Debug)]
pub(crate) struct Delegated {
    folder: PathBuf,
}

impl Delegated {
    /// None where this machine has no group that could be divided; who needs one says so.
    pub(crate) fn new(user: u32) -> Option<Self> {
        let top = top()?;
        fs::write(top.join("cgroup.subtree_control"), "+memory +pids").ok()?;
        let folder = top.join(format!("ipc-grade-test-{}-{user}", std::process::id()));
        fs::create_dir(&folder).ok()?;
        let group = Self { folder };
        for file in HIS {
            chown(group.folder.join(file), Some(user), Some(user)).ok()?;
        }
        Some(group)
    }

    /// A program that begins in it as the user whose it is: who may not enter it by himself.
    pub(crate) fn command(&self, program: &Path, user: u32) -> Command {
        let mut command = Command::new("/bin/sh");
        let enter = "echo 0 > \"$0/cgroup.procs\" && exec \"$@\"";
        command.args(["-c", enter]).arg(&self.folder).arg("setpriv");
        if user != 0 {
            command.args([format!("--reuid={user}"), format!("--regid={user}"), "--clear-groups".to_owned()]);
        }
        command.arg(program);
        command
    }
}

impl Drop for Delegated {
    fn drop(&mut self) {
        let below = fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.path());
        for folder in below.filter(|path| path.is_dir()).chain([self.folder.clone()]) {
            let _left = fs::remove_dir(folder);
        }
    }
}

/// The first group of the machine's hierarchy of version 2, if it has the controllers.
fn top() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let place = mounts.lines().find_map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
        [_, place, "cgroup2", ..] => Some(place),
        _ => None,
    })?;
    let top = Path::new(place).to_owned();
    let has = fs::read_to_string(top.join("cgroup.controllers")).ok()?;
    CONTROLLERS.iter().all(|wanted| has.split_whitespace().any(|it| it == *wanted)).then_some(top)
}
