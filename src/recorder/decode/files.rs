//! What a descriptor, a path or an address of a stopped tracee stands for, by way of /proc.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

use super::arguments::text;
use crate::recorder::proc;
use crate::trace::raw::{Fd, FileKind, RawFile};

/// What a descriptor is open on; `path` where the caller knows it better.
pub(crate) fn file(tid: i32, fd: Fd, path: Option<&str>) -> RawFile {
    let proc_path = format!("/proc/{tid}/fd/{fd}");
    let target = link(&proc_path);
    let path = path.map_or_else(|| target.clone(), str::to_owned);
    let (read, write) = access(&proc_path);
    let Ok(seen) = std::fs::metadata(&proc_path) else {
        return RawFile { kind: FileKind::Other, path, dev: 0, ino: 0, read, write };
    };
    let kind = kind(&seen, &target, &path);
    let path =
        if matches!(kind, FileKind::Pipe | FileKind::Socket | FileKind::Anonymous) { String::new() } else { path };
    // Anonymous inodes are all the same one; the descriptor's first number tells them apart well enough.
    let ino = if kind == FileKind::Anonymous { u64::from(tid.unsigned_abs()) << 32 | fd as u64 } else { seen.ino() };
    RawFile { kind, path, dev: seen.dev(), ino, read, write }
}

fn kind(seen: &std::fs::Metadata, target: &str, path: &str) -> FileKind {
    let kind = seen.file_type();
    if kind.is_fifo() {
        return if target.starts_with("pipe:") { FileKind::Pipe } else { FileKind::Fifo };
    }
    if kind.is_socket() {
        return FileKind::Socket;
    }
    if kind.is_dir() {
        return FileKind::Folder;
    }
    if kind.is_char_device() {
        // /dev/pts/N, /dev/ttyN, /dev/console (Linux, admin-guide/devices.txt).
        let major = nix::sys::stat::major(seen.rdev());
        return if matches!(major, 4 | 5 | 136..=143) { FileKind::Terminal } else { FileKind::Other };
    }
    if target.starts_with("/memfd:") {
        return FileKind::Memory;
    }
    if path.strip_prefix("/dev/shm/").is_some_and(|name| !name.is_empty() && !name.contains('/')) {
        return FileKind::Shm;
    }
    if kind.is_file() && !target.starts_with("anon_inode:") { FileKind::Regular } else { FileKind::Anonymous }
}

/// What a path of the tracee's stands for, not followed.
pub(super) fn at_path(tid: i32, path: &str, kind: FileKind) -> RawFile {
    let seen = std::fs::symlink_metadata(format!("/proc/{tid}/root{path}"));
    let (dev, ino) = seen.map_or((0, 0), |seen| (seen.dev(), seen.ino()));
    RawFile { kind, path: path.to_owned(), dev, ino, read: false, write: false }
}

/// How a descriptor is open, for reading and for writing: what its link's owner may (proc_pid_fd(5)).
fn access(link: &str) -> (bool, bool) {
    let mode = std::fs::symlink_metadata(link).map_or(0o600, |seen| seen.mode());
    (mode & 0o400 != 0, mode & 0o200 != 0)
}

/// The process behind a pidfd, as the tracees see it (pidfd_open(2)).
pub(super) fn pidfd_target(tid: i32, fd: Fd) -> i32 {
    let info = proc::text(tid, &format!("fdinfo/{fd}"));
    // NSpid ends with the id in the innermost namespace, which is the tracees' own.
    let ids = info.lines().find_map(|line| line.strip_prefix("NSpid:"));
    ids.and_then(|ids| ids.split_whitespace().last()?.parse().ok()).unwrap_or(-1)
}

/// What memory a mapping that holds `addr` shows.
pub(super) fn mapped(tid: i32, addr: u64) -> Option<RawFile> {
    mapping(tid, addr).map(|(file, ..)| file)
}

