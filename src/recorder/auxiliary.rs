//! The auxiliary vector of a fresh program (getauxval(3)): what it says, and what is changed in it.

use super::randomness::random_bytes;
use crate::sys::{memory, ptrace};
use crate::trace::raw::Tid;

/// Kinds of entries: the end, nothing.
const AT_NULL: u64 = 0;
const AT_IGNORE: u64 = 1;
/// Where the loader is, where the program begins.
const AT_BASE: u64 = 7;
const AT_ENTRY: u64 = 9;
/// Sixteen random bytes, the vDSO.
const AT_RANDOM: u64 = 25;
const AT_SYSINFO_EHDR: u64 = 33;

const PAGE: u64 = 4096;

/// The vector of a program that has not begun.
pub(super) struct Auxiliary {
    /// Kind, value, and where the kind stands.
    entries: Vec<(u64, u64, u64)>,
}

impl Auxiliary {
    /// That of a thread that stands at its exec; empty where it is gone.
    pub(super) fn of(tid: Tid) -> Self {
        let mut words = Vec::new();
        let Ok(stack) = ptrace::registers(tid).map(|registers| registers.stack()) else { return Self::empty() };
        loop {
            if let Some(entries) = entries(&words, stack) {
                return Self { entries };
            }
            // Page by page: the next one may be missing.
            let at = stack + 8 * words.len() as u64;
            let part = memory::read_vec(tid, at, (PAGE - at % PAGE) as usize);
            if part.len() < 8 {
                return Self::empty();
            }
            words.extend(part.chunks_exact(8).map(|word| u64::from_ne_bytes(word.try_into().expect("eight bytes"))));
        }
    }

    fn empty() -> Self {
        Self { entries: Vec::new() }
    }

    fn value(&self, wanted: u64) -> Option<u64> {
        self.entries.iter().find(|(kind, ..)| *kind == wanted).map(|(_, value, _)| *value)
    }

    /// Where the program begins.
    pub(super) fn entry(&self) -> Option<u64> {
        self.value(AT_ENTRY)
    }

    /// Whether a loader brings its libraries.
    pub(super) fn is_dynamic(&self) -> bool {
        self.value(AT_BASE).is_some_and(|base| base != 0)
    }

    /// Writes the same sixteen bytes for every run where the kernel put random ones.
    pub(super) fn fix_random(&self, tid: Tid, entropy: u64) {
        if let Some(addr) = self.value(AT_RANDOM) {
            // Where it fails the run is as random as it was; nothing is wrong with it.
            memory::fill(tid, addr, &random_bytes(entropy, 0, 16));
        }
    }

    /// Clock readings go through the kernel, where they stop, and not through the page that it lends to programs
    /// (vdso(7)).
    pub(super) fn hide_vdso(&self, tid: Tid) {
        for (_, _, place) in self.entries.iter().filter(|(kind, ..)| *kind == AT_SYSINFO_EHDR) {
            // Where it fails the program sees real time pass, and nothing else is wrong.
            memory::fill(tid, *place, &AT_IGNORE.to_ne_bytes());
        }
    }
}

/// The entries among the words of a fresh stack that begins at `stack`; none where it goes on behind these words.
///
/// The vector stands above the number of arguments, arguments and environment, whose ends two zero words mark (execve(2),
/// elf(5)).
fn entries(words: &[u64], stack: u64) -> Option<Vec<(u64, u64, u64)>> {
    let arguments = usize::try_from(*words.first()?).ok()?;
    let environment = arguments.checked_add(2)?;
    let mut at = environment + words.get(environment..)?.iter().position(|word| *word == 0)? + 1;
    let mut entries = Vec::new();
    loop {
        let (kind, value) = (*words.get(at)?, *words.get(at + 1)?);
        if kind == AT_NULL {
            return Some(entries);
        }
        entries.push((kind, value, stack + 8 * at as u64));
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_stand_above_arguments_and_environment() {
        let words = [2, 0xa0, 0xa1, 0, 0xe0, 0, AT_RANDOM, 0x77, AT_ENTRY, 0x55, AT_NULL, 0];
        let found = entries(&words, 0x1000).expect("all of it is there");
        assert_eq!(found, [(AT_RANDOM, 0x77, 0x1030), (AT_ENTRY, 0x55, 0x1040)]);
        for short in 0..words.len() {
            assert_eq!(entries(&words[..short], 0x1000), None, "{short} words are not all");
        }
        assert_eq!(entries(&[u64::MAX, 0, 0, 0], 0x1000), None);
    }
}
