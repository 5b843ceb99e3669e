//! Text with holes for drawn values: `"hello {name|upper}\n"`.
//!
//! Grammar: `{` NAME (`|` FILTER)* `}`; `{{` and `}}` stand for braces. Escapes (`\n`) belong to the quoted strings
//! around a template and are resolved by whoever reads those.

use std::fmt;

use super::values::{Value, Values};

/// A text with holes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template {
    pieces: Vec<Piece>,
}

/// A stretch of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// These very characters.
    Literal(String),
    /// A drawn value, through filters from left to right.
    Hole {
        /// The value's name.
        name: String,
        /// What happens to its text.
        filters: Vec<Filter>,
    },
}

/// What a hole does to the value's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// ASCII letters to upper case.
    Upper,
    /// ASCII letters to lower case.
    Lower,
    /// Bytes from last to first.
    Rev,
    /// Each block of 4,096 bytes from last to first, the blocks in their order.
    Rev4k,
    /// The number of line feeds, in decimal.
    Lines,
    /// The sum of the list's numbers, in decimal.
    Sum,
    /// The number times itself, in decimal.
    Square,
}

impl Filter {
    const ALL: [(&'static str, Self); 7] = [
        ("upper", Self::Upper),
        ("lower", Self::Lower),
        ("rev", Self::Rev),
        ("rev4k", Self::Rev4k),
        ("lines", Self::Lines),
        ("sum", Self::Sum),
        ("square", Self::Square),
    ];

    /// The filter of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, filter)| *filter)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, filter)| *filter == self).map_or("", |(name, _)| name)
    }

    /// The value after the filter. A filter of numbers keeps what is no number as it is.
    pub fn apply(self, value: Value) -> Value {
        let on_bytes = |value: Value, change: fn(Vec<u8>) -> Vec<u8>| Value::Bytes(change(value.bytes()));
        match self {
            Self::Sum => match value {
                Value::List(items) => Value::Int(items.iter().filter_map(Value::as_int).sum()),
                other => other,
            },
            Self::Square => match value {
                Value::List(items) => Value::List(items.into_iter().map(|item| self.apply(item)).collect()),
                other => other.as_int().map_or(other, |n| Value::Int(n * n)),
            },
            Self::Upper => on_bytes(value, |bytes| bytes.to_ascii_uppercase()),
            Self::Lower => on_bytes(value, |bytes| bytes.to_ascii_lowercase()),
            Self::Rev => on_bytes(value, |bytes| bytes.into_iter().rev().collect()),
            Self::Rev4k => {
                on_bytes(value, |bytes| bytes.chunks(4096).flat_map(|block| block.iter().rev().copied()).collect())
            }
            Self::Lines => Value::Int(value.bytes().iter().filter(|byte| **byte == b'\n').count() as i128),
        }
    }
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTemplate {
    /// A `{` that nothing closes, at this byte.
    #[error("this `{{` is never closed (write `{{{{` for a brace)")]
    Open(usize),
    /// A `}` that nothing opens, at this byte.
    #[error("this `}}` closes nothing (write `}}}}` for a brace)")]
    Close(usize),
    /// Not a name between the braces.
    #[error("`{1}` is no name of a value")]
    Name(usize, String),
    /// No such filter.
    #[error("no filter is called `{1}` (there are upper, lower, rev, rev4k, lines, sum, square)")]
    Filter(usize, String),
}

impl BadTemplate {
    /// The byte of the text where it goes wrong.
    pub fn at(&self) -> usize {
        match self {
            Self::Open(at) | Self::Close(at) | Self::Name(at, _) | Self::Filter(at, _) => *at,
        }
    }
}

impl Template {
    /// Reads a template. The position in an error counts bytes of `text`.
    pub fn parse(text: &str) -> Result<Self, BadTemplate> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text.char_indices().peekable();
        while let Some((at, c)) = rest.next() {
            let doubled = rest.peek().is_some_and(|(_, next)| *next == c);
            match c {
                '{' | '}' if doubled => {
                    rest.next();
                    literal.push(c);
                }
                '}' => return Err(BadTemplate::Close(at)),
                '{' => {
                    if !literal.is_empty() {
                        pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                    }
                    let end = text[at..].find('}').ok_or(BadTemplate::Open(at))? + at;
                    pieces.push(hole(&text[at + 1..end], at + 1)?);
                    while rest.next_if(|(inside, _)| *inside <= end).is_some() {}
                }
                _ => literal.push(c),
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Self { pieces })
    }

