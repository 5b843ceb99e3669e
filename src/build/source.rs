//! A learner's source files, read once and from then on a value: nothing later opens a learner's folder again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::model::ValueSeed;

/// Bytes of source that are read of one exercise; no honest answer comes near.
const MOST: u64 = 1 << 20;
/// Files of one exercise.
const MOST_FILES: usize = 64;

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
    /// It cannot be read.
    #[error("{file} cannot be read: {reason}")]
    Unreadable {
        /// Which file.
        file: String,
        /// Why.
        reason: String,
    },
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

    /// Reads an exercise's folder: `src/main.rs` and the modules beside it.
    ///
    /// # Errors
    /// [`SourceFault`].
    pub fn of_exercise(folder: &Path) -> Result<Self, SourceFault> {
        let mut files = BTreeMap::new();
        let mut left = MOST;
        let mut take = |path: PathBuf| -> Result<(), SourceFault> {
            let shown = Path::new("src").join(&path);
            let text = read(folder, &shown, left)?;
            left -= text.len() as u64;
            files.insert(path, text);
            if files.len() > MOST_FILES { Err(SourceFault::TooLarge(shown.display().to_string())) } else { Ok(()) }
        };
        take(PathBuf::from("main.rs"))?;
        for module in modules(&folder.join("src"), Path::new("")) {
            take(module)?;
        }
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

/// The Rust files below a folder, but for `main.rs`, sorted; links are followed by [`read`] only.
fn modules(folder: &Path, below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = below.join(entry.file_name());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && below.components().count() < 4 => found.extend(modules(&entry.path(), &path)),
            Ok(_) if path.extension().is_some_and(|ext| ext == "rs") && path != Path::new("main.rs") => {
                found.push(path);
            }
            _ => {}
        }
    }
    found.sort();
    found.truncate(MOST_FILES + 1);
    found
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
    let bytes = fs::read(&real).map_err(unreadable)?;
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
        let source = Source::of_exercise(folder.path()).expect("sources");
        let names: Vec<_> = source.files().map(|(path, _)| path.display().to_string()).collect();
        assert_eq!(names, ["deep/mod.rs", "main.rs", "queue.rs"]);
        assert_eq!(source.main(), "main.rs");
    }

    #[test]
    fn each_fault_is_named() {
        let folder = exercise();
        let main = folder.path().join("src/main.rs");
        let check = |expected: &str| {
            let fault = Source::of_exercise(folder.path()).expect_err("a fault");
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
    fn another_text_or_name_is_another_digest() {
        let one = Source::of_text("fn main() {}");
        assert_eq!(one.digest(), Source::of_text("fn main() {}").digest());
        assert_ne!(one.digest(), Source::of_text("fn main() { }").digest());
    }
}
