//! A child does the storing and the parent the loading. The mapping is made before the fork, so both have it.

use std::error::Error;
use std::io::{Read, stdin};
use std::num::NonZeroUsize;
use std::process::exit;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::fcntl::OFlag;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, shm_open, shm_unlink};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, ftruncate};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, name, x] = arguments.as_slice() else { return Err("usage: named_object /NAME X".into()) };
    let x: u32 = x.parse()?;

    let object =
        shm_open(name.as_str(), OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_RDWR, Mode::S_IRUSR | Mode::S_IWUSR)?;
    ftruncate(&object, 8)?;
    let length = NonZeroUsize::new(8).ok_or("no length")?;
    // SAFETY: the kernel chooses an address that is free.
    let base =
        unsafe { mmap(None, length, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED, &object, 0)? };
    // SAFETY: eight bytes at the beginning of a page are two atomics, and they are never unmapped.
    let [question, answer]: &[AtomicU32; 2] = unsafe { base.cast().as_ref() };

    // SAFETY: this process has one thread, so the child may do all that a process may.
    match unsafe { fork() }? {
        ForkResult::Child => {
            question.store(x, Ordering::SeqCst);
            exit(0)
        }
        ForkResult::Parent { child } => {
            if waitpid(child, None)? != WaitStatus::Exited(child, 0) {
                return Err("the child did not store the number".into());
            }
        }
    }

    // A line is read byte by byte: no more than the line is taken.
    let mut byte = [0];
    while byte != *b"\n" {
        stdin().read_exact(&mut byte)?;
    }
    println!("answer {}", answer.load(Ordering::SeqCst));
    shm_unlink(name.as_str())?;
    Ok(())
}
