//! What differs between processors: registers, call numbers, and calls that only some of them have.
//!
//! Everything above knows [`Sys`], the calls by their modern names: `open` is `openat` with AT_FDCWD, `pipe` is `pipe2`
//! without flags. Another processor is one more folder here with the same items.

#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(target_arch = "x86_64")]
pub use x86_64::{
    AUDIT_ARCH, BREAKPOINT, ByHand, FOREIGN_FROM, Instruction, LONGEST_INSTRUCTION, NUMBERS, Registers, SYSCALL,
    Simple, errno_offset, invocation,
};

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
compile_error!("ipc-grade records system calls on Linux on x86-64; this machine is of another kind");

/// Memory as an instruction sees it that is carried out by hand ([`ByHand`]).
pub trait Memory {
    /// A number of at most eight bytes; none where it cannot be had by hand.
    fn load(&mut self, addr: u64, len: usize) -> Option<u64>;

    /// Stores the lower bytes of a number; none, and nothing is stored, where that cannot be done by hand.
    fn store(&mut self, addr: u64, value: u64, len: usize) -> Option<()>;
}

/// A frame of a stopped thread's stack: what is needed to find the one that called it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// The instruction that runs next in it.
    pub instruction: u64,
    /// The stack pointer.
    pub stack: u64,
    /// The frame pointer.
    pub base: u64,
    /// What it does now is the instruction before: a call of a function or of the kernel.
    pub behind: bool,
}

/// The system calls that the recorder looks at, by the name of their modern form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the call of this name in section 2 of the manual")]
pub enum Sys {
    Read,
    Readv,
    Pread,
    Preadv,
    Recvfrom,
    Recvmsg,
    Recvmmsg,
    Write,
    Writev,
    Pwrite,
    Pwritev,
    Sendto,
    Sendmsg,
    Sendmmsg,
    Setsockopt,
    Getsockopt,
    Splice,
    Tee,
    Vmsplice,
    Sendfile,
    CopyFileRange,
    Openat,
    Openat2,
    Close,
    CloseRange,
    Dup,
    Dup3,
    Fcntl,
    Ioctl,
    Pipe2,
    Socketpair,
    Socket,
    Connect,
    Accept,
    Bind,
    Listen,
    Shutdown,
    Eventfd2,
    Signalfd4,
    TimerfdCreate,
    TimerfdSettime,
    TimerfdGettime,
    EpollCreate1,
    EpollCtl,
    EpollWait,
    Poll,
    Ppoll,
    Select,
    Pselect6,
    MemfdCreate,
    PidfdOpen,
    PidfdSendSignal,
    InotifyInit1,
    Mmap,
    Munmap,
    Mprotect,
    Mremap,
    Ftruncate,
    Unlinkat,
    Linkat,
    Renameat2,
    Mknodat,
    Chdir,
    Fchdir,
    Shmget,
    Shmat,
    Shmdt,
    Shmctl,
    Msgget,
    Msgsnd,
    Msgrcv,
    Msgctl,
    Semget,
    Semtimedop,
    Semctl,
    MqOpen,
    MqUnlink,
    MqTimedsend,
    MqTimedreceive,
    MqNotify,
    MqGetsetattr,
    RtSigaction,
    RtSigprocmask,
    RtSigtimedwait,
    RtSigqueueinfo,
    RtSigsuspend,
    RtSigreturn,
    Kill,
    Tkill,
    Tgkill,
    Pause,
    Setitimer,
    Getitimer,
    Alarm,
    TimerCreate,
    TimerSettime,
    TimerGettime,
    TimerGetoverrun,
    TimerDelete,
    Fork,
    Vfork,
    Clone,
    Clone3,
    Execve,
    Execveat,
    /// The end of a thread or of a process: exit(2), exit_group(2).
    Exit,
    Wait4,
    Waitid,
    Futex,
    FutexWaitv,
    Nanosleep,
    ClockNanosleep,
    ClockGettime,
    Gettimeofday,
    Time,
    SchedYield,
    Flock,
    RestartSyscall,
    Getrandom,
    Setsid,
    Setpgid,
    /// A peer of the harness speaks ([`PEER_CALL`]).
    Peer,
    Ptrace,
    ProcessVmReadv,
    ProcessVmWritev,
    PidfdGetfd,
    Unshare,
    Setns,
    Mount,
    Umount2,
    PivotRoot,
    Chroot,
    Bpf,
    Keyctl,
    AddKey,
    RequestKey,
    Userfaultfd,
    PerfEventOpen,
    Seccomp,
    Personality,
    IoUringSetup,
    ProcessMadvise,
    Kcmp,
    OpenTree,
    MoveMount,
    Fsopen,
    Fspick,
    Fsmount,
    MountSetattr,
    OpenByHandleAt,
    FanotifyInit,
    MemfdSecret,
    ModifyLdt,
    Syslog,
    Prctl,
    Prlimit64,
    PkeyAlloc,
    Fallocate,
}

/// The number of the call by which a peer of the harness speaks to the recorder; no kernel has a call of this number.
pub const PEER_CALL: i64 = 10_000;

/// A stretch of memory that an instruction is about to access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Touch {
    /// Where it begins.
    pub addr: u64,
    /// Its length in bytes.
    pub len: u64,
    /// It is loaded.
    pub reads: bool,
    /// It is stored to, or may be.
    pub writes: bool,
}

/// A system call as a tracee made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invocation {
    /// Which, in its modern form.
    pub sys: Sys,
    /// Its arguments in the modern form's order.
    pub args: [u64; 6],
}
