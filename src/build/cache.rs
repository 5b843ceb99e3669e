//! Where what can be made again is kept, and for how long.
//!
//! An *entry* is a folder named by what it follows from: `entry.json`, and the program where there is one. It appears
//! whole, by rename(2); who uses it holds a shared lock on `entry.json` (flock(2)); who removes it holds an exclusive
//! one. Which was used last is told by the time of change of `entry.json`. An entry that is not what it says is removed
//! and made again.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::BuildError;
use super::source::hex;

/// MiB of compiled programs that are kept where IPC_GRADE_CACHE_MIB does not say; the ones used longest ago go first.
const KEPT_MIB: u64 = 1024;

/// So many entries are made between two looks at their size.
const LOOKS: u32 = 16;

/// A stage that is older belongs to nobody: its compiler was ended with its grader.
const STALE: Duration = Duration::from_secs(3600);

const ENTRY: &str = "entry.json";
const PROGRAM: &str = "program";

/// The folder of everything that can be made again: IPC_GRADE_CACHE, else `ipc-grade` below the user's cache folder.
pub fn cache_folder() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("IPC_GRADE_CACHE")
        .or_else(|| Some(set("XDG_CACHE_HOME")?.join("ipc-grade")))
        .or_else(|| Some(set("HOME")?.join(".cache/ipc-grade")))
        .unwrap_or_else(|| std::env::temp_dir().join(format!("ipc-grade-{}", nix::unistd::getuid())))
}

/// Writes a file so that it is there whole or not at all.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), BuildError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(BuildError::file("write a file in", folder))?;
    file.write_all(bytes).map_err(BuildError::file("write", path))?;
    file.persist(path).map(drop).map_err(|error| BuildError::file("write", path)(error.error))
}

/// What is kept of a compiled source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// What became of the source.
    pub(super) outcome: Outcome,
    /// Why no box was around the compiler, where none was.
    pub(super) unheld: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Outcome {
    /// A program whose file has this hash.
    Program { sha256: String },
    /// None: what is wrong in a phrase, and in the compiler's words.
    Rejected { message: String, diagnostics: String },
}

/// An entry that nobody removes while this lives.
#[derive(Debug)]
pub(super) struct Leased {
    pub(super) entry: Entry,
    /// Its program's file, where it has one.
    pub(super) program: PathBuf,
    pub(super) lease: File,
}

