//! Ignores every signal that can be ignored and sleeps for ever.

fn main() {
    unsafe {
        for signal in 1..32 {
            libc::signal(signal, libc::SIG_IGN);
        }
        loop {
            libc::sleep(3600);
        }
    }
}
