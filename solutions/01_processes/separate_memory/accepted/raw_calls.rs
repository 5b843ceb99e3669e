//! The C library's own calls and macros, a variable on the heap, and a child that asks the kernel to end it.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let (old, new, status) = arguments()?;
    let mut value = Box::new(old);

    // SAFETY: one thread, so the child may do all that a process may.
    let pid = unsafe { libc::fork() };
    if pid == -1 {
        return Err(std::io::Error::last_os_error().into());
    }
    if pid == 0 {
        *value = new;
        // SAFETY: nothing is buffered that the child would still have to write.
        unsafe { libc::_exit(status) };
    }

    let mut answer = 0;
    // SAFETY: `answer` is a valid place for an int.
    if unsafe { libc::waitpid(pid, &mut answer, 0) } == -1 {
        return Err(std::io::Error::last_os_error().into());
    }
    assert!(libc::WIFEXITED(answer), "the child did not exit by itself");
    print!("parent still has {value}\nchild exited with {}\n", libc::WEXITSTATUS(answer));
    Ok(())
}

const USAGE: &str = "usage: separate_memory OLD NEW STATUS";

/// The program's three arguments: OLD, NEW and STATUS.
fn arguments() -> Result<(u64, u64, i32), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or(USAGE);
    Ok((next()?.parse()?, next()?.parse()?, next()?.parse()?))
}