/// The memory that a word lies in and where, if other processes can see it.
pub(super) fn shared_word(tid: i32, addr: u64) -> Option<(RawFile, u64)> {
    mapping(tid, addr).filter(|(_, _, shared)| *shared).map(|(file, offset, _)| (file, offset))
}

/// A stretch of a process's addresses (proc_pid_maps(5)).
#[derive(Debug, Clone)]
pub(crate) struct Mapping {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// The memory behind it.
    pub(crate) file: RawFile,
    /// Where in that memory it begins.
    pub(crate) start: u64,
    pub(crate) shared: bool,
    /// What the line says at its end: a path, or nothing.
    pub(crate) name: String,
}

impl Mapping {
    fn of_line(line: &str) -> Option<Self> {
        let mut fields = line.split_whitespace();
        let (from, to) = fields.next()?.split_once('-')?;
        let number = |hex| u64::from_str_radix(hex, 16).ok();
        let (from, to) = (number(from)?, number(to)?);
        let (rights, start, dev, ino) = (fields.next()?, number(fields.next()?)?, fields.next()?, fields.next()?);
        let (major, minor) = dev.split_once(':')?;
        let dev = nix::sys::stat::makedev(number(major)?, number(minor)?);
        let (read, write) = (rights.contains('r'), rights.contains('w'));
        // Memory without a name of its own is shown under one that no path leads to.
        let nameless = |path: &str| ["/memfd:", "/SYSV", "/dev/zero"].iter().any(|prefix| path.starts_with(prefix));
        let name = fields.next().unwrap_or_default();
        let kind = match name {
            path if path.starts_with("/dev/shm/") => FileKind::Shm,
            path if path.starts_with('/') && !nameless(path) => FileKind::Regular,
            _ => FileKind::Memory,
        };
        let file = RawFile { kind, path: String::new(), dev, ino: ino.parse().ok()?, read, write };
        Some(Self { from, to, file, start, shared: rights.ends_with('s'), name: name.to_owned() })
    }
}

/// All that a process has mapped, by address.
pub(crate) fn mappings(tid: i32) -> Vec<Mapping> {
    let maps = proc::text(tid, "maps");
    maps.lines().filter_map(Mapping::of_line).collect()
}

/// The memory at an address, the offset of `addr` from its start, and whether it is shared.
fn mapping(tid: i32, addr: u64) -> Option<(RawFile, u64, bool)> {
    let maps = proc::text(tid, "maps");
    // A mapping next to another of the same file is joined with it, so `addr` need not begin a line.
    let found = maps.lines().filter_map(Mapping::of_line).find(|mapping| (mapping.from..mapping.to).contains(&addr))?;
    Some((found.file, addr - found.from + found.start, found.shared))
}

/// A path argument as the tracee means it: absolute, without `.` and `..`.
pub(crate) fn path_at(tid: i32, folder: i32, addr: u64) -> String {
    let path = text(tid, addr);
    if path.starts_with('/') {
        return normal(Path::new(&path));
    }
    let base = if folder == libc::AT_FDCWD { format!("/proc/{tid}/cwd") } else { format!("/proc/{tid}/fd/{folder}") };
    let base = link(base);
    if path.is_empty() { base } else { normal(&Path::new(&base).join(path)) }
}

/// A path of the tracee's, from its working directory: absolute, without `.` and `..`.
pub(crate) fn path_of(tid: i32, path: &Path) -> String {
    // An absolute path takes the folder's place.
    normal(&Path::new(&link(format!("/proc/{tid}/cwd"))).join(path))
}

fn normal(path: &Path) -> String {
    let mut parts = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::ParentDir => {
                parts.pop();
            }
            Component::Normal(name) => parts.push(name),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    parts.to_string_lossy().into_owned()
}

/// Where a symbolic link of /proc leads, or nothing.
pub(crate) fn link(path: impl AsRef<Path>) -> String {
    std::fs::read_link(path).map(|to| to.to_string_lossy().into_owned()).unwrap_or_default()
}
