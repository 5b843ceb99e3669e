//! Processes and threads: births, exec, ends, and who is whose child.

use std::collections::HashMap;

use super::descriptors::{FileId, Slot, TableId};
use super::live::Received;
use super::objects::{Naming, Spawn};
use super::signals::Pending;
use super::{Namer, objects};
use crate::model::Signal;
use crate::trace::canonical::{Ending, EventId, Life, LifeId, LifeKind, ObjectId, ObjectKind, ThreadId, Verb};
use crate::trace::raw::{Call, Fd, FileKind, InnerPid, RawFile, RawKind, Tid};

/// What a process is made of, beside its [`Life`].
#[derive(Debug)]
pub(super) struct Process {
    pub(super) tid: Tid,
    pub(super) inner: InnerPid,
    pub(super) table: TableId,
    /// Its place among the tables of dispositions.
    pub(super) dispositions: usize,
    /// Its living threads.
    pub(super) threads: Vec<ThreadId>,
    /// The loader and the runtime are at work.
    pub(super) prelude: bool,
    pub(super) children: Vec<LifeId>,
    /// The fork that made it.
    pub(super) born: Option<EventId>,
    /// Signals on their way to it.
    pub(super) pending: Pending,
    /// The signals for which Ready was told, as a set of bits.
    pub(super) ready: u64,
    /// Since which raw event it is ready for each.
    pub(super) ready_since: HashMap<Signal, u32>,
    /// The raw event since which it is there.
    pub(super) since: u32,
    /// The raw event of its end.
    pub(super) exited: Option<u32>,
    /// A signal that no handler took, and where it came from: it may be what the process dies of.
    pub(super) fatal: Option<(Signal, Vec<EventId>)>,
    /// The reaps of children that the kernel did for it.
    pub(super) self_reaped: Vec<EventId>,
    /// The last thread that ended: the raw event, and its last canonical one.
    pub(super) last_ended_thread: Option<(u32, EventId)>,
    pub(super) received: HashMap<ObjectId, Received>,
    /// What its end adds to semaphores (SEM_UNDO in semop(2)).
    pub(super) undo: HashMap<ObjectId, i64>,
}

/// A thread.
#[derive(Debug)]
pub(super) struct Thread {
    pub(super) life: LifeId,
    pub(super) tid: Tid,
    pub(super) inner: InnerPid,
    /// The signals that it masks, as a set of bits.
    pub(super) mask: u64,
    /// The call that it sleeps in.
    pub(super) entered: Option<Entered>,
    /// What the descriptor of the call that comes back led to when it began to sleep: it is about that to its end,
    /// whatever other threads do with the descriptor (close(2), NOTES).
    pub(super) began_with: Option<(Fd, FileId)>,
    pub(super) stopped: Option<Signal>,
    /// Its last event.
    pub(super) last: Option<EventId>,
    /// Causes of its next event.
    pub(super) incoming: Vec<EventId>,
    /// The takes whose handlers run, the innermost last.
    pub(super) handlers: Vec<(EventId, Signal)>,
    /// Signals on their way to it alone.
    pub(super) pending: Pending,
    /// An exec failed and no other attempt followed yet: a search along PATH fails often before it succeeds.
    pub(super) failed_exec: Option<i32>,
}

/// A call that has not come back.
#[derive(Debug)]
pub(super) struct Entered {
    pub(super) call: Call,
    pub(super) raw: u32,
    /// The event that was told ahead of its return.
    pub(super) event: Option<EventId>,
    /// The descriptor that it is about, and what that led to.
    pub(super) file: Option<(Fd, FileId)>,
    pub(super) site: Option<Box<crate::trace::Site>>,
}

impl Thread {
    fn new(life: LifeId, tid: Tid, inner: InnerPid, mask: u64) -> Self {
        Self {
            life,
            tid,
            inner,
            mask,
            entered: None,
            began_with: None,
            stopped: None,
            last: None,
            incoming: Vec::new(),
            handlers: Vec::new(),
            pending: Pending::default(),
            failed_exec: None,
        }
    }
}

