//! The line is in the pipe, and the write end closed, before there is a child: a pipe holds what is not yet read.
//! Plain C calls; the child reads to the end.

use std::error::Error;
use std::io::Error as OsError;

fn main() -> Result<(), Box<dyn Error>> {
    let word = std::env::args().nth(1).ok_or("usage: one_line WORD")?;
    let line = format!("{word}\n");
    let mut ends = [0; 2];

    // SAFETY: `ends` has room for two descriptors; `line` is as long as said.
    unsafe {
        if libc::pipe(ends.as_mut_ptr()) == -1 {
            return Err(OsError::last_os_error().into());
        }
        if libc::write(ends[1], line.as_ptr().cast(), line.len()) != line.len() as isize {
            return Err(OsError::last_os_error().into());
        }
        libc::close(ends[1]);
    }

    // SAFETY: one thread, so the child may do all that a process may.
    match unsafe { libc::fork() } {
        -1 => Err(OsError::last_os_error().into()),
        0 => shout(ends[0]),
        child => {
            let mut status = 0;
            // SAFETY: `status` is a valid place for an int.
            unsafe { libc::waitpid(child, &mut status, 0) };
            Ok(())
        }
    }
}

/// Reads descriptor `from` to its end and prints all of it in capitals.
fn shout(from: i32) -> Result<(), Box<dyn Error>> {
    let mut text = Vec::new();
    let mut piece = [0_u8; 64];
    loop {
        // SAFETY: `piece` is as long as said.
        let count = unsafe { libc::read(from, piece.as_mut_ptr().cast(), piece.len()) };
        match usize::try_from(count) {
            Ok(0) => break,
            Ok(count) => text.extend_from_slice(&piece[..count]),
            Err(_) => return Err(OsError::last_os_error().into()),
        }
    }
    print!("{}", String::from_utf8(text)?.to_uppercase());
    Ok(())
}
