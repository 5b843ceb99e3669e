//! The new root: what a program in the box can see.
//!
//! | path | what |
//! |---|---|
//! | /usr, /bin, /sbin, /lib…, /nix | the host's, read-only |
//! | /etc | passwd and group with one user; the host's ld.so.cache and alternatives |
//! | /dev | null, zero, full, random, urandom; fd, stdin, stdout, stderr as links |
//! | /proc, /dev/mqueue | of the new pid and IPC namespaces |
//! | /work, /tmp, /dev/shm | one tmpfs of `limits.files_mib` |
//! | /box | the program and the tools that the exercise brings, read-only |
//!
//! All else is a small tmpfs, read-only. The box is built below a folder of the host's that this covers, in init's own
//! mount namespace; then the root is exchanged and the old one let go.

use std::fs::{self, File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::Mode;
use nix::unistd::pivot_root;

use super::enter::Person;
use super::error::Step;
use super::wire::Failure;
use super::{FIRST_PID, PROGRAM_FOLDER, WORK_FOLDER};
use crate::model::Limits;
use crate::sys::mount::{Reach, make_read_only};
use crate::sys::namespace::{errno, write_once};

/// What the root is built for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan<'a> {
    /// The program's file on the host.
    pub(super) program: &'a Path,
    /// Its name in the box.
    pub(super) name: &'a str,
    /// What stands beside it: names in the box, files on the host.
    pub(super) tools: &'a [(String, PathBuf)],
    /// How much it may write.
    pub(super) limits: &'a Limits,
    /// Who it runs as.
    pub(super) person: Person,
}

/// Below these the box is built, in the first that the host has. None of them may be a source of the box.
const STAGES: [&str; 4] = ["/tmp", "/mnt", "/run", "/var"];

/// Host folders or links that programs need.
const FOLDERS: [&str; 8] = ["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix"];

const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

const LINKS: [(&str, &str); 4] = [
    ("dev/fd", "/proc/self/fd"),
    ("dev/stdin", "/proc/self/fd/0"),
    ("dev/stdout", "/proc/self/fd/1"),
    ("dev/stderr", "/proc/self/fd/2"),
];

