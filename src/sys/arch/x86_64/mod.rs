//! x86-64: syscall(2), "Architecture calling conventions"; arch/x86/entry/syscalls/syscall_64.tbl in Linux.

mod by_hand;
mod instruction;

pub use by_hand::ByHand;
pub use instruction::{Instruction, Simple};
mod frames;
mod lend;

use super::{Invocation, PEER_CALL, Sys};

/// AUDIT_ARCH_X86_64 (linux/audit.h): EM_X86_64, 64 bits, little-endian.
pub const AUDIT_ARCH: u32 = 0xc000_003e;

/// Calls from this number on are of the x32 interface, which the recorder does not decode.
pub const FOREIGN_FROM: Option<u32> = Some(0x4000_0000);

const AT_FDCWD: u64 = libc::AT_FDCWD as u64;

/// The instruction that stops its thread (int3), one byte.
pub const BREAKPOINT: u8 = 0xcc;
const LENGTH_OF_SYSCALL: u64 = 2;
/// The instruction that makes a system call.
pub const SYSCALL: [u8; 2] = [0x0f, 0x05];
/// The longest instruction there is.
pub const LONGEST_INSTRUCTION: usize = 15;

/// A stopped thread's registers.
#[derive(Debug, Clone, Copy)]
pub struct Registers(libc::user_regs_struct);

impl Registers {
    /// All zero, to be filled.
    pub(in crate::sys) fn zeroed() -> Self {
        // SAFETY: user_regs_struct is plain numbers.
        Self(unsafe { std::mem::zeroed() })
    }

    pub(in crate::sys) fn as_mut_ptr(&mut self) -> *mut libc::user_regs_struct {
        &raw mut self.0
    }

    /// The number of the call that the thread is about to make or has made.
    pub fn number(&self) -> i64 {
        self.0.orig_rax as i64
    }

    /// The call's result at its exit: a value, or an errno below zero.
    pub fn result(&self) -> i64 {
        self.0.rax as i64
    }

    /// Takes the call away for now: the thread makes it again, after what is pending has been delivered to it.
    pub fn make_again(&mut self) {
        self.0.rax = self.0.orig_rax;
        self.0.orig_rax = u64::MAX;
        self.0.rip -= LENGTH_OF_SYSCALL;
    }

    /// The thread does not make again the call that it was to ([`Registers::make_again`]): it came back with `result`.
    pub fn not_again(&mut self, result: i64) {
        self.0.rip += LENGTH_OF_SYSCALL;
        self.0.rax = result as u64;
    }

    /// The stack pointer.
    pub fn stack(&self) -> u64 {
        self.0.rsp
    }

    /// Where the next instruction stands.
    pub fn instruction(&self) -> u64 {
        self.0.rip
    }

    /// Where the breakpoint is that the thread has just run into: it stopped behind it.
    pub fn breakpoint(&self) -> u64 {
        self.0.rip.wrapping_sub(1)
    }

    /// Goes on there.
    pub fn set_instruction(&mut self, addr: u64) {
        self.0.rip = addr;
    }

    /// A function's first four arguments, at its first instruction (System V ABI, AMD64 supplement, 3.2.3).
    pub fn arguments(&self) -> [u64; 4] {
        [self.0.rdi, self.0.rsi, self.0.rdx, self.0.rcx]
    }

    /// What a function returned, at its return address.
    pub fn value(&self) -> u64 {
        self.0.rax
    }

    /// The thread pointer: where a thread's own variables are is told from here.
    pub fn thread_pointer(&self) -> u64 {
        self.0.fs_base
    }

    /// At a stop in a call: where the instruction stands that makes calls.
    pub fn call_instruction(&self) -> u64 {
        self.0.rip - LENGTH_OF_SYSCALL
    }

    /// At the entry of a call: makes another one instead.
    pub fn replace_call(&mut self, number: i64, args: [u64; 6]) {
        self.0.orig_rax = number as u64;
        self.0.rax = number as u64;
        self.set_raw_args(args);
    }

    /// At any stop: the thread goes on by making this call, at an instruction that makes calls.
    pub fn go_and_call(&mut self, at: u64, number: i64, args: [u64; 6]) {
        self.0.rip = at;
        self.0.orig_rax = u64::MAX;
        self.0.rax = number as u64;
        self.set_raw_args(args);
    }

    /// The registers that hold a call's arguments, as they are.
    pub fn raw_args(&self) -> [u64; 6] {
        let r = &self.0;
        [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9]
    }

