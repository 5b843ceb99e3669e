//! Files of /proc/PID (proc(5)), which are read often and with as few calls as they need.
//!
//! The kernel gives them no size, so `std::fs::read` asks for one in vain and then begins with 32 bytes.

use std::fs::File;
use std::io::Read;

use crate::trace::raw::Tid;

/// More than most of them have.
const AT_FIRST: usize = 4096;

/// What a file of a thread's folder says; nothing where the thread is gone, or what it still said before it went.
pub(super) fn read(tid: Tid, name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let Ok(mut file) = File::open(format!("/proc/{tid}/{name}")) else { return bytes };
    loop {
        let end = bytes.len();
        bytes.resize(end + AT_FIRST, 0);
        // A page at a time is what many of them give, whatever is asked for: only nothing is the end.
        let got = file.read(&mut bytes[end..]).unwrap_or(0);
        bytes.truncate(end + got);
        if got == 0 {
            return bytes;
        }
    }
}

/// The same as text.
pub(super) fn text(tid: Tid, name: &str) -> String {
    let bytes = read(tid, name);
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
