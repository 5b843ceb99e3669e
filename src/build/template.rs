//! The course's crates, built once: what every learner's program is linked with.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::BuildError;
use super::cache::cache_folder;
use super::source::hex;

/// Built crates, and the compiler that built them.
#[derive(Debug, Clone)]
pub struct Template {
    /// Changes with the compiler, the crates and how programs are compiled.
    pub(super) key: String,
    /// The folder with the libraries of all crates.
    pub(super) libraries: PathBuf,
    /// The crates that a program may name, with their libraries.
    pub(super) externs: Vec<(String, PathBuf)>,
    /// Where compiled programs go.
    pub(super) programs: PathBuf,
}

/// What cargo says of each thing that it has built (cargo build --message-format=json).
#[derive(Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
enum Message {
    CompilerArtifact {
        target: Target,
        filenames: Vec<PathBuf>,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

impl Template {
    /// Builds the crates, or finds them built.
    ///
    /// `crates` is the text of a manifest's `[dependencies]` table, `own` has the folders of those crates that are the
    /// course's, `lock` is the course's Cargo.lock where it has one.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn prepare(crates: &str, own: &[PathBuf], lock: Option<&Path>) -> Result<Self, BuildError> {
        let rustc = run(Command::new(rustc()).arg("-vV"))?;
        let lock_text = lock.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        let hash = Sha256::new()
            .chain_update(&rustc)
            .chain_update(crates)
            .chain_update(&lock_text)
            .chain_update(super::compile::FLAGS.join(" "));
        let hash = own.iter().try_fold(hash, |hash, folder| contents(hash, folder, &mut 0))?.finalize();
        let key = hex(&hash[..12]);
        let folder = cache_folder().join("templates").join(&key);
        let programs = cache_folder().join("programs");
        fs::create_dir_all(folder.join("src")).map_err(BuildError::file("make the folder", &folder))?;
        fs::create_dir_all(&programs).map_err(BuildError::file("make the folder", &programs))?;
        super::cache::trim(&programs);

        // One process builds, others wait; cargo finds everything fresh when it was built before.
        let lock_path = folder.join("building");
        let building = File::create(&lock_path).map_err(BuildError::file("create", &lock_path))?;
        building.lock().map_err(BuildError::file("lock", &lock_path))?;
        let manifest = format!(
            "[package]\nname = \"template\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n{crates}\n"
        );
        let files = [("Cargo.toml", manifest.as_str()), ("src/main.rs", "fn main() {}\n")];
        for (name, text) in files {
            write_if_other(&folder.join(name), text)?;
        }
        if !lock_text.is_empty() && !folder.join("Cargo.lock").exists() {
            write_if_other(&folder.join("Cargo.lock"), &lock_text)?;
        }
        let artifacts = build(&folder)?;
        Ok(Self { key, libraries: folder.join("target/debug/deps"), externs: artifacts, programs })
    }
}

/// A crate of the course has some files.
const MOST_FILES: usize = 1000;

/// Takes all that a crate is made of into a hash: names and contents, but for what a build has left there.
fn contents(mut hash: Sha256, folder: &Path, seen: &mut usize) -> Result<Sha256, BuildError> {
    let entries = fs::read_dir(folder).map_err(BuildError::file("look into", folder))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes().to_vec();
        *seen += 1;
        if name == b"target" || name.starts_with(b".") || *seen > MOST_FILES {
            continue;
        }
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(&name);
        if path.is_dir() {
            hash = contents(hash, &path, seen)?;
        } else {
            let bytes = fs::read(&path).map_err(BuildError::file("read", &path))?;
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        }
    }
    Ok(hash)
}

fn write_if_other(path: &Path, text: &str) -> Result<(), BuildError> {
    if fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    fs::write(path, text).map_err(BuildError::file("write", path))
}

/// Runs cargo, without the network if it can be, and takes in what it built.
fn build(folder: &Path) -> Result<Vec<(String, PathBuf)>, BuildError> {
    let offline = cargo(folder, true)?;
    let output = if offline.status.success() { offline } else { cargo(folder, false)? };
    if !output.status.success() {
        return Err(BuildError::Crates(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let libraries = lines.lines().filter_map(|line| match serde_json::from_str(line) {
        Ok(Message::CompilerArtifact { target, filenames }) if target.kind.iter().any(|kind| kind == "lib") => {
            let library = filenames.into_iter().find(|file| file.extension().is_some_and(|ext| ext == "rlib"))?;
            Some((target.name.replace('-', "_"), library))
        }
        _ => None,
    });
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    Ok(libraries.filter(|(name, _)| names(&manifest, name)).collect())
}

/// Whether the manifest asks for the crate itself, not only for one that needs it.
fn names(manifest: &str, name: &str) -> bool {
    let parsed: Option<toml::Table> = manifest.parse().ok();
    let dependencies = parsed.as_ref().and_then(|manifest| manifest.get("dependencies")?.as_table());
    dependencies.is_some_and(|table| table.keys().any(|key| key.replace('-', "_") == name))
}

fn cargo(folder: &Path, offline: bool) -> Result<std::process::Output, BuildError> {
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(&program);
    command.args(["build", "--quiet", "--message-format=json-render-diagnostics", "--target-dir", "target"]);
    if offline {
        command.arg("--offline");
    }
    // Ours may itself run under cargo, which tells its children things that are not meant for this build.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let about_us =
            text.starts_with("CARGO_") && text != "CARGO_HOME" || text.starts_with("RUSTC_") || text == "RUSTFLAGS";
        if about_us {
            command.env_remove(&name);
        }
    }
    command
        .current_dir(folder)
        .env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only")
        .env("RUSTFLAGS", "-Cforce-frame-pointers=yes")
        .stdin(Stdio::null());
    command.output().map_err(|error| BuildError::Start { program, error })
}

/// The compiler: RUSTC, else the one on the PATH.
pub(super) fn rustc() -> String {
    std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned())
}

fn run(command: &mut Command) -> Result<String, BuildError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| BuildError::Start { program, error })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(BuildError::Compiler(String::from_utf8_lossy(&output.stderr).into_owned()))
}
