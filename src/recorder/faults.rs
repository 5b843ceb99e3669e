//! What a scenario lets go wrong: a read or write that moves less than it was asked for, a call that fails.
//!
//! Decided at the entry of a call, by counting the calls of the learner's processes on an object in the order of the run.
//! One that is to move less goes into the kernel with a smaller count; one that is to fail is not made. An interrupted call
//! that the kernel makes again by itself is one call.

use std::collections::HashMap;

use super::decode;
use super::engine::{Engine, Fallible, failed};
use super::substitute::is_named;
use crate::model::{Fault, FaultError, FaultyCall, Mishap};
use crate::sys::arch::{Invocation, Sys};
use crate::sys::{memory, ptrace};
use crate::trace::raw::{Fd, FileKind, RawFile, RawKind, Tid};

/// The standard streams' names in exercises, by descriptor.
const STANDARD: [&str; 3] = ["stdin", "stdout", "stderr"];

/// Where the number of bytes, or of parts, stands among the arguments of read(2), write(2) and their kin.
const COUNT: usize = 2;
/// Bytes of one part's address, and of it and its length (struct iovec).
const LENGTH_AT: u64 = 8;
const PART: u64 = 16;

/// The faults of a run, and how far each has come.
#[derive(Debug)]
pub(super) struct Faults {
    /// Each with the number of calls that it has been asked about.
    faults: Vec<(Fault, u64)>,
    /// Where the program's standard streams lead.
    standard: HashMap<(u64, u64), &'static str>,
    /// What was changed about the call that a thread is in.
    changed: HashMap<Tid, Vec<(usize, u64)>>,
}

/// What a call is about.
#[derive(Debug, Clone, PartialEq, Eq)]
enum About {
    /// One of the program's standard streams.
    Standard(&'static str),
    /// What has a path or a POSIX name.
    Named(String),
    /// A pipe, a socket, a System V queue.
    Anonymous,
    /// Nothing: wait(2), fork(2).
    Nothing,
}

impl Faults {
    pub(super) fn new(faults: Vec<Fault>) -> Self {
        let faults = faults.into_iter().map(|fault| (fault, 0)).collect();
        Self { faults, standard: HashMap::new(), changed: HashMap::new() }
    }

    /// The program begins with these descriptors.
    pub(super) fn begin(&mut self, descriptors: &[(Fd, RawFile)]) {
        for (fd, file) in descriptors {
            if let Some(name) = usize::try_from(*fd).ok().and_then(|fd| STANDARD.get(fd)) {
                self.standard.entry((file.dev, file.ino)).or_insert(name);
            }
        }
    }

    /// Whether the call that a thread is about to make moves less than it was asked for.
    pub(super) fn cuts(&self, tid: Tid) -> bool {
        self.changed.get(&tid).is_some_and(|changes| !changes.is_empty())
    }

    /// What becomes of this call, which is counted. Where several faults have something to say the first does.
    fn next(&mut self, call: FaultyCall, about: &About, cwd: &str) -> Option<Mishap> {
        let mut becomes = None;
        for (fault, seen) in &mut self.faults {
            if fault.call != call || !about.is_called(fault.on.as_deref(), cwd) {
                continue;
            }
            *seen += 1;
            let first = u64::from(fault.after);
            if *seen > first && fault.times.is_none_or(|times| *seen <= first + u64::from(times)) {
                becomes = becomes.or(Some(fault.becomes));
            }
        }
        becomes
    }
}

impl About {
    fn is_called(&self, on: Option<&str>, cwd: &str) -> bool {
        let Some(on) = on else { return *self == Self::Nothing };
        match self {
            Self::Standard(name) => on == *name,
            Self::Named(path) => is_named(on, path, cwd) || path.strip_prefix("/dev/shm") == Some(on),
            Self::Anonymous => is_named(on, "", cwd) && !STANDARD.contains(&on),
            Self::Nothing => false,
        }
    }
}

/// Which of the calls that can be made to go wrong this is.
fn faulty(call: &Invocation) -> Option<FaultyCall> {
    Some(match call.sys {
        Sys::Read | Sys::Readv | Sys::Pread | Sys::Preadv | Sys::Recvfrom => FaultyCall::Read,
        Sys::Write | Sys::Writev | Sys::Pwrite | Sys::Pwritev | Sys::Sendto => FaultyCall::Write,
        Sys::Openat | Sys::Openat2 | Sys::MqOpen => FaultyCall::Open,
        Sys::MqTimedsend | Sys::Msgsnd => FaultyCall::Send,
        Sys::MqTimedreceive | Sys::Msgrcv => FaultyCall::Receive,
        Sys::Wait4 | Sys::Waitid => FaultyCall::Wait,
        Sys::Fork | Sys::Vfork => FaultyCall::Fork,
        Sys::Clone if call.args[0] & libc::CLONE_THREAD as u64 == 0 => FaultyCall::Fork,
        _ => return None,
    })
}

impl Engine<'_> {
    /// A call that the recorder lets go wrong. True where it is over with that.
    pub(super) fn goes_wrong(&mut self, tid: Tid, call: &Invocation, again: bool) -> Fallible<bool> {
        if self.faults.faults.is_empty() || self.tracee(tid).is_none_or(|tracee| tracee.peer) {
            return Ok(false);
        }
        if !again {
            self.faults.changed.remove(&tid);
            let Some(which) = faulty(call).filter(|which| self.faults.faults.iter().any(|(f, _)| f.call == *which))
            else {
                return Ok(false);
            };
            let Some(about) = self.about(tid, call) else { return Ok(false) };
            match self.faults.next(which, &about, &self.cwd) {
                Some(Mishap::Fails(error)) => return self.fail(tid, call, error).map(|()| true),
                Some(Mishap::AtMost(most)) => {
                    let changes = self.cut(tid, call, most);
                    self.faults.changed.insert(tid, changes);
                }
                None => {}
            }
        }
        let changes = self.faults.changed.get(&tid).cloned().unwrap_or_default();
        if let Some(tracee) = self.tracee(tid) {
            tracee.changes.extend(changes);
        }
        Ok(false)
    }

