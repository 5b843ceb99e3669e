//! Functions that synchronise: from their entry to their return, and what is told of them.

use super::space::Site;
use super::table::{Role, Sync};
use super::word;
use crate::recorder::engine::Engine;
use crate::sys::arch::Registers;
use crate::sys::memory;
use crate::trace::raw::{RawKind, SyncKind, SyncObject, SyncOp, Tid};

/// A function that is about to be called.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    /// Others may notice.
    pub(super) decides: bool,
    frame: Option<Frame>,
    /// A handler calls it, and must not.
    pub(super) not_in_handlers: Option<&'static str>,
}

/// A function that has not returned.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    sync: &'static Sync,
    role: Role,
    /// Where its return address stands.
    stack: u64,
    /// Where it returns to.
    caller: u64,
    /// How many handlers of the thread ran when it was called.
    pub(super) handlers: usize,
    /// A link was made in it (sem_open).
    pub(super) linked: bool,
    /// What it is about; sem_open knows at its return.
    object: Option<SyncObject>,
    /// pthread_cond_wait: the mutex that it gives back meanwhile.
    mutex: Option<SyncObject>,
    /// What an init function makes of it.
    init: SyncOp,
}

impl Engine<'_> {
    /// A thread stands at the first instruction of a function.
    pub(super) fn on_function_entry(&mut self, tid: Tid, site: Site, registers: &Registers) -> Option<Pending> {
        if site.sync.is_none() && site.not_in_handlers.is_none() {
            return None;
        }
        let stack = registers.stack();
        let caller = word(tid, stack)?;
        let arguments = registers.arguments();
        let space = self.functions.space_of(tid)?;
        let object = arguments[0];
        if space.is_libcs(caller) || site.sync.is_some() && space.is_libcs(object) {
            return None;
        }
        self.functions.leave_lost_handlers(tid, stack);
        let not_in_handlers = self.functions.called_in_handler(tid, site, stack, caller);
        let frame = site.sync.map(|sync| self.frame(tid, sync, stack, caller, arguments));
        let several = |engine: &mut Self| {
            let tgid = engine.tracee(tid).map(|tracee| tracee.tgid);
            engine.tracees.values().filter(|tracee| Some(tracee.tgid) == tgid).count() > 1
        };
        let decides = frame.as_ref().is_some_and(|frame| {
            let shared = frame.object.as_ref().is_some_and(|object| object.file.is_some());
            frame.role.decides() && (shared || several(self))
        });
        Some(Pending { decides, frame, not_in_handlers })
    }

    fn frame(&mut self, tid: Tid, sync: &'static Sync, stack: u64, caller: u64, arguments: [u64; 4]) -> Frame {
        let space = self.functions.space_of(tid);
        let first = sync.is_spin() && space.is_some_and(|space| space.spins.insert(arguments[0]));
        let role = if first && sync.role == Role::Release { Role::Init } else { sync.role };
        let made = matches!(role, Role::Init | Role::Open);
        let object = (role != Role::Open).then(|| self.functions.object(tid, sync, arguments[0], made));
        let mutex = (role == Role::Await).then(|| self.functions.mutex(tid, arguments[1]));
        let value = match (sync.kind, role) {
            (SyncKind::Semaphore, Role::Open) => arguments[3] as u32,
            (SyncKind::Semaphore | SyncKind::Barrier, Role::Init) => arguments[2] as u32,
            _ => 0,
        };
        let shared = role == Role::Open || role == Role::Init && is_shared(tid, sync, arguments[1]);
        let handlers = self.functions.threads.get(&tid).map_or(0, |calls| calls.handlers.len());
        let init = SyncOp::Init { value, shared };
        Frame { sync, role, stack, caller, handlers, linked: false, object, mutex, init }
    }

    /// The function's first instruction has been made: it is called.
    pub(super) fn called(&mut self, tid: Tid, call: Pending) {
        if let Some(function) = call.not_in_handlers {
            self.tell(tid, RawKind::Called { function: function.to_owned() });
        }
        let Some(frame) = call.frame else { return };
        self.leave_lost_calls(tid, &frame);
        if let Some(space) = self.functions.space_of(tid) {
            space.plant(tid, frame.caller, |site| site.returns = true);
        }
        if let Some(object) = &frame.object {
            match frame.role {
                Role::Release => self.tell_sync(tid, object, SyncOp::Release),
                Role::Broadcast => self.tell_sync(tid, object, SyncOp::Broadcast),
                Role::Acquire | Role::Share => self.tell_sync(tid, object, SyncOp::Wait),
                Role::Await => {
                    if let Some(mutex) = &frame.mutex {
                        self.tell_sync(tid, mutex, SyncOp::Release);
                    }
                    self.tell_sync(tid, object, SyncOp::Wait);
                }
                Role::Meet => {
                    self.tell_sync(tid, object, SyncOp::Release);
                    self.tell_sync(tid, object, SyncOp::Wait);
                }
                Role::Init | Role::Open | Role::Destroy | Role::TryAcquire | Role::TryShare | Role::Mend => {}
            }
        }
        if let Some(calls) = self.functions.threads.get_mut(&tid) {
            calls.frames.push(frame);
        }
    }

    /// Drops calls that will never return: their stack is gone, or a thread that is being cancelled runs what it left
    /// behind for that (pthread_cleanup_push(3)). One that waited for a condition then has its mutex again.
    fn leave_lost_calls(&mut self, tid: Tid, next: &Frame) {
        let Some(calls) = self.functions.threads.get_mut(&tid) else { return };
        let mut again = None;
        while let Some(top) = calls.frames.last() {
            let cancelled = top.handlers >= next.handlers;
            let on_another_stack = || next.handlers > top.handlers && word(tid, top.stack) == Some(top.caller);
            let gone = top.stack == next.stack || top.stack < next.stack && !on_another_stack();
            if !gone && !cancelled {
                break;
            }
            let top = calls.frames.pop().expect("it was there");
            again = top.mutex.filter(|_| !gone);
        }
        if let Some(mutex) = again {
            self.tell_sync(tid, &mutex, SyncOp::Acquire);
        }
    }

    /// A thread is at an address to which functions return.
    pub(super) fn on_function_return(&mut self, tid: Tid, addr: u64, registers: &Registers) {
        let Some(calls) = self.functions.threads.get_mut(&tid) else { return };
        let returns = |frame: &Frame| frame.caller == addr && frame.stack + 8 == registers.stack();
        let Some(at) = calls.frames.iter().rposition(returns) else { return };
        calls.frames.truncate(at + 1);
        let frame = calls.frames.pop().expect("it was found");
        self.functions.leave_handlers(tid, frame.handlers);
        self.steps += 1;
        self.function_returned(tid, frame, registers);
    }

    fn function_returned(&mut self, tid: Tid, frame: Frame, registers: &Registers) {
        let Frame { sync, role, object, mutex, init, linked, .. } = frame;
        if role == Role::Open {
            let addr = registers.value();
            // SEM_FAILED is 0 (semaphore.h).
            if linked && addr != 0 {
                let object = self.functions.object(tid, sync, addr, true);
                self.tell_sync(tid, &object, init);
            }
            return;
        }
        let Some(object) = object else { return };
        let error = self.error(tid, sync, registers);
        let missed = matches!(error, Some(libc::EAGAIN | libc::EBUSY));
        self.note_poll(tid, missed);
        let op = match (role, error) {
            (Role::Destroy, None) => {
                self.functions.forget_object(&object);
                return;
            }
            (Role::Init, None) => init,
            (Role::Release | Role::Broadcast, None) | (Role::Mend, _) => return,
            // The lock is taken, and its last owner died with it (pthread_mutexattr_setrobust(3)).
            (Role::Acquire | Role::TryAcquire, None | Some(libc::EOWNERDEAD)) | (Role::Meet, None) => SyncOp::Acquire,
            (Role::Share | Role::TryShare, None) => SyncOp::Share,
            (Role::Await, error) => {
                match error {
                    None | Some(libc::EOWNERDEAD) => self.tell_sync(tid, &object, SyncOp::Acquire),
                    Some(libc::ETIMEDOUT) => {
                        self.tell_sync(tid, &object, SyncOp::Failed { errno: libc::ETIMEDOUT });
                    }
                    // It was not let in: the mutex was not the thread's, and was not given back.
                    Some(errno) => {
                        if let Some(mutex) = &mutex {
                            self.tell_sync(tid, mutex, SyncOp::Failed { errno });
                        }
                        return;
                    }
                }
                if let Some(mutex) = &mutex {
                    self.tell_sync(tid, mutex, SyncOp::Acquire);
                }
                return;
            }
            (_, Some(errno)) => SyncOp::Failed { errno },
            (Role::Open, None) => return,
        };
        self.tell_sync(tid, &object, op);
    }

    /// The error that a function returned, or left in errno.
    fn error(&mut self, tid: Tid, sync: &Sync, registers: &Registers) -> Option<i32> {
        let value = registers.value() as i32;
        match (sync.kind, value) {
            (_, 0) => None,
            // PTHREAD_BARRIER_SERIAL_THREAD, for one of those who met (pthread_barrier_wait(3)).
            (SyncKind::Barrier, -1) => None,
            (SyncKind::Semaphore, _) => {
                let offset = self.functions.space_of(tid).and_then(|space| space.errno);
                let addr = offset.map(|offset| registers.thread_pointer().wrapping_add_signed(offset));
                let errno = addr.and_then(|addr| memory::read_u32(tid, addr)).map_or(0, |errno| errno as i32);
                Some(if errno == 0 { likely(sync) } else { errno })
            }
            (_, errno) => Some(errno),
        }
    }

    fn tell_sync(&mut self, tid: Tid, object: &SyncObject, op: SyncOp) {
        self.tell(tid, RawKind::Synced { object: object.clone(), op });
    }
}

