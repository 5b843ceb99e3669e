//! Looks for the course, for the host's files and for a network; says what it finds.

use std::path::Path;

fn look(folder: &Path, depth: u32) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if ["grader.toml", "exercise.toml", "expected.trace", "solutions", "shadow"].contains(&name.as_ref()) {
            println!("found {}", path.display());
        }
        let skip = ["/proc", "/sys", "/usr", "/nix"].iter().any(|place| path.starts_with(place));
        if depth > 0 && !skip && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            look(&path, depth - 1);
        }
    }
}

fn main() {
    look(Path::new("/"), 6);
    for path in ["/root", "/home", "/etc/shadow", "/etc/hostname", "/proc/1/root/etc/shadow", "/proc/1/mem"] {
        if std::fs::File::open(path).is_ok() {
            println!("opened {path}");
        }
    }
    if std::fs::write("/usr/written", "x").is_ok() || std::fs::write("/box/written", "x").is_ok() {
        println!("wrote where it must not");
    }
    if std::net::TcpStream::connect("127.0.0.1:22").is_ok() {
        println!("reached the network");
    }
    // The second keeps to the functions of libc that every processor has.
    for (name, _) in std::env::vars().filter(|(name, _)| name != "PATH" && name != "GLIBC_TUNABLES") {
        println!("variable {name}");
    }
    println!("looked");
}