impl Namer {
    /// The thread with this id; one that no event introduced becomes a life of its own.
    pub(super) fn thread_of(&mut self, tid: Tid) -> ThreadId {
        if let Some(known) = self.by_tid.get(&tid) {
            return *known;
        }
        let table = self.files.new_table();
        let name = format!("stray{}", self.lives.len());
        self.new_life(name, LifeKind::Learner, None, tid, tid, table, None)
    }

    #[expect(clippy::too_many_arguments, reason = "all that a life starts with, and used twice")]
    fn new_life(
        &mut self,
        name: String,
        kind: LifeKind,
        parent: Option<LifeId>,
        tid: Tid,
        inner: InnerPid,
        table: TableId,
        dispositions: Option<usize>,
    ) -> ThreadId {
        let life = LifeId(self.lives.len() as u32);
        self.lives.push(Life { name, kind, parent, ended: None, reaped: None, orphaned: false, self_reaping: false });
        let since = self.index();
        let dispositions = dispositions.unwrap_or_else(|| {
            self.dispositions.push(super::Dispositions::default());
            self.dispositions.len() - 1
        });
        self.processes.push(Process {
            tid,
            inner,
            table,
            dispositions,
            threads: Vec::new(),
            prelude: true,
            children: Vec::new(),
            born: None,
            pending: Pending::default(),
            ready: 0,
            ready_since: HashMap::new(),
            since,
            exited: None,
            fatal: None,
            self_reaped: Vec::new(),
            last_ended_thread: None,
            received: HashMap::new(),
            undo: HashMap::new(),
        });
        self.add_thread(life, tid, inner, 0)
    }

    fn add_thread(&mut self, life: LifeId, tid: Tid, inner: InnerPid, mask: u64) -> ThreadId {
        let thread = ThreadId(self.threads.len() as u32);
        self.threads.push(Thread::new(life, tid, inner, mask));
        self.processes[life.index()].threads.push(thread);
        self.by_tid.insert(tid, thread);
        self.by_inner.insert(inner, thread);
        thread
    }

    /// The recorder started a process.
    pub(super) fn start(
        &mut self,
        tid: Tid,
        inner: InnerPid,
        peer: Option<&str>,
        cwd: &str,
        descriptors: &[(Fd, RawFile)],
    ) -> ThreadId {
        let is_program = peer.is_none() && self.program.is_none();
        if is_program || self.lives.is_empty() {
            self.objects.set_cwd(cwd);
        }
        self.has_peers |= peer.is_some();
        let kind = if peer.is_some() { LifeKind::Peer } else { LifeKind::Learner };
        let name = match peer {
            Some(peer) => peer.to_owned(),
            None if is_program => "main".to_owned(),
            None => format!("main{}", self.lives.len()),
        };
        let table = self.files.new_table();
        let thread = self.new_life(name, kind, None, tid, inner, table, None);
        if is_program {
            self.program = Some(self.life_of(thread));
        }
        for (fd, raw) in descriptors {
            let object = if is_program { self.standard_stream(*fd, raw) } else { None };
            let file = match object {
                Some(object) => {
                    // A terminal is open both ways on all three; each is used one way.
                    let both = raw.kind != FileKind::Terminal;
                    let reads = (*fd == 0 || both && raw.read).then_some(object);
                    let writes = (*fd != 0 || both && raw.write).then_some(object);
                    self.open_ends(object, reads, writes, true)
                }
                None => self.open_file(raw, None, true),
            };
            self.put(thread, *fd, Slot { file, cloexec: false, since: None });
        }
        thread
    }

