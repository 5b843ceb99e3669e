//! What calls that came back did to the model.

use super::super::engine::Engine;
use super::epolls;
use crate::sys::arch::{Invocation, Sys};
use crate::sys::memory;
use crate::trace::raw::{Call, Fd, FileKind, RawFile, Tid};

/// Where POSIX queues are files (mq_overview(7)).
const QUEUES: &str = "/dev/mqueue/";

impl Engine<'_> {
    /// A call came back that the model had not foreseen.
    pub(crate) fn note_in_the_model(&mut self, tid: Tid, call: &Invocation, decoded: &Call, result: i64) {
        let Some((tgid, granted)) = self.tracee(tid).map(|it| (it.tgid, it.granted.take())) else { return };
        if matches!(call.sys, Sys::Accept | Sys::Connect) && self.outlives(tid) {
            // What it was about left the model, and what stands there now is something else.
            if call.sys == Sys::Accept && result >= 0 {
                self.kernel.close(tid, result as Fd);
            }
            return;
        }
        if matches!(call.sys, Sys::Bind | Sys::Listen | Sys::Connect | Sys::Accept) {
            return self.note_named(tid, call, result);
        }
        if granted.is_some() {
            return;
        }
        if let (Call::Wait { which, child, ending, keeps, .. }, sent) = (decoded, result) {
            match child {
                Some(child) if ending.is_some() && !keeps => self.kernel.children.reaped(tgid, *child),
                None if sent == -i64::from(libc::ECHILD) => {
                    self.kernel.children.none_left(tgid, Some(*which).filter(|which| *which > 0));
                }
                _ => {}
            }
            return;
        }
        let [fd, b, c, ..] = call.args;
        let fd = fd as Fd;
        self.note_outlived(tid, decoded, result);
        if self.outlives(tid) && moves_only(decoded) {
            return;
        }
        if result < 0 && call.sys != Sys::Close {
            return;
        }
        let number = result as Fd;
        match decoded {
            Call::Pipe { ends: Some(ends), file: Some(file), cloexec } => {
                let known = b as i32 & libc::O_DIRECT == 0;
                match crate::sys::descriptor::pipe_size(tgid, ends.0).ok().filter(|_| known) {
                    Some(size) => {
                        let nonblocking = b as i32 & libc::O_NONBLOCK != 0;
                        let pipe = self.kernel.new_pipe((file.dev, file.ino), size);
                        self.kernel.open(tid, ends.0, pipe, (true, false), nonblocking, *cloexec);
                        self.kernel.open(tid, ends.1, pipe, (false, true), nonblocking, *cloexec);
                    }
                    None => [ends.0, ends.1].into_iter().for_each(|fd| self.kernel.close(tid, fd)),
                }
            }
            Call::Dup { fd, cloexec } => self.kernel.dup(tid, Some(*fd), number, *cloexec),
            Call::Close { fd } => self.kernel.close(tid, *fd),
            Call::CloseRange { first, last, cloexec, unshare } => {
                self.kernel.close_range(tid, (*first, *last), *cloexec, *unshare);
            }
            Call::SetCloexec { fd, on } => self.kernel.set_cloexec(tid, *fd, *on),
            Call::Open { file: Some(file), cloexec, .. } => {
                self.note_opened(tid, number, call, file, *cloexec);
            }
            Call::MqOpen { file: Some(file), .. } => self.note_queue_opened(tid, number, b as i32, file, true),
            Call::NewDescriptor { cloexec, .. }
                if matches!(call.sys, Sys::Eventfd2 | Sys::EpollCreate1)
                    || call.sys == Sys::TimerfdCreate && self.is_our_clock(fd) =>
            {
                let flags = if call.sys == Sys::EpollCreate1 { 0 } else { b as i32 };
                let object = match call.sys {
                    Sys::Eventfd2 => self.kernel.new_counter(call.args[0] as u32, flags & libc::EFD_SEMAPHORE != 0),
                    Sys::TimerfdCreate => self.kernel.new_timer(),
                    _ => self.kernel.new_epoll(),
                };
                // EFD_NONBLOCK and TFD_NONBLOCK are the same.
                let nonblocking = flags & libc::O_NONBLOCK != 0;
                self.kernel.close(tid, number);
                self.kernel.open(tid, number, object, (true, true), nonblocking, *cloexec);
            }
            Call::NewDescriptor { .. } if call.sys == Sys::Signalfd4 && fd >= 0 => {
                self.kernel.takes(tid, fd, memory::read_u64(tid, b).unwrap_or(0));
            }
            // In the box alone: elsewhere strangers send signals that nobody is told of.
            Call::NewDescriptor { cloexec, .. } if call.sys == Sys::Signalfd4 && self.options.boxed => {
                let object = self.kernel.new_signals(memory::read_u64(tid, b).unwrap_or(0));
                let nonblocking = call.args[3] as i32 & libc::SFD_NONBLOCK != 0;
                self.kernel.close(tid, number);
                self.kernel.open(tid, number, object, (true, true), nonblocking, *cloexec);
            }
            Call::NewDescriptor { cloexec, .. } if call.sys == Sys::Socket => {
                self.note_socket(tid, number, call, *cloexec);
            }
            Call::NewDescriptor { .. } | Call::MqOpen { .. } => self.kernel.close(tid, number),
            Call::SocketPair { ends: Some(ends), cloexec, .. } => {
                let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
                let known = fd == libc::AF_UNIX && b as i32 & !flags == libc::SOCK_STREAM;
                [ends.0, ends.1].into_iter().for_each(|fd| self.kernel.close(tid, fd));
                if let Some(size) = crate::sys::descriptor::send_buffer(tgid, ends.0).ok().filter(|_| known) {
                    let nonblocking = b as i32 & libc::SOCK_NONBLOCK != 0;
                    self.kernel.new_stream(tid, *ends, size, nonblocking, *cloexec);
                }
            }
            Call::Shutdown { fd, read, write } => self.kernel.shut(tid, *fd, (*read, *write)),
            Call::Read { descriptors, .. } if !descriptors.is_empty() => {
                descriptors.iter().for_each(|(fd, _)| self.kernel.close(tid, *fd));
            }
            Call::Read { bytes, .. } => self.kernel.take(tid, fd, bytes.len()),
            Call::Poll { .. } if call.sys == Sys::EpollWait => self.note_collected(tid, call, result as usize),
            Call::Write { bytes, .. } => self.note_written(tid, fd, &bytes.0, result as usize),
            Call::MqSend { .. } | Call::MqReceive { .. } => {
                self.leave_to_the_kernel(tid, &[fd]);
            }
            Call::SemGet { .. }
            | Call::SemOp { .. }
            | Call::SemSet { .. }
            | Call::MsgGet { .. }
            | Call::MsgSend { .. }
            | Call::MsgReceive { .. } => self.note_sysv(tid, call, decoded, result),
            _ => match (call.sys, b as i32) {
                (Sys::MqGetsetattr, _) => {
                    // The flags come first (struct mq_attr).
                    let flags = memory::read_u64(tid, b).unwrap_or(0) as i32;
                    self.kernel.set_nonblocking(tid, fd, flags & libc::O_NONBLOCK != 0);
                }
                (Sys::EpollCtl, operation) => {
                    let event = epolls::event_at(tid, call.args[3]);
                    self.kernel.controlled(tid, fd, operation, c as Fd, event);
                }
                (Sys::Fcntl, libc::F_SETFL) => {
                    if c as i32 & (libc::O_ASYNC | libc::O_DIRECT) != 0 {
                        self.leave_to_the_kernel(tid, &[fd]);
                    }
                    self.kernel.set_nonblocking(tid, fd, c as i32 & libc::O_NONBLOCK != 0);
                }
                (Sys::Fcntl, libc::F_SETPIPE_SZ) => {
                    self.kernel.resize(tid, fd, result as usize);
                }
                (Sys::Ioctl, _) if b == libc::FIONBIO => {
                    let on = memory::read_u32(tid, c).unwrap_or(0) != 0;
                    self.kernel.set_nonblocking(tid, fd, on);
                }
                (Sys::Ioctl, _) if b == libc::FIOASYNC => {
                    self.leave_to_the_kernel(tid, &[fd]);
                }
                // Descriptors that come and go without anything being told of it; the box denies both.
                (Sys::PidfdGetfd | Sys::Unshare, _) => self.kernel.abandon_all(),
                _ => {}
            },
        }
    }

    /// A write of these bytes came back, of which the model had not said how many would go in.
    pub(super) fn note_written(&mut self, tid: Tid, fd: Fd, bytes: &[u8], count: usize) {
        if self.outlives(tid) {
            return;
        }
        if self.kernel.knows_written(tid, fd, bytes.len(), count) {
            self.kernel.put_in(tid, fd, bytes);
        } else {
            self.leave_to_the_kernel(tid, &[fd]);
        }
    }

    /// Something was opened: a FIFO, or a pipe once more, by its path in /proc (proc_pid_fd(5)).
    fn note_opened(&mut self, tid: Tid, fd: Fd, call: &Invocation, file: &RawFile, cloexec: bool) {
        self.kernel.close(tid, fd);
        let identity = (file.dev, file.ino);
        let flags = if call.sys == Sys::Openat2 { memory::read_u64(tid, call.args[2]) } else { Some(call.args[2]) };
        let flags = flags.unwrap_or(0) as i32;
        if flags & libc::O_PATH != 0 {
            return;
        }
        let known = self.kernel.object_at(identity);
        if file.path.starts_with(QUEUES) || known.is_some_and(|known| self.kernel.queue(known).is_some()) {
            return self.note_queue_opened(tid, fd, flags, file, cloexec);
        }
        let pipe = match file.kind {
            // In the box alone: elsewhere strangers may open it.
            FileKind::Fifo if self.options.boxed && !self.inherited.contains(&identity) => {
                let tgid = self.tracee(tid).map_or(tid, |tracee| tracee.tgid);
                let size = crate::sys::descriptor::pipe_size(tgid, fd);
                let fifo = self.kernel.fifo(identity, size.unwrap_or(0));
                if let (Some(fifo), Err(_)) = (fifo, size) {
                    self.kernel.abandon(fifo);
                }
                fifo
            }
            FileKind::Pipe => self.kernel.object_at(identity),
            _ => None,
        };
        let Some(pipe) = pipe else { return };
        if flags & (libc::O_ASYNC | libc::O_DIRECT) != 0 {
            self.kernel.abandon(pipe);
            return;
        }
        let access = flags & libc::O_ACCMODE;
        let ends = (access != libc::O_WRONLY, access != libc::O_RDONLY);
        let nonblocking = flags & libc::O_NONBLOCK != 0;
        self.kernel.open(tid, fd, pipe, ends, nonblocking, cloexec);
        if file.kind == FileKind::Fifo && nonblocking && access == libc::O_RDONLY {
            self.kernel.opened_without_waiting(tid, fd);
        }
    }
}

/// Whether a call that came back did nothing but to what its descriptor led to.
fn moves_only(decoded: &Call) -> bool {
    match decoded {
        Call::Read { descriptors, .. } => descriptors.is_empty(),
        Call::Write { .. } | Call::MqSend { .. } | Call::MqReceive { .. } | Call::Poll { .. } => true,
        _ => false,
    }
}
