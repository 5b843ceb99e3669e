//! Giving up privileges (capabilities(7)).

use nix::errno::Errno;

/// _LINUX_CAPABILITY_VERSION_3 of linux/capability.h.
const VERSION_3: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Sets {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Drops every capability of this thread, for ever (capset(2)).
///
/// # Errors
/// What capset(2) says.
pub fn drop_capabilities() -> nix::Result<()> {
    let header = Header { version: VERSION_3, pid: 0 };
    let none = [Sets { effective: 0, permitted: 0, inheritable: 0 }; 2];
    // SAFETY: both live through the call; version 3 takes two sets of 32 capabilities.
    Errno::result(unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) }).map(drop)
}
