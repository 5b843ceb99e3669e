//! One thread opens and reads `names`, the other opens and writes `greetings`; a channel between them.
//! Close to F006, and not it: the opens are in no order, and neither thread keeps the other from its own.

use std::error::Error;
use std::fs::{File, remove_file};
use std::io::{self, BufRead, BufReader, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [names, greetings] = &arguments[..] else {
        return Err("usage: fifo_greeter NAMES GREETINGS".into());
    };
    for path in [greetings, names] {
        mkfifo(path.as_str(), Mode::S_IRUSR | Mode::S_IWUSR)?;
    }

    let (sender, receiver) = channel();
    thread::scope(|scope| {
        let writer = scope.spawn(|| answer(greetings, receiver));
        let reader = listen(names, sender);
        writer.join().expect("the writing thread does not panic")?;
        reader
    })?;

    for path in [greetings, names] {
        remove_file(path)?;
    }
    Ok(())
}

/// Passes on each name that comes; the channel ends with the FIFO.
fn listen(names: &str, to: Sender<String>) -> io::Result<()> {
    for name in BufReader::new(File::open(names)?).lines() {
        to.send(name?).map_err(io::Error::other)?;
    }
    Ok(())
}

/// Writes a greeting for each name that it is given.
fn answer(greetings: &str, from: Receiver<String>) -> io::Result<()> {
    let mut greetings = File::options().write(true).open(greetings)?;
    for name in from {
        greetings.write_all(format!("hello {name}\n").as_bytes())?;
    }
    Ok(())
}
