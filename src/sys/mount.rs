//! What nix does not have of mount(2): attributes for a whole tree.

use std::ffi::CString;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
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

/// A copy of the mount that a file is in, of that file alone, attached nowhere yet (open_tree(2), Linux 5.2): it goes
/// with the descriptor. It can be attached in another mount namespace than the file's.
///
/// # Errors
/// ENOENT; EPERM without rights over this process's mount namespace.
pub fn copy_of(file: &Path) -> nix::Result<OwnedFd> {
    let path = CString::new(file.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC;
    // SAFETY: the path lives through the call.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags) })?;
    // SAFETY: the kernel made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Attaches what [`copy_of`] gave at a path (move_mount(2)).
///
/// # Errors
/// What move_mount(2) says.
pub fn attach(copy: BorrowedFd<'_>, at: &Path) -> nix::Result<()> {
    /// MOVE_MOUNT_F_EMPTY_PATH of linux/mount.h.
    const OF_THE_DESCRIPTOR: i32 = 4;
    let path = CString::new(at.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
    let (nothing, from) = (c"".as_ptr(), copy.as_raw_fd());
    // SAFETY: both paths live through the call, the descriptor is borrowed for it.
    Errno::result(unsafe {
        libc::syscall(libc::SYS_move_mount, from, nothing, libc::AT_FDCWD, path.as_ptr(), OF_THE_DESCRIPTOR)
    })
    .map(drop)
}
