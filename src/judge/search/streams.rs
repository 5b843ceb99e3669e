//! Texts of steps against a byte string: consecutive segments, in an order that the lanes allow.

use super::facts::Stream;
use super::text;

/// What came of the texts of one stream.
#[derive(Debug, Default)]
pub(super) struct Segments {
    /// Each text that was found, with the bytes that it took.
    pub(super) found: Vec<(usize, std::ops::Range<usize>)>,
    /// Texts that are not there at all, each with the place where they were looked for.
    pub(super) missing: Vec<(usize, usize)>,
    /// Texts that are there otherwise: expected, the bytes there, the first difference.
    pub(super) wrong: Vec<(usize, Vec<u8>, std::ops::Range<usize>, usize)>,
    /// Bytes that no text asks for.
    pub(super) surplus: Vec<std::ops::Range<usize>>,
    /// All is there and nothing else, but not in the order in which the lanes say it.
    pub(super) shuffled: bool,
}

/// A step's demand on a stream.
pub(super) struct Wanted<'a> {
    /// The atom.
    pub(super) atom: usize,
    pub(super) texts: &'a [Vec<u8>],
    pub(super) optional: bool,
}

/// How far texts are tried in every order where the lanes' order does not fit.
const SHUFFLED: u32 = 2_000;

/// Divides a stream among the texts.
///
/// `ordered(a, b)` says that atom `a` comes before atom `b`. `nodes` is what remains of the search's budget.
pub(super) fn divide(
    stream: &Stream,
    wanted: &[Wanted<'_>],
    ordered: &dyn Fn(usize, usize) -> bool,
    nodes: &mut u32,
) -> Segments {
    let all: Vec<&Wanted<'_>> = wanted.iter().collect();
    let mut search = Exact { bytes: &stream.bytes, ordered, nodes, found: Vec::new() };
    if search.divide(0, &all, false) {
        return Segments { found: search.found, ..Segments::default() };
    }
    let mut search = Exact { bytes: &stream.bytes, ordered, nodes: &mut SHUFFLED.clone(), found: Vec::new() };
    if search.divide(0, &all, true) {
        return Segments { found: search.found, shuffled: true, ..Segments::default() };
    }
    compare(&stream.bytes, wanted)
}

struct Exact<'a> {
    bytes: &'a [u8],
    ordered: &'a dyn Fn(usize, usize) -> bool,
    nodes: &'a mut u32,
    found: Vec<(usize, std::ops::Range<usize>)>,
}

impl Exact<'_> {
    fn divide(&mut self, mut at: usize, left: &[&Wanted<'_>], shuffled: bool) -> bool {
        // The straight way needs no search: what comes next in the lanes comes next in the stream.
        let mut left = left;
        let start = self.found.len();
        while let [next, rest @ ..] = left
            && let [text] = next.texts
            && !next.optional
            && self.bytes[at..].starts_with(text)
            && (rest.is_empty() || rest.iter().all(|it| (self.ordered)(next.atom, it.atom)))
            && !shuffled
        {
            self.found.push((next.atom, at..at + text.len()));
            at += text.len();
            left = rest;
        }
        if left.is_empty() && at == self.bytes.len() {
            return true;
        }
        if *self.nodes == 0 || left.is_empty() {
            self.found.truncate(start);
            return false;
        }
        *self.nodes -= 1;
        for (index, next) in left.iter().enumerate() {
            let held = |before: &&Wanted<'_>| (self.ordered)(before.atom, next.atom);
            if !shuffled && left[..index].iter().any(held) {
                continue;
            }
            let rest: Vec<&Wanted<'_>> =
                left.iter().enumerate().filter(|(it, _)| *it != index).map(|(_, w)| *w).collect();
            for text in next.texts {
                if self.bytes[at..].starts_with(text) {
                    let mark = self.found.len();
                    self.found.push((next.atom, at..at + text.len()));
                    if self.divide(at + text.len(), &rest, shuffled) {
                        return true;
                    }
                    self.found.truncate(mark);
                }
            }
            if next.optional && self.divide(at, &rest, shuffled) {
                return true;
            }
        }
        self.found.truncate(start);
        false
    }
}

