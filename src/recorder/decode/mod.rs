//! A stopped tracee's call, made readable: registers and memory in, a [`Call`] out.
//!
//! Everything is read at the call's exit, when its results are there; at its entry only for a call that sleeps.

mod arguments;
pub(super) mod files;
mod sockets;

use arguments::{
    bytes, gather, length, message, messages, polled, received_descriptors, selected, signal_set, two, word,
};
pub(super) use arguments::{
    bytes_moved, may_time_out, plain_message, semaphore_values, sent_descriptors, signals_in, status_signals, text,
    timespec, vectors,
};
use files::{file, link, mapped, path_at, pidfd_target, shared_word};
pub(super) use sockets::{SocketName, socket_name};

use crate::model::Signal;
use crate::sys::arch::{Invocation, Sys};
use crate::sys::memory;
use crate::trace::Bytes;
use crate::trace::canonical::Ending;
use crate::trace::raw::{Call, Disposition, Fd, FileKind, RawFile, SysvFamily};

/// The call of a stopped thread, with its results where `result` is there (a value, or an errno below zero).
pub(super) fn call(tid: i32, invocation: &Invocation, result: Option<i64>) -> Call {
    let [a, b, c, d, e, f] = invocation.args;
    let fd = a as Fd;
    let ok = result.filter(|value| *value >= 0);
    let got = ok.unwrap_or(0) as u64;
    let name = || name_of(invocation.sys);
    match invocation.sys {
        Sys::Read | Sys::Pread | Sys::Recvfrom => {
            Call::Read { fd, want: c, bytes: bytes(tid, b, got.min(c)), descriptors: Vec::new() }
        }
        Sys::Readv | Sys::Preadv => {
            let parts = vectors(tid, b, c);
            Call::Read { fd, want: length(&parts), bytes: gather(tid, &parts, got), descriptors: Vec::new() }
        }
        Sys::Recvmsg => {
            let header = message(tid, b);
            let descriptors = if ok.is_some() { received_descriptors(tid, &header) } else { Vec::new() };
            Call::Read { fd, want: length(&header.parts), bytes: gather(tid, &header.parts, got), descriptors }
        }
        Sys::Write | Sys::Pwrite | Sys::Sendto => Call::Write { fd, bytes: bytes(tid, b, c) },
        Sys::Writev | Sys::Pwritev | Sys::Vmsplice => {
            Call::Write { fd, bytes: gather(tid, &vectors(tid, b, c), u64::MAX) }
        }
        Sys::Sendmsg => Call::Write { fd, bytes: gather(tid, &message(tid, b).parts, u64::MAX) },
        Sys::Recvmmsg => {
            let all = messages(tid, b, result.map_or(c, |_| got));
            let want = all.iter().map(|(header, _)| length(&header.parts)).sum();
            let (mut bytes, mut descriptors) = (Bytes::default(), Vec::new());
            for (header, len) in all.iter().filter(|_| ok.is_some()) {
                bytes.0.append(&mut gather(tid, &header.parts, *len).0);
                descriptors.append(&mut received_descriptors(tid, header));
            }
            Call::Read { fd, want, bytes, descriptors }
        }
        Sys::Sendmmsg => {
            let parts: Vec<_> = messages(tid, b, c).into_iter().flat_map(|(header, _)| header.parts).collect();
            Call::Write { fd, bytes: gather(tid, &parts, u64::MAX) }
        }
        Sys::Splice | Sys::CopyFileRange => Call::Move { from: fd, to: c as Fd, keeps: false, bytes: Bytes::default() },
        Sys::Tee => Call::Move { from: fd, to: b as Fd, keeps: true, bytes: Bytes::default() },
        Sys::Sendfile => Call::Move { from: b as Fd, to: fd, keeps: false, bytes: Bytes::default() },
        Sys::Openat | Sys::Openat2 => {
            // openat2(2): the flags are the first field of a structure.
            let flags = if invocation.sys == Sys::Openat2 { word(tid, c) as i32 } else { c as i32 };
            let path = path_at(tid, a as i32, b);
            let access = flags & libc::O_ACCMODE;
            Call::Open {
                file: ok.map(|fd| file(tid, fd as Fd, Some(&path))),
                path,
                create: flags & libc::O_CREAT != 0,
                read: access != libc::O_WRONLY,
                write: access != libc::O_RDONLY,
                cloexec: flags & libc::O_CLOEXEC != 0,
            }
        }
        Sys::Close => Call::Close { fd },
        Sys::CloseRange => Call::CloseRange {
            first: a as u32,
            last: b as u32,
            cloexec: c & u64::from(libc::CLOSE_RANGE_CLOEXEC) != 0,
            unshare: c & u64::from(libc::CLOSE_RANGE_UNSHARE) != 0,
        },
        Sys::Dup => Call::Dup { fd, cloexec: false },
        Sys::Dup3 => Call::Dup { fd, cloexec: c as i32 & libc::O_CLOEXEC != 0 },
        Sys::Fcntl => match b as i32 {
            libc::F_DUPFD => Call::Dup { fd, cloexec: false },
            libc::F_DUPFD_CLOEXEC => Call::Dup { fd, cloexec: true },
            libc::F_SETFD => Call::SetCloexec { fd, on: c as i32 & libc::FD_CLOEXEC != 0 },
            _ => Call::Other { name: name(), fd: Some(fd) },
        },
        Sys::Ioctl if matches!(b, libc::FIOCLEX | libc::FIONCLEX) => Call::SetCloexec { fd, on: b == libc::FIOCLEX },
        Sys::Pipe2 => {
            let ends = ok.and_then(|_| two(tid, a));
            let file = ends.map(|(read, _)| file(tid, read, None));
            Call::Pipe { ends, file, cloexec: b as i32 & libc::O_CLOEXEC != 0 }
        }
        Sys::Socketpair => {
            let ends = ok.and_then(|_| two(tid, d));
            let files = ends.map(|(one, other)| (file(tid, one, None), file(tid, other, None)));
            Call::SocketPair { ends, files, cloexec: b as i32 & libc::SOCK_CLOEXEC != 0 }
        }
        Sys::Shutdown => Call::Shutdown {
            fd,
            read: matches!(b as i32, libc::SHUT_RD | libc::SHUT_RDWR),
            write: matches!(b as i32, libc::SHUT_WR | libc::SHUT_RDWR),
        },
        Sys::Signalfd4 => Call::NewDescriptor {
            name: name(),
            file: ok.map(|fd| file(tid, fd as Fd, None)),
            cloexec: d as i32 & libc::SFD_CLOEXEC != 0,
            signals: signal_set(tid, b, c),
        },
        Sys::Eventfd2
        | Sys::TimerfdCreate
        | Sys::EpollCreate1
        | Sys::MemfdCreate
        | Sys::PidfdOpen
        | Sys::InotifyInit1
        | Sys::Socket => Call::NewDescriptor {
            name: name(),
            file: ok.map(|fd| file(tid, fd as Fd, None)),
            cloexec: cloexec_of(invocation),
            signals: Vec::new(),
        },
        Sys::Ftruncate => Call::Truncate { fd, len: b },
        Sys::Unlinkat => Call::Unlink { path: path_at(tid, a as i32, b) },
        Sys::Linkat => Call::Link { from: path_at(tid, a as i32, b), to: path_at(tid, c as i32, d) },
        Sys::Renameat2 => Call::Rename { from: path_at(tid, a as i32, b), to: path_at(tid, c as i32, d) },
        Sys::Mknodat if c as u32 & libc::S_IFMT == libc::S_IFIFO => {
            let path = path_at(tid, a as i32, b);
            Call::MakeFifo { file: ok.map(|_| files::at_path(tid, &path, FileKind::Fifo)), path }
        }
        Sys::Chdir => Call::ChangeFolder { path: path_at(tid, libc::AT_FDCWD, a) },
        Sys::Fchdir => Call::ChangeFolder { path: link(format!("/proc/{tid}/fd/{fd}")) },
        Sys::Mmap => {
            let (flags, fd) = (d as i32, e as Fd);
            let anonymous = flags & libc::MAP_ANONYMOUS != 0;
            let file = ok.and_then(|addr| if anonymous { mapped(tid, addr as u64) } else { Some(file(tid, fd, None)) });
            Call::Map {
                fd: (!anonymous).then_some(fd),
                shared: flags & (libc::MAP_SHARED | libc::MAP_PRIVATE) != libc::MAP_PRIVATE,
                write: c as i32 & libc::PROT_WRITE != 0,
                len: b,
                offset: f,
                file,
            }
        }
        Sys::Shmget => Call::ShmGet { key: a as i32, len: b, create: c as i32 & libc::IPC_CREAT != 0 },
        Sys::Shmat => Call::ShmAttach {
            id: a as i32,
            write: c as i32 & libc::SHM_RDONLY == 0,
            file: ok.and_then(|addr| mapped(tid, addr as u64)),
        },
        Sys::Shmdt => Call::Unmap { addr: a, len: 0 },
        Sys::Shmctl if b as i32 == libc::IPC_RMID => Call::RemoveId { family: SysvFamily::Shm, id: a as i32 },
        Sys::Msgctl if b as i32 == libc::IPC_RMID => Call::RemoveId { family: SysvFamily::Msg, id: a as i32 },
        Sys::Msgget => Call::MsgGet { key: a as i32, create: b as i32 & libc::IPC_CREAT != 0 },
        Sys::Msgsnd => Call::MsgSend { id: a as i32, kind: word(tid, b), bytes: bytes(tid, b + 8, c) },
        Sys::Msgrcv => Call::MsgReceive {
            id: a as i32,
            want: d as i64,
            room: c,
            kind: ok.map_or(0, |_| word(tid, b)),
            bytes: bytes(tid, b + 8, got.min(c)),
        },
        Sys::Semget => Call::SemGet { key: a as i32, count: b, create: c as i32 & libc::IPC_CREAT != 0 },
        Sys::Semtimedop => {
            let all = arguments::semaphore_operations(tid, b, c);
            let undone = all.iter().filter(|(_, flags)| i32::from(*flags) & libc::SEM_UNDO != 0);
            let undo = undone.map(|(op, _)| *op).collect();
            Call::SemOp { id: a as i32, ops: all.into_iter().map(|(op, _)| op).collect(), undo }
        }
        Sys::Semctl => match c as i32 {
            libc::IPC_RMID => Call::RemoveId { family: SysvFamily::Sem, id: a as i32 },
            libc::SETVAL => Call::SemSet { id: a as i32, values: vec![(b as u16, d as u16)] },
            _ => Call::Other { name: name(), fd: None },
        },
        Sys::MqOpen => {
            let flags = b as i32;
            let access = flags & libc::O_ACCMODE;
            // mq_open(3) takes the slash off; the kernel's own call has none.
            let name = format!("/{}", text(tid, a));
            let attributes = (flags & libc::O_CREAT != 0 && d != 0).then(|| (word(tid, d + 8), word(tid, d + 16)));
            Call::MqOpen {
                file: ok.map(|fd| RawFile { kind: FileKind::Queue, path: name.clone(), ..file(tid, fd as Fd, None) }),
                name,
                create: flags & libc::O_CREAT != 0,
                read: access != libc::O_WRONLY,
                write: access != libc::O_RDONLY,
                attributes,
            }
        }
        Sys::MqUnlink => Call::MqUnlink { name: format!("/{}", text(tid, a)) },
        Sys::MqTimedsend => Call::MqSend { fd, bytes: bytes(tid, b, c), priority: d as u32 },
        Sys::MqTimedreceive => {
            let priority = ok.filter(|_| d != 0).and_then(|_| memory::read_u32(tid, d)).unwrap_or(0);
            Call::MqReceive { fd, room: c, bytes: bytes(tid, b, got.min(c)), priority }
        }
        Sys::RtSigaction => match Signal::from_number(a as i32) {
            Some(signal) if b != 0 => {
                let flags = word(tid, b + 8) as i32;
                Call::SetDisposition {
                    signal,
                    disposition: match word(tid, b) as usize {
                        libc::SIG_DFL => Disposition::Default,
                        libc::SIG_IGN => Disposition::Ignore,
                        _ => Disposition::Handler,
                    },
                    no_zombies: flags & libc::SA_NOCLDWAIT != 0,
                    restart: flags & libc::SA_RESTART != 0,
                }
            }
            _ => Call::Other { name: name(), fd: None },
        },
        Sys::RtSigprocmask if b != 0 && ok.is_some() => Call::SetMask { masked: status_signals(tid, "SigBlk") },
        Sys::RtSigtimedwait => Call::SigWait { signals: signal_set(tid, a, d) },
        Sys::RtSigsuspend => Call::SigSuspend { masked: signal_set(tid, a, b) },
        Sys::Kill | Sys::RtSigqueueinfo => kill(a as i32, false, b),
        Sys::Tkill => kill(a as i32, true, b),
        Sys::Tgkill => kill(b as i32, true, c),
        Sys::PidfdSendSignal => kill(pidfd_target(tid, fd), false, b),
        Sys::Pause => Call::Pause,
        Sys::RtSigreturn => Call::Leave { name: name() },
        Sys::Wait4 => {
            let child = ok.filter(|child| *child > 0);
            let status = child.filter(|_| b != 0).and_then(|_| memory::read_u32(tid, b));
            Call::Wait {
                which: a as i32,
                nohang: c as i32 & libc::WNOHANG != 0,
                keeps: false,
                child: child.map(|child| child as i32),
                ending: status.and_then(|status| ending(status as i32)),
            }
        }
        Sys::Waitid => {
            let which = match a as libc::idtype_t {
                libc::P_PID => b as i32,
                libc::P_PIDFD => pidfd_target(tid, b as Fd),
                _ => -1,
            };
            let flags = d as i32;
            let (nohang, keeps) = (flags & libc::WNOHANG != 0, flags & libc::WNOWAIT != 0);
            let (child, ending) = match ok {
                Some(_) if c != 0 => child_info(tid, c),
                // Nobody wanted to know more; with WNOHANG nobody can tell whether there was one.
                Some(_) if which > 0 && !nohang => (Some(which), None),
                _ => (None, None),
            };
            Call::Wait { which, nohang, keeps, child, ending }
        }
        Sys::Futex => {
            let command = b as i32 & libc::FUTEX_CMD_MASK;
            let waits = [libc::FUTEX_WAIT, libc::FUTEX_WAIT_BITSET, libc::FUTEX_LOCK_PI, libc::FUTEX_WAIT_REQUEUE_PI];
            let private = b as i32 & libc::FUTEX_PRIVATE_FLAG != 0;
            let shared = if private { None } else { shared_word(tid, a) };
            Call::Futex { waits: waits.contains(&command), addr: a, private, shared }
        }
        Sys::FutexWaitv => {
            // The first of them stands for all (struct futex_waitv in linux/futex.h).
            let (addr, flags) = (word(tid, a + 8) as u64, memory::read_u32(tid, a + 16).unwrap_or(0));
            let private = flags as i32 & libc::FUTEX_PRIVATE_FLAG != 0;
            let shared = if private { None } else { shared_word(tid, addr) };
            Call::Futex { waits: true, addr, private, shared }
        }
        Sys::Poll | Sys::Ppoll => Call::Poll { descriptors: polled(tid, a, b), timed: may_time_out(tid, invocation) },
        Sys::Select | Sys::Pselect6 => {
            Call::Poll { descriptors: selected(tid, invocation), timed: may_time_out(tid, invocation) }
        }
        Sys::EpollWait => Call::Poll { descriptors: vec![(fd, true, false)], timed: may_time_out(tid, invocation) },
        Sys::Nanosleep => Call::Sleep { millis: arguments::millis(tid, a) },
        Sys::ClockNanosleep => Call::Sleep { millis: arguments::millis(tid, c) },
        Sys::Connect | Sys::Bind => {
            let address = socket_name(tid, b, c).map(|name| name.to_string());
            Call::Socket { name: name(), fd, file: None, address }
        }
        Sys::Listen => Call::Socket { name: name(), fd, file: None, address: None },
        Sys::Accept => Call::Socket { name: name(), fd, file: ok.map(|fd| file(tid, fd as Fd, None)), address: None },
        Sys::Setsid | Sys::Setpgid => Call::Group { name: name() },
        Sys::Ioctl | Sys::Flock | Sys::EpollCtl | Sys::TimerfdSettime => Call::Other { name: name(), fd: Some(fd) },
        _ => Call::Other { name: name(), fd: None },
    }
}

