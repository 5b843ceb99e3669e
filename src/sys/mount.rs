//! What nix does not have of mount(2): attributes for a whole tree.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;

/// struct mount_attr of mount_setattr(2).
#[repr(C)]
struct Attributes {
    set: u64,
    clear: u64,
    propagation: u64,
    userns_fd: u64,
}

/// How much a call to [`make_read_only`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The mount itself.
    Mount,
    /// The mount and all below it.
    Tree,
}

/// Makes a mount read-only and its set-user-id files powerless (mount_setattr(2), Linux 5.12).
///
/// Only adds to what holds already, so it works in a user namespace where mount flags are locked.
///
/// # Errors
/// ENOSYS on older kernels; EINVAL where `path` is no mount point.
pub fn make_read_only(path: &Path, reach: Reach) -> nix::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
    let attributes =
        Attributes { set: libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID, clear: 0, propagation: 0, userns_fd: 0 };
    let flags = match reach {
        Reach::Mount => 0,
        Reach::Tree => libc::AT_RECURSIVE,
    };
    // SAFETY: both pointers live through the call, and the size is the structure's.
    Errno::result(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            flags,
            &raw const attributes,
            size_of::<Attributes>(),
        )
    })
    .map(drop)
}
