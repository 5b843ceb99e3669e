//! Addresses of AF_UNIX (unix(7)).

use std::fmt;
use std::path::Path;

use super::files::path_of;
use crate::sys::memory;

/// Before the name (struct sockaddr_un).
const FAMILY: usize = size_of::<libc::sa_family_t>();

/// What a socket is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SocketName {
    /// As the tracee means it: absolute.
    Path(String),
    /// With its first byte, which is zero.
    Abstract(Vec<u8>),
}

impl fmt::Display for SocketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.write_str(path),
            Self::Abstract(name) => write!(f, "@{}", name[1..].escape_ascii()),
        }
    }
}

/// The name in an address; none where it has none, or is of another family.
pub(crate) fn socket_name(tid: i32, addr: u64, len: u64) -> Option<SocketName> {
    let most = size_of::<libc::sockaddr_un>();
    let bytes = memory::read_vec(tid, addr, usize::try_from(len).ok().filter(|len| *len <= most)?);
    let (family, name) = bytes.split_first_chunk::<FAMILY>()?;
    if i32::from(libc::sa_family_t::from_ne_bytes(*family)) != libc::AF_UNIX {
        return None;
    }
    if *name.first()? == 0 {
        return Some(SocketName::Abstract(name.to_vec()));
    }
    let path = name.split(|byte| *byte == 0).next()?;
    Some(SocketName::Path(path_of(tid, Path::new(std::str::from_utf8(path).ok()?))))
}
