//! From a learner's source to a program, with the course's own manifest.
//!
//! The crates that a course allows are built once with cargo, in a *template* outside of everybody's folders, and the
//! last call of the compiler is written down; learners' sources are then compiled by that call with other paths in it.
//! Cargo never runs where a learner's files are: what they say to it is found and refused ([`SourceFault::Forbidden`]).
//! What was compiled before is taken from the cache.
//!
//! # Theory of operation
//!
//! The compiler is ours, what it reads is not: it runs in a box of its own (`call.rs`, [`crate::sandbox::run`]), where
//! the toolchain, the system's libraries, the template's crates and the source are all that there is, read-only, and
//! one folder to write to. A box is made by a process with one thread, so the runner hands the [`Call`] to its worker
//! and waits. The program runs later in another box, which knows nothing of this one.
//!
//! Architecture invariant: compiling wrong source is the learner's outcome ([`Built::Rejected`]), everything else that
//! goes wrong here is ours or the machine's ([`BuildError`]).

mod cache;
mod call;
mod compile;
mod forbidden;
mod linker;
mod slim;
mod source;
mod template;
mod toolchain;

pub use cache::cache_folder;
pub use call::{Call, Called};
pub use compile::{Built, Perform, Program, compile};
pub use forbidden::Forbidden;
pub(crate) use source::hex;
pub use source::{Source, SourceFault};
pub use template::{Allowed, Template};

use std::path::PathBuf;

/// Why there is no program although the source may be right.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file operation of ours failed; all our files are in the cache.
    #[error("failed to {operation} {}: {error} (the cache may be elsewhere: IPC_GRADE_CACHE=DIR)", path.display())]
    File {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        error: std::io::Error,
    },
    /// cargo or rustc could not be started.
    #[error("failed to run `{program}`: {error} (is Rust installed and on the PATH? https://rustup.rs)")]
    Start {
        /// Which.
        program: String,
        /// Why.
        error: std::io::Error,
    },
    /// The course's crates do not build.
    #[error("failed to build the crates that grader.toml allows:\n{0}")]
    Crates(String),
    /// The compiler gave no answer about the source: it was ended, or had an error of its own.
    #[error("failed to compile: {why}")]
    Compiler {
        /// What became of it, and what to do.
        why: String,
        /// What it wrote, line by line.
        said: String,
    },
    /// Nobody could be asked to compile; reads well after "failed to".
    #[error("failed to compile: {0}")]
    Worker(String),
}

impl BuildError {
    pub(crate) fn file(operation: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |error| Self::File { operation, path, error }
    }
}
