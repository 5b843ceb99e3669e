//! Values and differences as a person reads them.
//!
//! A value stands as in a Rust string. Where two long texts differ, both are cut around the first byte at which they
//! part: never so that they look the same.

use similar::TextDiff;

use crate::trace::Bytes;

/// A text that is not longer than this is shown whole.
const WHOLE: usize = 64;
/// How much of a longer one is shown before the place that matters.
const BEFORE: usize = 16;
/// How much after it.
const AFTER: usize = 32;
/// More names than this (and one) are counted.
const LISTED: usize = 4;
/// Beyond this a line-by-line diff helps nobody, and would take its time.
const DIFF_LIMIT: usize = 16 * 1024;

/// The bytes as a Rust string, whole.
pub(crate) fn quote(bytes: &[u8]) -> String {
    format!("\"{}\"", Bytes::from(bytes).to_string().replace('"', "\\\""))
}

/// The bytes as a Rust string; of a long one the beginning, and how long it is.
pub(crate) fn short(bytes: &[u8]) -> String {
    if bytes.len() <= WHOLE {
        return quote(bytes);
    }
    format!("{}… ({} bytes)", quote(&bytes[..boundary(bytes, BEFORE + AFTER)]), bytes.len())
}

/// Two texts that differ, both cut around the first difference where they are long.
pub(crate) fn pair(expected: &[u8], saw: &[u8]) -> (String, String) {
    let at = first_difference(expected, saw);
    (around(expected, at).0, around(saw, at).0)
}

/// The first byte at which they part; the shorter one's length where it begins the longer one.
pub(crate) fn first_difference(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).position(|(x, y)| x != y).unwrap_or(a.len().min(b.len()))
}

/// Where they part: a unified diff of texts of several lines, else the two lines and a caret.
pub(crate) fn diff(expected: &[u8], saw: &[u8]) -> String {
    let lines = |text: &[u8]| text.iter().filter(|byte| **byte == b'\n').count();
    let long = expected.len().max(saw.len()) > DIFF_LIMIT;
    if !long && lines(expected).max(lines(saw)) > 1 {
        let (expected, saw) = (String::from_utf8_lossy(expected), String::from_utf8_lossy(saw));
        return TextDiff::from_lines(&expected, &saw).unified_diff().header("expected", "saw").to_string();
    }
    let at = first_difference(expected, saw);
    let ((expected, _), (saw, column)) = (around(expected, at), around(saw, at));
    format!("expected {expected}\n     saw {saw}\n         {}^", " ".repeat(column))
}

/// The text, cut around byte `at` where it is long, and the column at which that byte stands.
fn around(bytes: &[u8], at: usize) -> (String, usize) {
    let (start, end) = if bytes.len() <= WHOLE {
        (0, bytes.len())
    } else {
        (boundary(bytes, at.saturating_sub(BEFORE)), boundary(bytes, (at + AFTER).min(bytes.len())))
    };
    let before = if start > 0 { "…" } else { "" };
    let after = if end < bytes.len() { "…" } else { "" };
    let size = if bytes.len() <= WHOLE { String::new() } else { format!(" ({} bytes)", bytes.len()) };
    let up_to = quote(&bytes[start..at.clamp(start, end)]);
    // The closing quotation mark stands where the byte will.
    let column = before.chars().count() + up_to.chars().count() - 1;
    (format!("{before}{}{after}{size}", quote(&bytes[start..end])), column)
}

/// The nearest place at or before `at` that does not cut a character in two.
fn boundary(bytes: &[u8], at: usize) -> usize {
    let inside = |at: &usize| bytes.get(*at).is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000);
    let at = at.min(bytes.len());
    (at.saturating_sub(3)..=at).rev().find(|at| !inside(at)).unwrap_or(at)
}

/// `a`, `a and b`, `a, b and c`; of many the first few and how many more there are.
pub(crate) fn list<T: AsRef<str>>(items: &[T]) -> String {
    let joined = |items: &[T]| items.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [first @ .., last] if items.len() <= LISTED + 1 => format!("{} and {}", joined(first), last.as_ref()),
        _ => format!("{} and {} more", joined(&items[..LISTED]), items.len() - LISTED),
    }
}

/// What stands in a few bytes of memory: a number where they can be one, else the bytes.
pub(crate) fn held(bytes: &[u8]) -> String {
    let mut wide = [0; 8];
    match bytes.len() {
        1 | 2 | 4 | 8 => {
            let place = if cfg!(target_endian = "little") { 0 } else { 8 - bytes.len() };
            wide[place..place + bytes.len()].copy_from_slice(bytes);
            u64::from_ne_bytes(wide).to_string()
        }
        _ => short(bytes),
    }
}

/// `s` unless there is one.
pub(crate) fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_texts_stand_whole() {
        assert_eq!(pair(b"KETTLE\n", b"kettle\n"), ("\"KETTLE\\n\"".into(), "\"kettle\\n\"".into()));
        assert_eq!(quote(b"say \"hi\"\n"), "\"say \\\"hi\\\"\\n\"");
    }

    #[test]
    fn two_texts_are_never_cut_to_the_same() {
        let long = vec![b'a'; 5000];
        let others = [(0, b'b'), (63, b'b'), (64, b'b'), (2500, b'\n'), (4999, b'b')];
        for (at, byte) in others {
            let mut other = long.clone();
            other[at] = byte;
            let (a, b) = pair(&long, &other);
            assert_ne!(a, b, "byte {at}");
            assert!(a.len() < 120 && b.len() < 120, "{a} {b}");
            let (a, b) = pair(&long, &long[..at]);
            assert_ne!(a, b, "cut at {at}");
        }
    }

    #[test]
    fn a_caret_stands_below_the_first_difference() {
        assert_eq!(diff(b"hello\n", b"help\n"), "expected \"hello\\n\"\n     saw \"help\\n\"\n             ^");
        assert_eq!(diff(b"a\nb\n", b"a\nc\n"), "--- expected\n+++ saw\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n");
    }

    #[test]
    fn a_long_list_is_cut() {
        assert_eq!(list(&["a"]), "a");
        assert_eq!(list(&["a", "b", "c", "d", "e"]), "a, b, c, d and e");
        assert_eq!(list(&["a", "b", "c", "d", "e", "f"]), "a, b, c, d and 2 more");
    }

    #[test]
    fn characters_are_not_cut_in_two() {
        let long = "é".repeat(200);
        assert!(!short(long.as_bytes()).contains("\\x"));
        assert!(!pair(long.as_bytes(), b"x").0.contains("\\x"));
    }
}
