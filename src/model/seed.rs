//! Seeds, and the token that holds both of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Decides the drawn values of a scenario. Prints in hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ValueSeed(pub u32);

/// Decides the order in which processes run; 0 is in order of creation. Prints in decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScheduleSeed(pub u32);

impl fmt::Display for ValueSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl fmt::Display for ScheduleSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The state after `state` in SplitMix64's sequence, mixed: a number that looks like any other (Steele, Lea, Flood,
/// OOPSLA 2014). Values, schedules and the entropy of a run are drawn with it; no seed may ever give another draw.
pub fn split_mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(SPLIT_MIX_STEP);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// How far apart the states of SplitMix64 lie.
pub const SPLIT_MIX_STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// `VALUE.SCHEDULE`, as in `7f3a.12`; a bare number is a schedule seed with the source's own value seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// The value seed, unless the source's own is meant.
    pub values: Option<ValueSeed>,
    /// The schedule seed.
    pub schedule: ScheduleSeed,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.values {
            Some(values) => write!(f, "{values}.{}", self.schedule),
            None => write!(f, "{}", self.schedule),
        }
    }
}

/// The text is no seed token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no seed: write VALUE.SCHEDULE as a report prints it (7f3a.12), or a schedule number alone (12)")]
pub struct BadToken(pub String);

impl FromStr for Token {
    type Err = BadToken;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadToken(text.to_owned());
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_hexdigit());
        let (values, schedule) = match text.split_once('.') {
            Some((values, schedule)) if digits(values) => {
                (Some(ValueSeed(u32::from_str_radix(values, 16).map_err(|_| bad())?)), schedule)
            }
            Some(_) => return Err(bad()),
            None => (None, text),
        };
        if !digits(schedule) {
            return Err(bad());
        }
        Ok(Self { values, schedule: ScheduleSeed(schedule.parse().map_err(|_| bad())?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_print_and_parse_back() {
        for text in ["7f3a.12", "0.0", "12", "ffffffff.4294967295"] {
            assert_eq!(text.parse::<Token>().map(|t| t.to_string()).as_deref(), Ok(text));
        }
        for wrong in ["", ".", "7f3a.", ".12", "x.1", "1.x", "1.2.3", "+1", "-1", "1ffffffff.1", "4294967296"] {
            assert!(wrong.parse::<Token>().is_err(), "{wrong}");
        }
    }
}
