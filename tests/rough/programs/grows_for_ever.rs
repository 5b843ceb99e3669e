//! Takes ever more memory, a little at a time.

fn main() {
    let mut all: Vec<Box<[u8; 65536]>> = Vec::new();
    loop {
        all.push(Box::new([1; 65536]));
    }
}