    /// Sets the registers that hold a call's arguments.
    pub fn set_raw_args(&mut self, args: [u64; 6]) {
        let r = &mut self.0;
        [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9] = args;
    }

    /// Nothing that the kernel may want to make again, so that these registers can be set at another stop than theirs. A
    /// call that was interrupted without a handler is made again (signal(7)).
    pub fn settled(mut self) -> Self {
        /// -ERESTARTSYS to -ERESTARTNOHAND, and -ERESTART_RESTARTBLOCK (include/linux/errno.h).
        const AGAIN: std::ops::RangeInclusive<i64> = -514..=-512;
        const BY_RESTART: i64 = -516;
        if self.number() >= 0 {
            let result = self.result();
            if AGAIN.contains(&result) {
                self.make_again();
            } else if result == BY_RESTART {
                self.0.rip -= LENGTH_OF_SYSCALL;
                self.0.rax = libc::SYS_restart_syscall as u64;
            }
        }
        self.0.orig_rax = u64::MAX;
        self
    }

    /// Takes the call away: at its entry, it is not made and returns `result`.
    pub fn skip(&mut self, result: i64) {
        self.0.orig_rax = u64::MAX;
        self.0.rax = result as u64;
    }

    /// The call's result as the program is going to see it.
    pub fn set_result(&mut self, result: i64) {
        self.0.rax = result as u64;
    }

    /// An argument, in the call's own order.
    pub fn arg(&self, index: usize) -> u64 {
        let r = &self.0;
        [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9][index.min(5)]
    }

    /// Changes an argument of the call that is about to be made, in the call's own order.
    pub fn set_arg(&mut self, index: usize, value: u64) {
        match index {
            0 => self.0.rdi = value,
            1 => self.0.rsi = value,
            2 => self.0.rdx = value,
            3 => self.0.r10 = value,
            4 => self.0.r8 = value,
            _ => self.0.r9 = value,
        }
    }

    /// The call in its modern form, if the recorder looks at it.
    pub fn invocation(&self) -> Option<Invocation> {
        invocation(self.number(), self.raw_args())
    }
}

/// A call of this number with these arguments in its modern form, if the recorder looks at it.
pub fn invocation(number: i64, raw: [u64; 6]) -> Option<Invocation> {
    let (_, sys) = NUMBERS.iter().find(|(known, _)| *known == number)?;
    let [a, b, c, d, ..] = raw;
    let args = match number {
        libc::SYS_open => [AT_FDCWD, a, b, c, 0, 0],
        libc::SYS_creat => [AT_FDCWD, a, (libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC) as u64, b, 0, 0],
        libc::SYS_pipe => [a, 0, 0, 0, 0, 0],
        libc::SYS_dup2 => [a, b, 0, 0, 0, 0],
        libc::SYS_unlink => [AT_FDCWD, a, 0, 0, 0, 0],
        libc::SYS_mknod => [AT_FDCWD, a, b, c, 0, 0],
        libc::SYS_link => [AT_FDCWD, a, AT_FDCWD, b, 0, 0],
        libc::SYS_rename => [AT_FDCWD, a, AT_FDCWD, b, 0, 0],
        libc::SYS_renameat => [a, b, c, d, 0, 0],
        // A pointer to a time where epoll_wait has a number of milliseconds; none is no end. It stands fifth, and a mask of
        // signals sixth.
        libc::SYS_epoll_pwait2 => [a, b, c, if d == 0 { u64::MAX } else { 1 }, d, raw[4]],
        libc::SYS_epoll_pwait => [a, b, c, d, 0, raw[4]],
        libc::SYS_epoll_wait => [a, b, c, d, 0, 0],
        libc::SYS_eventfd => [a, 0, 0, 0, 0, 0],
        libc::SYS_signalfd => [a, b, c, 0, 0, 0],
        libc::SYS_epoll_create => [0; 6],
        libc::SYS_inotify_init => [0; 6],
        libc::SYS_accept => [a, b, c, 0, 0, 0],
        libc::SYS_semop => [a, b, c, 0, 0, 0],
        _ => raw,
    };
    Some(Invocation { sys: *sys, args })
}

