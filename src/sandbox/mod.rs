//! The box: namespaces and limits around one attempt, so that nothing of it meets another or stays behind.
//!
//! Architecture invariant: knows no exercise, no trace and no verdict. It starts processes that wait to be let go, and
//! ends them; who records them, and what the peers do, is somebody else's.
//!
//! # Theory of operation
//!
//! The *worker* is the process that calls; it has one thread. [`enter`] moves it, once, into a user, a mount, a network
//! (loopback down) and a UTS namespace of its own, in which it is root and may make more.
//!
//! For each attempt [`launch`] clones *init* into new pid, mount and IPC namespaces, where it is pid 1. It builds the
//! root (`root.rs`), forks the *roots*, peers first and in order, the program last; before the program it closes all that
//! it has open but the *lifeline* and what the program needs to start: where the program stands, all is ready. It ends up
//! asleep, reading that pipe. It ignores SIGCHLD: whoever is orphaned into its care is reaped by the kernel. The program shares
//! init's memory, as after vfork(2), and init sleeps, until the program has been executed.
//!
//! Each root becomes an ordinary user without capabilities in a user namespace that the worker keeps (`kept.rs`: one for
//! programs, one for peers, so that neither may look into the other), closes what is not its
//! own, says by a message (its sender's id, as the worker sees it, comes with SCM_CREDENTIALS) that it stands, and
//! sleeps reading its *gate*. There the recorder seizes it. [`Launch::go`] sends the program's id (as peers see
//! it) through every gate, and the program's streams through its own; a root then installs the filter and execs, or runs
//! the peer's code.
//!
//! ```text
//! worker ──lifeline──► init (1)         messages: roots ──► worker
//!   └────go──────────► peers 700001 …
//!   └────go──────────► program 700001 + peers
//! ```
//!
//! A [`Tool`] (`tool.rs`) is something else: a program of ours on a learner's files, the compiler. It is not recorded,
//! has a root of its own making, and [`run`] waits for its end.
//!
//! On a machine without namespaces ([`Isolation::Landlock`], [`Isolation::Limits`]) init is a child like others and what is
//! built is a folder: see `bare.rs`. With a delegated cgroup ([`Isolation::Cgroup`]) init enters a group of the run's own
//! before it forks: see `cgroup.rs`.
//!
//! Who ends: [`Launch::end`] kills init by its pidfd, and the kernel kills all else in the pid namespace and holds
//! init's end back until the last of them is reaped; without namespaces init kills what is left before it ends, and the
//! worker, to whom the rest falls, does the same after it; what they have made is swept away by a process that outlives both
//! (`sweeper.rs`). Dropping a [`Launch`] does the same; so does the worker's death,
//! when the lifeline comes to its end. A root whose gate closes before it was let go exits.

mod bare;
mod cgroup;
mod enter;
mod error;
mod kept;
mod launch;
mod level;
mod limits;
pub mod probe;
pub mod remedies;
mod root;
mod stub;
mod sweeper;
mod tool;
mod wire;

pub use enter::{enter, enter_level};
pub use error::{SandboxError, Step};
pub use launch::{Ground, Launch, PeerSpec, PeerStart, RootHandle, Spec, launch};
pub use level::Isolation;
pub use limits::Bounds;
pub use sweeper::{Leftover, Notes};
pub use tool::{Access, Held, Mount, Ran, Tool, ToolEnd, run};

/// The working directory of every root, inside a box of namespaces.
pub const WORK_FOLDER: &str = "/work";

/// Where the program and the tools beside it are, inside a box of namespaces.
pub const PROGRAM_FOLDER: &str = "/box";

/// The first id that a root may get: high, so that no drawn number looks like a process id.
///
/// Where the machine's ids end below it, they start as high as they can.
pub const FIRST_PID: i32 = 700_001;
