//! What the programs in C beside this do, in Rust: one that races, and those that are right. Each ends with status 0
//! where it went well.
#![allow(unsafe_code, reason = "memory that processes share")]

use std::sync::atomic::{AtomicU32, Ordering};

use nix::libc;

const TIMES: u32 = 3;

/// What the processes share.
#[repr(C)]
struct Shared {
    turn: libc::sem_t,
    lock: libc::pthread_mutex_t,
    value: u32,
    flag: AtomicU32,
}

fn memory() -> *mut Shared {
    let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
    // SAFETY: a fresh page of zeros, at an address of the kernel's choice.
    let pages = unsafe { libc::mmap(std::ptr::null_mut(), 4096, prot, flags, -1, 0) };
    assert_ne!(pages, libc::MAP_FAILED);
    pages.cast()
}

/// Starts a child that runs this and ends.
fn child(run: impl FnOnce()) -> libc::pid_t {
    // SAFETY: a process of one thread forks.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        run();
        // SAFETY: it ends a process.
        unsafe { libc::_exit(0) };
    }
    pid
}

fn reap(pid: libc::pid_t) {
    let mut status = 0;
    // SAFETY: the status is ours.
    let reaped = unsafe { libc::waitpid(pid, &mut status, 0) };
    assert_eq!((reaped, status), (pid, 0));
}

/// Two children do the same to one number; whether it came out right.
fn both(m: *mut Shared, run: impl Fn(&mut u32)) -> bool {
    let add = || {
        for _ in 0..TIMES {
            // SAFETY: mapped as long as the process lives. Other processes may store there: that is what this is about.
            run(unsafe { &mut (*m).value });
        }
    };
    let pids = [child(add), child(add)];
    pids.into_iter().for_each(reap);
    // SAFETY: both are gone.
    unsafe { (*m).value == 2 * TIMES }
}

fn counter() -> bool {
    both(memory(), |value| *value += 1)
}

fn atomics() -> bool {
    both(memory(), |value| {
        // SAFETY: aligned, and mapped as long as the process lives.
        unsafe { AtomicU32::from_ptr(value) }.fetch_add(1, Ordering::SeqCst);
    })
}

fn semaphore() -> bool {
    let m = memory();
    // SAFETY: the semaphore is in shared memory, and initialised before anybody uses it.
    unsafe {
        assert_eq!(libc::sem_init(&raw mut (*m).turn, 1, 1), 0);
        both(m, |value| {
            assert_eq!(libc::sem_wait(&raw mut (*m).turn), 0);
            *value += 1;
            assert_eq!(libc::sem_post(&raw mut (*m).turn), 0);
        })
    }
}

fn locked(robust: bool) -> bool {
    let m = memory();
    // SAFETY: the lock is in shared memory, and initialised before anybody uses it.
    unsafe {
        let mut attributes: libc::pthread_mutexattr_t = std::mem::zeroed();
        libc::pthread_mutexattr_init(&mut attributes);
        libc::pthread_mutexattr_setpshared(&mut attributes, libc::PTHREAD_PROCESS_SHARED);
        if robust {
            libc::pthread_mutexattr_setrobust(&mut attributes, libc::PTHREAD_MUTEX_ROBUST);
        }
        assert_eq!(libc::pthread_mutex_init(&raw mut (*m).lock, &attributes), 0);
        both(m, |value| {
            assert_eq!(libc::pthread_mutex_lock(&raw mut (*m).lock), 0);
            *value += 1;
            assert_eq!(libc::pthread_mutex_unlock(&raw mut (*m).lock), 0);
        })
    }
}

fn release_and_acquire() -> bool {
    let m = memory();
    // SAFETY: the flag orders the two accesses to the value.
    unsafe {
        let pid = child(|| {
            (*m).value = 42;
            (*m).flag.store(1, Ordering::Release);
        });
        while (*m).flag.load(Ordering::Acquire) == 0 {
            std::thread::yield_now();
        }
        let seen = (*m).value;
        reap(pid);
        seen == 42
    }
}

/// Runs a case; whether it went well.
pub(crate) fn run(case: &str) -> bool {
    match case {
        "counter" => counter(),
        "atomics" => atomics(),
        "semaphore" => semaphore(),
        "mutex" => locked(false),
        "robust_mutex" => locked(true),
        "release_and_acquire" => release_and_acquire(),
        other => panic!("nothing is called {other}"),
    }
}
