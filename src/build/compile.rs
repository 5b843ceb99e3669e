//! One learner's program: found in the cache, or made by the template's call of the compiler on other files.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::cache::{Leased, Made, Outcome};
use super::call::{Call, CallEnd, Called, EXERCISE, OUT};
use super::source::hex;
use super::{BuildError, Source, Template};
use crate::sys::affinity;

/// What became of a source.
#[derive(Debug, Clone)]
#[must_use]
pub enum Built {
    /// A program.
    Program(Program),
    /// None, and it is the source's fault.
    Rejected {
        /// What is wrong, in a phrase.
        message: String,
        /// As rustc wrote it, with colours where they were asked for.
        diagnostics: String,
        /// Why no box was around the compiler, where none was.
        unheld: Option<String>,
    },
}

/// A compiled program, which stays in the cache at least as long as this lives.
#[derive(Debug, Clone)]
pub struct Program {
    /// The executable file.
    pub path: PathBuf,
    /// Why no box was around the compiler, where none was.
    pub unheld: Option<String>,
    _lease: Arc<File>,
}

/// Who performs calls: [`Call::perform`] in a process with one thread.
pub type Perform<'a> = &'a mut dyn FnMut(&Call) -> Result<Called, BuildError>;

/// Compiles a source, or finds it compiled. `name` is the crate's name in the compiler's messages.
///
/// # Errors
/// [`BuildError`]; a source that does not compile is none.
pub fn compile(
    template: &Template,
    name: &str,
    source: &Source,
    colour: bool,
    perform: Perform<'_>,
) -> Result<Built, BuildError> {
    let programs = &template.programs;
    let colour = if colour { "always" } else { "never" };
    let hash = Sha256::new().chain_update(&template.key).chain_update(format!("{name} {colour} {}", source.digest()));
    let key = hex(&hash.finalize()[..16]);
    if let Some(found) = programs.find(&key) {
        return Ok(found.into());
    }
    let only = programs.only_one(&key)?;
    if let Some(found) = programs.find(&key) {
        return Ok(found.into());
    }
    let stage = programs.stage()?;
    lay_out(source, stage.path())?;
    let call = call(template, name, colour, stage.path());
    let mut called = perform(&call)?;
    if called.broke_down() {
        // A mistake of the compiler's comes again; what the machine did not give it for a moment does not. With the same
        // bounds: the source may be a hostile one.
        called = perform(&call)?;
    }
    let (made, rejected) = match (&called.end, called.gave_up()) {
        (CallEnd::Exited(0), _) => (Some(stage.path().join("out").join(PROGRAM)), None),
        (CallEnd::Exited(1), _) => (None, Some("the program does not compile".to_owned())),
        (_, Some(why)) => (None, Some(why)),
        (_, None) => {
            let said = console::strip_ansi_codes(&diagnostics(&called)).into_owned();
            return Err(BuildError::Compiler { why: called.no_answer(), said });
        }
    };
    let entry = Made { rejected: rejected.map(|why| (why, diagnostics(&called))), unheld: called.unheld };
    let kept = programs.keep(&key, stage.path(), made.as_deref(), entry)?;
    drop(only);
    Ok(kept.into())
}

const PROGRAM: &str = "program";

/// Writes the source out, so that the compiler, who is another user in its box, may read it.
fn lay_out(source: &Source, stage: &Path) -> Result<(), BuildError> {
    let open = |path: &Path, mode| {
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(BuildError::file("open", path))
    };
    let folder = |path: &Path| {
        fs::create_dir_all(path).map_err(BuildError::file("make the folder", path))?;
        open(path, 0o755)
    };
    folder(&stage.join("out"))?;
    let root = stage.join("exercise");
    folder(&root)?;
    folder(&root.join("src"))?;
    for (path, text) in source.files() {
        let mut below = root.join("src");
        for part in path.parent().into_iter().flat_map(Path::components) {
            below.push(part);
            folder(&below)?;
        }
        let path = root.join("src").join(path);
        fs::write(&path, text).map_err(BuildError::file("write", &path))?;
        open(&path, 0o644)?;
    }
    Ok(())
}

fn call(template: &Template, name: &str, colour: &str, stage: &Path) -> Call {
    let crate_name = name.replace('-', "_");
    let mut args = template.args.clone();
    let own = [
        format!("--crate-name={crate_name}"),
        format!("--color={colour}"),
        // Relative paths: messages and line tables name the learner's own file and nothing of this machine.
        format!("--remap-path-prefix={EXERCISE}=."),
        // Its warnings are the learner's business in an editor, not here.
        "--cap-lints=warn".to_owned(),
        "src/main.rs".to_owned(),
        "-o".to_owned(),
        format!("{OUT}/{PROGRAM}"),
    ];
    args.extend(own);
    // What cargo would tell of the package: of the learner's nothing but the name is known.
    let package = [("CARGO_PKG_NAME", name), ("CARGO_CRATE_NAME", &crate_name), ("CARGO_BIN_NAME", name)];
    let version = [("CARGO_PKG_VERSION", "0.0.0"), ("CARGO_MANIFEST_DIR", ".")];
    let env = package.iter().chain(&version).map(|(name, value)| format!("{name}={value}")).collect();
    Call {
        toolchain: template.toolchain.clone(),
        slim: template.slim.clone(),
        target: template.folder.join("target"),
        stage: stage.to_owned(),
        args,
        env,
        processors: affinity::allowed().unwrap_or_default(),
        driver: template.driver,
        isolation: None,
    }
}

/// What the compiler said, cut after a line where that is very much.
fn diagnostics(called: &Called) -> String {
    if called.unkept == 0 {
        return called.said.clone();
    }
    let whole = called.said.rfind('\n').map_or(0, |end| end + 1);
    let kib = (called.unkept + (called.said.len() - whole) as u64).div_ceil(1024);
    format!("{}... and {kib} KiB more\n", &called.said[..whole])
}

impl From<Leased> for Built {
    fn from(Leased { entry, program, lease }: Leased) -> Self {
        match entry.outcome {
            Outcome::Program { .. } => {
                Self::Program(Program { path: program, unheld: entry.unheld, _lease: Arc::new(lease) })
            }
            Outcome::Rejected { message, diagnostics } => Self::Rejected { message, diagnostics, unheld: entry.unheld },
        }
    }
}
