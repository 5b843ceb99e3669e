//! What is left of a run without namespaces, swept away by a process that outlives the worker.
//!
//! # Theory of operation
//!
//! The *sweeper* is the worker's child, made for one run before anything of it. It sleeps reading a pipe. The worker
//! writes a [`Leftover`] there before the run makes it, or, of what has its name from the kernel, right after. Worker and
//! init have the pipe's other end, so it ends when both are gone, and init goes when the last process of the run has:
//! the sweeper then removes what was noted and was not there before the run, and the folder, and with its own end the
//! machine's turn is given away. So it comes to the same whether the worker ends a run or is killed in the midst of it.
//!
//! It is in a session of its own, so that what ends a group of processes does not end it, and cannot be looked into. A
//! note can have objects removed that its writer may remove himself, and nothing else: who got hold of the pipe would win
//! nothing.
//!
//! Known gap: a System V set or queue without a key (IPC_PRIVATE) whose worker is killed between the kernel's making it
//! and the note stays; nothing says whose it is.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::unistd::{geteuid, setsid};
use serde::{Deserialize, Serialize};

use crate::sys::namespace::errno;
use crate::sys::objects;
use crate::sys::process::{Side, close_all_but, exit_now, fork};
use crate::sys::wait::wait;

/// How folders of runs are called.
pub(super) const PREFIX: &str = "ipc-grade-run-";

/// Something that a run has made, or is about to make, and may leave: what it is called.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Leftover {
    /// A file directly below /dev/shm: shared memory or a semaphore.
    Shared(String),
    /// A POSIX queue, `/name`, that was not there before.
    Queue(String),
    /// A System V segment, set of semaphores or queue, by its id.
    Segment(i32),
    /// See [`Self::Segment`].
    Semaphores(i32),
    /// See [`Self::Segment`].
    Messages(i32),
    /// A System V segment, by its key.
    KeyedSegment(i32),
    /// See [`Self::KeyedSegment`].
    KeyedSemaphores(i32),
    /// See [`Self::KeyedSegment`].
    KeyedMessages(i32),
    /// The System V segments that this process has made.
    SegmentsOf(i32),
}

/// Where what a run makes is noted; all copies end with the [`Sweeper`].
#[derive(Debug, Clone)]
pub struct Notes(Rc<RefCell<Option<PipeWriter>>>);

impl Notes {
    /// Notes it. Where nobody sweeps any more there is nobody to tell.
    pub fn note(&self, leftover: &Leftover) {
        let line = serde_json::to_string(leftover).expect("no maps with odd keys") + "\n";
        if let Some(pipe) = self.0.borrow_mut().as_mut() {
            let _unheard = pipe.write_all(line.as_bytes());
        }
    }
}

/// The worker's handle on the sweeper. Dropping it has what is noted swept away, and waits for that.
#[derive(Debug)]
pub(super) struct Sweeper {
    pid: i32,
    notes: Notes,
}

impl Sweeper {
    /// Starts it; it keeps the turn until it has swept. To be called by a process with one thread.
    pub(super) fn start(folder: &Path, turn: &File) -> nix::Result<Self> {
        let (read, notes) = std::io::pipe().map_err(errno)?;
        let before = Known::look();
        match fork()? {
            Side::Parent(pid) => Ok(Self { pid, notes: Notes(Rc::new(RefCell::new(Some(notes)))) }),
            Side::Child => {
                let life = || live(read, turn, &before, folder);
                exit_now(catch_unwind(AssertUnwindSafe(life)).map_or(1, |_swept| 0))
            }
        }
    }

    pub(super) fn notes(&self) -> Notes {
        self.notes.clone()
    }

    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    /// The end of its pipe, for who is to keep it open.
    pub(super) fn sign(&self) -> Option<OwnedFd> {
        self.notes.0.take().map(OwnedFd::from)
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        drop(self.notes.0.take());
        while wait(Some(self.pid), true) == Err(Errno::EINTR) {}
    }
}

fn live(notes: PipeReader, turn: &File, before: &Known, folder: &Path) -> nix::Result<()> {
    setsid()?;
    prctl::set_dumpable(false)?;
    // The worker's answers must end with the worker.
    close_all_but(&[notes.as_fd(), turn.as_fd()])?;
    let lines = BufReader::new(notes).lines().map_while(Result::ok);
    let noted: HashSet<Leftover> = lines.filter_map(|line| serde_json::from_str(&line).ok()).collect();
    let now = Known::look();
    noted.iter().for_each(|leftover| remove(leftover, before, &now));
    remove_folder(folder);
    Ok(())
}

