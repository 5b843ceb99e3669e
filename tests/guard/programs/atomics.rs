//! Atomic and plain accesses, side by side.
#![allow(unsafe_code, reason = "memory that processes share")]

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

unsafe extern "C" {
    fn mmap(addr: *mut c_void, len: usize, prot: i32, flags: i32, fd: i32, offset: i64) -> *mut c_void;
    fn fork() -> i32;
    fn waitpid(pid: i32, status: *mut i32, options: i32) -> i32;
    fn _exit(status: i32) -> !;
}

pub(crate) fn run() {
    // SAFETY: a fresh page, shared with the child; a process of one thread forks.
    unsafe {
        let memory = mmap(std::ptr::null_mut(), 4096, 3, 0x21, -1, 0).cast::<u32>();
        let pid = fork();
        if pid == 0 {
            let atomic = AtomicU32::from_ptr(memory);
            atomic.store(5, Ordering::Release);
            assert_eq!(atomic.load(Ordering::Acquire), 5);
            atomic.fetch_add(1, Ordering::SeqCst);
            *memory += 1;
            AtomicBool::from_ptr(memory.add(2).cast()).store(true, Ordering::Relaxed);
            memory.add(1).write_volatile(9);
            assert_eq!(memory.add(1).read_volatile(), 9);
            _exit(0);
        }
        let mut status = 0;
        waitpid(pid, &mut status, 0);
        assert_eq!(status, 0);
    }
}
