//! Writes files wherever it can until nothing fits any more, and does not look at errors.

use std::io::Write;

fn main() {
    let block = vec![7u8; 64 << 10];
    for round in 0..64 {
        for folder in ["/work", "/tmp", "/dev/shm"] {
            if let Ok(mut file) = std::fs::File::create(format!("{folder}/{round}")) {
                let _ = file.write_all(&block);
            }
        }
    }
}