fn kill(target: i32, thread: bool, signal: u64) -> Call {
    Call::Kill { target, thread, signal: Signal::from_number(signal as i32) }
}

/// A wait status, where it says that the child ended (wait(2)).
fn ending(status: i32) -> Option<Ending> {
    if libc::WIFEXITED(status) {
        return Some(Ending::Exit(libc::WEXITSTATUS(status)));
    }
    libc::WIFSIGNALED(status).then(|| Signal::from_number(libc::WTERMSIG(status)).map(Ending::Killed)).flatten()
}

/// The child in a siginfo_t that waitid filled in (waitid(2)); its layout is that of 64-bit Linux, all processors:
/// si_code at 8, si_pid at 16, si_status at 24.
fn child_info(tid: i32, addr: u64) -> (Option<i32>, Option<Ending>) {
    let at = |offset: u64| memory::read_u32(tid, addr + offset).unwrap_or(0) as i32;
    let (code, child, status) = (at(8), at(16), at(24));
    if child == 0 {
        return (None, None);
    }
    let ending = match code {
        libc::CLD_EXITED => Some(Ending::Exit(status & 0xff)),
        libc::CLD_KILLED | libc::CLD_DUMPED => Signal::from_number(status).map(Ending::Killed),
        _ => None,
    };
    (Some(child), ending)
}

