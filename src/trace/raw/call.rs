//! System calls, decoded: one variant for all calls that do the same.

use serde::{Deserialize, Serialize};

use super::{Fd, InnerPid, RawFile};
use crate::model::Signal;
use crate::trace::Bytes;
use crate::trace::canonical::Ending;

/// A system call, decoded. Results stand beside arguments and are empty in [`RawKind::Entered`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "snake_case")]
pub enum Call {
    /// read, readv, recv, recvfrom, recvmsg on a stream.
    Read {
        /// From where.
        fd: Fd,
        /// How many were asked for.
        want: u64,
        /// What came.
        bytes: Bytes,
        /// Descriptors that came along (SCM_RIGHTS).
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        descriptors: Vec<(Fd, RawFile)>,
    },
    /// write, writev, send, sendto, sendmsg. `bytes` is all that was to be written; the result says how many were.
    Write {
        /// Where to.
        fd: Fd,
        /// What.
        bytes: Bytes,
    },
    /// splice, tee, sendfile, copy_file_range: bytes moved inside the kernel, their content where it is known.
    Move {
        /// From where.
        from: Fd,
        /// Where to.
        to: Fd,
        /// tee leaves the source as it was.
        keeps: bool,
        /// What moved, as many bytes as the result says, or empty where unknown.
        bytes: Bytes,
    },
    /// open, openat, creat, and shm_open, which is one of them.
    Open {
        /// The path as the tracees see it, absolute.
        path: String,
        /// O_CREAT was given.
        create: bool,
        /// For reading.
        read: bool,
        /// For writing.
        write: bool,
        /// O_CLOEXEC was given.
        cloexec: bool,
        /// What it is; only where it succeeded.
        file: Option<RawFile>,
    },
    /// close.
    Close {
        /// Which.
        fd: Fd,
    },
    /// close_range.
    CloseRange {
        /// The first.
        first: u32,
        /// The last, included.
        last: u32,
        /// Only mark them close-on-exec.
        cloexec: bool,
        /// CLOSE_RANGE_UNSHARE.
        unshare: bool,
    },
    /// dup, dup2, dup3, fcntl F_DUPFD and F_DUPFD_CLOEXEC; the new number is the result.
    Dup {
        /// The old one.
        fd: Fd,
        /// The new one is close-on-exec.
        cloexec: bool,
    },
    /// fcntl F_SETFD, ioctl FIOCLEX and FIONCLEX.
    SetCloexec {
        /// Which.
        fd: Fd,
        /// On or off.
        on: bool,
    },
    /// pipe, pipe2.
    Pipe {
        /// The read end and the write end; none where it failed.
        ends: Option<(Fd, Fd)>,
        /// Its identity.
        file: Option<RawFile>,
        /// Both are close-on-exec.
        cloexec: bool,
    },
    /// socketpair.
    SocketPair {
        /// Both ends; none where it failed.
        ends: Option<(Fd, Fd)>,
        /// The identity of each.
        files: Option<(RawFile, RawFile)>,
        /// Both are close-on-exec.
        cloexec: bool,
    },
    /// shutdown.
    Shutdown {
        /// Which.
        fd: Fd,
        /// No more reads.
        read: bool,
        /// No more writes.
        write: bool,
    },
    /// eventfd, signalfd (a new one), timerfd_create, epoll_create, memfd_create, pidfd_open, inotify_init, socket.
    NewDescriptor {
        /// The call's name in the manual.
        name: String,
        /// What it is; the number is the result.
        file: Option<RawFile>,
        /// Close-on-exec.
        cloexec: bool,
        /// signalfd: the signals that it takes.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        signals: Vec<Signal>,
    },
    /// ftruncate.
    Truncate {
        /// Which.
        fd: Fd,
        /// The new size.
        len: u64,
    },
    /// unlink, unlinkat, and shm_unlink, which is one of them.
    Unlink {
        /// The path as the tracees see it, absolute.
        path: String,
    },
    /// rename, renameat, renameat2.
    Rename {
        /// The old path.
        from: String,
        /// The new path.
        to: String,
    },
    /// link, linkat; sem_open gives a new semaphore its name by it.
    Link {
        /// The path that it has, absolute.
        from: String,
        /// One more path for it.
        to: String,
    },
    /// mknod, mknodat for a FIFO (mkfifo).
    MakeFifo {
        /// The path as the tracees see it, absolute.
        path: String,
        /// What it is; only where it succeeded.
        file: Option<RawFile>,
    },
    /// chdir, fchdir.
    ChangeFolder {
        /// The new working directory.
        path: String,
    },
    /// mmap of a descriptor or with MAP_SHARED; the address is the result.
    Map {
        /// The descriptor, or none for anonymous memory.
        fd: Option<Fd>,
        /// MAP_SHARED or MAP_SHARED_VALIDATE.
        shared: bool,
        /// PROT_WRITE.
        write: bool,
        /// Bytes.
        len: u64,
        /// Bytes from the file's start.
        offset: u64,
        /// What is mapped; none for private anonymous memory.
        file: Option<RawFile>,
    },
    /// munmap, shmdt of shared memory.
    Unmap {
        /// Where.
        addr: u64,
        /// Bytes; 0 where unknown (shmdt).
        len: u64,
    },
    /// shmget; the identifier is the result.
    ShmGet {
        /// The key; 0 is IPC_PRIVATE.
        key: i32,
        /// Bytes.
        len: u64,
        /// IPC_CREAT was given.
        create: bool,
    },
    /// shmat; the address is the result.
    ShmAttach {
        /// The identifier.
        id: i32,
        /// SHM_RDONLY was not given.
        write: bool,
        /// What is mapped.
        file: Option<RawFile>,
    },
    /// shmctl, msgctl, semctl with IPC_RMID.
    RemoveId {
        /// Which family.
        family: SysvFamily,
        /// The identifier.
        id: i32,
    },
    /// msgget; the identifier is the result.
    MsgGet {
        /// The key; 0 is IPC_PRIVATE.
        key: i32,
        /// IPC_CREAT was given.
        create: bool,
    },
    /// msgsnd.
    MsgSend {
        /// The identifier.
        id: i32,
        /// The type.
        kind: i64,
        /// The message without its type.
        bytes: Bytes,
    },
    /// msgrcv.
    MsgReceive {
        /// The identifier.
        id: i32,
        /// The type that was asked for.
        want: i64,
        /// The room for the message.
        room: u64,
        /// The type that came.
        kind: i64,
        /// The message without its type.
        bytes: Bytes,
    },
    /// semget; the identifier is the result.
    SemGet {
        /// The key; 0 is IPC_PRIVATE.
        key: i32,
        /// How many semaphores.
        count: u64,
        /// IPC_CREAT was given.
        create: bool,
    },
    /// semop, semtimedop.
    SemOp {
        /// The identifier.
        id: i32,
        /// The semaphore's number and what is added to it.
        ops: Vec<(u16, i16)>,
        /// Those of them that the process's end takes back (SEM_UNDO).
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        undo: Vec<(u16, i16)>,
    },
    /// semctl with SETVAL or SETALL.
    SemSet {
        /// The identifier.
        id: i32,
        /// The semaphore's number and its new value.
        values: Vec<(u16, u16)>,
    },
    /// mq_open; the descriptor is the result.
    MqOpen {
        /// With its slash.
        name: String,
        /// O_CREAT was given.
        create: bool,
        /// For receiving.
        read: bool,
        /// For sending.
        write: bool,
        /// Messages at most, and bytes in each, where they were given.
        attributes: Option<(i64, i64)>,
        /// What it is.
        file: Option<RawFile>,
    },
    /// mq_timedsend.
    MqSend {
        /// Where to.
        fd: Fd,
        /// The message.
        bytes: Bytes,
        /// Its priority.
        priority: u32,
    },
    /// mq_timedreceive.
    MqReceive {
        /// From where.
        fd: Fd,
        /// The room for the message.
        room: u64,
        /// The message.
        bytes: Bytes,
        /// Its priority.
        priority: u32,
    },
    /// mq_unlink.
    MqUnlink {
        /// With its slash.
        name: String,
    },
    /// rt_sigaction that sets.
    SetDisposition {
        /// Which signal.
        signal: Signal,
        /// What becomes of it.
        disposition: Disposition,
        /// SA_NOCLDWAIT.
        no_zombies: bool,
        /// SA_RESTART.
        restart: bool,
    },
    /// rt_sigprocmask that sets.
    SetMask {
        /// All signals that this thread masks from now on.
        masked: Vec<Signal>,
    },
    /// kill, tkill, tgkill, rt_sigqueueinfo.
    Kill {
        /// As given: a process, 0 for the own group, below -1 a group, -1 all.
        target: InnerPid,
        /// The target is a thread (tkill, tgkill).
        thread: bool,
        /// None is signal 0, a question.
        signal: Option<Signal>,
    },
    /// rt_sigtimedwait; the signal is the result.
    SigWait {
        /// The signals waited for.
        signals: Vec<Signal>,
    },
    /// pause.
    Pause,
    /// rt_sigsuspend.
    SigSuspend {
        /// All signals that are masked while it waits.
        masked: Vec<Signal>,
    },
    /// wait4, waitid; the child as the tracees see it is the result (0: none yet).
    Wait {
        /// As given to wait4: a child, -1 any, 0 or below -1 a group.
        which: InnerPid,
        /// WNOHANG was given.
        nohang: bool,
        /// WNOWAIT was given: the child stays.
        keeps: bool,
        /// The child that was collected or reported, where there was one.
        child: Option<InnerPid>,
        /// How it had ended; none where it was stopped or continued.
        ending: Option<Ending>,
    },
    /// futex.
    Futex {
        /// FUTEX_WAIT and its kind wait; others wake.
        waits: bool,
        /// The word's address.
        addr: u64,
        /// FUTEX_PRIVATE_FLAG.
        private: bool,
        /// The memory that the word lies in, where it is shared: its identity and the word's offset.
        shared: Option<(RawFile, u64)>,
    },
    /// poll, ppoll, select, pselect6, epoll_wait.
    Poll {
        /// The descriptors, and whether each is waited on for reading, for writing.
        descriptors: Vec<(Fd, bool, bool)>,
        /// It ends by itself.
        timed: bool,
    },
    /// nanosleep, clock_nanosleep.
    Sleep {
        /// How long, in milliseconds, rounded up.
        millis: u64,
    },
    /// connect, accept, bind, listen.
    Socket {
        /// The call's name in the manual.
        name: String,
        /// Which.
        fd: Fd,
        /// accept: what the new descriptor is.
        file: Option<RawFile>,
        /// connect, bind: the name in the address, an absolute path or `@` and an abstract name (unix(7)).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
    },
    /// setsid, setpgid.
    Group {
        /// The call's name in the manual.
        name: String,
    },
    /// A call that does not come back: exit, exit_group, rt_sigreturn.
    Leave {
        /// The call's name in the manual.
        name: String,
    },
    /// A call that was refused by the box.
    Refused {
        /// The call's name in the manual.
        name: String,
    },
    /// Any other.
    Other {
        /// The call's name in the manual.
        name: String,
        /// Its first descriptor argument, where it has one.
        fd: Option<Fd>,
    },
}

/// The three families of System V objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SysvFamily {
    /// Shared memory.
    Shm,
    /// Message queues.
    Msg,
    /// Semaphores.
    Sem,
}

/// What becomes of a signal (signal(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Disposition {
    /// SIG_DFL.
    Default,
    /// SIG_IGN.
    Ignore,
    /// A function of the program's.
    Handler,
}
