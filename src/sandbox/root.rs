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
//! All else is a small tmpfs, read-only. What all runs have in common is built once by a worker, in a mount namespace that
//! it keeps a descriptor of and nobody lives in: below a folder of the host's that this covers; then the root is exchanged
//! and the old one let go. Init enters it and takes a copy, which is small, and mounts what is the run's own.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::{Mode, umask};
use nix::unistd::pivot_root;

use super::enter::Person;
use super::error::Step;
use super::kept::kept;
use super::wire::Failure;
use super::{FIRST_PID, PROGRAM_FOLDER, WORK_FOLDER};
use crate::model::Limits;
use crate::sys::mount::{Reach, attach, copy_of, make_read_only};
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
    /// What [`template`] gave.
    pub(super) template: &'a File,
}

/// Where a run mounts what is its own: folder and mode.
const PLACES: [(&str, u32); 5] =
    [("dev/mqueue", 0o755), ("dev/shm", 0o755), ("work", 0o755), ("tmp", 0o755), ("box", 0o755)];

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

/// Builds what all runs of a worker have in common, in a mount namespace of its own, and gives that namespace: each run
/// takes a copy of it. To be called by a process of one thread.
pub(super) fn template() -> Result<File, Failure> {
    kept("mnt", || {
        unshare(CloneFlags::CLONE_NEWNS).map_err(Failure::at(Step::Namespaces))?;
        common()
    })
}

/// The system's part of the root, and the places where a run mounts its own.
fn common() -> Result<(), Failure> {
    umask(Mode::S_IWGRP | Mode::S_IWOTH);
    stage()?;
    system_folders()?;
    etc()?;
    devices()?;
    for (place, mode) in PLACES {
        make_folder(place, mode)?;
    }
    // Where no procfs can be seen whole the kernel mounts none (mount_namespaces(7)): a run's own covers this one.
    make_folder("proc", 0o555)?;
    mount_from(Path::new("/proc"), "proc", MsFlags::MS_BIND | MsFlags::MS_REC)?;
    exchange("/")
}

/// Makes the current folder, a mount, the root, read-only; the process is in `folder` of it afterwards.
pub(super) fn exchange(folder: &str) -> Result<(), Failure> {
    make_read_only(Path::new("."), Reach::Mount).map_err(Failure::about(Step::ReadOnly, "/"))?;
    // The new root on top of the old one, then the old one away (pivot_root(2), "pivot_root(".", ".")").
    pivot_root(".", ".").map_err(Failure::at(Step::Pivot))?;
    umount2(".", MntFlags::MNT_DETACH).map_err(Failure::at(Step::Pivot))?;
    std::env::set_current_dir(folder).map_err(errno).map_err(Failure::about(Step::Pivot, folder))
}

/// Builds the root and makes it this process's; the process is in [`WORK_FOLDER`] afterwards.
pub(super) fn build(plan: Plan<'_>) -> Result<(), Failure> {
    // Taken before the paths that lead to them are out of reach.
    let tools = plan.tools.iter().map(|(name, file)| (name.as_str(), file.as_path()));
    let programs = [(plan.name, plan.program)].into_iter().chain(tools);
    let taken = |(name, file): (&'_ str, &Path)| {
        Ok((name.to_owned(), copy_of(file).map_err(Failure::about(Step::Open, &file.to_string_lossy()))?))
    };
    let programs: Vec<_> = programs.map(taken).collect::<Result<_, Failure>>()?;
    setns(plan.template, CloneFlags::CLONE_NEWNS).map_err(Failure::at(Step::Namespaces))?;
    unshare(CloneFlags::CLONE_NEWNS).map_err(Failure::at(Step::Namespaces))?;
    kernel_file_systems(plan.limits)?;
    scratch(plan.limits, plan.person)?;
    for (name, file) in programs {
        let inside = format!("{PROGRAM_FOLDER}/{name}");
        make_file(&inside, "")?;
        attach(file.as_fd(), Path::new(&inside)).map_err(Failure::about(Step::Bind, &inside))?;
    }
    make_read_only(Path::new(PROGRAM_FOLDER), Reach::Tree).map_err(Failure::about(Step::ReadOnly, PROGRAM_FOLDER))?;
    std::env::set_current_dir(WORK_FOLDER).map_err(errno).map_err(Failure::about(Step::Pivot, WORK_FOLDER))
}

/// Covers a folder of the host's with an empty tmpfs, in which the new root is built, and goes there.
pub(super) fn stage() -> Result<(), Failure> {
    let stage = STAGES.iter().map(Path::new).find(|path| path.is_dir()).unwrap_or(Path::new("/tmp"));
    tmpfs(stage, "mode=755,size=1m,nr_inodes=512")?;
    std::env::set_current_dir(stage).map_err(errno).map_err(Failure::about(Step::Tmpfs, &stage.to_string_lossy()))
}

fn system_folders() -> Result<(), Failure> {
    FOLDERS.iter().try_for_each(|name| system_folder(name))
}

/// Shows a folder of the host's at its own place, as the link that it may be; nothing where the host has none.
pub(super) fn system_folder(name: &str) -> Result<(), Failure> {
    let host = Path::new("/").join(name);
    let Ok(metadata) = fs::symlink_metadata(&host) else { return Ok(()) };
    if metadata.is_symlink() {
        let target = fs::read_link(&host).map_err(errno).map_err(Failure::about(Step::Open, name))?;
        symlink(target, name).map_err(errno).map_err(Failure::about(Step::Make, name))?;
    } else if metadata.is_dir() {
        make_folder(name, 0o755)?;
        bind(&host, name, Reach::Tree)?;
    }
    Ok(())
}

