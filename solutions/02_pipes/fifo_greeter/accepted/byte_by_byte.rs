//! Plain C calls: reads single bytes and sends each on at once, so a greeting goes out in many small pieces.

use std::error::Error;
use std::ffi::CString;
use std::io::Error as OsError;

fn main() -> Result<(), Box<dyn Error>> {
    let paths: Vec<CString> = std::env::args().skip(1).map(CString::new).collect::<Result<_, _>>()?;
    let [names, greetings] = &paths[..] else {
        return Err("usage: fifo_greeter NAMES GREETINGS".into());
    };
    // SAFETY: both paths end with a NUL and live until the end of `main`.
    unsafe {
        check(libc::mkfifo(greetings.as_ptr(), 0o600) as isize)?;
        check(libc::mkfifo(names.as_ptr(), 0o600) as isize)?;
    }
    // SAFETY: as above.
    let source = check(unsafe { libc::open(names.as_ptr(), libc::O_RDONLY) } as isize)? as i32;
    let target = check(unsafe { libc::open(greetings.as_ptr(), libc::O_WRONLY) } as isize)? as i32;

    let mut at_start = true;
    let mut byte = 0_u8;
    // SAFETY: `byte` is one byte long; both descriptors are open.
    while check(unsafe { libc::read(source, (&raw mut byte).cast(), 1) })? == 1 {
        if at_start {
            send(target, b"hello ")?;
        }
        send(target, &[byte])?;
        at_start = byte == b'\n';
    }

    // SAFETY: the descriptors are ours, and not used again.
    unsafe {
        libc::close(target);
        libc::close(source);
        check(libc::unlink(greetings.as_ptr()) as isize)?;
        check(libc::unlink(names.as_ptr()) as isize)?;
    }
    Ok(())
}

/// Writes `text` (at most PIPE_BUF bytes, so all of it or nothing) to descriptor `target`.
fn send(target: i32, text: &[u8]) -> Result<(), OsError> {
    // SAFETY: `text` is as long as said.
    check(unsafe { libc::write(target, text.as_ptr().cast(), text.len()) }).map(drop)
}

/// Turns the C convention for errors, -1, into an error.
fn check(result: isize) -> Result<isize, OsError> {
    if result == -1 { Err(OsError::last_os_error()) } else { Ok(result) }
}
