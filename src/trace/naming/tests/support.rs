//! Small makers of raw events, and a compact print of canonical ones.

use std::fmt::Write as _;

use crate::model::Signal;
use crate::trace::raw::{Call, Disposition, Fd, FileKind, RawEnd, RawEvent, RawFile, RawKind, Recording, Tid};
use crate::trace::{Bytes, Ending, Event, EventId, RunEnd, Trace, Verb};

/// The program's first thread; its forks are 20, 30 … in the tests.
pub(super) const MAIN: Tid = 10;
pub(super) const CWD: &str = "/work";

pub(super) fn event(tid: Tid, kind: RawKind) -> RawEvent {
    RawEvent { tid, kind, site: None }
}

pub(super) fn file(kind: FileKind, path: &str, ino: u64) -> RawFile {
    RawFile { kind, path: path.to_owned(), dev: 9, ino, read: true, write: true }
}

/// The program, on a terminal, exec'ed.
pub(super) fn started() -> Vec<RawEvent> {
    let terminal = || file(FileKind::Terminal, "/dev/pts/0", 3);
    vec![
        event(
            MAIN,
            RawKind::Started {
                inner: MAIN,
                peer: None,
                cwd: CWD.to_owned(),
                descriptors: vec![(0, terminal()), (1, terminal()), (2, terminal())],
            },
        ),
        exec(MAIN, "/work/program"),
    ]
}

pub(super) fn peer(tid: Tid, name: &str, descriptors: Vec<(Fd, RawFile)>) -> RawEvent {
    event(tid, RawKind::Started { inner: tid, peer: Some(name.to_owned()), cwd: CWD.to_owned(), descriptors })
}

pub(super) fn ok(tid: Tid, call: Call, result: i64) -> RawEvent {
    event(tid, RawKind::Returned { call, result: Ok(result) })
}

pub(super) fn err(tid: Tid, call: Call, errno: i32) -> RawEvent {
    event(tid, RawKind::Returned { call, result: Err(errno) })
}

pub(super) fn enter(tid: Tid, call: Call) -> RawEvent {
    event(tid, RawKind::Entered { call })
}

pub(super) fn fork(tid: Tid, child: Tid) -> RawEvent {
    event(tid, RawKind::Forked { child, inner: child, thread: false, shares_files: false, shares_handlers: false })
}

pub(super) fn thread(tid: Tid, child: Tid) -> RawEvent {
    event(tid, RawKind::Forked { child, inner: child, thread: true, shares_files: true, shares_handlers: true })
}

pub(super) fn exec(tid: Tid, path: &str) -> RawEvent {
    event(tid, RawKind::Exec { path: path.to_owned(), args: vec![path.to_owned()], former: None })
}

pub(super) fn exit(tid: Tid, status: i32) -> RawEvent {
    event(tid, RawKind::Exited { ending: Ending::Exit(status) })
}

pub(super) fn killed(tid: Tid, signal: Signal) -> RawEvent {
    event(tid, RawKind::Exited { ending: Ending::Killed(signal) })
}

pub(super) fn wait_call(which: Tid, child: Option<(Tid, Ending)>) -> Call {
    Call::Wait {
        which,
        nohang: false,
        keeps: false,
        child: child.map(|(tid, _)| tid),
        ending: child.map(|(_, ending)| ending),
    }
}

pub(super) fn wait_without_status(child: Tid) -> Call {
    Call::Wait { which: -1, nohang: false, keeps: false, child: Some(child), ending: None }
}

pub(super) fn waited(tid: Tid, child: Tid, status: i32) -> RawEvent {
    ok(tid, wait_call(-1, Some((child, Ending::Exit(status)))), i64::from(child))
}

pub(super) fn pipe(tid: Tid, read: Fd, write: Fd, ino: u64, cloexec: bool) -> RawEvent {
    ok(tid, Call::Pipe { ends: Some((read, write)), file: Some(file(FileKind::Pipe, "", ino)), cloexec }, 0)
}

pub(super) fn write_call(fd: Fd, text: &str) -> Call {
    Call::Write { fd, bytes: Bytes::from(text) }
}

pub(super) fn write(tid: Tid, fd: Fd, text: &str) -> RawEvent {
    ok(tid, write_call(fd, text), text.len() as i64)
}

pub(super) fn read_call(fd: Fd, text: &str) -> Call {
    Call::Read { fd, want: 4096, bytes: Bytes::from(text), descriptors: Vec::new() }
}

pub(super) fn read(tid: Tid, fd: Fd, text: &str) -> RawEvent {
    ok(tid, read_call(fd, text), text.len() as i64)
}

pub(super) fn close(tid: Tid, fd: Fd) -> RawEvent {
    ok(tid, Call::Close { fd }, 0)
}