    /// The object of a standard stream of the program. A peer that was started before it may hold the other end.
    fn standard_stream(&mut self, fd: Fd, raw: &RawFile) -> Option<ObjectId> {
        let kind = match fd {
            0 => ObjectKind::Stdin,
            1 => ObjectKind::Stdout,
            2 => ObjectKind::Stderr,
            _ => return None,
        };
        let is_channel = matches!(raw.kind, FileKind::Pipe | FileKind::Fifo | FileKind::Socket);
        let naming = Naming::Fixed(objects::word(kind).to_owned());
        let known = if is_channel { self.objects.known(raw) } else { None };
        match known.filter(|known| self.objects[*known].kind.is_channel()) {
            Some(known) => {
                let thing = &mut self.objects[known];
                (thing.kind, thing.naming) = (kind, naming);
                Some(known)
            }
            None => {
                let object = self.objects.add(kind, None, naming);
                self.objects[object].outside = true;
                if is_channel && known.is_none() {
                    self.objects.identify(raw, object);
                }
                Some(object)
            }
        }
    }

    /// A thread of the same process began.
    pub(super) fn new_thread(&mut self, maker: ThreadId, tid: Tid, inner: InnerPid) {
        let (life, mask) = (self.life_of(maker), self.threads[maker.index()].mask);
        let child = ThreadId(self.threads.len() as u32);
        self.emit(maker, Verb::Thread { child }, Vec::new());
        self.add_thread(life, tid, inner, mask);
    }

    /// A process began.
    pub(super) fn fork(&mut self, maker: ThreadId, tid: Tid, inner: InnerPid, files: bool, handlers: bool) {
        let parent = self.life_of(maker);
        let child = LifeId(self.lives.len() as u32);
        let fork = self.emit(maker, Verb::Fork { child }, Vec::new());
        let process = &mut self.processes[parent.index()];
        process.children.push(child);
        let name = format!("{}.{}", self.lives[parent.index()].name, process.children.len());
        let (old_table, old_dispositions, ready) = (process.table, process.dispositions, process.ready);
        let table = if files { self.files.share(old_table) } else { self.files.copy(old_table, |_| Some(fork)) };
        let dispositions = if handlers {
            old_dispositions
        } else {
            self.dispositions.push(self.dispositions[old_dispositions]);
            self.dispositions.len() - 1
        };
        let kind = self.lives[parent.index()].kind;
        let thread = self.new_life(name, kind, Some(parent), tid, inner, table, Some(dispositions));
        self.threads[thread.index()].mask = self.threads[maker.index()].mask;
        self.locks.forked((parent, maker), (child, thread));
        self.processes[child.index()].prelude = false;
        self.processes[child.index()].born = Some(fork);
        let since = self.index();
        for signal in super::signals::members(ready) {
            self.emit(thread, Verb::Ready { signal }, vec![fork]);
            self.processes[child.index()].ready_since.insert(signal, since);
        }
        self.processes[child.index()].ready = ready;
    }

    /// Another program took the process over.
    pub(super) fn exec(&mut self, mut thread: ThreadId, path: &str, former: Option<Tid>) {
        let life = self.life_of(thread);
        // The thread that called goes on under the first one's id; all others are gone, so they came before.
        if let Some(caller) = former.and_then(|former| self.by_tid.get(&former).copied())
            && caller != thread
            && self.life_of(caller) == life
        {
            let tid = self.processes[life.index()].tid;
            self.by_tid.remove(&self.threads[caller.index()].tid);
            self.threads[caller.index()].tid = tid;
            self.by_tid.insert(tid, caller);
            self.by_inner.insert(self.processes[life.index()].inner, caller);
            thread = caller;
        }
        let others = std::mem::replace(&mut self.processes[life.index()].threads, vec![thread]);
        let causes = others.iter().filter_map(|other| self.threads[other.index()].last).collect();
        for other in others.into_iter().filter(|other| *other != thread) {
            self.forget_thread(other);
        }
        let is_start = self.program == Some(life) && self.processes[life.index()].prelude;
        self.threads[thread.index()].entered = None;
        self.threads[thread.index()].handlers.clear();
        let program = path.rsplit('/').next().unwrap_or(path).to_owned();
        let exec = self.emit(thread, Verb::Exec { program }, causes);
        self.wake_vfork_parent(life, exec);
        self.locks.exec(life);
        let table = self.files.unshare(self.processes[life.index()].table);
        self.processes[life.index()].table = table;
        for fd in self.files.cloexec(table) {
            if let Some(slot) = self.files.take(table, fd) {
                self.drop_slot(thread, slot, true);
            }
        }
        self.reset_dispositions(thread);
        self.processes[life.index()].prelude = true;
        if is_start {
            // The launcher's work, until it became the program: nothing of the learner's.
            for (event, left_out) in self.events.iter().zip(&mut self.left_out) {
                *left_out |= event.life == life;
            }
        }
    }

