//! What a run makes that outlives its processes, noted for a box that has no namespaces which would take it along.

use std::collections::{HashMap, HashSet};

use crate::sandbox::{Leftover, Notes};
use crate::sys::objects;
use crate::trace::raw::{Call, FileKind};

/// Notes each IPC object once, but for queues that stood before the run.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    /// None where nothing outlives a run.
    notes: Option<Notes>,
    noted: HashSet<Leftover>,
    /// Queues that the run may have made, and whether each was there before it.
    queues: HashMap<String, bool>,
}

/// The folder of shared memory and named semaphores (shm_overview(7), sem_overview(7)).
const SHARED: &str = "/dev/shm/";

impl Leftovers {
    pub(super) fn new(notes: Option<Notes>) -> Self {
        Self { notes, ..Self::default() }
    }

    /// Before this process makes such a call: what has a name before it is there.
    pub(super) fn before(&mut self, process: i32, call: &Call) {
        let leftover = match call {
            Call::Open { path, create: true, .. } => shared(path),
            // A named semaphore is linked to its name when it is whole (sem_open(3), glibc).
            Call::Link { to, .. } | Call::Rename { to, .. } => shared(to),
            Call::MqOpen { name, create: true, .. } => {
                // Later it may be the run's own.
                let stood = self.queues.entry(name.clone()).or_insert_with(|| objects::queue_stands(name));
                (!*stood).then(|| Leftover::Queue(name.clone()))
            }
            Call::ShmGet { key: libc::IPC_PRIVATE, .. } => Some(Leftover::SegmentsOf(process)),
            Call::ShmGet { key, create: true, .. } => Some(Leftover::KeyedSegment(*key)),
            Call::SemGet { key, create: true, .. } if *key != libc::IPC_PRIVATE => {
                Some(Leftover::KeyedSemaphores(*key))
            }
            Call::MsgGet { key, create: true } if *key != libc::IPC_PRIVATE => Some(Leftover::KeyedMessages(*key)),
            _ => None,
        };
        leftover.into_iter().for_each(|leftover| self.note(leftover));
    }

    /// When a call has returned: what has its name from the kernel, or a path that led there.
    pub(super) fn after(&mut self, call: &Call, result: Result<i64, i32>) {
        let Ok(result) = result else { return };
        let id = i32::try_from(result).unwrap_or(-1);
        let leftover = match call {
            Call::Open { file: Some(file), create: true, .. } if file.kind == FileKind::Shm => shared(&file.path),
            Call::SemGet { key: libc::IPC_PRIVATE, .. } => Some(Leftover::Semaphores(id)),
            Call::MsgGet { key: libc::IPC_PRIVATE, .. } => Some(Leftover::Messages(id)),
            _ => None,
        };
        leftover.into_iter().for_each(|leftover| self.note(leftover));
    }

    fn note(&mut self, leftover: Leftover) {
        if let Some(notes) = &self.notes
            && !self.noted.contains(&leftover)
        {
            notes.note(&leftover);
            self.noted.insert(leftover);
        }
    }
}

fn shared(path: &str) -> Option<Leftover> {
    path.strip_prefix(SHARED).map(|name| Leftover::Shared(name.to_owned()))
}
