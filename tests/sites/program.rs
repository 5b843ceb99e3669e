//! Each text stands in the line whose place its write has to have; "tool" is another program's.

use std::io::{Read, Write};

struct Loud;

impl Drop for Loud {
    fn drop(&mut self) {
        say(b"dropped");
    }
}

#[inline(always)]
fn say(text: &[u8]) {
    write(text);
}

/// A macro of one's own: its lines are one's own, and it is there that things happen.
macro_rules! shout {
    ($text:literal) => {
        std::io::stdout().write_all($text).and_then(|()| std::io::stdout().flush()).unwrap() // "macro", "thread", "closure"
    };
}

fn write(text: &[u8]) {
    std::io::stdout().lock().write_all(text).and_then(|()| std::io::stdout().flush()).unwrap(); // "dropped"
}

fn main() {
    shout!(b"macro");
    std::thread::spawn(|| shout!(b"thread")).join().unwrap();
    [1, 2].iter().for_each(|_| if std::env::args().count() == 1 { shout!(b"closure") });
    drop(Loud);
    let run = std::process::Command::new("/bin/echo").arg("tool").status(); // "command"
    assert!(run.is_ok());
    let (mut reader, _writer) = std::io::pipe().unwrap();
    let _ = reader.read(&mut [0]); // "stuck"
}