/// How far from the thread pointer errno is, out of the code of `__errno_location`, which stands at `addr`; `word` reads
/// eight bytes of memory.
///
/// The function adds a number to the thread pointer: in a library one of the table of offsets that the loader filled in,
/// in a static program one that stands in the instruction (ELF Handling For Thread-Local Storage, 4.3 and 4.4).
pub fn errno_offset(addr: u64, code: &[u8], word: impl Fn(u64) -> Option<u64>) -> Option<i64> {
    const ENDBR64: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];
    const ADD_FS: [u8; 9] = [0x64, 0x48, 0x03, 0x04, 0x25, 0, 0, 0, 0];
    const LOAD_FS: [u8; 9] = [0x64, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0];
    let skipped = if code.starts_with(&ENDBR64) { ENDBR64.len() } else { 0 };
    let rest = &code[skipped..];
    let number = |at: usize| Some(i64::from(i32::from_le_bytes(rest.get(at..at + 4)?.try_into().ok()?)));
    match rest {
        // mov offset(%rip), %rax; add %fs:0, %rax
        [0x48, 0x8b, 0x05, _, _, _, _, then @ ..] if then.starts_with(&ADD_FS) => {
            let next = addr + skipped as u64 + 7;
            word(next.wrapping_add_signed(number(3)?)).map(|offset| offset as i64)
        }
        // mov $offset, %rax; add %fs:0, %rax
        [0x48, 0xc7, 0xc0, _, _, _, _, then @ ..] if then.starts_with(&ADD_FS) => number(3),
        // mov %fs:0, %rax; add $offset, %rax
        _ if rest.starts_with(&LOAD_FS) => match &rest[LOAD_FS.len()..] {
            [0x48, 0x05, ..] => number(LOAD_FS.len() + 2),
            [0x48, 0x83, 0xc0, byte, ..] => Some(i64::from(*byte as i8)),
            _ => None,
        },
        _ => None,
    }
}