impl super::Functions {
    /// The object at an address.
    fn object(&mut self, tid: Tid, sync: &Sync, addr: u64, fresh: bool) -> SyncObject {
        let object = self.place(tid, sync.kind, addr, fresh);
        if let Some(file) = &object.file {
            self.objects.insert((file.dev, file.ino, object.offset), sync.size());
        }
        object
    }

    fn mutex(&mut self, tid: Tid, addr: u64) -> SyncObject {
        self.place(tid, SyncKind::Mutex, addr, false)
    }

    fn place(&mut self, tid: Tid, kind: SyncKind, addr: u64, fresh: bool) -> SyncObject {
        let mapping = self.space_of(tid).and_then(|space| space.mapping(tid, addr, fresh));
        match mapping.filter(|mapping| mapping.shared) {
            Some(mapping) => {
                let offset = addr - mapping.from + mapping.start;
                SyncObject { kind, file: Some(mapping.file.clone()), offset }
            }
            None => {
                if let Some(space) = self.space_of(tid) {
                    space.own_objects.insert(addr);
                }
                SyncObject { kind, file: None, offset: addr }
            }
        }
    }

    fn forget_object(&mut self, object: &SyncObject) {
        if let Some(file) = &object.file {
            self.objects.remove(&(file.dev, file.ino, object.offset));
        }
    }
}