pub(super) fn dup(tid: Tid, fd: Fd, new: Fd) -> RawEvent {
    ok(tid, Call::Dup { fd, cloexec: false }, i64::from(new))
}

/// An open whose access is `r`, `w` or `rw`, with `c` for O_CREAT.
pub(super) fn open_call(kind: FileKind, path: &str, ino: u64, access: &str) -> Call {
    let mut file = file(kind, path, ino);
    (file.read, file.write) = (access.contains('r'), access.contains('w'));
    Call::Open {
        path: path.to_owned(),
        create: access.contains('c'),
        read: file.read,
        write: file.write,
        cloexec: true,
        file: Some(file),
    }
}

pub(super) fn open(tid: Tid, fd: Fd, kind: FileKind, path: &str, ino: u64, access: &str) -> RawEvent {
    ok(tid, open_call(kind, path, ino, access), i64::from(fd))
}

/// The same before it returned: what it opens is not known.
pub(super) fn opening(tid: Tid, path: &str, access: &str) -> RawEvent {
    let Call::Open { path, create, read, write, cloexec, .. } = open_call(FileKind::Fifo, path, 0, access) else {
        unreachable!("open_call makes an open")
    };
    enter(tid, Call::Open { path, create, read, write, cloexec, file: None })
}

pub(super) fn mkfifo(tid: Tid, path: &str, ino: u64) -> RawEvent {
    ok(tid, Call::MakeFifo { path: path.to_owned(), file: Some(file(FileKind::Fifo, path, ino)) }, 0)
}

pub(super) fn unlink(tid: Tid, path: &str) -> RawEvent {
    ok(tid, Call::Unlink { path: path.to_owned() }, 0)
}

pub(super) fn dispose(tid: Tid, signal: Signal, disposition: Disposition) -> RawEvent {
    ok(tid, Call::SetDisposition { signal, disposition, no_zombies: false, restart: true }, 0)
}

pub(super) fn mask(tid: Tid, masked: &[Signal]) -> RawEvent {
    ok(tid, Call::SetMask { masked: masked.to_vec() }, 0)
}

pub(super) fn kill(tid: Tid, target: Tid, signal: Signal) -> RawEvent {
    ok(tid, Call::Kill { target, thread: false, signal: Some(signal) }, 0)
}

pub(super) fn delivered(tid: Tid, signal: Signal, handled: bool, sender: Tid) -> RawEvent {
    event(tid, RawKind::Delivered { signal, handled, sender })
}

pub(super) fn sigreturn(tid: Tid) -> RawEvent {
    ok(tid, Call::Leave { name: "rt_sigreturn".to_owned() }, 0)
}

pub(super) fn usr1() -> Signal {
    "USR1".parse().expect("a signal")
}

/// The trace of these events after [`started`], ended so.
pub(super) fn trace_with(events: impl IntoIterator<Item = RawEvent>, end: RawEnd) -> Trace {
    let events = started().into_iter().chain(events).collect();
    crate::trace::naming::name(&Recording { events, end })
}

pub(super) fn trace(events: impl IntoIterator<Item = RawEvent>) -> Trace {
    trace_with(events, RawEnd::Finished)
}

/// The events give these lines.
#[track_caller]
pub(super) fn check(events: impl IntoIterator<Item = RawEvent>, expected: &str) {
    same(&print(&trace(events)), expected);
}

/// The same for a run that ended with all waiting: the last lines say who waits.
#[track_caller]
pub(super) fn check_blocked(events: impl IntoIterator<Item = RawEvent>, expected: &str) {
    let trace = trace_with(events, RawEnd::Blocked);
    same(&(print(&trace) + &print_end(&trace)), expected);
}

#[track_caller]
pub(super) fn same(saw: &str, expected: &str) {
    let lines = |text: &str| text.trim().lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>();
    assert!(lines(saw) == lines(expected), "expected:\n{}\n\nsaw:\n{saw}", lines(expected).join("\n"));
}

/// `0 main.1 read main.pipe1 "kettle\n" <- 4`: an event's causes stand behind the arrow, plain data flow behind `~`,
/// the handler's take behind `in`.
pub(super) fn print(trace: &Trace) -> String {
    let mut text = String::new();
    for (id, event) in trace.iter() {
        let _ = write!(text, "{} {}{}", id.0, thread_name(trace, event), verb(trace, event));
        let list = |ids: &[EventId]| ids.iter().map(|id| format!(" {}", id.0)).collect::<String>();
        for (ids, arrow) in [(&event.causes, " <-"), (&event.reads_from, " ~")] {
            if !ids.is_empty() {
                text += &(arrow.to_owned() + &list(ids));
            }
        }
        if let Some(handler) = event.handler {
            let _ = write!(text, " in {}", handler.0);
        }
        text.push('\n');
    }
    text
}

