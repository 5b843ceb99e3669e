//! Threads without end, all of them asleep.

fn main() {
    loop {
        let _ = std::thread::Builder::new().spawn(|| loop { std::thread::park() });
    }
}
