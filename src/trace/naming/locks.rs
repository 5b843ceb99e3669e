//! Semaphores, locks, condition variables and barriers in memory, as libc's own functions told of them.

use super::Namer;
use crate::trace::canonical::ThreadId;
use crate::trace::raw::{SyncObject, SyncOp};

impl Namer {
    /// A function that synchronises without a call came back, or began to wait.
    pub(super) fn synced(&mut self, _thread: ThreadId, _object: &SyncObject, _op: SyncOp) {}
}
