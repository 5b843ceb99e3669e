//! Calls that failed, where that says something about the program.

use super::Namer;
use super::processes::Entered;
use crate::trace::canonical::{EventId, ObjectId, ThreadId, Verb};
use crate::trace::raw::{Call, Fd};

const EINTR: i32 = 4;
const ECHILD: i32 = 10;
const EAGAIN: i32 = 11;
const EPIPE: i32 = 32;
const ETIMEDOUT: i32 = 110;

/// Whether a program that is told of an interruption has to do something about it: the call waits for others. Those that
/// only sleep until a signal comes (pause(2), sleep(3)) are over then.
fn waits_for_others(call: &Call) -> bool {
    matches!(
        call,
        Call::Read { .. }
            | Call::Write { .. }
            | Call::MqSend { .. }
            | Call::MqReceive { .. }
            | Call::MsgSend { .. }
            | Call::MsgReceive { .. }
            | Call::SemOp { .. }
            | Call::Wait { .. }
    )
}

/// Interrupted: the kernel makes the call again, or (EINTR) leaves that to the program (signal(7)).
fn is_interrupted(errno: i32) -> bool {
    matches!(errno, 4 | 512..=516)
}

impl Namer {
    /// A call came back with an error.
    pub(super) fn failed(&mut self, thread: ThreadId, call: &Call, errno: i32, entered: Option<Entered>) {
        match call {
            Call::Write { .. } => {
                if let Some(event) = entered.and_then(|entered| entered.event) {
                    self.cut_write(event, 0);
                }
            }
            Call::MsgSend { .. } | Call::MqSend { .. } => self.unsend(entered),
            Call::Open { path, .. } if self.objects.linked(path).is_some_and(|l| self.objects[l.object].promised) => {
                self.objects.unlink(path);
            }
            // Linux closes the descriptor even so (close(2), NOTES).
            Call::Close { fd } if is_interrupted(errno) => self.close(thread, *fd),
            _ => {}
        }
        if is_interrupted(errno) && !(errno == EINTR && waits_for_others(call)) {
            return;
        }
        let at = |fd: Fd| self.file_of(thread, fd).map(|file| self.files.file(file).about);
        let id = |family, id| self.objects.by_id(family, id);
        let path = |path: &str| self.objects.linked(path).map(|link| link.object);
        use crate::trace::raw::SysvFamily::{Msg, Sem, Shm};
        let (name, object) = match call {
            Call::Read { fd, .. } if errno != EAGAIN => ("read", at(*fd)),
            Call::Write { fd, .. } if errno != EAGAIN => ("write", at(*fd)),
            Call::Move { to, .. } if errno == EPIPE => ("splice", at(*to)),
            // The loader and runtimes look in many places for files that need not be there.
            Call::Open { path: at, .. } if self.objects.is_own_place(at) => ("open", path(at)),
            Call::Dup { fd, .. } => ("dup", at(*fd)),
            Call::Pipe { .. } => ("pipe", None),
            Call::SocketPair { .. } => ("socketpair", None),
            Call::NewDescriptor { name, .. } => (name.as_str(), None),
            Call::Truncate { fd, .. } => ("ftruncate", at(*fd)),
            Call::Unlink { path: at } if self.objects.is_own_place(at) => ("unlink", path(at)),
            Call::Rename { from, .. } if self.objects.is_own_place(from) => ("rename", path(from)),
            Call::MakeFifo { path: at, .. } => ("mkfifo", path(at)),
            Call::Map { fd, shared, .. } if *shared || fd.is_some_and(|fd| at(fd).is_some()) => {
                ("mmap", fd.and_then(at))
            }
            Call::ShmGet { .. } => ("shmget", None),
            Call::ShmAttach { id: which, .. } => ("shmat", id(Shm, *which)),
            Call::RemoveId { family: Shm, id: which } => ("shmctl", id(Shm, *which)),
            Call::RemoveId { family: Msg, id: which } => ("msgctl", id(Msg, *which)),
            Call::RemoveId { family: Sem, id: which } => ("semctl", id(Sem, *which)),
            Call::MsgGet { .. } => ("msgget", None),
            Call::MsgSend { id: which, .. } => ("msgsnd", id(Msg, *which)),
            Call::MsgReceive { id: which, .. } => ("msgrcv", id(Msg, *which)),
            Call::SemGet { .. } => ("semget", None),
            Call::SemOp { id: which, .. } => ("semop", id(Sem, *which)),
            Call::SemSet { id: which, .. } => ("semctl", id(Sem, *which)),
            Call::MqOpen { name, .. } => ("mq_open", path(&Self::queue_path(name))),
            Call::MqSend { fd, .. } if errno != ETIMEDOUT => ("mq_send", at(*fd)),
            Call::MqReceive { fd, .. } if errno != ETIMEDOUT => ("mq_receive", at(*fd)),
            Call::MqUnlink { name } => ("mq_unlink", path(&Self::queue_path(name))),
            Call::Wait { .. } if matches!(errno, ECHILD | EINTR) => ("wait", None),
            Call::Kill { signal: Some(_), .. } => ("kill", None),
            Call::SetDisposition { signal, .. } if !matches!(signal.number(), 32 | 33) => ("sigaction", None),
            Call::Socket { name, fd, .. } if errno != EAGAIN => (name.as_str(), at(*fd)),
            Call::Refused { name } => (name.as_str(), None),
            Call::Other { name, .. } if name.starts_with("execve") => {
                self.threads[thread.index()].failed_exec = Some(errno);
                return;
            }
            Call::Other { name, .. } if matches!(name.as_str(), "fork" | "vfork" | "clone" | "clone3") => {
                (name.as_str(), None)
            }
            _ => return,
        };
        let causes = match (call, errno) {
            (Call::Write { .. } | Call::Move { .. }, EPIPE) => {
                object.map(|object| self.broken_by(object)).unwrap_or_default()
            }
            (Call::Wait { .. }, ECHILD) => self.processes[self.life_of(thread).index()].self_reaped.clone(),
            _ => Vec::new(),
        };
        let name = name.to_owned();
        self.fail(thread, &name, errno, object, causes);
    }

