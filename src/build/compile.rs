//! One learner's program, compiled by rustc against the template.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use super::source::hex;
use super::template::rustc;
use super::{BuildError, Source, Template};

/// How every program is compiled: unoptimised, so that each access of memory is one in the source; line tables, so that
/// findings have lines; frame pointers, so that stacks can be walked.
pub(super) const FLAGS: [&str; 6] = [
    "--edition=2024",
    "--crate-type=bin",
    "-Copt-level=0",
    "-Cdebuginfo=line-tables-only",
    "-Cforce-frame-pointers=yes",
    "-Coverflow-checks=yes",
];

/// What became of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Built {
    /// An executable file, which stays until the cache needs the room.
    Program(PathBuf),
    /// The compiler rejected it.
    Rejected {
        /// As rustc wrote it, with colours where they were asked for.
        diagnostics: String,
    },
}

/// Compiles a source, or finds it compiled. `name` is the crate's name in the compiler's messages.
///
/// # Errors
/// [`BuildError`]; a source that does not compile is none.
pub fn compile(template: &Template, name: &str, source: &Source, colour: bool) -> Result<Built, BuildError> {
    let hash = Sha256::new().chain_update(&template.key).chain_update(name).chain_update(source.digest()).finalize();
    let program = template.programs.join(hex(&hash[..16]));
    if fs::metadata(&program).is_ok_and(|there| there.len() > 0) {
        // It was used just now, so others are to go before it.
        let _untouched =
            fs::File::options().append(true).open(&program).and_then(|f| f.set_modified(std::time::SystemTime::now()));
        return Ok(Built::Program(program));
    }
    let stage = tempfile::Builder::new()
        .prefix("stage-")
        .tempdir_in(&template.programs)
        .map_err(BuildError::file("make a folder in", &template.programs))?;
    for (path, text) in source.files() {
        let path = stage.path().join("src").join(path);
        let folder = path.parent().unwrap_or(stage.path());
        fs::create_dir_all(folder).map_err(BuildError::file("make the folder", folder))?;
        fs::write(&path, text).map_err(BuildError::file("write", &path))?;
    }
    let output = call(template, name, stage.path(), colour)?;
    let diagnostics = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.code() {
        Some(0) => {}
        Some(1) => return Ok(Built::Rejected { diagnostics }),
        _ => return Err(BuildError::Compiler(format!("rustc ended with {}:\n{diagnostics}", output.status))),
    }
    keep(&stage.path().join("program"), &program)?;
    Ok(Built::Program(program))
}

/// Puts a program into the cache, whole or not at all.
///
/// Two that compile the same source at once make the same file, and the first stays: it may be running in a box by now,
/// and a file that has lost its name cannot be mounted.
fn keep(made: &Path, program: &Path) -> Result<(), BuildError> {
    match fs::hard_link(made, program) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // A file system without hard links.
        Err(_) => fs::rename(made, program).map_err(BuildError::file("keep", program)),
        Ok(()) => Ok(()),
    }
}

fn call(template: &Template, name: &str, stage: &Path, colour: bool) -> Result<std::process::Output, BuildError> {
    let program = rustc();
    let mut command = Command::new(&program);
    command.args(FLAGS).arg(format!("--crate-name={}", name.replace('-', "_")));
    command.arg("--color").arg(if colour { "always" } else { "never" });
    command.arg("-L").arg(format!("dependency={}", template.libraries.display()));
    for (name, library) in &template.externs {
        command.arg("--extern").arg(format!("{name}={}", library.display()));
    }
    // Relative paths: messages and line tables name the learner's own file and nothing of this machine.
    command.arg(format!("--remap-path-prefix={}=.", stage.display()));
    command.args(["src/main.rs", "-o", "program"]).current_dir(stage).stdin(Stdio::null());
    // Its warnings are the learner's business in an editor, not here.
    command.arg("--cap-lints=warn");
    command.output().map_err(|error| BuildError::Start { program, error })
}
