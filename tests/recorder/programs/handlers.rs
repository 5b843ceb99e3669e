//! Handlers of a Rust program, by what they do: `PROGRAM CASE`. Compiled by rustc alone.

use std::ffi::{c_int, c_void};
use std::hint::black_box;

unsafe extern "C" {
    fn signal(number: c_int, handler: extern "C" fn(c_int)) -> usize;
    fn raise(number: c_int) -> c_int;
    fn write(fd: c_int, bytes: *const c_void, len: usize) -> isize;
    fn fork() -> c_int;
    fn _exit(status: c_int) -> !;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
}

const SIGUSR1: c_int = 10;
const SIGCHLD: c_int = 17;

extern "C" fn prints(_: c_int) {
    println!("printed");
}

extern "C" fn grumbles(_: c_int) {
    eprintln!("printed");
}

extern "C" fn allocates(_: c_int) {
    black_box(Box::new(black_box(7)));
}

extern "C" fn writes(_: c_int) {
    let text = b"written\n";
    unsafe { write(1, text.as_ptr().cast(), text.len()) };
}

extern "C" fn reaps(_: c_int) {
    while unsafe { waitpid(-1, std::ptr::null_mut(), 1) } > 0 {}
}

fn main() {
    let case = std::env::args().nth(1).expect("a case");
    let handler: extern "C" fn(c_int) = match case.as_str() {
        "prints" => prints,
        "grumbles" => grumbles,
        "allocates" => allocates,
        "writes" => writes,
        "reaps" => reaps,
        _ => std::process::exit(98),
    };
    unsafe {
        if case == "reaps" {
            signal(SIGCHLD, handler);
            if fork() == 0 {
                _exit(0);
            }
            // Once the child has ended, the signal is on its way.
            while waitpid(-1, std::ptr::null_mut(), 0) > 0 {}
        } else {
            signal(SIGUSR1, handler);
            raise(SIGUSR1);
        }
    }
    // Outside of the handler all of this is fine.
    println!("{}", black_box(vec![1, 2, 3]).len());
}