fn cloexec_of(invocation: &Invocation) -> bool {
    let [a, b, ..] = invocation.args;
    match invocation.sys {
        Sys::EpollCreate1 => a as i32 & libc::EPOLL_CLOEXEC != 0,
        Sys::Eventfd2 => b as i32 & libc::EFD_CLOEXEC != 0,
        Sys::TimerfdCreate => b as i32 & libc::TFD_CLOEXEC != 0,
        Sys::MemfdCreate => b as u32 & libc::MFD_CLOEXEC != 0,
        Sys::InotifyInit1 => a as i32 & libc::IN_CLOEXEC != 0,
        Sys::Socket => b as i32 & libc::SOCK_CLOEXEC != 0,
        // pidfd_open(2): always.
        _ => true,
    }
}

/// The call's name in the manual, which is not always the kernel's.
pub(super) fn name_of(sys: Sys) -> String {
    let kernel = format!("{sys:?}");
    let manual = match sys {
        Sys::Eventfd2 => "eventfd",
        Sys::Signalfd4 => "signalfd",
        Sys::EpollCreate1 => "epoll_create",
        Sys::InotifyInit1 => "inotify_init",
        Sys::Openat | Sys::Openat2 => "open",
        Sys::Pipe2 => "pipe",
        Sys::Dup3 => "dup2",
        Sys::Unlinkat => "unlink",
        Sys::Linkat => "link",
        Sys::Mknodat => "mknod",
        Sys::Renameat2 => "rename",
        Sys::Wait4 => "waitpid",
        Sys::MqTimedsend => "mq_send",
        Sys::MqTimedreceive => "mq_receive",
        Sys::MqGetsetattr => "mq_setattr",
        Sys::RtSigtimedwait => "sigtimedwait",
        Sys::RtSigsuspend => "sigsuspend",
        Sys::RtSigaction => "sigaction",
        Sys::RtSigprocmask => "sigprocmask",
        Sys::RtSigreturn => "rt_sigreturn",
        Sys::RtSigqueueinfo => "sigqueue",
        Sys::Semtimedop => "semop",
        _ => {
            // CopyFileRange is copy_file_range.
            let under = |at: usize| if at > 0 { "_" } else { "" };
            let letters = kernel.char_indices().map(|(at, c)| {
                let c_lower = c.to_ascii_lowercase();
                if c.is_ascii_uppercase() { format!("{}{c_lower}", under(at)) } else { c.to_string() }
            });
            return letters.collect();
        }
    };
    manual.to_owned()
}