/// Of threads beyond a life's first, the number stands behind the name.
fn thread_name(trace: &Trace, event: &Event) -> String {
    let first = trace.of(event.life).next().map(|(_, first)| first.thread);
    let name = &trace.life(event.life).name;
    if first == Some(event.thread) { name.clone() } else { format!("{name}~{}", event.thread.0) }
}

fn verb(trace: &Trace, event: &Event) -> String {
    let life = |id| trace.life(id).name.clone();
    let object = event.verb.object().map(|id| format!(" {}", trace.object(id).name)).unwrap_or_default();
    match &event.verb {
        Verb::Fork { child } => format!(" fork {}", life(*child)),
        Verb::Thread { child } => format!(" thread {}", child.0),
        Verb::Exec { program } => format!(" exec {program}"),
        Verb::Exit { status } => format!(" exit {status}"),
        Verb::Killed { signal } => format!(" killed {signal}"),
        Verb::Reaped { child, ending } => format!(" reaped {} {ending:?}", life(*child)),
        Verb::Create { .. } => format!(" create{object}"),
        Verb::Open { read, write, .. } => {
            format!(" open{object} {}{}", if *read { "r" } else { "" }, if *write { "w" } else { "" })
        }
        Verb::Close { write, last, .. } => {
            format!(" close{object} {}{}", if *write { "w" } else { "r" }, if *last { " last" } else { "" })
        }
        Verb::Unlink { .. } => format!(" unlink{object}"),
        Verb::Write { bytes, .. } => format!(" write{object} {bytes:?}"),
        Verb::Read { bytes, .. } => format!(" read{object} {bytes:?}"),
        Verb::End { .. } => format!(" end{object}"),
        Verb::Send { bytes, priority, .. } => format!(" send{object} {bytes:?} {priority}"),
        Verb::Receive { bytes, priority, .. } => format!(" receive{object} {bytes:?} {priority}"),
        Verb::Acquire { .. } => format!(" acquire{object}"),
        Verb::Release { .. } => format!(" release{object}"),
        Verb::Map { shared, .. } => format!(" map{object} {}", if *shared { "shared" } else { "private" }),
        Verb::Resize { len, .. } => format!(" resize{object} {len}"),
        Verb::Store { offset, bytes, .. } => format!(" store{object} {offset} {bytes:?}"),
        Verb::Load { offset, bytes, .. } => format!(" load{object} {offset} {bytes:?}"),
        Verb::Init { value, shared, .. } => format!(" init{object} {value}{}", if *shared { " shared" } else { "" }),
        Verb::Unexamined { .. } => format!(" unexamined{object}"),
        Verb::Ready { signal } => format!(" ready {signal}"),
        Verb::Unready { signal } => format!(" unready {signal}"),
        Verb::Ignore { signal } => format!(" ignore {signal}"),
        Verb::Take { signal } => format!(" take {signal}"),
        Verb::Return { signal } => format!(" return {signal}"),
        Verb::Signal { target, signal, group } => {
            let target = target.map_or("somebody".to_owned(), life);
            format!(" signal {target}{} {signal}", if *group { " group" } else { "" })
        }
        Verb::Failed { call, errno, .. } => format!(" failed {call} {errno}{object}"),
        Verb::Holds { value, elsewhere } => {
            format!(" holds {value} {:?}", elsewhere.iter().map(|(l, v)| (life(*l), *v)).collect::<Vec<_>>())
        }
        Verb::Step { step, instead } => format!(" step {step} {instead:?}"),
        Verb::Call { name } => format!(" call {name}"),
    }
}

pub(super) fn print_end(trace: &Trace) -> String {
    let (mut text, waits) = match &trace.end {
        RunEnd::Finished => return "finished\n".to_owned(),
        RunEnd::Limit { limit, figure, life, .. } => {
            return format!("limit {limit} {figure} {:?}\n", life.map(|life| &trace.life(life).name));
        }
        RunEnd::Deadlock { waits } => ("deadlock\n".to_owned(), waits),
        RunEnd::AllBlocked { waits } => ("all blocked\n".to_owned(), waits),
    };
    for wait in waits {
        let _ = write!(text, "{} {}", trace.life(wait.life).name, wait.call);
        if let Some(object) = wait.object {
            let _ = write!(text, " {}", trace.object(object).name);
        }
        if let Some(child) = wait.child {
            let _ = write!(text, " {}", trace.life(child).name);
        }
        for holder in &wait.holders {
            let since = holder.since.map_or("-".to_owned(), |since| since.0.to_string());
            let _ = write!(text, " [{} {} {since}]", trace.life(holder.life).name, holder.descriptors);
        }
        text.push('\n');
    }
    text
}
