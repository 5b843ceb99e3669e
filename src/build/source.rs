//! A learner's source files, read once and from then on a value: nothing later opens a learner's folder again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::forbidden::{self, Forbidden};
use super::template::Allowed;
use crate::model::{Code, ValueSeed};

/// Bytes of source that are read of one exercise; no honest answer comes near.
const MOST: u64 = 1 << 20;
/// Files of one exercise.
const MOST_FILES: usize = 64;
/// Folders below `src` that lie in one another.
const MOST_DEEP: usize = 8;
/// Bytes of a manifest that are looked at.
const MOST_MANIFEST: u64 = 64 << 10;

/// The source files of one program by their paths below `src`; `main.rs` is among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    files: BTreeMap<PathBuf, String>,
}

/// Why there is no source: the learner's outcome, a fail with this reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceFault {
    /// Nothing is there.
    #[error("there is no {0}")]
    Missing(String),
    /// A folder stands where the file should be.
    #[error("{0} is a folder, not a file")]
    Folder(String),
    /// A pipe, socket or device.
    #[error("{0} is not a regular file")]
    Special(String),
    /// Not text.
    #[error("{file} is not UTF-8 text (byte {at} is where it ends to be)")]
    NotText {
        /// Which file.
        file: String,
        /// The first byte that is wrong.
        at: usize,
    },
    /// A symbolic link that leads elsewhere.
    #[error("{0} is a link that leads out of its folder")]
    LeadsOut(String),
    /// Too much of it.
    #[error("{0} is too large: the sources of an exercise may have 1 MiB in 64 files")]
    TooLarge(String),
    /// Something that an answer may not bring.
    #[error("{0}")]
    Forbidden(Forbidden),
    /// It cannot be read.
    #[error("{file} cannot be read: {reason}")]
    Unreadable {
        /// Which file.
        file: String,
        /// Why.
        reason: String,
    },
}

impl SourceFault {
    /// What it is called.
    pub fn code(&self) -> Code {
        if matches!(self, Self::Forbidden(_)) { Code::B002 } else { Code::B001 }
    }
}

impl Source {
    /// A program in one file.
    pub fn of_text(text: impl Into<String>) -> Self {
        Self { files: BTreeMap::from([(PathBuf::from("main.rs"), text.into())]) }
    }