/// What a function that says no more than that it failed most likely met: where errno cannot be read.
fn likely(sync: &Sync) -> i32 {
    match sync.role {
        Role::TryAcquire => libc::EAGAIN,
        Role::Release => libc::EOVERFLOW,
        Role::Acquire if sync.name != "sem_wait" => libc::ETIMEDOUT,
        Role::Acquire => libc::EINTR,
        _ => libc::EINVAL,
    }
}

/// Whether other processes may use what is made: pshared, given as it is or in attributes (glibc, nptl/pthreadP.h:
/// PTHREAD_MUTEXATTR_FLAG_PSHARED, COND_PSHARED_MASK, struct pthread_rwlockattr, struct pthread_barrierattr).
fn is_shared(tid: Tid, sync: &Sync, argument: u64) -> bool {
    const MUTEX: u32 = 0x8000_0000;
    const CONDITION: u32 = 1;
    let attribute = |at: u64| if argument == 0 { 0 } else { memory::read_u32(tid, argument + at).unwrap_or(0) };
    match sync.kind {
        SyncKind::Semaphore => argument as u32 != 0,
        SyncKind::Mutex if sync.is_spin() => argument as u32 != 0,
        SyncKind::Mutex => attribute(0) & MUTEX != 0,
        SyncKind::Condition => attribute(0) & CONDITION != 0,
        SyncKind::ReadWriteLock => attribute(4) != 0,
        SyncKind::Barrier => attribute(0) != 0,
    }
}
