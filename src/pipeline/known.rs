//! Grades that were given before, by their *grade key*: source, exercise, grader, toolchain and crates, kernel, isolation
//! level, seeds. What is the same in all of that gets the same grade, so it is not graded again.
//!
//! A grade is a file of two lines: the hash of the second, and the grade as JSON with its whole key. A file that is not
//! what it says, or is of another key, is none. An error is no grade and is never kept.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use nix::unistd::{AccessFlags, access};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::grade::{Grade, Job, RunOutcome};
use crate::build::{Template, cache_folder, hex};
use crate::report::{ExerciseReport, Status};
use crate::sandbox::Isolation;

/// Bytes of grades that are kept; the ones used longest ago go first.
const KEPT: u64 = 32 << 20;

/// The grades of this machine, as this grader and this toolchain give them.
#[derive(Debug)]
pub struct Known {
    folder: PathBuf,
    /// What all keys have in common.
    machine: String,
}

/// A kept grade.
#[derive(Serialize, Deserialize)]
struct Kept {
    key: String,
    report: ExerciseReport,
    runs: Vec<RunOutcome>,
    isolation: Option<Isolation>,
    unheld: Option<String>,
}

impl Known {
    /// The grades that were given before on this machine; none where they cannot be kept.
    ///
    /// `isolation` is the level that is asked for; none is the best that there is, which is not tried here: the key has
    /// what decides it.
    pub fn open(template: &Template, colour: bool, isolation: Option<Isolation>) -> Option<Self> {
        let folder = cache_folder().join("grades");
        fs::create_dir_all(&folder).ok()?;
        trim(&folder, KEPT);
        Some(Self { folder, machine: format!("{}\ncolour {colour}", machine(template, isolation)?) })
    }

    /// All that the job's grade follows from.
    pub(super) fn key(&self, job: &Job<'_>) -> String {
        let source = match &job.source {
            Ok(source) => source.digest(),
            Err(fault) => fault.to_string(),
        };
        let exercise = job.exercise;
        let exercise = (&exercise.exercise, &exercise.expected_text, &exercise.expected_file, &exercise.tools);
        let exercise = hex(&Sha256::digest(format!("{exercise:?}")));
        format!("{}\nsource {source}\nshown {}\nexercise {exercise}\nplan {:?}", self.machine, job.shown, job.plan)
    }

    /// The grade of this key, if it was given.
    pub(super) fn find(&self, key: &str) -> Option<Grade> {
        let path = self.file(key);
        let kept = read(&path, key);
        if kept.is_none() {
            // Damaged, or never there.
            let _gone = fs::remove_file(&path);
        }
        let Kept { report, runs, isolation, unheld, .. } = kept?;
        let now = SystemTime::now();
        // A wish: where it is not granted the grade goes a little earlier.
        let _untouched = fs::File::options().append(true).open(&path).and_then(|file| file.set_modified(now));
        Some(Grade { report, runs, record: None, isolation, unheld, mistake: None })
    }

    /// Keeps a grade; where that fails it is given anew the next time.
    pub(super) fn keep(&self, key: &str, grade: &Grade) {
        let report = &grade.report;
        let ours = report.status == Status::Error || grade.mistake.is_some() || report.replay_problem.is_some();
        if ours {
            return;
        }
        let kept = Kept {
            key: key.to_owned(),
            report: report.clone(),
            runs: grade.runs.clone(),
            isolation: grade.isolation,
            unheld: grade.unheld.clone(),
        };
        let write = || -> std::io::Result<()> {
            let text = serde_json::to_string(&kept)?;
            let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
            write!(file, "{}\n{text}", hex(&Sha256::digest(&text)))?;
            file.persist(self.file(key))?;
            Ok(())
        };
        let _not_kept = write();
    }

    fn file(&self, key: &str) -> PathBuf {
        self.folder.join(hex(&Sha256::digest(key)[..16]))
    }
}

/// What a grade follows from besides job and seeds: grader, toolchain and crates, kernel, isolation.
pub(super) fn machine(template: &Template, isolation: Option<Isolation>) -> Option<String> {
    // A grader that is built anew is another one, whatever its version says.
    let grader = fs::metadata("/proc/self/exe").ok()?;
    let built = grader.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos();
    let kernel = nix::sys::utsname::uname().ok()?;
    let machine = [
        format!("grader {} {} {built}", env!("CARGO_PKG_VERSION"), grader.len()),
        format!("template {}", template.key()),
        format!("kernel {} {}", kernel.release().display(), kernel.version().display()),
        format!("isolation {}", isolation.map_or_else(decides_isolation, |level| level.name().to_owned())),
    ];
    Some(machine.join("\n"))
}

/// The machine's switches and this process's rights.
fn decides_isolation() -> String {
    let switches = [
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "/proc/sys/kernel/unprivileged_userns_clone",
        "/proc/sys/user/max_user_namespaces",
        "/proc/self/uid_map",
    ];
    let switches =
        switches.map(|path| fs::read_to_string(path).unwrap_or_default().split_whitespace().collect::<String>());
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let rights = status
        .lines()
        .filter(|line| ["Uid:", "CapEff:", "NoNewPrivs:", "Seccomp:"].iter().any(|it| line.starts_with(it)));
    // The group's name is another in each session; that it is ours to divide is what counts (cgroups(7), delegation).
    let group = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let group =
        group.lines().find_map(|line| line.strip_prefix("0::/")).map(|path| Path::new("/sys/fs/cgroup").join(path));
    let ours = group.is_some_and(|group| access(&group.join("cgroup.subtree_control"), AccessFlags::W_OK).is_ok());
    format!("{switches:?} {:?} {ours}", rights.collect::<Vec<_>>())
}

fn read(path: &Path, key: &str) -> Option<Kept> {
    let text = fs::read_to_string(path).ok()?;
    let (hash, text) = text.split_once('\n')?;
    let whole = hex(&Sha256::digest(text)) == hash;
    let kept: Kept = serde_json::from_str(text).ok().filter(|_| whole)?;
    (kept.key == key && kept.report.status != Status::Error).then_some(kept)
}

/// Removes the files that were used longest ago until what is left fits.
fn trim(folder: &Path, bound: u64) {
    let seen = |entry: fs::DirEntry| {
        let seen = entry.metadata().ok()?;
        Some((seen.modified().ok()?, seen.len(), entry.path()))
    };
    let mut all: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().filter_map(seen).collect();
    let mut total: u64 = all.iter().map(|(_, len, _)| len).sum();
    all.sort();
    for (_, len, path) in all {
        if total <= bound {
            return;
        }
        if fs::remove_file(&path).is_ok() {
            total -= len;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn grades_used_longest_ago_go_first() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, age) in [("old", 20), ("young", 10)] {
            let path = folder.path().join(name);
            fs::write(&path, "x".repeat(100)).expect("a file");
            let file = fs::File::options().append(true).open(&path).expect("the file");
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).expect("another time");
        }
        trim(folder.path(), 200);
        assert!(folder.path().join("old").exists());
        trim(folder.path(), 150);
        assert_eq!(["old", "young"].map(|name| folder.path().join(name).exists()), [false, true]);
    }
}