/// Every call that the recorder looks at, old forms and new.
pub const NUMBERS: &[(i64, Sys)] = &[
    (libc::SYS_read, Sys::Read),
    (libc::SYS_write, Sys::Write),
    (libc::SYS_futex, Sys::Futex),
    (libc::SYS_readv, Sys::Readv),
    (libc::SYS_writev, Sys::Writev),
    (libc::SYS_pread64, Sys::Pread),
    (libc::SYS_pwrite64, Sys::Pwrite),
    (libc::SYS_preadv, Sys::Preadv),
    (libc::SYS_pwritev, Sys::Pwritev),
    (libc::SYS_preadv2, Sys::Preadv),
    (libc::SYS_pwritev2, Sys::Pwritev),
    (libc::SYS_recvfrom, Sys::Recvfrom),
    (libc::SYS_recvmsg, Sys::Recvmsg),
    (libc::SYS_recvmmsg, Sys::Recvmmsg),
    (libc::SYS_sendto, Sys::Sendto),
    (libc::SYS_sendmsg, Sys::Sendmsg),
    (libc::SYS_sendmmsg, Sys::Sendmmsg),
    (libc::SYS_setsockopt, Sys::Setsockopt),
    (libc::SYS_getsockopt, Sys::Getsockopt),
    (libc::SYS_splice, Sys::Splice),
    (libc::SYS_tee, Sys::Tee),
    (libc::SYS_vmsplice, Sys::Vmsplice),
    (libc::SYS_sendfile, Sys::Sendfile),
    (libc::SYS_copy_file_range, Sys::CopyFileRange),
    (libc::SYS_openat, Sys::Openat),
    (libc::SYS_open, Sys::Openat),
    (libc::SYS_creat, Sys::Openat),
    (libc::SYS_openat2, Sys::Openat2),
    (libc::SYS_close, Sys::Close),
    (libc::SYS_close_range, Sys::CloseRange),
    (libc::SYS_dup, Sys::Dup),
    (libc::SYS_dup2, Sys::Dup3),
    (libc::SYS_dup3, Sys::Dup3),
    (libc::SYS_fcntl, Sys::Fcntl),
    (libc::SYS_ioctl, Sys::Ioctl),
    (libc::SYS_pipe, Sys::Pipe2),
    (libc::SYS_pipe2, Sys::Pipe2),
    (libc::SYS_socketpair, Sys::Socketpair),
    (libc::SYS_socket, Sys::Socket),
    (libc::SYS_connect, Sys::Connect),
    (libc::SYS_accept, Sys::Accept),
    (libc::SYS_accept4, Sys::Accept),
    (libc::SYS_bind, Sys::Bind),
    (libc::SYS_listen, Sys::Listen),
    (libc::SYS_shutdown, Sys::Shutdown),
    (libc::SYS_eventfd, Sys::Eventfd2),
    (libc::SYS_eventfd2, Sys::Eventfd2),
    (libc::SYS_signalfd, Sys::Signalfd4),
    (libc::SYS_signalfd4, Sys::Signalfd4),
    (libc::SYS_timerfd_create, Sys::TimerfdCreate),
    (libc::SYS_timerfd_settime, Sys::TimerfdSettime),
    (libc::SYS_timerfd_gettime, Sys::TimerfdGettime),
    (libc::SYS_epoll_create, Sys::EpollCreate1),
    (libc::SYS_epoll_create1, Sys::EpollCreate1),
    (libc::SYS_epoll_ctl, Sys::EpollCtl),
    (libc::SYS_epoll_wait, Sys::EpollWait),
    (libc::SYS_epoll_pwait, Sys::EpollWait),
    (libc::SYS_epoll_pwait2, Sys::EpollWait),
    (libc::SYS_poll, Sys::Poll),
    (libc::SYS_ppoll, Sys::Ppoll),
    (libc::SYS_select, Sys::Select),
    (libc::SYS_pselect6, Sys::Pselect6),
    (libc::SYS_memfd_create, Sys::MemfdCreate),
    (libc::SYS_pidfd_open, Sys::PidfdOpen),
    (libc::SYS_pidfd_send_signal, Sys::PidfdSendSignal),
    (libc::SYS_inotify_init, Sys::InotifyInit1),
    (libc::SYS_inotify_init1, Sys::InotifyInit1),
    (libc::SYS_mmap, Sys::Mmap),
    (libc::SYS_munmap, Sys::Munmap),
    (libc::SYS_mprotect, Sys::Mprotect),
    (libc::SYS_pkey_mprotect, Sys::Mprotect),
    (libc::SYS_mremap, Sys::Mremap),
    (libc::SYS_ftruncate, Sys::Ftruncate),
    (libc::SYS_unlink, Sys::Unlinkat),
    (libc::SYS_unlinkat, Sys::Unlinkat),
    (libc::SYS_link, Sys::Linkat),
    (libc::SYS_linkat, Sys::Linkat),
    (libc::SYS_rename, Sys::Renameat2),
    (libc::SYS_renameat, Sys::Renameat2),
    (libc::SYS_renameat2, Sys::Renameat2),
    (libc::SYS_mknod, Sys::Mknodat),
    (libc::SYS_mknodat, Sys::Mknodat),
    (libc::SYS_chdir, Sys::Chdir),
    (libc::SYS_fchdir, Sys::Fchdir),
    (libc::SYS_shmget, Sys::Shmget),
    (libc::SYS_shmat, Sys::Shmat),
    (libc::SYS_shmdt, Sys::Shmdt),
    (libc::SYS_shmctl, Sys::Shmctl),
    (libc::SYS_msgget, Sys::Msgget),
    (libc::SYS_msgsnd, Sys::Msgsnd),
    (libc::SYS_msgrcv, Sys::Msgrcv),
    (libc::SYS_msgctl, Sys::Msgctl),
    (libc::SYS_semget, Sys::Semget),
    (libc::SYS_semop, Sys::Semtimedop),
    (libc::SYS_semtimedop, Sys::Semtimedop),
    (libc::SYS_semctl, Sys::Semctl),
    (libc::SYS_mq_open, Sys::MqOpen),
    (libc::SYS_mq_unlink, Sys::MqUnlink),
    (libc::SYS_mq_timedsend, Sys::MqTimedsend),
    (libc::SYS_mq_timedreceive, Sys::MqTimedreceive),
    (libc::SYS_mq_notify, Sys::MqNotify),
    (libc::SYS_mq_getsetattr, Sys::MqGetsetattr),
    (libc::SYS_rt_sigaction, Sys::RtSigaction),
    (libc::SYS_rt_sigprocmask, Sys::RtSigprocmask),
    (libc::SYS_rt_sigtimedwait, Sys::RtSigtimedwait),
    (libc::SYS_rt_sigqueueinfo, Sys::RtSigqueueinfo),
    (libc::SYS_rt_sigsuspend, Sys::RtSigsuspend),
    (libc::SYS_rt_sigreturn, Sys::RtSigreturn),
    (libc::SYS_kill, Sys::Kill),
    (libc::SYS_tkill, Sys::Tkill),
    (libc::SYS_tgkill, Sys::Tgkill),
    (libc::SYS_rt_tgsigqueueinfo, Sys::Tgkill),
    (libc::SYS_pause, Sys::Pause),
    (libc::SYS_setitimer, Sys::Setitimer),
    (libc::SYS_alarm, Sys::Alarm),
    (libc::SYS_getitimer, Sys::Getitimer),
    (libc::SYS_timer_create, Sys::TimerCreate),
    (libc::SYS_timer_settime, Sys::TimerSettime),
    (libc::SYS_timer_gettime, Sys::TimerGettime),
    (libc::SYS_timer_getoverrun, Sys::TimerGetoverrun),
    (libc::SYS_timer_delete, Sys::TimerDelete),
    (libc::SYS_fork, Sys::Fork),
    (libc::SYS_vfork, Sys::Vfork),
    (libc::SYS_clone, Sys::Clone),
    (libc::SYS_clone3, Sys::Clone3),
    (libc::SYS_execve, Sys::Execve),
    (libc::SYS_execveat, Sys::Execveat),
    (libc::SYS_exit, Sys::Exit),
    (libc::SYS_exit_group, Sys::Exit),
    (libc::SYS_wait4, Sys::Wait4),
    (libc::SYS_waitid, Sys::Waitid),
    (libc::SYS_futex_waitv, Sys::FutexWaitv),
    (libc::SYS_nanosleep, Sys::Nanosleep),
    (libc::SYS_clock_nanosleep, Sys::ClockNanosleep),
    (libc::SYS_sched_yield, Sys::SchedYield),
    (libc::SYS_clock_gettime, Sys::ClockGettime),
    (libc::SYS_gettimeofday, Sys::Gettimeofday),
    (libc::SYS_time, Sys::Time),
    (libc::SYS_flock, Sys::Flock),
    (libc::SYS_restart_syscall, Sys::RestartSyscall),
    (libc::SYS_getrandom, Sys::Getrandom),
    (libc::SYS_setsid, Sys::Setsid),
    (libc::SYS_setpgid, Sys::Setpgid),
    (PEER_CALL, Sys::Peer),
    (libc::SYS_ptrace, Sys::Ptrace),
    (libc::SYS_process_vm_readv, Sys::ProcessVmReadv),
    (libc::SYS_process_vm_writev, Sys::ProcessVmWritev),
    (libc::SYS_pidfd_getfd, Sys::PidfdGetfd),
    (libc::SYS_unshare, Sys::Unshare),
    (libc::SYS_setns, Sys::Setns),
    (libc::SYS_mount, Sys::Mount),
    (libc::SYS_umount2, Sys::Umount2),
    (libc::SYS_pivot_root, Sys::PivotRoot),
    (libc::SYS_chroot, Sys::Chroot),
    (libc::SYS_bpf, Sys::Bpf),
    (libc::SYS_keyctl, Sys::Keyctl),
    (libc::SYS_add_key, Sys::AddKey),
    (libc::SYS_request_key, Sys::RequestKey),
    (libc::SYS_userfaultfd, Sys::Userfaultfd),
    (libc::SYS_perf_event_open, Sys::PerfEventOpen),
    (libc::SYS_seccomp, Sys::Seccomp),
    (libc::SYS_personality, Sys::Personality),
    (libc::SYS_io_uring_setup, Sys::IoUringSetup),
    (libc::SYS_process_madvise, Sys::ProcessMadvise),
    (libc::SYS_kcmp, Sys::Kcmp),
    (libc::SYS_open_tree, Sys::OpenTree),
    (libc::SYS_move_mount, Sys::MoveMount),
    (libc::SYS_fsopen, Sys::Fsopen),
    (libc::SYS_fspick, Sys::Fspick),
    (libc::SYS_fsmount, Sys::Fsmount),
    (libc::SYS_mount_setattr, Sys::MountSetattr),
    (libc::SYS_open_by_handle_at, Sys::OpenByHandleAt),
    (libc::SYS_fanotify_init, Sys::FanotifyInit),
    (libc::SYS_memfd_secret, Sys::MemfdSecret),
    (libc::SYS_modify_ldt, Sys::ModifyLdt),
    (libc::SYS_syslog, Sys::Syslog),
    (libc::SYS_prctl, Sys::Prctl),
    (libc::SYS_prlimit64, Sys::Prlimit64),
    (libc::SYS_pkey_alloc, Sys::PkeyAlloc),
    (libc::SYS_fallocate, Sys::Fallocate),
];
