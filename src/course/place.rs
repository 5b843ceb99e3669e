//! Where a character of a decoded string stands in its file, so that a mistake inside a string is shown inside it.

use std::ops::Range;

/// A text with the place of each of its bytes in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    text: String,
    /// For each byte of the text its offset in the file, and one more for the end.
    places: Vec<usize>,
}

impl Placed {
    /// A string of a TOML file: `raw` is as it is written, quotes included, `start` its offset, `decoded` its meaning.
    pub(super) fn toml(raw: &str, start: usize, decoded: &str) -> Self {
        let placed = match raw.as_bytes() {
            [b'\'', b'\'', b'\'', ..] => Self::literal(raw, start, 3),
            [b'\'', ..] => Self::literal(raw, start, 1),
            [b'"', b'"', b'"', ..] => Self::escaped(raw, start, 3),
            _ => Self::escaped(raw, start, 1),
        };
        if placed.text == decoded {
            return placed;
        }
        // A form that is not walked here: the string as a whole is shown then.
        Self { text: decoded.to_owned(), places: vec![start; decoded.len() + 1] }
    }

    fn literal(raw: &str, start: usize, quotes: usize) -> Self {
        let (from, to) = inside(raw, quotes);
        let mut placed = Self { text: String::new(), places: Vec::new() };
        placed.text.push_str(&raw[from..to]);
        placed.places.extend(start + from..=start + to);
        placed
    }

    fn escaped(raw: &str, start: usize, quotes: usize) -> Self {
        let (from, to) = inside(raw, quotes);
        let mut placed = Self { text: String::new(), places: Vec::new() };
        let mut rest = &raw[from..to];
        let at = |rest: &str| start + to - rest.len();
        while let Some(c) = rest.chars().next() {
            let place = at(rest);
            rest = &rest[c.len_utf8()..];
            if c != '\\' {
                placed.push(c, place);
                continue;
            }
            let escape = rest.chars().next().unwrap_or_default();
            if escape.is_ascii_whitespace() {
                // A backslash at a line's end joins the next line to it.
                rest = rest.trim_start();
                continue;
            }
            rest = &rest[escape.len_utf8().min(rest.len())..];
            let digits = match escape {
                'x' => 2,
                'u' => 4,
                'U' => 8,
                _ => 0,
            };
            let meant = match escape {
                'b' => Some('\u{8}'),
                't' => Some('\t'),
                'n' => Some('\n'),
                'f' => Some('\u{c}'),
                'r' => Some('\r'),
                'e' => Some('\u{1b}'),
                'x' | 'u' | 'U' => {
                    rest.get(..digits).and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32)
                }
                other => Some(other),
            };
            rest = rest.get(digits..).unwrap_or_default();
            if let Some(meant) = meant {
                placed.push(meant, place);
            }
        }
        placed.places.push(at(rest));
        placed
    }

    /// No characters, at this place; [`Placed::push`] adds some.
    pub(super) fn empty() -> Self {
        Self { text: String::new(), places: Vec::new() }
    }

    /// Adds a character that begins at this place of the file.
    pub(super) fn push(&mut self, c: char, place: usize) {
        self.text.push(c);
        self.places.extend(std::iter::repeat_n(place, c.len_utf8()));
    }

    /// Says where the text ends in the file; nothing may be added after it.
    pub(super) fn end(&mut self, place: usize) {
        self.places.push(place);
    }

    /// A part of it.
    pub(super) fn slice(&self, range: Range<usize>) -> Self {
        Self { text: self.text[range.clone()].to_owned(), places: self.places[range.start..=range.end].to_vec() }
    }

    /// The text itself.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The place in the file of a byte of the text, or of its end.
    pub(super) fn place(&self, at: usize) -> usize {
        self.places[at.min(self.places.len() - 1)]
    }

    /// The place in the file of a part of the text.
    pub(super) fn range(&self, part: Range<usize>) -> Range<usize> {
        self.place(part.start)..self.place(part.end)
    }

    /// The place in the file of the whole text.
    pub(super) fn whole(&self) -> Range<usize> {
        self.range(0..self.text.len())
    }
}

/// Where the characters between the quotes begin and end; a line feed right after three quotes is not part of them.
fn inside(raw: &str, quotes: usize) -> (usize, usize) {
    let to = raw.len().saturating_sub(quotes).max(quotes);
    let skipped = match raw.get(quotes..to) {
        Some(text) if quotes == 3 && text.starts_with("\r\n") => 2,
        Some(text) if quotes == 3 && text.starts_with('\n') => 1,
        _ => 0,
    };
    (quotes + skipped, to)
}

#[cfg(test)]
mod tests {
    use toml::de::DeTable;

    use super::*;

    /// `file` is `s = STRING`; the text's `needle` must be found at `written` in the file.
    fn check(file: &str, needle: char, written: &str) {
        let table = DeTable::parse(file).expect("good TOML");
        let (_, value) = table.get_ref().iter().next().expect("one key");
        let decoded = value.get_ref().as_str().expect("a string");
        let placed = Placed::toml(&file[value.span()], value.span().start, decoded);
        let at = decoded.find(needle).expect("the needle");
        assert_eq!(Some(placed.place(at)), file.find(written), "{file}");
        assert!(placed.whole().end < file.len() || file.ends_with('\n'), "{file}");
    }

    #[test]
    fn every_kind_of_string_is_walked() {
        check("s = 'ab!c'\n", '!', "!");
        check("s = \"ab!c\"\n", '!', "!");
        check("s = '''\nab\nc!'''\n", '!', "!");
        check("s = \"\"\"\nab\\n\\t\\\"!c\"\"\"\n", '!', "!");
        check("s = \"\\u00fcö!\"\n", '!', "!");
        check("s = \"\\u0021\"\n", '!', "\\u0021");
        check("s = \"\"\"a\\\n   b!\"\"\"\n", '!', "!");
        check("s = \"\\n\"\n", '\n', "\\n");
    }
}
