//! The course's crates, built once, and the call of the compiler that every learner's program is made by.
//!
//! Cargo builds a program of one line with all the crates that the course allows. A script stands before the compiler
//! (RUSTC_WRAPPER) and writes down the last call; that call, with other paths in it, compiles learners' sources. When
//! it is written, cargo is not run again: a *recipe* says what came of it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::BuildError;
use super::cache::{Programs, cache_folder, write_whole};
use super::call::{TEMPLATE, TOOLCHAIN};
use super::linker;
use super::source::hex;
use super::toolchain::Toolchain;

/// Changes with how templates are made.
const VERSION: &str = "2";

/// How every program is compiled: unoptimised, so that each access of memory is one in the source; line tables, so that
/// findings have lines. Crates need neither lines nor speed.
const PROFILE: &str = "
[profile.dev]
opt-level = 0
debug = \"line-tables-only\"
overflow-checks = true
codegen-units = 1
incremental = false

[profile.dev.package.\"*\"]
debug = false
";

/// Frame pointers, so that stacks can be walked.
const RUSTFLAGS: &str = "-Cforce-frame-pointers=yes";

/// Stands before the compiler and writes down the call that makes the program itself.
const RECORDER: &str = "#!/bin/sh
if [ \"$CARGO_CRATE_NAME\" = template ]; then printf '%s\\n' \"$@\" > \"$IPC_GRADE_CALL\"; fi
exec \"$@\"
";

/// A crate that a program may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// Its name.
    pub name: String,
    /// What a manifest says of it, but for where it is: `version = "0.2", features = []`.
    pub requirement: String,
    /// Its folder, where it is the course's own.
    pub own: Option<PathBuf>,
}

/// Built crates, the compiler that built them, and its call.
#[derive(Debug, Clone)]
pub struct Template {
    /// Changes with the compiler, the crates and how programs are compiled.
    pub(super) key: String,
    pub(super) folder: PathBuf,
    pub(super) toolchain: Toolchain,
    /// The arguments of the call, with names for where things are.
    pub(super) args: Vec<String>,
    /// The C compiler links: the toolchain's own linker could not.
    pub(super) driver: bool,
    /// The standard library without debugging information, of which no finding tells.
    pub(super) slim: Option<PathBuf>,
    /// Where compiled programs go.
    pub(super) programs: Programs,
}

/// What came of building a template.
#[derive(Serialize, Deserialize)]
struct Recipe {
    args: Vec<String>,
    driver: bool,
    /// The libraries that the call names, and their lengths.
    libraries: Vec<(PathBuf, u64)>,
}

impl Template {
    /// Builds the crates, or finds them built.
    ///
    /// `lock` is the course's Cargo.lock where it has one, `vendor` the folder of its crates' sources (cargo-vendor(1)).
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn prepare(crates: &[Allowed], lock: Option<&Path>, vendor: Option<&Path>) -> Result<Self, BuildError> {
        let toolchain = Toolchain::find()?;
        let lock = lock.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        let manifest = manifest(crates);
        let hash = [VERSION, &toolchain.version, &manifest, &lock, RUSTFLAGS]
            .iter()
            .fold(Sha256::new(), |hash, part| hash.chain_update(part.len().to_le_bytes()).chain_update(part));
        let own = crates.iter().filter_map(|allowed| Some((allowed.name.as_str(), allowed.own.as_deref()?)));
        let hash = own.clone().try_fold(hash, |hash, (_, folder)| contents(hash, folder))?.finalize();
        let key = hex(&hash[..12]);
        let folder = cache_folder().join("templates").join(&key);
        let recipe = match finished(&folder) {
            Some(recipe) => recipe,
            None => {
                fs::create_dir_all(&folder).map_err(BuildError::file("make the folder", &folder))?;
                // One process builds, others wait.
                let lock_path = folder.join("building");
                let building = File::create(&lock_path).map_err(BuildError::file("create", &lock_path))?;
                building.lock().map_err(BuildError::file("lock", &lock_path))?;
                match finished(&folder) {
                    Some(recipe) => recipe,
                    None => Recipe::make(&folder, &toolchain, &manifest, &lock, own, vendor)?,
                }
            }
        };
        // A C compiler that links looks for the linker in the sysroot.
        let slim = if recipe.driver { None } else { super::slim::prepare(&toolchain) };
        Ok(Self { key, folder, toolchain, args: recipe.args, driver: recipe.driver, slim, programs: Programs::open()? })
    }

    /// What a program follows from besides its source: another key, another program.
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// The manifest of the program of one line; the course's own crates are beside it.
fn manifest(crates: &[Allowed]) -> String {
    let mut text =
        String::from("[package]\nname = \"template\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n");
    text.push_str(PROFILE);
    text.push_str("\n[dependencies]\n");
    for Allowed { name, requirement, own } in crates {
        let place = own.as_ref().map_or_else(String::new, |_| format!("path = \"own/{name}\", "));
        text.push_str(&format!("{name} = {{ {place}{requirement} }}\n"));
    }
    text
}

/// What was built before, if it is all there.
fn finished(folder: &Path) -> Option<Recipe> {
    let recipe: Recipe = serde_json::from_slice(&fs::read(folder.join("recipe.json")).ok()?).ok()?;
    let there = |(path, len): &(PathBuf, u64)| fs::metadata(folder.join(path)).is_ok_and(|seen| seen.len() == *len);
    recipe.libraries.iter().all(there).then_some(recipe)
}

impl Recipe {
    fn make<'a>(
        folder: &Path,
        toolchain: &Toolchain,
        manifest: &str,
        lock: &str,
        own: impl Iterator<Item = (&'a str, &'a Path)>,
        vendor: Option<&Path>,
    ) -> Result<Self, BuildError> {
        // What an earlier attempt left may be half of something.
        for name in ["target", "own", "src"] {
            let _nothing_there = fs::remove_dir_all(folder.join(name));
        }
        let source = folder.join("src");
        fs::create_dir_all(&source).map_err(BuildError::file("make the folder", &source))?;
        for (name, from) in own {
            copy(from, &folder.join("own").join(name))?;
        }
        let wrapper = folder.join("record.sh");
        let mut files = vec![
            (folder.join("Cargo.toml"), manifest),
            (source.join("main.rs"), "fn main() {}\n"),
            (wrapper.clone(), RECORDER),
        ];
        if !lock.is_empty() {
            files.push((folder.join("Cargo.lock"), lock));
        }
        for (path, text) in files {
            fs::write(&path, text).map_err(BuildError::file("write", &path))?;
        }
        fs::set_permissions(&wrapper, PermissionsExt::from_mode(0o755)).map_err(BuildError::file("open", &wrapper))?;
        build(folder, toolchain, &wrapper, vendor)?;
        let call = folder.join("call");
        let recorded = fs::read_to_string(&call).map_err(BuildError::file("read", &call))?;
        let target = folder.join("target");
        let args = replayed(&recorded, &target.display().to_string());
        let named = args.iter().filter_map(|arg| arg.split_once('=')?.1.strip_prefix(TEMPLATE));
        let libraries = named.filter_map(|path| {
            let path = Path::new("target").join(path.trim_start_matches('/'));
            Some((path.clone(), fs::metadata(folder.join(path)).ok().filter(|seen| seen.is_file())?.len()))
        });
        let mut recipe = Self { libraries: libraries.collect(), args, driver: true };
        readable(&target).map_err(BuildError::file("open", &target))?;
        if let Some(direct) = linker::direct(toolchain).filter(|direct| links(toolchain, folder, direct)) {
            recipe.driver = false;
            recipe.args.extend(linking(&toolchain.host, &direct));
        }
        write_whole(&folder.join("recipe.json"), &serde_json::to_vec(&recipe).unwrap_or_default())?;
        Ok(recipe)
    }
}

/// The call without what is said of the template's own program, and with a name for the folder that it was built in.
fn replayed(recorded: &str, target: &str) -> Vec<String> {
    let mut args = Vec::new();
    let mut words = recorded.lines().skip(1).peekable();
    while let Some(word) = words.next() {
        match word {
            "--crate-name" | "--out-dir" | "--emit" | "--error-format" | "--json" | "--color" => {
                words.next();
            }
            "-C" if words.peek().is_some_and(|flag| is_own(flag)) => {
                words.next();
            }
            _ if word.ends_with(".rs") || is_own(word.trim_start_matches("-C")) => {}
            _ if [
                "--emit=",
                "--error-format=",
                "--json=",
                "--color=",
                "--diagnostic-width=",
                "--remap-path-prefix=",
            ]
            .iter()
            .any(|flag| word.starts_with(flag)) => {}
            _ => args.push(word.replace(target, TEMPLATE)),
        }
    }
    args
}

/// A flag of code generation that is about the template's program, or about a linker that is chosen here.
fn is_own(flag: &str) -> bool {
    ["metadata=", "extra-filename=", "incremental=", "linker=", "linker-flavor="]
        .iter()
        .any(|own| flag.starts_with(own))
}

/// The flags with which the compiler calls the toolchain's linker itself.
fn linking(host: &str, direct: &[String]) -> Vec<String> {
    let linker = Path::new(TOOLCHAIN).join(Toolchain::below(host, "bin/rust-lld"));
    let mut args = vec![format!("-Clinker={}", linker.display()), "-Clinker-flavor=ld.lld".to_owned()];
    args.extend(direct.iter().map(|arg| format!("-Clink-arg={arg}")));
    args
}

/// Whether a program that is linked so comes to be and runs.
fn links(toolchain: &Toolchain, folder: &Path, direct: &[String]) -> bool {
    let trial = folder.join("trial");
    let sysroot = toolchain.sysroot.display().to_string();
    let mut rustc = Command::new(toolchain.rustc());
    rustc.args(["--edition=2024", "src/main.rs", "-o"]).arg(&trial);
    rustc.args(linking(&toolchain.host, direct).iter().map(|arg| arg.replace(TOOLCHAIN, &sysroot)));
    let quiet = |command: &mut Command| {
        let status =
            command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    quiet(&mut rustc) && quiet(&mut Command::new(&trial))
}

/// A crate of the course has some files.
const MOST_FILES: usize = 1000;

/// The files of a crate by their paths below its folder, sorted, but for what a build has left there.
fn files(folder: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(below) = open.pop() {
        let here = folder.join(&below);
        for entry in fs::read_dir(&here).map_err(BuildError::file("look into", &here))?.flatten() {
            let (name, path) = (entry.file_name(), below.join(entry.file_name()));
            if name == "target" || name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            if folder.join(&path).is_dir() {
                open.push(path)
            } else {
                found.push(path)
            }
            if found.len() + open.len() > MOST_FILES {
                let error = io::Error::other(format!("a crate of the course's own has at most {MOST_FILES} files"));
                return Err(BuildError::file("read", folder)(error));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Takes all that a crate is made of into a hash: names and contents.
fn contents(mut hash: Sha256, folder: &Path) -> Result<Sha256, BuildError> {
    for path in files(folder)? {
        let name = path.as_os_str().as_encoded_bytes().to_owned();
        let path = folder.join(path);
        let bytes = fs::read(&path).map_err(BuildError::file("read", &path))?;
        for part in [&name, &bytes] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    Ok(hash)
}

fn copy(from: &Path, to: &Path) -> Result<(), BuildError> {
    for path in files(from)? {
        let (from, to) = (from.join(&path), to.join(&path));
        let folder = to.parent().unwrap_or(&to);
        fs::create_dir_all(folder).map_err(BuildError::file("make the folder", folder))?;
        fs::copy(&from, &to).map_err(BuildError::file("copy", &from))?;
    }
    Ok(())
}

/// Opens a folder and all below it to everybody's eyes: in its box the compiler is another user.
fn readable(folder: &Path) -> io::Result<()> {
    let open = |path: &Path| -> io::Result<bool> {
        let mut permissions = fs::metadata(path)?.permissions();
        let mode = permissions.mode();
        let runs = if mode & 0o100 == 0 { 0 } else { 0o111 };
        if mode | 0o444 | runs != mode {
            permissions.set_mode(mode | 0o444 | runs);
            fs::set_permissions(path, permissions)?;
        }
        Ok(path.is_dir())
    };
    if open(folder)? {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if !entry.file_type()?.is_symlink() {
                readable(&entry.path())?;
            }
        }
    }
    Ok(())
}

/// Runs cargo, without the network if it can be.
fn build(folder: &Path, toolchain: &Toolchain, wrapper: &Path, vendor: Option<&Path>) -> Result<(), BuildError> {
    let mut output = cargo(folder, toolchain, wrapper, vendor, true)?;
    if !output.status.success() && vendor.is_none() {
        output = cargo(folder, toolchain, wrapper, vendor, false)?;
    }
    if output.status.success() {
        return Ok(());
    }
    let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
    if let Some(vendor) = vendor {
        said.push_str(&format!(
            "(cargo was given no source of crates but {0}; when the course allows others, it is made anew: \
             cargo vendor --manifest-path exercises/Cargo.toml {0})\n",
            vendor.display()
        ));
    }
    Err(BuildError::Crates(said))
}

fn cargo(
    folder: &Path,
    toolchain: &Toolchain,
    wrapper: &Path,
    vendor: Option<&Path>,
    offline: bool,
) -> Result<std::process::Output, BuildError> {
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(&program);
    command.args(["build", "--quiet", "--target-dir", "target"]);
    if offline {
        command.arg("--offline");
    }
    if let Some(vendor) = vendor {
        let vendor = std::path::absolute(vendor).unwrap_or_else(|_| vendor.to_owned());
        command.args(["--config", "source.crates-io.replace-with=\"course\"", "--config"]);
        command.arg(format!("source.course.directory={:?}", vendor.display().to_string()));
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
    // No path of this machine in what is built: a message may name a crate's own line.
    let flags = [
        Some(RUSTFLAGS.to_owned()),
        cargo_home().map(|home| format!("--remap-path-prefix={}=/cargo", home.display())),
        Some(format!("--remap-path-prefix={}=/course", folder.display())),
    ];
    let flags: Vec<String> = flags.into_iter().flatten().collect();
    command
        .current_dir(folder)
        .env("RUSTC", toolchain.rustc())
        .env("RUSTC_WRAPPER", wrapper)
        .env("IPC_GRADE_CALL", folder.join("call"))
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .stdin(Stdio::null());
    command.output().map_err(|error| BuildError::Start { program, error })
}

fn cargo_home() -> Option<PathBuf> {
    let set = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    set.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cargo")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_call_is_replayed_without_what_is_its_own() {
        let recorded = "/t/bin/rustc\n--crate-name\ntemplate\n--edition=2024\nsrc/main.rs\n--error-format=json\n\
            --json=artifacts\n--crate-type\nbin\n--emit=dep-info,link\n-C\ndebuginfo=line-tables-only\n-C\n\
            metadata=12\n-C\nextra-filename=-12\n--out-dir\n/c/target/debug/deps\n-C\nlinker=clang\n-L\n\
            dependency=/c/target/debug/deps\n--extern\nnix=/c/target/debug/deps/libnix-1.rlib\n-Cforce-frame-pointers=yes\n";
        let expected = "--edition=2024 --crate-type bin -C debuginfo=line-tables-only -L \
            dependency=@template@/debug/deps --extern nix=@template@/debug/deps/libnix-1.rlib -Cforce-frame-pointers=yes";
        assert_eq!(replayed(recorded, "/c/target").join(" "), expected);
    }

    #[test]
    fn a_template_is_finished_while_its_libraries_are_what_they_were() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert!(finished(folder.path()).is_none());
        let library = folder.path().join("libnix.rlib");
        fs::write(&library, "one").expect("a library");
        let recipe = Recipe { args: Vec::new(), driver: true, libraries: vec![("libnix.rlib".into(), 3)] };
        let text = serde_json::to_vec(&recipe).expect("JSON");
        fs::write(folder.path().join("recipe.json"), &text).expect("a recipe");
        assert!(finished(folder.path()).is_some());
        fs::write(&library, "tw").expect("damage");
        assert!(finished(folder.path()).is_none());
        fs::remove_file(&library).expect("removed");
        assert!(finished(folder.path()).is_none());
        fs::write(&library, "one").expect("a library");
        fs::write(folder.path().join("recipe.json"), &text[..text.len() / 2]).expect("damage");
        assert!(finished(folder.path()).is_none());
    }

    #[test]
    fn a_crates_files_make_its_hash() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let hash = || contents(Sha256::new(), folder.path()).expect("files").finalize();
        fs::create_dir_all(folder.path().join("target/debug")).expect("a folder");
        fs::create_dir_all(folder.path().join("src")).expect("a folder");
        fs::write(folder.path().join("src/lib.rs"), "one").expect("a file");
        let before = hash();
        fs::write(folder.path().join("target/debug/x"), "built").expect("a file");
        assert_eq!(hash(), before);
        fs::write(folder.path().join("src/lib.rs"), "two").expect("a file");
        assert_ne!(hash(), before);
    }
}
