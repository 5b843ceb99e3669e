//! The compiler: which one it is and where its parts are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::BuildError;
use super::cache::{cache_folder, write_whole};
use super::source::hex;

/// A compiler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Toolchain {
    /// What `rustc -vV` says: another text, other programs.
    pub(super) version: String,
    /// The folder with `bin` and `lib` (`rustc --print sysroot`).
    pub(super) sysroot: PathBuf,
    /// The machine that it compiles for.
    pub(super) host: String,
}

/// What was found out about a compiler, and the files of which it is true as long as they stay as they are.
#[derive(Serialize, Deserialize)]
struct Memo {
    toolchain: Toolchain,
    files: Vec<(PathBuf, Stamp)>,
}

/// Length and time of change of a file; none where it is not there.
type Stamp = Option<(u64, u128)>;

fn stamp(path: &Path) -> Stamp {
    let seen = fs::metadata(path).ok()?;
    Some((seen.len(), seen.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos()))
}

impl Toolchain {
    /// The compiler that RUSTC names, else the one on the PATH.
    ///
    /// It is asked in the cache's folder: a toolchain file of a learner's, which rustup would heed, is not above that.
    /// What it says is remembered until the compiler, or what rustup is set to, is another.
    ///
    /// # Errors
    /// [`BuildError`] where there is none.
    pub(super) fn find() -> Result<Self, BuildError> {
        let program = rustc();
        let asked = on_path(&program);
        let variables = ["RUSTUP_TOOLCHAIN", "RUSTUP_HOME", "HOME"].map(std::env::var_os);
        let hash = Sha256::digest(format!("{asked:?}{variables:?}"));
        let folder = cache_folder().join("toolchains");
        fs::create_dir_all(&folder).map_err(BuildError::file("make the folder", &folder))?;
        let memo = folder.join(hex(&hash[..8]));
        if let Some(known) = fs::read(&memo).ok().and_then(|text| serde_json::from_slice::<Memo>(&text).ok())
            && known.files.iter().all(|(path, seen)| stamp(path) == *seen)
        {
            return Ok(known.toolchain);
        }
        let version = ask(&program, &folder, &["-vV"])?;
        let sysroot = PathBuf::from(ask(&program, &folder, &["--print", "sysroot"])?.trim_end());
        let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default().to_owned();
        let toolchain = Self { version, sysroot, host };
        let [_, rustup, home] = variables;
        let rustup = rustup.or_else(|| Some(Path::new(&home?).join(".rustup").into_os_string()));
        let settings = rustup.map(|folder| Path::new(&folder).join("settings.toml"));
        let files = [asked, Some(toolchain.rustc()), settings].into_iter().flatten();
        let files = files.map(|path| (path.clone(), stamp(&path))).collect();
        write_whole(&memo, &serde_json::to_vec(&Memo { toolchain: toolchain.clone(), files }).unwrap_or_default())?;
        Ok(toolchain)
    }

    /// The compiler itself, behind whatever chooses it.
    pub(super) fn rustc(&self) -> PathBuf {
        self.sysroot.join("bin/rustc")
    }

    /// A folder of the parts that are for the machine that it compiles for.
    pub(super) fn part(&self, name: &str) -> PathBuf {
        self.sysroot.join(Self::below(&self.host, name))
    }

    /// The same, from the sysroot.
    pub(super) fn below(host: &str, name: &str) -> PathBuf {
        Path::new("lib/rustlib").join(host).join(name)
    }
}

/// RUSTC, else the program of that name.
fn rustc() -> String {
    std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned())
}

fn on_path(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(program.into());
    }
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(program)).find(|file| file.is_file())
}

fn ask(program: &str, folder: &Path, args: &[&str]) -> Result<String, BuildError> {
    let output = Command::new(program).args(args).current_dir(folder).stdin(Stdio::null()).output();
    let output = output.map_err(|error| BuildError::Start { program: program.to_owned(), error })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let why = format!("`{program} {}` ended with {}:\n{said}", args.join(" "), output.status);
    Err(BuildError::Compiler { why, said: String::new() })
}
