//! expect: M009
//! Lets a child wait for the line and post a semaphore in the object, but makes that for the threads of one process.

use std::error::Error;
use std::io::stdin;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::fcntl::OFlag;
use nix::libc::{_exit, sem_init, sem_post, sem_t, sem_wait};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, shm_open, shm_unlink};
use nix::sys::stat::Mode;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork, ftruncate};

const SEMAPHORE: usize = 64;
const SIZE: usize = 4096;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("usage: named_object /NAME X");
    let (name, x) = (next()?, next()?.parse::<u32>()?);
    let object = shm_open(name.as_str(), OFlag::O_CREAT | OFlag::O_RDWR, Mode::S_IRUSR | Mode::S_IWUSR)?;
    ftruncate(&object, SIZE.try_into()?)?;
    let size = NonZeroUsize::new(SIZE).ok_or("no size")?;
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: the kernel chooses an address that is free.
    let base = unsafe { mmap(None, size, access, MapFlags::MAP_SHARED, &object, 0)? };
    // SAFETY: two words at the start of the mapping, and a semaphore that lies well behind them in it.
    let (board, semaphore): (&[AtomicU32; 2], *mut sem_t) =
        unsafe { (base.cast().as_ref(), base.as_ptr().cast::<u8>().add(SEMAPHORE).cast()) };
    board[0].store(x, Ordering::SeqCst);
    // SAFETY: the semaphore's memory is mapped for as long as the program lives. The second argument is wrong.
    unsafe { sem_init(semaphore, 0, 0) };
    // SAFETY: one thread.
    let ForkResult::Parent { child } = (unsafe { fork()? }) else {
        let status = i32::from(stdin().read_line(&mut String::new()).is_err());
        // SAFETY: it was made above, and the child ends here.
        unsafe {
            sem_post(semaphore);
            _exit(status)
        }
    };
    // SAFETY: it was made above.
    unsafe { sem_wait(semaphore) };
    waitpid(child, None)?;
    println!("answer {}", board[1].load(Ordering::SeqCst));
    shm_unlink(name.as_str())?;
    Ok(())
}