    /// Reads a program in one file; it may be called anything.
    ///
    /// # Errors
    /// [`SourceFault`].
    pub fn of_file(path: &Path) -> Result<Self, SourceFault> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let name = path.file_name().map(PathBuf::from).unwrap_or_default();
        Ok(Self::of_text(read(folder, &name, MOST)?))
    }

    /// Reads an exercise's folder: `src/main.rs` and the modules beside it. What else is there must be nothing that an
    /// answer may not bring.
    ///
    /// # Errors
    /// [`SourceFault`].
    pub fn of_exercise(folder: &Path, allowed: &[Allowed]) -> Result<Self, SourceFault> {
        let manifest = read(folder, Path::new("Cargo.toml"), MOST_MANIFEST).ok();
        if let Some(forbidden) = forbidden::find(folder, manifest.as_deref(), allowed) {
            return Err(SourceFault::Forbidden(forbidden));
        }
        Self::of_folder(folder, Path::new("src"))
    }

    /// Reads `main.rs` and the modules beside it in a folder below another, which nothing may lead out of.
    ///
    /// # Errors
    /// [`SourceFault`].
    pub fn of_folder(folder: &Path, below: &Path) -> Result<Self, SourceFault> {
        let mut files = BTreeMap::new();
        let mut left = MOST;
        let mut take = |path: PathBuf| -> Result<(), SourceFault> {
            let shown = below.join(&path);
            if files.len() >= MOST_FILES || path.components().count() > MOST_DEEP {
                return Err(SourceFault::TooLarge(shown.display().to_string()));
            }
            let text = read(folder, &shown, left)?;
            left -= text.len() as u64;
            files.insert(path, text);
            Ok(())
        };
        take(PathBuf::from("main.rs"))?;
        modules(&folder.join(below), Path::new(""), &mut take)?;
        Ok(Self { files })
    }

    /// The files by path below `src`.
    pub fn files(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.files.iter().map(|(path, text)| (path.as_path(), text.as_str()))
    }

    /// A file's text by the path that the compiler knows it by: `src/main.rs`.
    pub fn text(&self, file: &str) -> Option<&str> {
        self.files.get(Path::new(file).strip_prefix("src").ok()?).map(String::as_str)
    }

    /// The text of `main.rs`.
    pub fn main(&self) -> &str {
        self.files.get(Path::new("main.rs")).map_or("", String::as_str)
    }

    /// A hash of all names and texts, in hexadecimal.
    pub fn digest(&self) -> String {
        hex(&self.hash())
    }

    /// The source's own value seed: each edit meets new values, and a repeated run repeats.
    pub fn value_seed(&self) -> ValueSeed {
        let hash = self.hash();
        ValueSeed(u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]))
    }

    fn hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for (path, text) in self.files() {
            let path = path.as_os_str().as_encoded_bytes();
            hash.update((path.len() as u64).to_le_bytes());
            hash.update(path);
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        hash.finalize().into()
    }
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Takes the Rust files below a folder, but for `main.rs`, in the order of their names. A link is a file's or leads out:
/// folders are not followed, so that there is an end.
fn modules(
    folder: &Path,
    below: &Path,
    take: &mut dyn FnMut(PathBuf) -> Result<(), SourceFault>,
) -> Result<(), SourceFault> {
    let mut names: Vec<_> = fs::read_dir(folder.join(below)).into_iter().flatten().flatten().collect();
    names.sort_by_key(fs::DirEntry::file_name);
    for entry in names {
        let path = below.join(entry.file_name());
        let is_rust = path.extension().is_some_and(|extension| extension == "rs");
        match entry.file_type() {
            // As deep as a file may lie, and one more, so that a file there is told.
            Ok(kind) if kind.is_dir() && path.components().count() <= MOST_DEEP => modules(folder, &path, take)?,
            Ok(kind) if kind.is_symlink() && folder.join(&path).is_dir() => {
                return Err(SourceFault::LeadsOut(Path::new("src").join(path).display().to_string()));
            }
            Ok(kind) if is_rust && !kind.is_dir() && path != Path::new("main.rs") => take(path)?,
            _ => {}
        }
    }
    Ok(())
}