    /// A parent that shares its memory with a new child sleeps until that execs or ends (vfork(2)).
    fn wake_vfork_parent(&mut self, child: LifeId, event: EventId) {
        let Some(parent) = self.lives[child.index()].parent else { return };
        let asleep = self.processes[parent.index()].threads.iter().copied().find(|thread| {
            matches!(&self.threads[thread.index()].entered, Some(Entered { call: Call::Other { name, .. }, .. })
                if matches!(name.as_str(), "vfork" | "clone" | "clone3"))
        });
        if let Some(asleep) = asleep {
            self.threads[asleep.index()].entered = None;
            self.threads[asleep.index()].incoming.push(event);
        }
    }

    fn forget_thread(&mut self, thread: ThreadId) {
        let this = &mut self.threads[thread.index()];
        this.entered = None;
        if self.by_tid.get(&this.tid) == Some(&thread) {
            self.by_tid.remove(&this.tid);
        }
        if self.by_inner.get(&this.inner) == Some(&thread) {
            self.by_inner.remove(&this.inner);
        }
    }

    /// A thread ended; its process may go on.
    pub(super) fn thread_exited(&mut self, thread: ThreadId) {
        let life = self.life_of(thread);
        let index = self.index();
        let last = self.threads[thread.index()].last;
        self.threads[thread.index()].entered = None;
        let process = &mut self.processes[life.index()];
        if let Some(last) = last {
            process.last_ended_thread = Some((index, last));
        }
        // The first thread's id stays the process's until that is gone.
        let is_first = process.tid == self.threads[thread.index()].tid;
        if process.threads.len() > 1 {
            process.threads.retain(|other| *other != thread);
            self.note_readiness(thread);
        }
        if !is_first {
            self.forget_thread(thread);
        }
    }

    /// The process ended.
    pub(super) fn exited_as(&mut self, thread: ThreadId, ending: Ending) {
        let life = self.life_of(thread);
        if self.processes[life.index()].exited.is_some() {
            return;
        }
        self.threads[thread.index()].handlers.clear();
        let mut causes: Vec<EventId> =
            self.processes[life.index()].threads.iter().filter_map(|other| self.threads[other.index()].last).collect();
        causes.extend(self.processes[life.index()].last_ended_thread.map(|(_, event)| event));
        let verb = match ending {
            Ending::Exit(status) => Verb::Exit { status },
            Ending::Killed(signal) => {
                causes.extend(self.senders_of_death(life, signal));
                Verb::Killed { signal }
            }
        };
        let event = self.emit(thread, verb, causes);
        let index = self.index();
        self.lives[life.index()].ended = Some(event);
        self.processes[life.index()].exited = Some(index);
        self.wake_vfork_parent(life, event);
        self.undo_semaphores(life, event);
        for slot in self.files.leave(self.processes[life.index()].table) {
            self.drop_ends(thread, slot, Some(event));
        }
        for child in self.processes[life.index()].children.clone() {
            if self.lives[child.index()].ended.is_none() {
                self.lives[child.index()].orphaned = true;
            }
        }
        self.tell_parent(life, event);
        for other in std::mem::take(&mut self.processes[life.index()].threads) {
            let inner = self.threads[other.index()].inner;
            self.forget_thread(other);
            // A process's id is its own until it is reaped.
            if inner == self.processes[life.index()].inner {
                self.by_inner.insert(inner, other);
            }
        }
        self.by_tid.remove(&self.processes[life.index()].tid);
    }

