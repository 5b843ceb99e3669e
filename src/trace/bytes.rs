//! Bytes that were carried, readable where they are text.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes that a call carried.
///
/// In JSON and in print they are a text in which `\\`, `\n`, `\t`, `\r` and `\xNN` stand for what is not plain ASCII,
/// and valid UTF-8 stands as itself: `kettle\n`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes as [`fmt::Display`] writes them, read back.
    ///
    /// # Errors
    /// The byte offset of an escape that is none.
    pub fn unescape(text: &str) -> Result<Self, usize> {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.char_indices();
        while let Some((at, c)) = rest.next() {
            if c != '\\' {
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            match rest.next().map(|(_, c)| c) {
                Some('n') => bytes.push(b'\n'),
                Some('t') => bytes.push(b'\t'),
                Some('r') => bytes.push(b'\r'),
                Some('0') => bytes.push(0),
                Some(c @ ('\\' | '"')) => bytes.push(c as u8),
                Some('x') => {
                    let digits: String = rest.by_ref().take(2).map(|(_, c)| c).collect();
                    let byte = Some(digits).filter(|d| d.len() == 2).and_then(|d| u8::from_str_radix(&d, 16).ok());
                    bytes.push(byte.ok_or(at)?);
                }
                _ => return Err(at),
            }
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\\' => f.write_str("\\\\")?,
                    '\n' => f.write_str("\\n")?,
                    '\t' => f.write_str("\\t")?,
                    '\r' => f.write_str("\\r")?,
                    c if c.is_control() => {
                        for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                            write!(f, "\\x{byte:02x}")?;
                        }
                    }
                    c => write!(f, "{c}")?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<&str> for Bytes {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::unescape(&text).map_err(|at| serde::de::Error::custom(format!("no such escape at byte {at} of {text:?}")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_reads_back(bytes: Vec<u8>) {
            let bytes = Bytes(bytes);
            prop_assert_eq!(Bytes::unescape(&bytes.to_string()), Ok(bytes));
        }
    }

    #[test]
    fn text_stays_readable() {
        assert_eq!(Bytes::from("kettle\n").to_string(), "kettle\\n");
        assert_eq!(Bytes(vec![b'a', 0, 0xff]).to_string(), "a\\x00\\xff");
        assert_eq!(Bytes::unescape("a\\q"), Err(1));
        assert_eq!(Bytes::unescape("\\x4"), Err(0));
    }
}
