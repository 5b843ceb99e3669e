//! Stream sockets of AF_UNIX that are connected by name: bind(2), listen(2), connect(2), accept(2).
//!
//! Who would wait is held, and let go on as the kernel wakes its own: each connection lets one go on that accepts, each
//! that is accepted one that connects, the first come first ([`super::granted`]). What comes of a call is the kernel's to
//! say, for a name leads where the file system and its rights have it, and a new descriptor's number is not known; but it
//! is known that the call comes back, so nobody looks whether it sleeps.

use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use nix::errno::Errno;

use super::super::decode::files::path_at;
use super::super::decode::{SocketName, socket_name};
use super::super::engine::{Engine, Fallible};
use super::super::kernel::{LetsIn, Name, ObjectId};
use super::super::proc;
use super::super::tracee::{Resume, State, Tracee};
use super::{Ask, Way};
use crate::sys::arch::{Invocation, Sys};
use crate::sys::descriptor;
use crate::trace::raw::{Fd, Tid};

impl Engine<'_> {
    /// A stream socket was made: it is modelled where nobody else can know its name.
    pub(super) fn note_socket(&mut self, tid: Tid, fd: Fd, call: &Invocation, cloexec: bool) {
        let [family, kind, ..] = call.args.map(|arg| arg as i32);
        self.kernel.close(tid, fd);
        let plain = kind & !(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC) == libc::SOCK_STREAM;
        if family == libc::AF_UNIX && plain && self.options.boxed && !self.options.strangers {
            let socket = self.kernel.new_socket();
            self.kernel.open(tid, fd, socket, (true, true), kind & libc::SOCK_NONBLOCK != 0, cloexec);
        }
    }

    /// listen(2) once more, and shutdown(2) of a socket that listens, go on with those that wait as only the kernel knows.
    pub(super) fn foresee_listening(&mut self, tid: Tid, call: &Invocation) -> Fallible<Way> {
        let fd = call.args[0] as Fd;
        let Some(object) = self.kernel.unconnected(tid, fd) else {
            // On one that is connected listen(2) fails and changes nothing.
            return Ok(Way::Enter);
        };
        let held = self.told_to_wait(|engine, tracee| engine.awaited_socket(tracee) == Some(object));
        if call.sys == Sys::Shutdown || !held.is_empty() {
            self.enter_all(&held)?;
            self.kernel.abandon(object);
        }
        Ok(Way::Enter)
    }

    pub(super) fn foresee_connect(&mut self, tid: Tid, call: &Invocation) -> Way {
        let fd = call.args[0] as Fd;
        self.ask(tid, None);
        let Some(to) = self.connects_to(tid, call) else { return Way::Enter };
        match self.kernel.lets_in(to) {
            LetsIn::Some { connects: 0, .. } => match self.kernel.is_nonblocking(tid, fd) {
                Some(true) => self.comes_back(tid, Ask::Connect(to)),
                Some(false) => self.hold(tid, call, Ask::Connect(to)),
                None => Way::Enter,
            },
            LetsIn::Some { .. } => self.comes_back(tid, Ask::Connect(to)),
            LetsIn::Closed | LetsIn::Unknown => Way::Enter,
        }
    }

    pub(super) fn foresee_accept(&mut self, tid: Tid, call: &Invocation) -> Way {
        let fd = call.args[0] as Fd;
        self.ask(tid, None);
        match self.kernel.waits_to_accept(tid, fd) {
            Some(true) => self.hold(tid, call, Ask::Accept(fd)),
            Some(false) => self.comes_back(tid, Ask::Accept(fd)),
            None => Way::Enter,
        }
    }

    /// The call goes into the kernel and does not sleep there.
    fn comes_back(&mut self, tid: Tid, ask: Ask) -> Way {
        self.ask(tid, Some(ask));
        Way::Enter
    }

    fn ask(&mut self, tid: Tid, ask: Option<Ask>) {
        if let Some(tracee) = self.tracee(tid) {
            tracee.ask = ask;
        }
    }

    /// The socket that a held call is about.
    pub(super) fn awaited_socket(&self, tracee: &Tracee) -> Option<ObjectId> {
        match tracee.ask {
            Some(Ask::Accept(fd)) => self.kernel.object_of(tracee.tid, fd),
            Some(Ask::Connect(to)) => Some(to),
            _ => None,
        }
    }

    /// Lets those go on that the sockets which they wait for let in, who came first stands first.
    pub(super) fn grant_by_sockets(&mut self) {
        let held = |it: &Tracee| it.state == State::Held && it.granted.is_none();
        let waiting = self.told_to_wait(|engine, tracee| held(tracee) && engine.awaited_socket(tracee).is_some());
        let mut left: BTreeMap<ObjectId, LetsIn> = BTreeMap::new();
        for order in waiting {
            let Some(tracee) = self.tracees.get(&order) else { continue };
            let (Some(object), Some(call)) = (self.awaited_socket(tracee), tracee.call) else { continue };
            let tid = tracee.tid;
            let lets_in = left.entry(object).or_insert_with(|| self.kernel.lets_in(object));
            let connects = call.sys == Sys::Connect;
            let goes = match lets_in {
                LetsIn::Some { connects: places @ 1.., .. } if connects => {
                    *places -= 1;
                    true
                }
                LetsIn::Some { accepts: places @ 1.., .. } if !connects => {
                    *places -= 1;
                    true
                }
                LetsIn::Closed => true,
                LetsIn::Some { .. } | LetsIn::Unknown => false,
            };
            if goes {
                self.let_in_by(object, tid, &call);
            }
        }
    }

    /// Who waited for this socket goes on; whoever connects looks once more where the name leads (unix_stream_connect).
    fn let_in_by(&mut self, object: ObjectId, tid: Tid, call: &Invocation) {
        let to = if call.sys == Sys::Connect { self.connects_to(tid, call) } else { Some(object) };
        let known = to.is_none_or(|to| to == object);
        let place = self.next_granted();
        let Some(tracee) = self.tracee(tid) else { return };
        if known {
            // It is let in, or refused at once.
            tracee.granted = Some(place);
        } else {
            tracee.state = State::Ready;
            tracee.resume = Resume::Exit;
        }
    }

    /// A name is about to go or to lead elsewhere (unlink(2), rename(2)): who waits to connect by a path waits for the socket
    /// that it has found, and the kernel has to know before.
    pub(super) fn foresee_renaming(&mut self, tid: Tid, call: &Invocation) -> Fallible<Way> {
        let by_path = |tracee: &Tracee| {
            let call = tracee.call.filter(|call| call.sys == Sys::Connect);
            let name = call.and_then(|call| socket_name(tracee.tid, call.args[1], call.args[2]));
            matches!(name, Some(SocketName::Path(_)))
        };
        let held = self.told_to_wait(|_, tracee| by_path(tracee));
        let [a, b, c, d, ..] = call.args;
        let leads_there = |folder: u64, path: u64| {
            let path = path_at(tid, folder as i32, path);
            let seen = std::fs::symlink_metadata(format!("/proc/{tid}/root{path}"));
            seen.is_ok_and(|seen| !seen.is_file() && !seen.file_type().is_fifo())
        };
        if held.is_empty() || !leads_there(a, b) && (call.sys == Sys::Unlinkat || !leads_there(c, d)) {
            return Ok(Way::Enter);
        }
        let awaited = |order: &u32| self.tracees.get(order).and_then(|tracee| self.awaited_socket(tracee));
        let sockets: Vec<ObjectId> = held.iter().filter_map(awaited).collect();
        self.enter_all(&held)?;
        sockets.into_iter().for_each(|socket| self.kernel.abandon(socket));
        Ok(Way::Enter)
    }

    /// bind(2), listen(2), connect(2) or accept(2) came back.
    pub(super) fn note_named(&mut self, tid: Tid, call: &Invocation, result: i64) {
        let [fd, addr, len, ..] = call.args;
        let fd = fd as Fd;
        let tgid = self.tracee(tid).map_or(tid, |tracee| tracee.tgid);
        match (call.sys, result) {
            (Sys::Bind, 0..) => {
                let name = name_at(tid, addr, len).or_else(|| {
                    // The kernel chose one.
                    let name = descriptor::abstract_name(tgid, fd).ok().flatten()?;
                    Some(Name::Abstract([&[0], &name[..]].concat()))
                });
                match name {
                    Some(name) => self.kernel.bound(tid, fd, name),
                    None => {
                        self.leave_to_the_kernel(tid, &[fd]);
                    }
                }
            }
            (Sys::Listen, 0..) => self.kernel.listens(tid, fd, addr as i32),
            (Sys::Connect, 0..) => {
                let to = self.connects_to(tid, call);
                let buffer = descriptor::send_buffer(tgid, fd).ok();
                self.kernel.connected(tid, fd, to, buffer);
            }
            (Sys::Accept, 0..) => {
                let (nonblocking, cloexec) = flags_of(tid, result as Fd);
                self.kernel.accepted(tid, fd, result as Fd, nonblocking, cloexec);
            }
            (Sys::Accept, _) => {
                // It may have taken a connection that it could not give, and closed it.
                let nothing_taken = [Errno::EAGAIN, Errno::EINTR, Errno::EMFILE, Errno::ENFILE];
                let listens = self.kernel.waits_to_accept(tid, fd).is_some();
                if listens && !nothing_taken.contains(&Errno::from_raw(-result as i32)) {
                    self.leave_to_the_kernel(tid, &[fd]);
                }
            }
            _ => {}
        }
    }

    /// The socket that a connect(2) names, which may have left the model.
    pub(super) fn connects_to(&self, tid: Tid, call: &Invocation) -> Option<ObjectId> {
        let [_, addr, len, ..] = call.args;
        name_at(tid, addr, len).and_then(|name| self.kernel.named(&name))
    }

    /// Whether the model has said of the call that a tracee is about to make that it comes back.
    pub(crate) fn is_let_in(&self, tracee: &Tracee) -> bool {
        tracee.state != State::Held && matches!(tracee.ask, Some(Ask::Accept(_) | Ask::Connect(_)))
    }
}

/// The name in an address, as the model knows it; none where it has none, or leads nowhere.
fn name_at(tid: Tid, addr: u64, len: u64) -> Option<Name> {
    match socket_name(tid, addr, len)? {
        SocketName::Abstract(name) => Some(Name::Abstract(name)),
        SocketName::Path(path) => {
            let seen = std::fs::metadata(format!("/proc/{tid}/root{path}")).ok()?;
            Some(Name::File(seen.dev(), seen.ino()))
        }
    }
}

/// Whether a descriptor was told not to wait, and whether it is close-on-exec (proc_pid_fdinfo(5)).
fn flags_of(tid: Tid, fd: Fd) -> (bool, bool) {
    let info = proc::text(tid, &format!("fdinfo/{fd}"));
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| i32::from_str_radix(flags.trim(), 8).ok()).unwrap_or(0);
    (flags & libc::O_NONBLOCK != 0, flags & libc::O_CLOEXEC != 0)
}