/// Builds the root and makes it this process's; the process is in [`WORK_FOLDER`] afterwards.
pub(super) fn build(plan: Plan<'_>) -> Result<(), Failure> {
    // Opened before the stage covers the path that leads to it.
    let tools = plan.tools.iter().map(|(name, file)| (name.as_str(), file.as_path()));
    let programs = [(plan.name, plan.program)].into_iter().chain(tools);
    let opened = |(name, file): (&'_ str, &Path)| {
        let file = open(file, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
            .map_err(Failure::about(Step::Open, &file.to_string_lossy()))?;
        Ok((name.to_owned(), file))
    };
    let programs: Vec<_> = programs.map(opened).collect::<Result<_, Failure>>()?;
    let stage = STAGES.iter().map(Path::new).find(|path| path.is_dir()).unwrap_or(Path::new("/tmp"));
    tmpfs(stage, "mode=755,size=1m,nr_inodes=512")?;
    std::env::set_current_dir(stage).map_err(errno).map_err(Failure::about(Step::Tmpfs, &stage.to_string_lossy()))?;

    system_folders()?;
    etc()?;
    devices()?;
    scratch(plan.limits, plan.person)?;
    kernel_file_systems(plan.limits)?;
    make_folder("box", 0o755)?;
    for (name, file) in programs {
        let inside = format!("{}/{name}", &PROGRAM_FOLDER[1..]);
        make_file(&inside, "")?;
        bind(Path::new(&format!("/proc/self/fd/{}", file.as_raw_fd())), &inside, Reach::Mount)?;
    }
    make_read_only(Path::new("."), Reach::Mount).map_err(Failure::about(Step::ReadOnly, "/"))?;

    // The new root on top of the old one, then the old one away (pivot_root(2), "pivot_root(".", ".")").
    pivot_root(".", ".").map_err(Failure::at(Step::Pivot))?;
    umount2(".", MntFlags::MNT_DETACH).map_err(Failure::at(Step::Pivot))?;
    std::env::set_current_dir(WORK_FOLDER).map_err(errno).map_err(Failure::about(Step::Pivot, WORK_FOLDER))
}

fn system_folders() -> Result<(), Failure> {
    for name in FOLDERS {
        let host = Path::new("/").join(name);
        let Ok(metadata) = fs::symlink_metadata(&host) else { continue };
        if metadata.is_symlink() {
            let target = fs::read_link(&host).map_err(errno).map_err(Failure::about(Step::Open, name))?;
            symlink(target, name).map_err(errno).map_err(Failure::about(Step::Make, name))?;
        } else if metadata.is_dir() {
            make_folder(name, 0o755)?;
            bind(&host, name, Reach::Tree)?;
        }
    }
    Ok(())
}

fn etc() -> Result<(), Failure> {
    make_folder("etc", 0o755)?;
    make_file("etc/passwd", "learner:x:1000:1000::/work:/bin/sh\n")?;
    make_file("etc/group", "learner:x:1000:\n")?;
    if Path::new("/etc/ld.so.cache").is_file() {
        make_file("etc/ld.so.cache", "")?;
        bind(Path::new("/etc/ld.so.cache"), "etc/ld.so.cache", Reach::Mount)?;
    }
    // Debian: /usr/bin/awk and others lead through it.
    if Path::new("/etc/alternatives").is_dir() {
        make_folder("etc/alternatives", 0o755)?;
        bind(Path::new("/etc/alternatives"), "etc/alternatives", Reach::Mount)?;
    }
    Ok(())
}

fn devices() -> Result<(), Failure> {
    make_folder("dev", 0o755)?;
    for name in DEVICES {
        let inside = format!("dev/{name}");
        make_file(&inside, "")?;
        // Not read-only: that would change nothing for a device, and a flag the less is a call the less.
        mount_from(&Path::new("/dev").join(name), &inside, MsFlags::MS_BIND)?;
    }
    for (link, target) in LINKS {
        symlink(target, link).map_err(errno).map_err(Failure::about(Step::Make, link))?;
    }
    Ok(())
}

/// One tmpfs for all that can be written, so that there is one bound.
fn scratch(limits: &Limits, person: Person) -> Result<(), Failure> {
    let place = "scratch";
    make_folder(place, 0o755)?;
    let options = format!("mode=755,size={}m,nr_inodes={}", limits.files_mib.max(1), Limits::FILES);
    tmpfs(Path::new(place), &options)?;
    for (name, inside, mode) in [("work", "work", 0o755), ("tmp", "tmp", 0o1777), ("shm", "dev/shm", 0o1777)] {
        let source = format!("{place}/{name}");
        make_folder(&source, mode)?;
        let id = Some(person.id());
        chown(&source, id, id).map_err(errno).map_err(Failure::about(Step::Make, inside))?;
        make_folder(inside, 0o755)?;
        mount_from(Path::new(&source), inside, MsFlags::MS_BIND)?;
    }
    umount2(place, MntFlags::MNT_DETACH).map_err(Failure::about(Step::Tmpfs, place))?;
    fs::remove_dir(place).map_err(errno).map_err(Failure::about(Step::Make, place))
}

fn kernel_file_systems(limits: &Limits) -> Result<(), Failure> {
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    make_folder("proc", 0o555)?;
    mount(Some("proc"), "proc", Some("proc"), quiet, None::<&str>).map_err(Failure::at(Step::Proc))?;
    make_folder("dev/mqueue", 0o755)?;
    mount(Some("mqueue"), "dev/mqueue", Some("mqueue"), quiet, None::<&str>).map_err(Failure::at(Step::Queues))?;
    // System V shared memory is no file: this is its only bound. Kernels before 5.19 let nobody but the host's root
    // set it.
    let pages = limits.files_mib.max(1) * 256;
    let _unbounded = write_once(Path::new("proc/sys/kernel/shmall"), &pages.to_string());
    // Needs no success: ids are the same in each run in any case, only lower.
    let _lower = write_once(Path::new("proc/sys/kernel/ns_last_pid"), &last_pid().to_string());
    // An ordinary user's program is of the same user as init, whom the kernel lets set the namespaces' bounds.
    bind(Path::new("proc/sys"), "proc/sys", Reach::Tree)
}

/// The id before [`FIRST_PID`], or the nearest that the machine can give.
fn last_pid() -> i32 {
    let most = fs::read_to_string("proc/sys/kernel/pid_max").ok().and_then(|text| text.trim().parse().ok());
    let most: i32 = most.unwrap_or(32_768);
    (FIRST_PID - 1).min(most - most / 4)
}

fn tmpfs(place: &Path, options: &str) -> Result<(), Failure> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("box"), place, Some("tmpfs"), flags, Some(options))
        .map_err(Failure::about(Step::Tmpfs, &place.to_string_lossy()))
}

/// Shows a host's folder or file in the box, read-only.
fn bind(source: &Path, inside: &str, reach: Reach) -> Result<(), Failure> {
    let recursive = match reach {
        Reach::Mount => MsFlags::empty(),
        Reach::Tree => MsFlags::MS_REC,
    };
    mount_from(source, inside, MsFlags::MS_BIND | recursive)?;
    make_read_only(Path::new(inside), reach).map_err(Failure::about(Step::ReadOnly, inside))
}

fn mount_from(source: &Path, inside: &str, flags: MsFlags) -> Result<(), Failure> {
    mount(Some(source), inside, None::<&str>, flags, None::<&str>).map_err(Failure::about(Step::Bind, inside))
}

fn make_folder(path: &str, mode: u32) -> Result<(), Failure> {
    let made = fs::create_dir(path).and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)));
    made.map_err(errno).map_err(Failure::about(Step::Make, path))
}

fn make_file(path: &str, text: &str) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file: File| std::io::Write::write_all(&mut file, text.as_bytes()))
        .map_err(errno)
        .map_err(Failure::about(Step::Make, path))
}