    fn about(&self, tid: Tid, call: &Invocation) -> Option<About> {
        let [a, b, ..] = call.args;
        match call.sys {
            Sys::Wait4 | Sys::Waitid | Sys::Fork | Sys::Vfork | Sys::Clone => return Some(About::Nothing),
            Sys::Msgsnd | Sys::Msgrcv => return Some(About::Anonymous),
            Sys::Openat | Sys::Openat2 => return Some(About::Named(decode::files::path_at(tid, a as i32, b))),
            // The C library keeps the slash to itself (mq_open(3)).
            Sys::MqOpen => return Some(About::Named(format!("/{}", decode::text(tid, a)))),
            _ => {}
        }
        let file = decode::files::file(tid, a as Fd, None);
        if let Some(name) = self.faults.standard.get(&(file.dev, file.ino)) {
            return Some(About::Standard(name));
        }
        match file.kind {
            FileKind::Pipe | FileKind::Socket => Some(About::Anonymous),
            // A queue's descriptor leads to its name in the queues' own file system.
            _ if matches!(call.sys, Sys::MqTimedsend | Sys::MqTimedreceive) => {
                file.path.rsplit('/').next().map(|name| About::Named(format!("/{name}")))
            }
            _ => (!file.path.is_empty()).then_some(About::Named(file.path)),
        }
    }

    /// Makes a call move less: what is to be changed about its arguments.
    fn cut(&mut self, tid: Tid, call: &Invocation, most: u64) -> Vec<(usize, u64)> {
        let [_, addr, count, ..] = call.args;
        if !matches!(call.sys, Sys::Readv | Sys::Preadv | Sys::Writev | Sys::Pwritev) {
            return if count > most { vec![(COUNT, most)] } else { Vec::new() };
        }
        // The parts up to the one that is cut, whose length stands in memory: it is put back when the call is over.
        let mut left = most;
        for index in 0..count {
            let place = addr + PART * index + LENGTH_AT;
            let Some(length) = memory::read_u64(tid, place) else { return Vec::new() };
            if length >= left {
                if length > left
                    && memory::write(tid, place, &left.to_ne_bytes()).is_ok()
                    && let Some(tracee) = self.tracee(tid)
                {
                    tracee.exchanged.push((place, length.to_ne_bytes().to_vec()));
                }
                return vec![(COUNT, index + 1)];
            }
            left -= length;
        }
        Vec::new()
    }

    /// Tells that a call failed, which is not made.
    fn fail(&mut self, tid: Tid, call: &Invocation, error: FaultError) -> Fallible<()> {
        let errno = error.number();
        let result = -i64::from(errno);
        let decoded = decode::call(tid, call, Some(result));
        self.steps += 1;
        self.note_poll(tid, errno == libc::EAGAIN);
        self.put_back(tid);
        self.tell(tid, RawKind::Returned { call: decoded, result: Err(errno) });
        let registers = ptrace::registers(tid).map_err(|errno| failed("read the registers of", tid, errno))?;
        self.skip(tid, registers, result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(list: &[(&str, FaultyCall, u32, Option<u32>)]) -> Faults {
        let fault = |(on, call, after, times): &(&str, FaultyCall, u32, Option<u32>)| Fault {
            on: (!on.is_empty()).then(|| (*on).to_owned()),
            call: *call,
            becomes: Mishap::AtMost(1),
            after: *after,
            times: *times,
        };
        Faults::new(list.iter().map(fault).collect())
    }

    #[track_caller]
    fn check(faults: &mut Faults, call: FaultyCall, about: &About, expected: &[bool]) {
        let cut: Vec<bool> = expected.iter().map(|_| faults.next(call, about, "/work").is_some()).collect();
        assert_eq!(cut, expected, "{about:?}");
    }

    #[test]
    fn calls_are_counted_from_the_first_on_the_object() {
        let mut faults = faults(&[("data", FaultyCall::Read, 1, Some(2))]);
        check(&mut faults, FaultyCall::Write, &About::Anonymous, &[false]);
        check(&mut faults, FaultyCall::Read, &About::Named("/work/other".to_owned()), &[false]);
        check(&mut faults, FaultyCall::Read, &About::Anonymous, &[false, true, true, false, false]);
    }

    #[test]
    fn without_a_number_of_times_each_goes_wrong() {
        let mut faults = faults(&[("names", FaultyCall::Read, 0, None)]);
        check(&mut faults, FaultyCall::Read, &About::Named("/work/names".to_owned()), &[true; 5]);
    }

    #[test]
    fn each_object_has_its_own_name() {
        let named = |path: &str| About::Named(path.to_owned());
        let is = |about: &About, on: &str| about.is_called(Some(on), "/work");
        assert!(is(&About::Standard("stdin"), "stdin"));
        assert!(!is(&About::Standard("stdin"), "data"));
        assert!(!is(&About::Anonymous, "stdin"));
        assert!(is(&named("/orders"), "/orders"));
        assert!(is(&named("/dev/shm/board"), "/board"));
        assert!(is(&named("/work/names"), "names"));
        assert!(!is(&named("/work/names"), "greetings"));
        assert!(About::Nothing.is_called(None, "/work"));
        assert!(!About::Anonymous.is_called(None, "/work"));
    }
}
