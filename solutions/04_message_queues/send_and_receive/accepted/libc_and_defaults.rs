//! The C library's own functions and the system's default attributes: the buffer is as long as the queue says.

use std::ffi::CString;
use std::io::{Error, Write, stdout};
use std::ptr::null_mut;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, rest @ ..] = arguments.as_slice() else { return Err("the name is missing".into()) };
    let names = [CString::new(format!("/{name}-orders"))?, CString::new(format!("/{name}-replies"))?];
    let [orders, replies] = [open(&names[0])?, open(&names[1])?];

    let mut sent = 0;
    let mut pairs = rest.iter();
    while let (Some(word), Some(priority)) = (pairs.next(), pairs.next()) {
        // SAFETY: the pointer and the length are those of one string.
        check(unsafe { libc::mq_send(orders, word.as_ptr().cast(), word.len(), priority.parse()?) })?;
        sent += 1;
    }

    // SAFETY: all zeros are a valid mq_attr, which the call fills in.
    let mut attributes: libc::mq_attr = unsafe { std::mem::zeroed() };
    // SAFETY: the attributes outlive the call.
    check(unsafe { libc::mq_getattr(replies, &mut attributes) })?;
    let mut buffer = vec![0_u8; attributes.mq_msgsize.try_into()?];

    let mut lines = Vec::new();
    for _ in 0..sent {
        let mut priority = 0;
        // SAFETY: the pointer and the length are those of one buffer.
        let length = unsafe { libc::mq_receive(replies, buffer.as_mut_ptr().cast(), buffer.len(), &mut priority) };
        let length = usize::try_from(length).map_err(|_| Error::last_os_error())?;
        write!(lines, "{priority} ")?;
        lines.extend_from_slice(&buffer[..length]);
        lines.push(b'\n');
    }
    stdout().write_all(&lines)?;

    for (queue, name) in [orders, replies].into_iter().zip(&names) {
        // SAFETY: the descriptor is not used again; the name ends with a NUL.
        check(unsafe { libc::mq_close(queue) })?;
        check(unsafe { libc::mq_unlink(name.as_ptr()) })?;
    }
    Ok(())
}

/// Creates a queue with the system's default attributes, or opens the one that is there.
fn open(name: &CString) -> Result<libc::mqd_t, Error> {
    let no_attributes: *mut libc::mq_attr = null_mut();
    // SAFETY: the name ends with a NUL, and no attributes are allowed.
    let queue = unsafe { libc::mq_open(name.as_ptr(), libc::O_CREAT | libc::O_RDWR, 0o600, no_attributes) };
    check(queue)?;
    Ok(queue)
}

/// The error of a call that has returned -1.
fn check(result: libc::c_int) -> Result<(), Error> {
    if result < 0 { Err(Error::last_os_error()) } else { Ok(()) }
}
