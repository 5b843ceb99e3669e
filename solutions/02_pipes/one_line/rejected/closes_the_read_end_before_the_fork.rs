//! expect: F003
//! The read end is closed before the fork, so the child never gets one and the parent writes to nobody.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let word = std::env::args().nth(1).ok_or("usage: one_line WORD")?;
    let line = format!("{word}\n");
    let mut ends = [0; 2];
    unsafe { libc::pipe(ends.as_mut_ptr()) };
    unsafe { libc::close(ends[0]) }; // "the parent does not read"

    let child = unsafe { libc::fork() };
    if child == 0 {
        let mut text = [0_u8; 256];
        unsafe { libc::close(ends[1]) };
        let count = unsafe { libc::read(ends[0], text.as_mut_ptr().cast(), text.len()) };
        let text = &text[..usize::try_from(count).unwrap_or(0)];
        print!("{}", String::from_utf8_lossy(text).to_uppercase());
    } else {
        // Rust's runtime ignores SIGPIPE: the write fails with EPIPE, and nobody looks.
        unsafe { libc::write(ends[1], line.as_ptr().cast(), line.len()) };
        unsafe { libc::close(ends[1]) };
        unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    }
    Ok(())
}
