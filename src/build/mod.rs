//! From a learner's source to a program, with the course's own manifest.
//!
//! The crates that a course allows are built once with cargo, in a *template* outside of everybody's folders; learners'
//! sources are then compiled by calling rustc against the template's libraries. Cargo never runs where a learner's
//! files are: their manifests, build scripts and configuration are not read. A program that was compiled before is
//! taken from the cache.
//!
//! Architecture invariant: compiling wrong source is the learner's outcome ([`Built::Rejected`]), everything else that
//! goes wrong here is ours or the machine's ([`BuildError`]).

mod cache;
mod compile;
mod source;
mod template;

pub use cache::cache_folder;
pub use compile::{Built, compile};
pub(crate) use source::hex;
pub use source::{Source, SourceFault};
pub use template::Template;

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
    /// The compiler gave no answer in time, or was ended by a signal.
    #[error("failed to compile: {0}")]
    Compiler(String),
}

impl BuildError {
    pub(crate) fn file(operation: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |error| Self::File { operation, path, error }
    }
}