fn etc() -> Result<(), Failure> {
    make_folder("etc", 0o755)?;
    make_file("etc/passwd", "learner:x:1000:1000::/work:/bin/sh\n")?;
    make_file("etc/group", "learner:x:1000:\n")?;
    loader_cache()?;
    // Debian: /usr/bin/awk and others lead through it.
    if Path::new("/etc/alternatives").is_dir() {
        make_folder("etc/alternatives", 0o755)?;
        bind(Path::new("/etc/alternatives"), "etc/alternatives", Reach::Mount)?;
    }
    Ok(())
}

/// Where the loader finds libraries (ld.so(8)); `etc` is there.
pub(super) fn loader_cache() -> Result<(), Failure> {
    if Path::new("/etc/ld.so.cache").is_file() {
        make_file("etc/ld.so.cache", "")?;
        bind(Path::new("/etc/ld.so.cache"), "etc/ld.so.cache", Reach::Mount)?;
    }
    Ok(())
}

pub(super) fn devices() -> Result<(), Failure> {
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

/// One tmpfs for all that can be written, so that there is one bound; the programs' folder is in it too.
fn scratch(limits: &Limits, person: Person) -> Result<(), Failure> {
    let whole = Path::new("/tmp");
    let options = format!("mode=755,size={}m,nr_inodes={}", limits.files_mib.max(1), Limits::FILES);
    tmpfs(whole, &options)?;
    // Its own place last: that covers the rest.
    for (name, inside, mode) in [
        ("box", PROGRAM_FOLDER, 0o755),
        ("work", WORK_FOLDER, 0o755),
        ("shm", "/dev/shm", 0o1777),
        ("tmp", "/tmp", 0o1777),
    ] {
        let source = whole.join(name);
        let path = source.to_string_lossy();
        make_folder(&path, mode)?;
        let id = Some(person.id()).filter(|id| *id != 0);
        if inside != PROGRAM_FOLDER && id.is_some() {
            chown(&source, id, id).map_err(errno).map_err(Failure::about(Step::Make, inside))?;
        }
        mount_from(&source, inside, MsFlags::MS_BIND)?;
    }
    Ok(())
}

fn kernel_file_systems(limits: &Limits) -> Result<(), Failure> {
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), quiet, None::<&str>).map_err(Failure::at(Step::Proc))?;
    mount(Some("mqueue"), "/dev/mqueue", Some("mqueue"), quiet, None::<&str>).map_err(Failure::at(Step::Queues))?;
    // System V shared memory is no file: this is its only bound. Kernels before 5.19 let nobody but the host's root
    // set it.
    let pages = limits.files_mib.max(1) * 256;
    let _unbounded = write_once(Path::new("/proc/sys/kernel/shmall"), &pages.to_string());
    // Needs no success: ids are the same in each run in any case, only lower.
    let _lower = write_once(Path::new("/proc/sys/kernel/ns_last_pid"), &last_pid().to_string());
    // An ordinary user's program is of the same user as init, whom the kernel lets set the namespaces' bounds.
    bind(Path::new("/proc/sys"), "/proc/sys", Reach::Tree)
}

/// The id before [`FIRST_PID`], or the nearest that this pid namespace can give: from Linux 6.14 on each has a bound of its
/// own (pid_max in proc_sys_kernel(5)), which is not the worker's.
fn last_pid() -> i32 {
    let most = fs::read_to_string("/proc/sys/kernel/pid_max").ok().and_then(|text| text.trim().parse().ok());
    let most: i32 = most.unwrap_or(32_768);
    (FIRST_PID - 1).min(most - most / 4)
}

pub(super) fn tmpfs(place: &Path, options: &str) -> Result<(), Failure> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("box"), place, Some("tmpfs"), flags, Some(options))
        .map_err(Failure::about(Step::Tmpfs, &place.to_string_lossy()))
}

/// Shows a host's folder or file in the box, read-only.
pub(super) fn bind(source: &Path, inside: &str, reach: Reach) -> Result<(), Failure> {
    let recursive = match reach {
        Reach::Mount => MsFlags::empty(),
        Reach::Tree => MsFlags::MS_REC,
    };
    mount_from(source, inside, MsFlags::MS_BIND | recursive)?;
    make_read_only(Path::new(inside), reach).map_err(Failure::about(Step::ReadOnly, inside))
}

pub(super) fn mount_from(source: &Path, inside: &str, flags: MsFlags) -> Result<(), Failure> {
    mount(Some(source), inside, None::<&str>, flags, None::<&str>).map_err(Failure::about(Step::Bind, inside))
}

pub(super) fn make_folder(path: &str, mode: u32) -> Result<(), Failure> {
    // What the mask takes away (umask(2)) is put back; it takes nothing from most.
    let put_back = || match mode & 0o022 {
        0 => Ok(()),
        _ => fs::set_permissions(path, fs::Permissions::from_mode(mode)),
    };
    let made = DirBuilder::new().mode(mode).create(path).and_then(|()| put_back());
    made.map_err(errno).map_err(Failure::about(Step::Make, path))
}

fn make_file(path: &str, text: &str) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file: File| file.write_all(text.as_bytes()))
        .map_err(errno)
        .map_err(Failure::about(Step::Make, path))
}