    /// SIGCHLD for the parent, unless it wants to know nothing of its children (wait(2), NOTES).
    fn tell_parent(&mut self, child: LifeId, event: EventId) {
        let Some(parent) = self.lives[child.index()].parent else { return };
        let process = &mut self.processes[parent.index()];
        if process.exited.is_some() {
            return;
        }
        let dispositions = self.dispositions[process.dispositions];
        if dispositions.ignores(Signal::CHLD) || dispositions.no_zombies {
            self.reap_itself(parent, child, event);
        }
        self.send_to_process(parent, Signal::CHLD, event, child);
    }

    /// The kernel reaps a child for its parent. No thread of the parent's takes part, so what they do next is not
    /// ordered after it: the event stands in a thread of its own.
    fn reap_itself(&mut self, parent: LifeId, child: LifeId, exit: EventId) {
        let ending = match self.events[exit.index()].verb {
            Verb::Killed { signal } => Ending::Killed(signal),
            Verb::Exit { status } => Ending::Exit(status),
            _ => return,
        };
        let thread = ThreadId(self.threads.len() as u32);
        self.threads.push(Thread::new(parent, 0, 0, 0));
        let event = self.emit(thread, Verb::Reaped { child, ending }, vec![exit]);
        self.processes[parent.index()].self_reaped.push(event);
        let life = &mut self.lives[child.index()];
        life.self_reaping = true;
        life.reaped = Some(event);
    }

    /// A wait call collected a child, or looked at one.
    ///
    /// Without an `ending` the child has only stopped or continued, or the caller did not want to know how it ended
    /// (`wait(NULL)`): whether it has ended tells which.
    pub(super) fn waited(&mut self, thread: ThreadId, child: InnerPid, ending: Option<Ending>, keeps: bool) {
        let Some(child) = self.by_inner.get(&child).map(|first| self.life_of(*first)) else { return };
        let exit = self.lives[child.index()].ended;
        let causes = exit.into_iter().collect();
        let told = match exit.map(|exit| &self.events[exit.index()].verb) {
            Some(Verb::Exit { status }) => Some(Ending::Exit(*status)),
            Some(Verb::Killed { signal }) => Some(Ending::Killed(*signal)),
            _ => None,
        };
        let Some(ending) = told.or(ending) else { return };
        if keeps {
            self.emit(thread, Verb::Call { name: "waitid".to_owned() }, causes);
            return;
        }
        let event = self.emit(thread, Verb::Reaped { child, ending }, causes);
        self.lives[child.index()].reaped = Some(event);
        let inner = self.processes[child.index()].inner;
        if self.by_inner.get(&inner).is_some_and(|first| self.life_of(*first) == child) {
            self.by_inner.remove(&inner);
        }
    }

    /// A search along PATH is told once, by its last failure, and only where nothing was found.
    pub(super) fn tell_failed_exec(&mut self, thread: ThreadId, next: &RawKind) {
        if self.threads[thread.index()].failed_exec.is_none() {
            return;
        }
        match next {
            RawKind::Exec { .. } => self.threads[thread.index()].failed_exec = None,
            RawKind::Entered { call: Call::Other { name, .. } }
            | RawKind::Returned { call: Call::Other { name, .. }, .. }
                if name.starts_with("execve") => {}
            _ => {
                if let Some(errno) = self.threads[thread.index()].failed_exec.take() {
                    self.fail(thread, "execve", errno, None, Vec::new());
                }
            }
        }
    }

    /// Marks a socket pair that an exec closed.
    pub(super) fn closed_by_exec(&mut self, object: ObjectId) {
        let Spawn { twin, .. } = self.objects[object].spawn;
        self.objects[object].spawn.closed_by_exec = true;
        if let Some(twin) = twin {
            self.objects[twin].spawn.closed_by_exec = true;
        }
    }
}