/// Reads a file below a folder that nothing leads out of.
fn read(folder: &Path, path: &Path, most: u64) -> Result<String, SourceFault> {
    let shown = || path.display().to_string();
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => SourceFault::Missing(shown()),
        _ => SourceFault::Unreadable { file: shown(), reason: error.to_string() },
    };
    let full = folder.join(path);
    let real = full.canonicalize().map_err(unreadable)?;
    let base = folder.canonicalize().or_else(|_| std::env::current_dir()).map_err(unreadable)?;
    if !real.starts_with(&base) {
        return Err(SourceFault::LeadsOut(shown()));
    }
    let seen = fs::metadata(&real).map_err(unreadable)?;
    if seen.is_dir() {
        return Err(SourceFault::Folder(shown()));
    }
    // Opening a FIFO would wait for a writer that never comes.
    if !seen.is_file() {
        return Err(SourceFault::Special(shown()));
    }
    if seen.len() > most {
        return Err(SourceFault::TooLarge(shown()));
    }
    // It may have grown since.
    let mut bytes = Vec::new();
    File::open(&real).and_then(|file| file.take(most + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() as u64 > most {
        return Err(SourceFault::TooLarge(shown()));
    }
    String::from_utf8(bytes)
        .map_err(|error| SourceFault::NotText { file: shown(), at: error.utf8_error().valid_up_to() })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn exercise() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("src")).expect("a folder");
        folder
    }

    #[test]
    fn main_and_modules_are_read() {
        let folder = exercise();
        fs::create_dir(folder.path().join("src/deep")).expect("a folder");
        for name in ["main.rs", "queue.rs", "deep/mod.rs", "notes.txt"] {
            fs::write(folder.path().join("src").join(name), name).expect("a file");
        }
        let source = Source::of_exercise(folder.path(), &[]).expect("sources");
        let names: Vec<_> = source.files().map(|(path, _)| path.display().to_string()).collect();
        assert_eq!(names, ["deep/mod.rs", "main.rs", "queue.rs"]);
        assert_eq!(source.main(), "main.rs");
    }

    #[test]
    fn each_fault_is_named() {
        let folder = exercise();
        let main = folder.path().join("src/main.rs");
        let check = |expected: &str| {
            let fault = Source::of_exercise(folder.path(), &[]).expect_err("a fault");
            assert_eq!(fault.to_string(), expected);
        };
        check("there is no src/main.rs");
        fs::create_dir(&main).expect("a folder");
        check("src/main.rs is a folder, not a file");
        fs::remove_dir(&main).expect("removed");
        fs::write(&main, b"fn main() {}\n// \xff").expect("a file");
        check("src/main.rs is not UTF-8 text (byte 16 is where it ends to be)");
        fs::remove_file(&main).expect("removed");
        symlink("/etc/hostname", &main).expect("a link");
        check("src/main.rs is a link that leads out of its folder");
        fs::remove_file(&main).expect("removed");
        nix::unistd::mkfifo(&main, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
        check("src/main.rs is not a regular file");
        fs::remove_file(&main).expect("removed");
        fs::write(&main, vec![b' '; (MOST + 1) as usize]).expect("a file");
        check("src/main.rs is too large: the sources of an exercise may have 1 MiB in 64 files");
    }

    #[test]
    fn modules_are_bounded_and_lead_nowhere_else() {
        let folder = exercise();
        let src = folder.path().join("src");
        fs::write(src.join("main.rs"), "fn main() {}").expect("a file");
        let check = |expected: Option<&str>| {
            let fault = Source::of_exercise(folder.path(), &[]).err().map(|fault| fault.to_string());
            assert_eq!(fault.as_deref(), expected);
        };
        check(None);
        symlink("/etc", src.join("net")).expect("a link");
        check(Some("src/net is a link that leads out of its folder"));
        fs::remove_file(src.join("net")).expect("removed");
        symlink("/etc/hostname", src.join("net.rs")).expect("a link");
        check(Some("src/net.rs is a link that leads out of its folder"));
        fs::remove_file(src.join("net.rs")).expect("removed");
        symlink("main.rs", src.join("again.rs")).expect("a link");
        check(None);
        let deep = src.join("a/b/c/d/e/f/g");
        fs::create_dir_all(deep.join("h")).expect("folders");
        fs::write(deep.join("mod.rs"), "").expect("a file");
        check(None);
        fs::write(deep.join("h/mod.rs"), "").expect("a file");
        check(Some("src/a/b/c/d/e/f/g/h/mod.rs is too large: the sources of an exercise may have 1 MiB in 64 files"));
        fs::remove_file(deep.join("h/mod.rs")).expect("removed");
        (0..64).for_each(|number| fs::write(src.join(format!("m{number:02}.rs")), "").expect("a file"));
        check(Some("src/m61.rs is too large: the sources of an exercise may have 1 MiB in 64 files"));
    }

    #[test]
    fn what_an_answer_may_not_bring_is_named() {
        let folder = exercise();
        fs::write(folder.path().join("src/main.rs"), "fn main() {}").expect("a file");
        // A module of that name is none.
        fs::write(folder.path().join("src/build.rs"), "").expect("a file");
        assert!(Source::of_exercise(folder.path(), &[]).is_ok());
        for (file, says) in [
            ("build.rs", "a build script is no part of an answer"),
            (".cargo/config.toml", "a configuration of cargo is no part"),
            ("rust-toolchain.toml", "a toolchain file is no part"),
            ("Cargo.toml", "`rand` is no crate of this course, which allows none"),
        ] {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(&path, "[dependencies]\nrand = \"1\"\n").expect("a file");
            let fault = Source::of_exercise(folder.path(), &[]).expect_err("a fault");
            assert_eq!((fault.code(), fault.to_string().starts_with(says)), (Code::B002, true), "{fault}");
            let file_alone = file != "Cargo.toml";
            assert_eq!(fault.to_string().contains("remove it"), file_alone);
            fs::remove_file(path).expect("removed");
        }
    }

    #[test]
    fn another_text_or_name_is_another_digest() {
        let one = Source::of_text("fn main() {}");
        assert_eq!(one.digest(), Source::of_text("fn main() {}").digest());
        assert_ne!(one.digest(), Source::of_text("fn main() { }").digest());
    }
}
