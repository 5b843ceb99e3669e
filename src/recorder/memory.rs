//! Memory that several processes can see, compared with a copy after each step; and drawn values in private memory.
//!
//! Processes run one at a time, so whatever changed since the last look was changed by the one that ran. What it only
//! read, and values that it overwrote before its next call, are not seen here.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::guard::Guard;
use super::proc;
use crate::sys::memory;
use crate::trace::Bytes;
use crate::trace::raw::{Call, RawFile, Tid};

/// How much of a region is looked at after each step.
const LOOKED_AT: usize = 64 << 10;
/// Changes are told in whole words of this size: a number whose upper bytes stay zero is still seen whole.
const WORD: usize = 8;
/// How much of one private mapping is searched for drawn values.
const SEARCHED: usize = 16 << 20;

/// The shared regions of a run.
#[derive(Debug, Default)]
pub(super) struct Shadows {
    regions: Vec<Region>,
}

#[derive(Debug)]
struct Region {
    file: RawFile,
    source: Source,
    copy: Vec<u8>,
    /// Accesses to it are seen one by one.
    guarded: bool,
}

#[derive(Debug)]
enum Source {
    /// Something with a descriptor: our own, to the same object.
    Object(File),
    /// Anonymous memory: where it is in these processes.
    Mapping { addr: u64, len: usize, holders: Vec<Tid> },
}

impl Region {
    /// What stands there now; none where nobody can tell any more.
    fn now(&self, guard: &Guard) -> Option<Vec<u8>> {
        match &self.source {
            Source::Object(file) => {
                let mut bytes = vec![0; LOOKED_AT];
                let got = file.read_at(&mut bytes, 0).ok()?;
                bytes.truncate(got);
                Some(bytes)
            }
            Source::Mapping { addr, len, holders } => holders.iter().find_map(|holder| {
                let bytes = memory::read_vec(*holder, guard.open_place(*holder, *addr), (*len).min(LOOKED_AT));
                (!bytes.is_empty()).then_some(bytes)
            }),
        }
    }
}

impl Shadows {
    /// Looks at a call that came back: a shared mapping is watched from now on.
    pub(super) fn note(&mut self, tid: Tid, call: &Call, result: i64, guard: &Guard) {
        let (descriptor, len, file) = match call {
            Call::Map { fd, shared: true, len, file: Some(file), .. } => (*fd, *len, file),
            Call::ShmAttach { file: Some(file), .. } => (None, u64::MAX, file),
            _ => return,
        };
        if self.regions.iter().any(|region| same(&region.file, file)) {
            return;
        }
        let source = match descriptor {
            Some(fd) => match File::open(format!("/proc/{tid}/fd/{fd}")) {
                Ok(object) => Source::Object(object),
                Err(_) => return,
            },
            None => {
                let len = usize::try_from(len).unwrap_or(LOOKED_AT).min(LOOKED_AT);
                Source::Mapping { addr: result as u64, len, holders: vec![tid] }
            }
        };
        let mut region = Region { file: file.clone(), source, copy: Vec::new(), guarded: guard.sees(file) };
        region.copy = region.now(guard).unwrap_or_default();
        self.regions.push(region);
    }

    /// A child has its parent's mappings.
    pub(super) fn forked(&mut self, parent: Tid, child: Tid) {
        for region in &mut self.regions {
            if let Source::Mapping { holders, .. } = &mut region.source
                && holders.contains(&parent)
            {
                holders.push(child);
            }
        }
    }

    /// A new program has none.
    pub(super) fn exec(&mut self, tid: Tid) {
        for region in &mut self.regions {
            if let Source::Mapping { holders, .. } = &mut region.source {
                holders.retain(|holder| *holder != tid);
            }
        }
    }

    /// A peer told of its own store: no change of the learner's.
    pub(super) fn stored_by_peer(&mut self, file: &RawFile, offset: u64, bytes: &Bytes) {
        for region in self.regions.iter_mut().filter(|region| same(&region.file, file)) {
            let place = region.copy.get_mut(offset as usize..).and_then(|rest| rest.get_mut(..bytes.len()));
            if let Some(place) = place {
                place.copy_from_slice(&bytes.0);
            }
        }
    }

    /// Accesses to it are seen one by one from now on, or no longer.
    pub(super) fn set_guarded(&mut self, file: &RawFile, guarded: bool) {
        for region in self.regions.iter_mut().filter(|region| same(&region.file, file)) {
            region.guarded = guarded;
        }
    }

