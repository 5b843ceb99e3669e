//! What each system call does to the model.

use super::Namer;
use super::processes::Entered;
use crate::trace::canonical::{ThreadId, Verb};
use crate::trace::raw::{Call, Fd, SysvFamily};

impl Namer {
    /// A thread went to sleep inside a call. A write or a send that waits for room is told here, since its bytes may be
    /// read before it returns.
    pub(super) fn entered(&mut self, thread: ThreadId, call: &Call) {
        let before = self.threads[thread.index()].entered.take();
        let again = before.as_ref().filter(|before| before.call == *call).and_then(|before| before.event);
        let event = match call {
            _ if again.is_some() => again,
            Call::Write { fd, bytes } => self.write(thread, *fd, &bytes.0, bytes.len() as u64, true),
            Call::MsgSend { id, kind, bytes } => {
                let object = self.of_id(SysvFamily::Msg, *id);
                Some(self.send(thread, object, bytes, *kind))
            }
            Call::MqSend { fd, bytes, priority } => {
                let file = self.file_at(thread, *fd);
                let object = self.files.file(file).about;
                Some(self.send(thread, object, bytes, i64::from(*priority)))
            }
            Call::Open { path, .. } => {
                self.opening(path);
                None
            }
            Call::Futex { waits: true, addr, shared, .. } => {
                // Should it never come back, the wait has a name.
                let word = self.futex_word(thread, *addr, shared.as_ref());
                self.objects.word(word);
                None
            }
            Call::SemOp { id, ops, .. } => {
                // Should it never come back, what it lacks has a name.
                let set = self.of_id(SysvFamily::Sem, *id);
                for (number, _) in ops {
                    self.objects.member(set, *number);
                }
                None
            }
            Call::Leave { name } => {
                self.leaves(thread, name, None);
                None
            }
            _ => None,
        };
        let (raw, site) = (self.index(), self.site.clone());
        let file = moves(call).and_then(|fd| Some((fd, self.slot(thread, fd)?.file)));
        self.threads[thread.index()].entered = Some(Entered { call: call.clone(), raw, event, file, site });
    }

    /// A call came back.
    pub(super) fn returned(&mut self, thread: ThreadId, call: &Call, result: Result<i64, i32>) {
        let entered = self.threads[thread.index()].entered.take();
        // What it slept in before may have been another call, of which the return was lost.
        let entered = entered.filter(|entered| std::mem::discriminant(&entered.call) == std::mem::discriminant(call));
        self.threads[thread.index()].began_with = entered.as_ref().and_then(|entered| entered.file);
        match result {
            Ok(value) => self.succeeded(thread, call, value, entered),
            Err(errno) => self.failed(thread, call, errno, entered),
        }
        self.threads[thread.index()].began_with = None;
    }

