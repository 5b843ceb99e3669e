//! The bound of a whole run where a cgroup of version 2 is delegated to the grader (cgroups(7)).
//!
//! Processes may be only in the leaves of what is delegated ("no internal processes"), so the grader moves to a leaf of
//! its own, outside of every bound: who is in a group that runs out of memory may be killed. Each run gets a leaf with
//! bounds, which init enters before it forks.

use std::fs;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use crate::model::Limits;
use crate::sys::namespace::errno;

/// A group that is ours to divide.
#[derive(Debug, Clone)]
pub(super) struct Delegated {
    folder: PathBuf,
}

/// The group of one run; its folder goes when it is dropped, once its processes have ended.
#[derive(Debug)]
pub(super) struct Group {
    folder: PathBuf,
}

/// Where the grader itself goes.
const GRADER: &str = "ipc-grade";

/// Memory that a run may have in its group beyond what the recorder counts, in MiB: the kernel's own, page tables, and
/// what grows between two looks. The group is the wall behind the count.
const SLACK_MIB: u64 = 256;

impl Delegated {
    /// This process's group, divided, with this process and the grader's others in a leaf.
    ///
    /// # Errors
    /// Why it is not to be had: ENOENT where there is no version 2, ENOTSUP without its controllers of memory and
    /// processes, EBUSY where others are in the group, EACCES where it is not delegated.
    pub(super) fn take() -> nix::Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(errno)?;
        let own = fs::read_to_string("/proc/self/cgroup").map_err(errno)?;
        let folder = folder_of(&mounts, &own).ok_or(Errno::ENOENT)?;
        // Another worker has divided it, and this one was born into the leaf.
        if folder.ends_with(GRADER) {
            let folder = folder.parent().ok_or(Errno::ENOENT)?.to_owned();
            return Ok(Self { folder });
        }
        let program = fs::read_link("/proc/self/exe").map_err(errno)?;
        let ours = |pid: &str| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|other| other == program);
        Self::divide(folder, ours)
    }

    fn divide(folder: PathBuf, ours: impl Fn(&str) -> bool) -> nix::Result<Self> {
        let controllers = fs::read_to_string(folder.join("cgroup.controllers")).map_err(errno)?;
        if !["memory", "pids"].iter().all(|wanted| controllers.split_whitespace().any(|it| it == *wanted)) {
            return Err(Errno::ENOTSUP);
        }
        let members = fs::read_to_string(folder.join("cgroup.procs")).map_err(errno)?;
        if !members.lines().all(ours) {
            return Err(Errno::EBUSY);
        }
        let leaf = folder.join(GRADER);
        match fs::create_dir(&leaf) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(errno(error)),
            _ => {}
        }
        for member in members.lines() {
            write(&leaf, "cgroup.procs", member)?;
        }
        write(&folder, "cgroup.subtree_control", "+memory +pids")?;
        Ok(Self { folder })
    }

    /// A group for a run, bounded.
    pub(super) fn group(&self, limits: &Limits) -> nix::Result<Group> {
        let folder = self.folder.join(format!("run-{}", std::process::id()));
        match fs::create_dir(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(errno(error)),
            _ => {}
        }
        let group = Group { folder };
        let most = (limits.run_memory_mib() + limits.files_mib * 2 + SLACK_MIB) << 20;
        write(&group.folder, "memory.max", &most.to_string())?;
        write(&group.folder, "pids.max", &super::limits::processes(limits).to_string())?;
        // Without swap there is no such file; with an old kernel nobody ends them together, and they end one by one.
        let _no_swap = write(&group.folder, "memory.swap.max", "0");
        let _one_by_one = write(&group.folder, "memory.oom.group", "1");
        Ok(group)
    }
}

impl Group {
    /// Moves this process into it.
    pub(super) fn enter(&self) -> nix::Result<()> {
        write(&self.folder, "cgroup.procs", "0")
    }

    /// Whether a process in it was killed for its memory (memory.events).
    pub(super) fn ran_out(&self) -> bool {
        let events = fs::read_to_string(self.folder.join("memory.events")).unwrap_or_default();
        let killed = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
        killed.is_some_and(|count| count.trim() != "0")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Its processes have ended; where one has not, the next run's group is this one.
        let _left = fs::remove_dir(&self.folder);
    }
}

fn write(folder: &Path, file: &str, text: &str) -> nix::Result<()> {
    fs::write(folder.join(file), text).map_err(errno)
}

/// The folder of a process's group in version 2, from its mounts and its groups.
fn folder_of(mounts: &str, own: &str) -> Option<PathBuf> {
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    mounts.lines().find_map(|line| {
        let (mount, rest) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        let (root, place) = (fields.next()?, fields.next()?);
        let below = Path::new(path).strip_prefix(root).ok()?;
        rest.starts_with("cgroup2 ").then(|| Path::new(place).join(below))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "24 30 0:22 / /sys rw - sysfs sysfs rw\n\
        35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn the_folder_is_found_by_mount_and_group() {
        let found = |mounts: &str, own: &str| folder_of(mounts, own);
        let user = "/user.slice/user-1000.slice/run-1.scope";
        assert_eq!(found(MOUNTS, &format!("0::{user}\n")), Some(format!("/sys/fs/cgroup{user}").into()));
        assert_eq!(found(MOUNTS, "9:memory:/a\n0::/\n"), Some("/sys/fs/cgroup/".into()));
        assert_eq!(found(MOUNTS, "9:memory:/a\n"), None, "version 1 alone");
        let container = "35 24 0:30 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        assert_eq!(found(container, "0::/docker/abc/x\n"), Some("/sys/fs/cgroup/x".into()));
    }

    /// A folder with files of the same names: what is written where. The kernel's answers are not in it.
    #[test]
    fn a_group_is_divided_and_a_run_bounded() {
        let top = tempfile::tempdir().expect("a temporary folder");
        let file = |name: &str, text: &str| fs::write(top.path().join(name), text).expect("a new file");
        let read = |name: &str| fs::read_to_string(top.path().join(name)).unwrap_or_default();
        file("cgroup.controllers", "cpu io pids\n");
        file("cgroup.procs", "11\n12\n");
        let divide = |ours: fn(&str) -> bool| Delegated::divide(top.path().to_owned(), ours);
        assert_eq!(divide(|_| true).err(), Some(Errno::ENOTSUP), "no controller of memory");
        file("cgroup.controllers", "cpu memory pids\n");
        assert_eq!(divide(|pid| pid == "11").err(), Some(Errno::EBUSY), "a stranger in the group");
        let delegated = divide(|_| true).expect("a group");
        assert_eq!(read("ipc-grade/cgroup.procs"), "12", "each was moved by a write");
        assert_eq!(read("cgroup.subtree_control"), "+memory +pids");
        let group = delegated.group(&Limits::default()).expect("a group for a run");
        group.enter().expect("a file");
        let run = format!("run-{}", std::process::id());
        assert_eq!(read(&format!("{run}/memory.max")), ((1024 + 32 + 256) << 20).to_string());
        assert_eq!(read(&format!("{run}/pids.max")), "64");
        assert_eq!(read(&format!("{run}/cgroup.procs")), "0");
        assert!(!group.ran_out());
        file(&format!("{run}/memory.events"), "low 0\noom 1\noom_kill 0\n");
        assert!(!group.ran_out());
        file(&format!("{run}/memory.events"), "low 0\noom 1\noom_kill 3\n");
        assert!(group.ran_out());
    }
}
