//! One file that grows and grows.

use std::io::Write;

fn main() {
    let block = vec![7u8; 64 << 10];
    let Ok(mut file) = std::fs::File::create("/work/large") else { return };
    loop {
        let _ = file.write_all(&block);
    }
}
