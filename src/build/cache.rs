//! Where programs are kept, and for how long.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Bytes of compiled programs that are kept; the ones used longest ago go first.
const KEPT: u64 = 512 << 20;

/// The folder of everything that can be made again: IPC_GRADE_CACHE, else `ipc-grade` below the user's cache folder.
pub fn cache_folder() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("IPC_GRADE_CACHE")
        .or_else(|| Some(set("XDG_CACHE_HOME")?.join("ipc-grade")))
        .or_else(|| Some(set("HOME")?.join(".cache/ipc-grade")))
        .unwrap_or_else(|| std::env::temp_dir().join(format!("ipc-grade-{}", nix::unistd::getuid())))
}

/// Removes the programs that were used longest ago until what is left fits. A folder that goes away meanwhile, or that
/// cannot be removed, is as well.
pub(super) fn trim(programs: &Path) {
    let mut all: Vec<(SystemTime, u64, PathBuf)> = fs::read_dir(programs)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let seen = entry.metadata().ok()?;
            Some((seen.modified().ok()?, seen.len(), entry.path()))
        })
        .collect();
    let mut total: u64 = all.iter().map(|(_, len, _)| len).sum();
    all.sort();
    for (_, len, path) in all {
        if total <= KEPT {
            return;
        }
        if fs::remove_file(&path).is_ok() {
            total -= len;
        }
    }
}