    /// A template without holes.
    pub fn literal(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { pieces: if text.is_empty() { Vec::new() } else { vec![Piece::Literal(text)] } }
    }

    /// Its pieces in order.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The names of the values it needs, in order of appearance.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Hole { name, .. } => Some(name.as_str()),
            Piece::Literal(_) => None,
        })
    }

    /// The bytes that it stands for.
    ///
    /// # Errors
    /// The name of the first value that `values` has not.
    pub fn resolve(&self, values: &Values) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => bytes.extend_from_slice(text.as_bytes()),
                Piece::Hole { name, filters } => {
                    let value = values.get(name).cloned().ok_or_else(|| name.clone())?;
                    bytes.extend(filters.iter().fold(value, |value, filter| filter.apply(value)).bytes());
                }
            }
        }
        Ok(bytes)
    }

    /// The value itself where the template is one hole and nothing else, its bytes otherwise.
    ///
    /// # Errors
    /// The name of the first value that `values` has not.
    pub fn resolve_value(&self, values: &Values) -> Result<Value, String> {
        if let [Piece::Hole { name, filters }] = self.pieces.as_slice() {
            let value = values.get(name).cloned().ok_or_else(|| name.clone())?;
            return Ok(filters.iter().fold(value, |value, filter| filter.apply(value)));
        }
        self.resolve(values).map(Value::Bytes)
    }
}

/// Reads what stands between the braces; `at` is its place in the whole text.
fn hole(inside: &str, at: usize) -> Result<Piece, BadTemplate> {
    let mut parts = inside.split('|');
    let name = parts.next().unwrap_or_default();
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '?';
    if name.is_empty() || !name.chars().all(word) {
        return Err(BadTemplate::Name(at, name.to_owned()));
    }
    let mut offset = at + name.len();
    let mut filters = Vec::new();
    for part in parts {
        offset += 1;
        filters.push(Filter::named(part).ok_or_else(|| BadTemplate::Filter(offset, part.to_owned()))?);
        offset += part.len();
    }
    Ok(Piece::Hole { name: name.to_owned(), filters })
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}"))?,
                Piece::Hole { name, filters } => {
                    write!(f, "{{{name}")?;
                    for filter in filters {
                        write!(f, "|{}", filter.name())?;
                    }
                    f.write_str("}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let values = Values::from_iter([
            ("word".to_owned(), Value::Text("kettle".into())),
            ("n".to_owned(), Value::Int(7)),
            ("items".to_owned(), Value::List(vec![Value::Int(2), Value::Int(3)])),
        ]);
        let template = Template::parse(text).expect("a good template");
        assert_eq!(template.to_string(), text, "prints as it was written");
        assert_eq!(
            template.resolve(&values).map(|b| String::from_utf8_lossy(&b).into_owned()),
            Ok(expected.to_owned())
        );
    }

    #[test]
    fn holes_take_values_and_filters() {
        check("", "");
        check("plain", "plain");
        check("{word}\n", "kettle\n");
        check("{word|upper|rev}!", "ELTTEK!");
        check("{{{word}}}", "{kettle}");
        check("{n|square} {items|sum}", "49 5");
        check("{word}{n}", "kettle7");
    }

    #[test]
    fn mistakes_are_placed() {
        for (text, at) in [("ab{c", 2), ("a}b", 1), ("{a b}", 1), ("{a|up}", 3), ("{}", 1), ("{a|upper|x}", 9)] {
            assert_eq!(Template::parse(text).map_err(|e| e.at()), Err(at), "{text}");
        }
    }
}
