//! A large shared mapping, all of it different after each of endless calls.

fn main() {
    let len = 8 << 20;
    let how = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    let (protection, nobody) = (libc::PROT_READ | libc::PROT_WRITE, std::ptr::null_mut());
    let mapped = unsafe { libc::mmap(nobody, len, protection, how, -1, 0) };
    if mapped == libc::MAP_FAILED {
        return;
    }
    for round in 0..u64::MAX {
        let bytes = unsafe { std::slice::from_raw_parts_mut(mapped.cast::<u8>(), len) };
        bytes.fill(round as u8);
        unsafe { libc::close(-1) };
    }
}
