//! What descriptors lead to, for naming.

use crate::trace::canonical::{EventId, ObjectId};
use crate::trace::descriptors;
pub(super) use crate::trace::descriptors::{FileId, TableId};

/// All tables and open file descriptions of a run. A descriptor came with a fork, pipe, open or receive.
pub(super) type Files = descriptors::Files<OpenFile, Option<EventId>>;
/// A descriptor.
pub(super) type Slot = descriptors::Slot<Option<EventId>>;

/// An object's end or ends, open.
#[derive(Debug, Clone)]
pub(super) struct OpenFile {
    /// What it is open on; of a socket pair the direction that it writes.
    pub(super) about: ObjectId,
    /// What can be read through it.
    pub(super) reads: Option<ObjectId>,
    /// What can be written through it.
    pub(super) writes: Option<ObjectId>,
    /// It was open before the run, and closing it is nobody's doing.
    pub(super) inherited: bool,
}
