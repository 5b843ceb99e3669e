//! What a run did: raw events as the kernel told them, and canonical events that do not change from run to run.
//!
//! Architecture invariant: pure. Naming is a fold over raw events; nothing here knows ptrace, files or time, so that a
//! recorded trace can be named and judged again anywhere.

pub mod bytes;
pub mod canonical;
pub mod codec;
pub(crate) mod descriptors;
pub mod naming;
pub mod order;
pub mod raw;
pub mod recording;

pub use bytes::Bytes;
pub use canonical::{
    Clock, Ending, Event, EventId, Holder, Life, LifeId, LifeKind, Object, ObjectId, ObjectKind, RunEnd, Site,
    ThreadId, Trace, Verb, Wait,
};
pub use naming::Namer;
pub use order::Order;