/// All entries.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Makes the folder, or finds it.
    pub(super) fn open() -> Result<Self, BuildError> {
        let folder = cache_folder().join("programs");
        fs::create_dir_all(&folder).map_err(BuildError::file("make the folder", &folder))?;
        Ok(Self { folder })
    }

    /// An entry that is there and is what it says.
    pub(super) fn find(&self, key: &str) -> Option<Leased> {
        let place = self.folder.join(key);
        let lease = File::options().read(true).append(true).open(place.join(ENTRY)).ok()?;
        lease.lock_shared().ok()?;
        let program = place.join(PROGRAM);
        let read = || {
            let entry: Entry = serde_json::from_reader(io::BufReader::new(&lease)).ok()?;
            let whole = match &entry.outcome {
                Outcome::Program { sha256 } => hash_of(&program).ok()? == *sha256,
                Outcome::Rejected { .. } => true,
            };
            whole.then_some(entry)
        };
        let entry = read()?;
        // A wish: where it is not granted the entry goes a little earlier.
        let _untouched = lease.set_modified(SystemTime::now());
        Some(Leased { entry, program, lease })
    }

    /// Keeps what was made in a stage of this cache, in the place of one that is damaged. To be called by
    /// [`Programs::only_one`] who has this key, when there is no entry to be found.
    pub(super) fn keep(&self, key: &str, stage: &Path, made: Option<&Path>, entry: Made) -> Result<Leased, BuildError> {
        let folder = stage.join("entry");
        fs::create_dir(&folder).map_err(BuildError::file("make the folder", &folder))?;
        let outcome = match (made, entry.rejected) {
            (Some(made), _) => {
                let program = folder.join(PROGRAM);
                fs::rename(made, &program).map_err(BuildError::file("keep", &program))?;
                own(&program).map_err(BuildError::file("take over", &program))?;
                let sha256 = hash_of(&program).map_err(BuildError::file("read", &program))?;
                Outcome::Program { sha256 }
            }
            (None, rejected) => {
                let (message, diagnostics) = rejected.unwrap_or_default();
                Outcome::Rejected { message, diagnostics }
            }
        };
        let entry = Entry { outcome, unheld: entry.unheld };
        let file = folder.join(ENTRY);
        let text = serde_json::to_vec(&entry).unwrap_or_default();
        fs::write(&file, text).map_err(BuildError::file("write", &file))?;
        // Leased before it is seen: nobody takes it away between that and its use.
        let lease = File::open(&file).map_err(BuildError::file("open", &file))?;
        lease.lock_shared().map_err(BuildError::file("lock", &file))?;
        let place = self.folder.join(key);
        // What is damaged is no good to those who use it either.
        self.put_away(&place);
        fs::rename(&folder, &place).map_err(BuildError::file("keep", &place))?;
        static MADE: AtomicU32 = AtomicU32::new(0);
        if MADE.fetch_add(1, Ordering::Relaxed).is_multiple_of(LOOKS) {
            self.trim(bound());
        }
        Ok(Leased { entry, program: place.join(PROGRAM), lease })
    }

    /// Lets only one at a time make what has this key, in all processes; others wait.
    pub(super) fn only_one(&self, key: &str) -> Result<File, BuildError> {
        // Few files for all keys: a wrong neighbour costs a wait and nothing else.
        let folder = cache_folder().join("locks");
        fs::create_dir_all(&folder).map_err(BuildError::file("make the folder", &folder))?;
        let path = folder.join(&key[..2]);
        let file = File::options().create(true).append(true).open(&path).map_err(BuildError::file("open", &path))?;
        file.lock().map_err(BuildError::file("lock", &path))?;
        Ok(file)
    }

    /// A folder to make an entry in.
    pub(super) fn stage(&self) -> Result<tempfile::TempDir, BuildError> {
        let stage = tempfile::Builder::new().prefix(STAGE).tempdir_in(&self.folder);
        stage.map_err(BuildError::file("make a folder in", &self.folder))
    }

    /// Removes entries that nobody uses, the ones used longest ago first, until what is left fits; and stages that
    /// were left behind.
    fn trim(&self, bound: u64) {
        let mut all: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for place in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let path = place.path();
            let Ok(seen) = fs::metadata(path.join(ENTRY)).or_else(|_| place.metadata()) else { continue };
            let used = seen.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            let stage = place.file_name().to_string_lossy().starts_with(STAGE);
            if stage {
                if used.elapsed().is_ok_and(|age| age > STALE) {
                    let _gone = fs::remove_dir_all(&path);
                }
                continue;
            }
            let program = fs::metadata(path.join(PROGRAM)).map_or(0, |program| program.len());
            all.push((used, seen.len() + program, path));
        }
        let mut total: u64 = all.iter().map(|(_, len, _)| len).sum();
        all.sort();
        for (_, len, path) in all {
            if total <= bound {
                return;
            }
            if self.remove(&path) {
                total -= len;
            }
        }
    }

    /// Removes an entry that nobody uses.
    fn remove(&self, place: &Path) -> bool {
        let file = File::options().append(true).open(place.join(ENTRY));
        if file.as_ref().is_ok_and(|file| file.try_lock().is_err()) {
            return false;
        }
        self.put_away(place)
    }

    /// Removes an entry: from its name at once, then from the disk.
    fn put_away(&self, place: &Path) -> bool {
        let Ok(trash) = self.stage() else { return false };
        let moved = fs::rename(place, trash.path().join("gone")).is_ok();
        if moved {
            let _rest = trash.close();
        }
        moved
    }
}

const STAGE: &str = "stage-";

/// What is to be kept besides the program.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) rejected: Option<(String, String)>,
    pub(super) unheld: Option<String>,
}

fn bound() -> u64 {
    let set = std::env::var("IPC_GRADE_CACHE_MIB").ok().and_then(|text| text.trim().parse().ok());
    set.unwrap_or(KEPT_MIB) << 20
}

/// The program becomes ours and executable for everybody: in its box the compiler is another user.
fn own(program: &Path) -> io::Result<()> {
    use std::os::unix::fs::{PermissionsExt, chown};
    chown(program, Some(nix::unistd::geteuid().as_raw()), Some(nix::unistd::getegid().as_raw()))?;
    fs::set_permissions(program, PermissionsExt::from_mode(0o755))
}

