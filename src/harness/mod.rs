//! One attempt: a program with its peers, in the box, recorded and named.
//!
//! # Theory of operation
//!
//! [`attempt`] runs in a worker (one thread, nothing else in hand). It makes the program's streams, asks the sandbox for
//! a box with the peers and the program standing in it, and gives them to the recorder. The recorder tells each event
//! to the script (`script.rs`), which names them as they come and answers, from the names, whether a peer that waits may
//! go on. A peer is a process of ours in the box that plays its steps (`peer.rs`); it speaks to the recorder by a
//! reserved system call and to nobody else.
//!
//! Architecture invariant: knows no expected trace, no check and no verdict. What it is given has no templates and no
//! drawn values left in it ([`resolve()`] saw to that), so that the box holds nothing that the program must not know.

mod attempt;
mod leftovers;
mod peer;
mod resolve;
mod script;
mod stdin;

pub use attempt::{Attempt, AttemptError, Attempted, attempt};
pub use resolve::{ResolveError, ResolvedFact, ResolvedPeer, ResolvedStep, ResolvedWaiting, Unresolved, resolve};
pub use stdin::StdinSource;
