//! User namespaces and their id maps (user_namespaces(7)).

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use nix::errno::Errno;

/// A stretch of ids: as they are inside, as they are outside, how many.
pub type Stretch = (u32, u32, u32);

/// Which of a process's two maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    /// `uid_map`.
    Users,
    /// `gid_map`.
    Groups,
}

/// Writes an id map of a process (`self` or its id), once and for all.
///
/// # Errors
/// EPERM where the writer may not map these ids; what open(2) and write(2) say.
pub fn map_ids(process: &str, ids: Ids, stretches: &[Stretch]) -> nix::Result<()> {
    let name = match ids {
        Ids::Users => "uid_map",
        Ids::Groups => "gid_map",
    };
    let lines: String =
        stretches.iter().map(|(inside, outside, count)| format!("{inside} {outside} {count}\n")).collect();
    write_once(&Path::new("/proc").join(process).join(name), &lines)
}

/// Gives up setgroups(2) in this process's user namespace: asked for before an ordinary user may map groups.
///
/// # Errors
/// What open(2) and write(2) say.
pub fn deny_setgroups() -> nix::Result<()> {
    write_once(Path::new("/proc/self/setgroups"), "deny")
}

/// Writes a text to a file of the kernel's with one write(2), as such files ask for.
///
/// # Errors
/// What open(2) and write(2) say.
pub fn write_once(path: &Path, text: &str) -> nix::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path).map_err(errno)?;
    file.write_all(text.as_bytes()).map_err(errno)
}

/// The errno behind an error of the standard library's.
pub fn errno(error: io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}