    /// Tells a failure.
    pub(super) fn fail(
        &mut self,
        thread: ThreadId,
        call: &str,
        errno: i32,
        object: Option<ObjectId>,
        causes: Vec<EventId>,
    ) {
        let verb = Verb::Failed { call: call.to_owned(), errno: errno_name(errno), object };
        self.emit(thread, verb, causes);
    }
}

/// An error's name in the manual (errno(3)), or its number.
fn errno_name(errno: i32) -> String {
    let common = [
        "EPERM",
        "ENOENT",
        "ESRCH",
        "EINTR",
        "EIO",
        "ENXIO",
        "E2BIG",
        "ENOEXEC",
        "EBADF",
        "ECHILD",
        "EAGAIN",
        "ENOMEM",
        "EACCES",
        "EFAULT",
        "ENOTBLK",
        "EBUSY",
        "EEXIST",
        "EXDEV",
        "ENODEV",
        "ENOTDIR",
        "EISDIR",
        "EINVAL",
        "ENFILE",
        "EMFILE",
        "ENOTTY",
        "ETXTBSY",
        "EFBIG",
        "ENOSPC",
        "ESPIPE",
        "EROFS",
        "EMLINK",
        "EPIPE",
        "EDOM",
        "ERANGE",
        "EDEADLK",
        "ENAMETOOLONG",
        "ENOLCK",
        "ENOSYS",
        "ENOTEMPTY",
        "ELOOP",
    ];
    let name = match errno {
        1..=40 => common[errno as usize - 1],
        42 => "ENOMSG",
        43 => "EIDRM",
        62 => "ETIME",
        71 => "EPROTO",
        75 => "EOVERFLOW",
        88 => "ENOTSOCK",
        90 => "EMSGSIZE",
        95 => "EOPNOTSUPP",
        97 => "EAFNOSUPPORT",
        98 => "EADDRINUSE",
        99 => "EADDRNOTAVAIL",
        101 => "ENETUNREACH",
        104 => "ECONNRESET",
        106 => "EISCONN",
        107 => "ENOTCONN",
        110 => "ETIMEDOUT",
        111 => "ECONNREFUSED",
        115 => "EINPROGRESS",
        122 => "EDQUOT",
        125 => "ECANCELED",
        130 => "EOWNERDEAD",
        131 => "ENOTRECOVERABLE",
        other => return other.to_string(),
    };
    name.to_owned()
}
