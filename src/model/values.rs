//! Drawn values: each run of a scenario has its own, and a seed gives them again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Signal;
use super::seed::{SPLIT_MIX_STEP, ValueSeed, split_mix};

/// What a scenario asks to be drawn. Draws of one kind have one length, so that bytes can be exchanged in transit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "draw", rename_all = "lowercase", deny_unknown_fields)]
pub enum Draw {
    /// A lower-case English word of six letters.
    Word,
    /// A whole number, both ends included.
    Int {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// Several whole numbers, no two alike.
    Ints {
        /// How many.
        count: usize,
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// A 64-bit number of twenty decimal digits (from 10^19 on), unlikely to be in a memory by accident.
    Token64,
    /// Lines of lower-case letters, that many bytes in all.
    Blob {
        /// How many bytes, the last of them a line feed.
        bytes: usize,
    },
    /// One of these signals.
    Signal {
        /// The signals to draw from.
        of: Vec<Signal>,
    },
}

/// A value in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Value {
    /// A text.
    Text(String),
    /// A number.
    Int(i128),
    /// Bytes that need not be text.
    Bytes(Vec<u8>),
    /// A signal.
    Signal(Signal),
    /// Several values.
    List(Vec<Value>),
}

/// The values of a run by name.
pub type Values = BTreeMap<String, Value>;

impl Value {
    /// As it stands in a text: numbers in decimal, signals by name, lists with a space between.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Int(n) => n.to_string().into_bytes(),
            Self::Bytes(bytes) => bytes.clone(),
            Self::Signal(signal) => signal.to_string().into_bytes(),
            Self::List(items) => items.iter().map(Self::bytes).collect::<Vec<_>>().join(&b' '),
        }
    }

    /// The number, where it is one or reads as one.
    pub fn as_int(&self) -> Option<i128> {
        match self {
            Self::Int(n) => Some(*n),
            Self::Text(text) => text.parse().ok(),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
            Self::Signal(_) | Self::List(_) => None,
        }
    }
}

/// Draws a scenario's values.
///
/// `salt` names the scenario, so that two scenarios under one seed differ; each value depends on its own name only,
/// so that adding one changes no other.
pub fn draw<'a>(draws: impl IntoIterator<Item = (&'a str, &'a Draw)>, salt: &str, seed: ValueSeed) -> Values {
    let mut drawn = Values::new();
    for (name, draw) in draws {
        let mut source = Source::new(&format!("{salt}\0{name}"), seed);
        // Two values of a scenario never coincide where there is a choice: equal draws would hide a mix-up.
        let mut value = one(draw, &mut source);
        for _ in 0..32 {
            if !drawn.values().any(|other| *other == value) {
                break;
            }
            value = one(draw, &mut source);
        }
        drawn.insert(name.to_owned(), value);
    }
    drawn
}

fn one(draw: &Draw, source: &mut Source) -> Value {
    match draw {
        Draw::Word => Value::Text(WORDS[source.below(WORDS.len() as u64) as usize].to_owned()),
        Draw::Int { min, max } => {
            let span = max.abs_diff(*min).saturating_add(1);
            Value::Int(i128::from(*min) + i128::from(source.below(span)))
        }
        Draw::Ints { count, min, max } => {
            let mut drawn: Vec<Value> = Vec::new();
            while drawn.len() < *count {
                let number = one(&Draw::Int { min: *min, max: *max }, source);
                // The course file has been checked: there are enough to draw from.
                if !drawn.contains(&number) {
                    drawn.push(number);
                }
            }
            Value::List(drawn)
        }
        Draw::Token64 => Value::Int(i128::from(10_000_000_000_000_000_000 + source.below(8_000_000_000_000_000_000))),
        Draw::Blob { bytes } => {
            let letter = |source: &mut Source| b'a' + source.below(26) as u8;
            let line = |at: usize, source: &mut Source| {
                if at % 64 == 63 || at + 1 == *bytes { b'\n' } else { letter(source) }
            };
            Value::Bytes((0..*bytes).map(|at| line(at, source)).collect())
        }
        Draw::Signal { of } if of.is_empty() => Value::Signal(Signal::TERM),
        Draw::Signal { of } => Value::Signal(of[source.below(of.len() as u64) as usize]),
    }
}

/// SplitMix64, started from a hash of what is drawn.
struct Source(u64);

impl Source {
    fn new(name: &str, seed: ValueSeed) -> Self {
        let digest = Sha256::new().chain_update(seed.0.to_le_bytes()).chain_update(name).finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        Self(u64::from_le_bytes(first))
    }

    fn next(&mut self) -> u64 {
        let drawn = split_mix(self.0);
        self.0 = self.0.wrapping_add(SPLIT_MIX_STEP);
        drawn
    }

    /// A number below `bound`, which is at least 1. The bias of the multiplication is below 2^-32 for our bounds.
    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }
}

/// Six letters each, none a part of another, none a word of the exercises' texts.
const WORDS: [&str; 64] = [
    "anchor", "basket", "bottle", "branch", "bridge", "bronze", "butter", "candle", "canvas", "castle", "cherry",
    "cobalt", "copper", "corner", "cotton", "desert", "dragon", "engine", "falcon", "forest", "garden", "ginger",
    "guitar", "hammer", "harbor", "helmet", "island", "jacket", "jungle", "kettle", "ladder", "lagoon", "legend",
    "magnet", "marble", "meadow", "mirror", "monkey", "museum", "needle", "nickel", "orange", "oyster", "paddle",
    "pebble", "pepper", "pillow", "planet", "pocket", "puzzle", "rabbit", "ribbon", "saddle", "salmon", "silver",
    "spider", "statue", "tunnel", "turtle", "velvet", "violin", "walnut", "window", "wizard",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn draws() -> Vec<(&'static str, Draw)> {
        vec![
            ("a", Draw::Word),
            ("b", Draw::Word),
            ("n", Draw::Int { min: 20, max: 90 }),
            ("t", Draw::Token64),
            ("x", Draw::Blob { bytes: 130 }),
            ("s", Draw::Signal { of: vec![Signal::INT, Signal::TERM] }),
        ]
    }

    fn drawn(seed: u32) -> Values {
        draw(draws().iter().map(|(n, d)| (*n, d)), "test", ValueSeed(seed))
    }

    #[test]
    fn a_seed_gives_its_values_again_and_another_gives_others() {
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
    }

    #[test]
    fn draws_have_their_ranges_and_lengths() {
        for seed in 0..500 {
            let values = drawn(seed);
            assert_ne!(values["a"], values["b"]);
            assert_eq!(values["a"].bytes().len(), 6);
            assert!((20..=90).contains(&values["n"].as_int().expect("a number")));
            assert_eq!(values["t"].bytes().len(), 20);
            assert!(values["t"].as_int().expect("a number") <= i128::from(u64::MAX));
            assert_eq!(values["x"].bytes().len(), 130);
            assert_eq!(values["x"].bytes().last(), Some(&b'\n'));
            assert!([Value::Signal(Signal::INT), Value::Signal(Signal::TERM)].contains(&values["s"]));
        }
    }

    #[test]
    fn words_have_six_letters_and_stand_once() {
        let distinct: std::collections::BTreeSet<_> = WORDS.iter().collect();
        assert_eq!(distinct.len(), WORDS.len());
        assert!(WORDS.iter().all(|w| w.len() == 6 && w.bytes().all(|b| b.is_ascii_lowercase())), "{WORDS:?}");
    }
}