    fn succeeded(&mut self, thread: ThreadId, call: &Call, value: i64, entered: Option<Entered>) {
        let count = u64::try_from(value).unwrap_or(0);
        // Descriptors and identifiers fit; what does not is from a broken recording.
        let number = Fd::try_from(value).unwrap_or(-1);
        match call {
            Call::Read { fd, want, .. } if value == 0 => {
                if *want > 0 {
                    self.read_end(thread, *fd);
                }
            }
            Call::Read { fd, bytes, descriptors, .. } => self.read(thread, *fd, bytes, descriptors),
            Call::Write { fd, bytes } => self.wrote(thread, *fd, bytes, count, entered),
            Call::Move { .. } => self.moved(thread, call, count),
            Call::Open { path, create, read, write, cloexec, file: Some(file) } => {
                self.opened(thread, number, (path, *create, *cloexec), (*read, *write), file, entered.as_ref());
            }
            // mq_open makes all its descriptors close-on-exec (mq_overview(7)).
            Call::MqOpen { name, create, read, write, file: Some(file), .. } => {
                let mut file = file.clone();
                file.path = format!("/{}", name.trim_start_matches('/'));
                let path = Self::queue_path(name);
                self.opened(thread, number, (&path, *create, true), (*read, *write), &file, None);
            }
            Call::Close { fd } => self.close(thread, *fd),
            Call::CloseRange { first, last, cloexec, unshare } => {
                self.close_range(thread, *first, *last, *cloexec, *unshare);
            }
            Call::Dup { fd, cloexec } => self.dup(thread, *fd, number, *cloexec),
            Call::SetCloexec { fd, on } => self.set_cloexec(thread, *fd, *on),
            Call::Pipe { ends: Some(ends), file, cloexec } => self.pipe(thread, *ends, file.as_ref(), *cloexec),
            Call::SocketPair { ends: Some(ends), files, cloexec } => {
                self.socket_pair(thread, *ends, files.as_ref(), *cloexec);
            }
            Call::Shutdown { fd, read, write } => self.shutdown(thread, *fd, *read, *write),
            Call::NewDescriptor { .. } => self.new_descriptor(thread, call, number),
            Call::Truncate { fd, len } => self.truncated(thread, *fd, *len),
            Call::Unlink { path } => self.unlinked(thread, path),
            Call::MqUnlink { name } => self.unlinked(thread, &Self::queue_path(name)),
            Call::Rename { from, to } => self.renamed(thread, from, to, false),
            Call::Link { from, to } => self.renamed(thread, from, to, true),
            Call::MakeFifo { path, file } => self.made_fifo(thread, path, file.as_ref()),
            Call::ChangeFolder { .. } => {
                self.emit(thread, Verb::Call { name: "chdir".to_owned() }, Vec::new());
            }
            Call::Map { fd, shared, write, file, .. } => self.mapped(thread, *fd, *shared, *write, file.as_ref()),
            Call::Unmap { addr, len } => self.unmapped(thread, *addr..addr.saturating_add(*len)),
            Call::ShmGet { key, create, .. } => self.got_id(thread, SysvFamily::Shm, *key, number, *create, 1),
            Call::MsgGet { key, create } => self.got_id(thread, SysvFamily::Msg, *key, number, *create, 1),
            Call::SemGet { key, create, count } => {
                self.got_id(thread, SysvFamily::Sem, *key, number, *create, *count);
            }
            Call::ShmAttach { id, file, .. } => self.attached(thread, *id, file.as_ref()),
            Call::RemoveId { family, id } => self.removed_id(thread, *family, *id),
            Call::MsgSend { id, kind, bytes } if entered.as_ref().is_none_or(|entered| entered.event.is_none()) => {
                let object = self.of_id(SysvFamily::Msg, *id);
                self.send(thread, object, bytes, *kind);
            }
            Call::MsgReceive { id, kind, bytes, .. } => {
                let object = self.of_id(SysvFamily::Msg, *id);
                self.receive(thread, object, bytes, *kind);
            }
            Call::MqSend { fd, bytes, priority } if entered.as_ref().is_none_or(|entered| entered.event.is_none()) => {
                let file = self.file_at(thread, *fd);
                let object = self.files.file(file).about;
                self.send(thread, object, bytes, i64::from(*priority));
            }
            Call::MqReceive { fd, bytes, priority, .. } => {
                let file = self.file_at(thread, *fd);
                let object = self.files.file(file).about;
                self.receive(thread, object, bytes, i64::from(*priority));
            }
            Call::SemOp { id, ops, undo } => self.sem_op(thread, *id, ops, undo),
            Call::SemSet { id, values } => self.sem_set(thread, *id, values),
            Call::SetDisposition { signal, disposition, no_zombies, .. } => {
                self.set_disposition(thread, *signal, *disposition, *no_zombies);
            }
            Call::SetMask { masked } => self.set_mask(thread, masked),
            Call::Kill { target, thread: to_thread, signal: Some(signal) } => {
                self.kill(thread, *target, *to_thread, *signal);
            }
            Call::SigWait { .. } => self.sig_waited(thread, value),
            Call::Wait { child: Some(child), ending, keeps, .. } => self.waited(thread, *child, *ending, *keeps),
            Call::Futex { waits, addr, shared, .. } => {
                let word = self.futex_word(thread, *addr, shared.as_ref());
                self.futex(thread, *waits, word, count, entered.as_ref());
            }
            Call::Socket { name, file: Some(file), .. } if name.starts_with("accept") => {
                self.accepted(thread, number, file);
            }
            Call::Socket { name, fd, address: Some(address), .. } if name == "bind" => {
                if let Some(slot) = self.slot(thread, *fd) {
                    self.objects.bound(address, self.files.file(slot.file).about);
                }
            }
            Call::Group { name } => {
                self.emit(thread, Verb::Call { name: name.clone() }, Vec::new());
            }
            Call::Leave { name } => self.leaves(thread, name, entered.as_ref()),
            Call::Open { .. }
            | Call::MqOpen { .. }
            | Call::Pipe { .. }
            | Call::SocketPair { .. }
            | Call::MsgSend { .. }
            | Call::MqSend { .. }
            | Call::Kill { .. }
            | Call::Pause
            | Call::SigSuspend { .. }
            | Call::Wait { .. }
            | Call::Poll { .. }
            | Call::Sleep { .. }
            | Call::Socket { .. }
            | Call::Refused { .. }
            | Call::Other { .. } => {}
        }
    }
}

/// The descriptor that a call moves bytes or messages through.
fn moves(call: &Call) -> Option<Fd> {
    match call {
        Call::Read { fd, .. } | Call::Write { fd, .. } | Call::MqSend { fd, .. } | Call::MqReceive { fd, .. } => {
            Some(*fd)
        }
        _ => None,
    }
}
