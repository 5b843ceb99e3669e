//! Bytes changed in transit: what is written to a channel arrives as something else of the same length.
//!
//! The change is made in the writer's buffer for the length of its call, so that the kernel carries the new bytes and
//! every process downstream sees them; the writer's own memory is as before afterwards.

use std::collections::HashMap;

/// Which bytes become which, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Substitution {
    /// Paths and POSIX names of FIFOs and queues. A name that is neither stands for every anonymous pipe and socket.
    pub objects: Vec<String>,
    /// What is looked for, and what stands there instead; both of one length.
    pub pairs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A substitution at work: it remembers how far into a text each stream has come.
#[derive(Debug)]
pub(super) struct Exchange {
    substitution: Substitution,
    /// For each stream, the bytes at its end that may be the beginning of a text: as they were written.
    tails: HashMap<(u64, u64), Vec<u8>>,
}

impl Exchange {
    pub(super) fn new(mut substitution: Substitution) -> Self {
        substitution.pairs.retain(|(from, to)| from.len() == to.len() && !from.is_empty() && from != to);
        Self { substitution, tails: HashMap::new() }
    }

    /// Whether bytes on this object are changed; `path` is empty for anonymous pipes and sockets.
    pub(super) fn concerns(&self, path: &str, cwd: &str) -> bool {
        self.substitution.objects.iter().any(|object| is_named(object, path, cwd))
    }

    /// Changes the bytes that are about to go into the stream; whether anything changed.
    ///
    /// A text that comes in several writes is changed piece by piece: a stretch that can only be the beginning of one is
    /// taken for it.
    pub(super) fn apply(&mut self, stream: (u64, u64), bytes: &mut [u8]) -> bool {
        let tail = self.tails.remove(&stream).unwrap_or_default();
        let whole: Vec<u8> = tail.iter().chain(bytes.iter()).copied().collect();
        let mut changed = false;
        let mut at = 0;
        while at < whole.len() {
            let rest = &whole[at..];
            let hit = self.substitution.pairs.iter().find_map(|(from, to)| {
                let part = from.len().min(rest.len());
                (rest[..part] == from[..part]).then_some((part, from.len(), to))
            });
            let Some((part, full, to)) = hit else {
                at += 1;
                continue;
            };
            for (offset, byte) in to[..part].iter().enumerate() {
                if let Some(place) = (at + offset).checked_sub(tail.len()) {
                    changed |= bytes[place] != *byte;
                    bytes[place] = *byte;
                }
            }
            if part < full {
                self.tails.insert(stream, rest.to_vec());
            }
            at += part;
        }
        changed
    }
}

/// Whether an object is called so; `path` is empty for what is anonymous, and every name that is no path stands for.
pub(super) fn is_named(object: &str, path: &str, cwd: &str) -> bool {
    let relative = path.strip_prefix(cwd).map_or(path, |rest| rest.trim_start_matches('/'));
    if path.is_empty() { !object.starts_with('/') } else { object == relative || object == path }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange() -> Exchange {
        Exchange::new(Substitution {
            objects: vec!["data".into(), "/q".into(), "names".into()],
            pairs: vec![(b"kettle".to_vec(), b"window".to_vec()), (b"garden".to_vec(), b"island".to_vec())],
        })
    }

    fn check(writes: &[&str], expected: &[&str]) {
        let mut exchange = exchange();
        let carried: Vec<String> = writes
            .iter()
            .map(|text| {
                let mut bytes = text.as_bytes().to_vec();
                exchange.apply((1, 1), &mut bytes);
                String::from_utf8_lossy(&bytes).into_owned()
            })
            .collect();
        assert_eq!(carried, expected);
    }

    #[test]
    fn texts_are_exchanged_whole_and_in_pieces() {
        check(&["kettle\n"], &["window\n"]);
        check(&["a kettle, a garden"], &["a window, a island"]);
        check(&["ket", "tle\n"], &["win", "dow\n"]);
        check(&["k", "e", "t", "t", "l", "e"], &["w", "i", "n", "d", "o", "w"]);
        check(&["nothing here"], &["nothing here"]);
        check(&["kettlekettle"], &["windowwindow"]);
    }

    #[test]
    fn objects_are_paths_names_or_any_anonymous_channel() {
        let exchange = exchange();
        assert!(exchange.concerns("", "/work"));
        assert!(exchange.concerns("/work/names", "/work"));
        assert!(exchange.concerns("/q", "/work"));
        assert!(!exchange.concerns("/work/greetings", "/work"));
    }
}
