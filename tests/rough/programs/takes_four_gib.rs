//! Asks for four gigabytes at once.

fn main() {
    let mut bytes = vec![0u8; 4 << 30];
    for page in bytes.chunks_mut(4096) {
        page[0] = 1;
    }
}
