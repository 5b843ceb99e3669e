//! The C library's own functions, a whole page, volatile accesses, everything undone by hand.

use std::ffi::CString;
use std::io::{Error, stdin};
use std::ptr::null_mut;

const PAGE: usize = 4096;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = CString::new(arguments.next().ok_or("the name is missing")?)?;
    let x: u32 = arguments.next().ok_or("the number is missing")?.parse()?;

    // SAFETY: a crashed run may have left the name behind; removing nothing is fine.
    unsafe { libc::shm_unlink(name.as_ptr()) };
    // SAFETY: the name ends with a NUL.
    let fd = unsafe { libc::shm_open(name.as_ptr(), libc::O_CREAT | libc::O_RDWR, 0o600) };
    // SAFETY: a wrong descriptor is an error and no more.
    if fd < 0 || unsafe { libc::ftruncate(fd, PAGE as libc::off_t) } != 0 {
        return Err(Error::last_os_error().into());
    }
    // SAFETY: the kernel chooses an address that is free.
    let page = unsafe { libc::mmap(null_mut(), PAGE, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, fd, 0) };
    if page == libc::MAP_FAILED {
        return Err(Error::last_os_error().into());
    }
    // SAFETY: the mapping does not need the descriptor any more, and nobody else uses it.
    unsafe { libc::close(fd) };

    let numbers: *mut u32 = page.cast();
    // SAFETY: offset 0 of a page that is mapped for writing.
    unsafe { numbers.write_volatile(x) };
    stdin().read_line(&mut String::new())?;
    // SAFETY: offset 4 of a page that is mapped for reading.
    let answer = unsafe { numbers.add(1).read_volatile() };
    println!("answer {answer}");

    // SAFETY: no pointer into the page is used from here on.
    unsafe { libc::munmap(page, PAGE) };
    // SAFETY: the name ends with a NUL.
    if unsafe { libc::shm_unlink(name.as_ptr()) } != 0 {
        return Err(Error::last_os_error().into());
    }
    Ok(())
}
