//! Signals as values: standard ones by name, real-time ones by their distance from SIGRTMIN.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A signal number, 1 to 64 (signal(7)). Prints as `INT` or `RTMIN+3`, without the `SIG`.
///
/// `nix::sys::signal::Signal` has no real-time signals, and a status that names one would be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(u8);

/// The kernel's first real-time signal number; glibc keeps 32 and 33 for itself (nptl(7)).
const KERNEL_RTMIN: u8 = 32;
/// What a program sees as SIGRTMIN under glibc (signal(7)).
const GLIBC_RTMIN: u8 = 34;
const LAST: u8 = 64;

/// Names by number, from 1 (signal(7), the column that x86 and ARM share).
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
];

impl Signal {
    /// SIGINT.
    pub const INT: Self = Self(2);
    /// SIGTRAP.
    pub const TRAP: Self = Self(5);
    /// SIGABRT.
    pub const ABRT: Self = Self(6);
    /// SIGBUS.
    pub const BUS: Self = Self(7);
    /// SIGKILL.
    pub const KILL: Self = Self(9);
    /// SIGSEGV.
    pub const SEGV: Self = Self(11);
    /// SIGPIPE.
    pub const PIPE: Self = Self(13);
    /// SIGTERM.
    pub const TERM: Self = Self(15);
    /// SIGCHLD.
    pub const CHLD: Self = Self(17);
    /// SIGCONT.
    pub const CONT: Self = Self(18);
    /// SIGSTOP.
    pub const STOP: Self = Self(19);

    /// SIGXFSZ.
    pub const XFSZ: Self = Self(25);

    /// The signal with this number, if there is one.
    pub fn from_number(number: i32) -> Option<Self> {
        u8::try_from(number).ok().filter(|n| (1..=LAST).contains(n)).map(Self)
    }

    /// The kernel's number, 1 to 64.
    pub fn number(self) -> i32 {
        i32::from(self.0)
    }

    /// Whether the default action leaves the process running as it was: ignored, or continued (signal(7)).
    pub fn default_is_harmless(self) -> bool {
        matches!(self.0, 17 | 18 | 23 | 28)
    }

    /// Whether the default action stops the process (signal(7)).
    pub fn default_stops(self) -> bool {
        matches!(self.0, 19..=22)
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n @ 1..KERNEL_RTMIN => f.pad(NAMES[usize::from(n) - 1]),
            GLIBC_RTMIN => f.pad("RTMIN"),
            n if n > GLIBC_RTMIN => f.pad(&format!("RTMIN+{}", n - GLIBC_RTMIN)),
            n => f.pad(&format!("RTMIN-{}", GLIBC_RTMIN - n)),
        }
    }
}

/// The text names no signal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no signal is named `{0}` (names are INT, TERM, USR1, CHLD, RTMIN+3 …)")]
pub struct UnknownSignal(pub String);

impl FromStr for Signal {
    type Err = UnknownSignal;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownSignal(text.to_owned());
        let name = text.strip_prefix("SIG").unwrap_or(text);
        if let Some(offset) = name.strip_prefix("RTMIN") {
            let offset = if offset.is_empty() { 0 } else { offset.parse::<i32>().map_err(|_| unknown())? };
            let number = i32::from(GLIBC_RTMIN).saturating_add(offset);
            return Self::from_number(number).filter(|s| s.0 >= KERNEL_RTMIN).ok_or_else(unknown);
        }
        let index = NAMES.iter().position(|known| *known == name).ok_or_else(unknown)?;
        Self::from_number(index as i32 + 1).ok_or_else(unknown)
    }
}

impl Serialize for Signal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Signal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_prints_and_parses_back() {
        for number in 1..=64 {
            let signal = Signal::from_number(number).expect("1 to 64 are signals");
            assert_eq!(signal.to_string().parse(), Ok(signal));
        }
    }

    #[test]
    fn names_are_those_of_the_manual() {
        for (name, number) in
            [("INT", 2), ("SIGTERM", 15), ("CHLD", 17), ("RTMIN", 34), ("RTMIN+3", 37), ("RTMIN-2", 32)]
        {
            assert_eq!(name.parse::<Signal>().map(Signal::number), Ok(number), "{name}");
        }
        for wrong in ["", "INTR", "RTMIN+99", "RTMIN-9", "sigint"] {
            assert!(wrong.parse::<Signal>().is_err(), "{wrong}");
        }
        assert_eq!(Signal::from_number(0), None);
        assert_eq!(Signal::from_number(65), None);
    }
}