/// Removes it where it was not there before the run; what cannot be removed stays.
fn remove(leftover: &Leftover, before: &Known, now: &Known) {
    let new = |kind: Kind, wanted: &dyn Fn(&Row) -> bool| -> Vec<i32> {
        let old = |id: i32| before.rows(kind).iter().any(|row| row.id == id);
        now.rows(kind).iter().filter(|row| wanted(row) && !old(row.id)).map(|row| row.id).collect()
    };
    let (kind, ids) = match leftover {
        Leftover::Shared(name) => {
            if !name.contains('/') && !before.shared.contains(name) {
                let _gone = fs::remove_file(Path::new("/dev/shm").join(name));
            }
            return;
        }
        Leftover::Queue(name) => {
            let _gone = objects::remove_queue(name);
            return;
        }
        Leftover::Segment(id) => (Kind::Segment, new(Kind::Segment, &|row| row.id == *id)),
        Leftover::Semaphores(id) => (Kind::Semaphores, new(Kind::Semaphores, &|row| row.id == *id)),
        Leftover::Messages(id) => (Kind::Messages, new(Kind::Messages, &|row| row.id == *id)),
        Leftover::KeyedSegment(key) => (Kind::Segment, new(Kind::Segment, &|row| row.key == *key)),
        Leftover::KeyedSemaphores(key) => (Kind::Semaphores, new(Kind::Semaphores, &|row| row.key == *key)),
        Leftover::KeyedMessages(key) => (Kind::Messages, new(Kind::Messages, &|row| row.key == *key)),
        Leftover::SegmentsOf(pid) => (Kind::Segment, new(Kind::Segment, &|row| row.maker == Some(*pid))),
    };
    for id in ids {
        let _gone = match kind {
            Kind::Segment => objects::remove_segment(id),
            Kind::Semaphores => objects::remove_semaphores(id),
            Kind::Messages => objects::remove_messages(id),
        };
    }
}

/// The kinds of System V objects.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Segment,
    Semaphores,
    Messages,
}

/// A System V object, as /proc/sysvipc tells of it (proc_sysvipc(5)).
#[derive(Debug, PartialEq, Eq)]
struct Row {
    key: i32,
    id: i32,
    /// Of segments alone.
    maker: Option<i32>,
}

/// What there is on the machine.
#[derive(Debug, Default)]
struct Known {
    shared: HashSet<String>,
    segments: Vec<Row>,
    semaphores: Vec<Row>,
    messages: Vec<Row>,
}

impl Known {
    fn look() -> Self {
        let names = fs::read_dir("/dev/shm").into_iter().flatten().flatten();
        let table = |kind: &str| fs::read_to_string(format!("/proc/sysvipc/{kind}")).unwrap_or_default();
        Self {
            shared: names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect(),
            segments: rows(&table("shm")),
            semaphores: rows(&table("sem")),
            messages: rows(&table("msg")),
        }
    }

    fn rows(&self, kind: Kind) -> &[Row] {
        match kind {
            Kind::Segment => &self.segments,
            Kind::Semaphores => &self.semaphores,
            Kind::Messages => &self.messages,
        }
    }
}

fn rows(table: &str) -> Vec<Row> {
    let mut lines = table.lines();
    let maker = lines.next().unwrap_or_default().split_whitespace().position(|name| name == "cpid");
    let row = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse().ok();
        Some(Row { key: number(0)?, id: number(1)?, maker: maker.and_then(number) })
    };
    lines.filter_map(row).collect()
}

/// Removes the folders of runs whose sweeper was killed too; to be called by who has the turn, so that no run goes on.
pub(super) fn remove_old_folders(parent: &Path) {
    let ours = |entry: &fs::DirEntry| {
        entry.file_name().to_string_lossy().starts_with(PREFIX)
            && entry.metadata().is_ok_and(|seen| seen.is_dir() && seen.uid() == geteuid().as_raw())
    };
    let old = fs::read_dir(parent).into_iter().flatten().flatten().filter(ours);
    old.for_each(|entry| remove_folder(&entry.path()));
}

/// Removes a folder with all that is in it, that which its owner has shut included.
fn remove_folder(folder: &Path) {
    if fs::remove_dir_all(folder).is_ok() {
        return;
    }
    let mut closed = vec![folder.to_owned()];
    while let Some(folder) = closed.pop() {
        let _not_ours = fs::set_permissions(&folder, Permissions::from_mode(0o700));
        // The kind of the entry itself: no link is followed.
        let folders = fs::read_dir(&folder).into_iter().flatten().flatten();
        closed.extend(folders.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|it| it.path()));
    }
    let _left = fs::remove_dir_all(folder);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read_by_their_heads() {
        let shm = "       key      shmid perms                  size  cpid  lpid nattch   uid\n\
                   \x20     4711         12   600                  4096   815   816      0  1000\n";
        assert_eq!(rows(shm), [Row { key: 4711, id: 12, maker: Some(815) }]);
        let sem = "       key      semid perms      nsems   uid\n         0          3   600          1  1000\n";
        assert_eq!(rows(sem), [Row { key: 0, id: 3, maker: None }]);
        assert_eq!(rows(""), []);
    }

    #[test]
    fn a_folder_that_was_shut_goes_too() {
        let top = tempfile::tempdir().expect("a temporary folder");
        let kept = top.path().join("kept");
        let run = top.path().join(format!("{PREFIX}x"));
        let shut = run.join("work/shut");
        for folder in [&kept, &shut] {
            fs::create_dir_all(folder).expect("a folder");
            fs::write(folder.join("file"), "").expect("a file");
        }
        std::os::unix::fs::symlink(&kept, shut.join("link")).expect("a link");
        fs::set_permissions(&shut, Permissions::from_mode(0o000)).expect("a mode");
        remove_old_folders(top.path());
        assert_eq!((run.exists(), kept.join("file").exists()), (false, true));
    }
}
