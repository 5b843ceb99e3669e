//! What a run has made that outlives its processes, for a box that has no namespaces which would take it along.

use crate::sandbox::Leftover;
use crate::trace::raw::{Call, FileKind, RawKind, Recording};

/// Every IPC object that a call of the run's may have made, in order, but for queues that stood before it.
pub(super) fn of(recording: &Recording, stood: impl Fn(&str) -> bool) -> Vec<Leftover> {
    let mut made = Vec::new();
    for event in &recording.events {
        let RawKind::Returned { call, result } = &event.kind else { continue };
        // Landlock refuses to open a queue that has just been made, and the queue stays.
        let made_all_the_same = matches!(call, Call::MqOpen { .. }) && *result == Err(libc::EACCES);
        let result = match result {
            Ok(result) => result,
            Err(_) if made_all_the_same => &-1,
            Err(_) => continue,
        };
        let id = i32::try_from(*result).unwrap_or(-1);
        let leftover = match call {
            Call::Open { file: Some(file), create: true, .. } if file.kind == FileKind::Shm => {
                file.path.strip_prefix("/dev/shm/").map(|name| Leftover::Shared(name.to_owned()))
            }
            // A named semaphore is linked to its name when it is whole (sem_open(3), glibc).
            Call::Link { to, .. } | Call::Rename { to, .. } => {
                to.strip_prefix("/dev/shm/").map(|name| Leftover::Shared(name.to_owned()))
            }
            Call::MqOpen { name, create: true, .. } if !stood(name) => Some(Leftover::Queue(name.clone())),
            Call::ShmGet { create: true, .. } => Some(Leftover::Segment(id)),
            Call::SemGet { create: true, .. } => Some(Leftover::Semaphores(id)),
            Call::MsgGet { create: true, .. } => Some(Leftover::Messages(id)),
            _ => None,
        };
        made.extend(leftover.filter(|leftover| !made.contains(leftover)));
    }
    made
}