/// The texts in the order of the lanes against bytes that do not fit: what is missing, other, too much.
fn compare(bytes: &[u8], wanted: &[Wanted<'_>]) -> Segments {
    let mut segments = Segments::default();
    let mut at = 0;
    for (index, next) in wanted.iter().enumerate() {
        let later = &wanted[index + 1..];
        if let Some(text) = next.texts.iter().find(|text| bytes[at..].starts_with(text)) {
            segments.found.push((next.atom, at..at + text.len()));
            at += text.len();
            continue;
        }
        if next.optional {
            continue;
        }
        let comes = |wanted: &Wanted<'_>, from| wanted.texts.iter().filter_map(|it| text::find(bytes, it, from)).min();
        let next_is_here = later.iter().any(|it| comes(it, at) == Some(at));
        if at >= bytes.len() || next_is_here {
            segments.missing.push((next.atom, at));
        } else if let Some(place) = comes(next, at) {
            segments.surplus.push(at..place);
            let length = next.texts.iter().find(|text| bytes[place..].starts_with(text)).map_or(0, Vec::len);
            segments.found.push((next.atom, place..place + length));
            at = place + length;
        } else {
            let alike = |text: &[u8]| text.iter().zip(&bytes[at..]).take_while(|(a, b)| a == b).count();
            let closest = next.texts.iter().max_by_key(|text| alike(text)).cloned().unwrap_or_default();
            let resumes = later.iter().filter_map(|it| comes(it, at)).min();
            // A line stands for a line, however long it is.
            let line = || bytes[at..].iter().position(|byte| *byte == b'\n').map(|place| at + place + 1);
            let alone = if closest.ends_with(b"\n") { line() } else { Some(bytes.len().min(at + closest.len())) };
            let rest = alone.filter(|_| !later.is_empty()).unwrap_or(bytes.len());
            let end = resumes.unwrap_or(rest);
            let common = alike(&closest);
            segments.wrong.push((next.atom, closest, at..end, common));
            at = end;
        }
    }
    if at < bytes.len() {
        segments.surplus.push(at..bytes.len());
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &str, texts: &[&str], free: bool, expected: &str) {
        let texts: Vec<Vec<Vec<u8>>> = texts.iter().map(|text| vec![text.as_bytes().to_vec()]).collect();
        let wanted: Vec<Wanted<'_>> =
            texts.iter().enumerate().map(|(atom, texts)| Wanted { atom, texts, optional: false }).collect();
        let stream = Stream::of(bytes.as_bytes());
        let segments = divide(&stream, &wanted, &|a, b| !free && a < b, &mut 1000);
        let mut said: Vec<String> = Vec::new();
        said.extend(segments.found.iter().map(|(atom, range)| format!("{atom} at {}", range.start)));
        said.extend(segments.missing.iter().map(|(atom, at)| format!("{atom} missing at {at}")));
        said.extend(segments.wrong.iter().map(|(atom, _, range, at)| format!("{atom} wrong in {range:?} from {at}")));
        said.extend(segments.surplus.iter().map(|range| format!("{range:?} too much")));
        assert_eq!(said.join(", "), expected, "{bytes} for {texts:?}");
    }

    #[test]
    fn texts_are_consecutive_segments() {
        check("abcd", &["ab", "cd"], false, "0 at 0, 1 at 2");
        check("cdab", &["ab", "cd"], true, "1 at 0, 0 at 2");
        check("cdab", &["ab", "cd"], false, "1 at 0, 0 at 2");
        check("aab", &["a", "ab"], true, "0 at 0, 1 at 1");
        check("aba", &["a", "ab"], true, "1 at 0, 0 at 2");
    }

    #[test]
    fn what_does_not_fit_is_placed() {
        check("ab", &["ab", "cd"], false, "0 at 0, 1 missing at 2");
        check("cd", &["ab", "cd"], false, "1 at 0, 0 missing at 0");
        check("abxcd", &["ab", "cd"], false, "0 at 0, 1 at 3, 2..3 too much");
        check("abab", &["ab"], false, "0 at 0, 2..4 too much");
        check("hello", &["help!"], false, "0 wrong in 0..5 from 3");
        check("abcx", &["ab", "cde"], false, "0 at 0, 1 wrong in 2..4 from 1");
        check(
            "hello\n3 tunnel\n13 engine\n",
            &["hello\n", "42 kettle\n", "7 window\n"],
            false,
            "0 at 0, \
            1 wrong in 6..15 from 0, 2 wrong in 15..25 from 0",
        );
        check("", &["a"], false, "0 missing at 0");
    }
}