    /// A store that was seen: no change that is still to be told.
    pub(super) fn stored_by_access(&mut self, file: &RawFile, offset: u64, bytes: &[u8]) {
        for region in self.regions.iter_mut().filter(|region| same(&region.file, file)) {
            let Ok(from) = usize::try_from(offset) else { continue };
            let to = from.saturating_add(bytes.len()).min(LOOKED_AT);
            if from < to {
                // A file that has grown since the last look.
                region.copy.resize(region.copy.len().max(to), 0);
                region.copy[from..to].copy_from_slice(&bytes[..to - from]);
            }
        }
    }

    /// What changed since the last look.
    pub(super) fn changes(&mut self, guard: &Guard, guarded: bool) -> Vec<(RawFile, u64, Bytes)> {
        let mut changes = Vec::new();
        for region in self.regions.iter_mut().filter(|region| guarded || !region.guarded) {
            let Some(now) = region.now(guard) else { continue };
            if now == region.copy {
                continue;
            }
            for (from, to) in differences(&region.copy, &now) {
                changes.push((region.file.clone(), from as u64, Bytes(now[from..to].to_vec())));
            }
            region.copy = now;
        }
        changes
    }
}

fn same(one: &RawFile, other: &RawFile) -> bool {
    (one.dev, one.ino) == (other.dev, other.ino)
}

/// Stretches of whole words in which `now` differs from `before`; what `before` lacks was zero.
fn differences(before: &[u8], now: &[u8]) -> Vec<(usize, usize)> {
    let differs = |from: usize, to: usize| (from..to).any(|at| before.get(at).copied().unwrap_or(0) != now[at]);
    let mut stretches: Vec<(usize, usize)> = Vec::new();
    for from in (0..now.len()).step_by(WORD) {
        let to = (from + WORD).min(now.len());
        if !differs(from, to) {
            continue;
        }
        match stretches.last_mut() {
            Some((_, end)) if *end == from => *end = to,
            _ => stretches.push((from, to)),
        }
    }
    stretches
}

/// Where a process's private memory holds one of the values, and what the others have at the same address.
///
/// Of the places of a value those are told at which somebody else has another one; where there is none, the first.
pub(super) fn holds(tid: Tid, values: &[u64], others: &[Tid]) -> Vec<(u64, Vec<(Tid, u64)>)> {
    if values.is_empty() {
        return Vec::new();
    }
    let maps = proc::text(tid, "maps");
    let mut places: Vec<(u64, u64)> = Vec::new();
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (Some(range), Some("rw-p")) = (fields.next(), fields.next()) else { continue };
        let Some((from, to)) = range.split_once('-') else { continue };
        let (Ok(from), Ok(to)) = (u64::from_str_radix(from, 16), u64::from_str_radix(to, 16)) else { continue };
        let bytes = memory::read_vec(tid, from, ((to - from) as usize).min(SEARCHED));
        for (index, word) in bytes.chunks_exact(8).enumerate() {
            let word = u64::from_ne_bytes(word.try_into().expect("eight bytes"));
            if values.contains(&word) {
                places.push((word, from + 8 * index as u64));
            }
        }
    }
    let mut told = Vec::new();
    for value in values {
        let mut all = places.iter().filter(|(found, _)| found == value).map(|(_, addr)| {
            let elsewhere = |other: &Tid| memory::read_u64(*other, *addr).map(|word| (*other, word));
            (*value, others.iter().filter_map(elsewhere).collect::<Vec<_>>())
        });
        let first = all.next();
        let telling: Vec<_> = first
            .clone()
            .into_iter()
            .chain(all)
            .filter(|(_, elsewhere)| elsewhere.iter().any(|(_, word)| word != value))
            .take(16)
            .collect();
        if telling.is_empty() { told.extend(first) } else { told.extend(telling) }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_whole_words() {
        let before = vec![0; 24];
        let mut now = before.clone();
        now[0] = 5;
        assert_eq!(differences(&before, &now), [(0, 8)]);
        now[8] = 1;
        assert_eq!(differences(&before, &now), [(0, 16)]);
        now[8] = 0;
        now[23] = 1;
        assert_eq!(differences(&before, &now), [(0, 8), (16, 24)]);
        assert_eq!(differences(&[], &[0, 0]), []);
        assert_eq!(differences(&[], &[0, 1]), [(0, 2)]);
    }
}