fn hash_of(file: &Path) -> io::Result<String> {
    Ok(hex(&Sha256::digest(fs::read(file)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs() -> (tempfile::TempDir, Programs) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let programs = Programs { folder: folder.path().to_owned() };
        (folder, programs)
    }

    fn make(programs: &Programs, key: &str, text: &str, age_s: u64) {
        let stage = programs.stage().expect("a stage");
        let made = stage.path().join("made");
        fs::write(&made, text).expect("a program");
        drop(programs.keep(key, stage.path(), Some(&made), Made::default()).expect("it is kept"));
        let used = SystemTime::now() - Duration::from_secs(age_s);
        let file = File::options().append(true).open(programs.folder.join(key).join(ENTRY)).expect("an entry");
        file.set_modified(used).expect("another time");
    }

    #[test]
    fn what_was_kept_is_found() {
        let (_folder, programs) = programs();
        assert!(programs.find("aa").is_none());
        make(&programs, "aa", "one", 0);
        let found = programs.find("aa").expect("an entry");
        assert_eq!(fs::read_to_string(&found.program).expect("a program"), "one");
    }

    #[test]
    fn a_damaged_entry_is_not_found_and_is_made_again() {
        let (_folder, programs) = programs();
        for damage in [
            |place: &Path| fs::write(place.join(PROGRAM), "onE").expect("changed"),
            |place: &Path| fs::write(place.join(PROGRAM), "").expect("cut"),
            |place: &Path| fs::remove_file(place.join(PROGRAM)).expect("lost"),
            |place: &Path| fs::remove_file(place.join(ENTRY)).expect("lost"),
            |place: &Path| fs::write(place.join(ENTRY), "{\"outcome\":").expect("cut"),
        ] {
            make(&programs, "aa", "one", 0);
            assert!(programs.find("aa").is_some());
            damage(&programs.folder.join("aa"));
            assert!(programs.find("aa").is_none());
        }
    }

    #[test]
    fn what_was_just_made_is_not_taken_away() {
        let (_folder, programs) = programs();
        let stage = programs.stage().expect("a stage");
        fs::write(stage.path().join("made"), "one").expect("a program");
        let made = Some(stage.path().join("made"));
        let leased = programs.keep("aa", stage.path(), made.as_deref(), Made::default()).expect("it is kept");
        programs.trim(0);
        assert!(leased.program.exists());
        drop(leased);
        programs.trim(0);
        assert!(programs.find("aa").is_none());
    }

    #[test]
    fn what_was_used_longest_ago_goes_first_and_what_is_used_stays() {
        let (_folder, programs) = programs();
        for (key, age_s) in [("aa", 40), ("bb", 30), ("cc", 20), ("dd", 10)] {
            make(&programs, key, &"x".repeat(100_000), age_s);
        }
        let there = || ["aa", "bb", "cc", "dd"].map(|key| programs.folder.join(key).exists());
        let one = 100_000 + 200;
        programs.trim(4 * one);
        assert_eq!(there(), [true; 4]);
        // Finding it is using it; and the second is in use.
        drop(programs.find("aa").expect("an entry"));
        let held = programs.find("bb").expect("an entry");
        let file = File::options().append(true).open(programs.folder.join("bb").join(ENTRY)).expect("an entry");
        file.set_modified(SystemTime::UNIX_EPOCH).expect("another time");
        programs.trim(2 * one);
        assert_eq!(there(), [true, true, false, false]);
        drop(held);
        programs.trim(one);
        assert_eq!(there(), [true, false, false, false]);
    }

    #[test]
    fn stages_that_were_left_behind_go() {
        let (_folder, programs) = programs();
        let (old, young) = (programs.folder.join("stage-old"), programs.folder.join("stage-young"));
        for stage in [&old, &young] {
            fs::create_dir(stage).expect("a folder");
        }
        let past = SystemTime::now() - 2 * STALE;
        File::open(&old).and_then(|folder| folder.set_modified(past)).expect("another time");
        programs.trim(0);
        assert_eq!((old.exists(), young.exists()), (false, true));
    }
}
