//! The levels of isolation, from the best to none, and what each does not hold.

use serde::{Deserialize, Serialize};

/// What stands between a program and the machine; stated with every result. The better one is the smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// L0: namespaces of its own of every kind but cgroup and time, limits by process, and a cgroup that bounds the
    /// run's memory and processes.
    Cgroup,
    /// L1: the same without a cgroup: what a run holds in all is counted and not bounded.
    Namespaces,
    /// L2: no namespaces: what it can reach is bounded by Landlock (landlock(7)), the filter and the recorder, and its
    /// objects are swept away after it.
    Landlock,
    /// L3: limits by process, the filter and the recorder alone.
    Limits,
    /// Nothing: the program ran where it stood.
    None,
}

impl Isolation {
    /// Those that there is a box for, the best first.
    pub const LEVELS: [Self; 4] = [Self::Cgroup, Self::Namespaces, Self::Landlock, Self::Limits];

    /// The word of reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cgroup => "cgroup",
            Self::Namespaces => "namespaces",
            Self::Landlock => "landlock",
            Self::Limits => "limits",
            Self::None => "none",
        }
    }

    /// The short name that people give it: `L0` to `L3`.
    pub fn level(self) -> &'static str {
        match self {
            Self::Cgroup => "L0",
            Self::Namespaces => "L1",
            Self::Landlock => "L2",
            Self::Limits => "L3",
            Self::None => "-",
        }
    }

    /// The one of this name or level.
    pub fn named(name: &str) -> Option<Self> {
        let known = |it: &Self| it.name() == name || it.level().eq_ignore_ascii_case(name);
        Self::LEVELS.into_iter().find(known)
    }

    /// Whether the box is namespaces of its own: enough for code that nobody has looked at.
    pub fn is_own_world(self) -> bool {
        self <= Self::Namespaces
    }

    /// What it does not hold, in words for people; nothing where all is held.
    pub fn not_held(self) -> &'static [&'static str] {
        /// What the machine shares with a program where there are no namespaces.
        const SHARED: &[&str] = &[
            "names of shared memory, queues and semaphores are the machine's: the program meets what is there",
            "process ids are the machine's and differ from run to run, as addresses do where a container's filter has them drawn",
            "POSIX queues are refused where /dev/mqueue is not mounted",
            "memory and files of all processes together: counted by the recorder, not bounded by the kernel",
        ];
        const OPEN: &[&str] = &[
            SHARED[0],
            SHARED[1],
            SHARED[3],
            "every file that this user may read or write can be read or written",
            "processes of this user can be looked into and their abstract sockets reached, peers of an exercise among them",
        ];
        match self {
            Self::Cgroup => &[],
            Self::Namespaces => {
                &["memory of all processes together: counted by the recorder, not bounded by the kernel"]
            }
            Self::Landlock => SHARED,
            Self::Limits => OPEN,
            Self::None => &["anything"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_two_names_each() {
        for level in Isolation::LEVELS {
            assert_eq!(Isolation::named(level.name()), Some(level));
            assert_eq!(Isolation::named(level.level()), Some(level));
            assert_eq!(serde_json::to_value(level).ok(), Some(level.name().into()));
            assert_eq!(level.not_held().is_empty(), level == Isolation::Cgroup);
        }
        assert_eq!(Isolation::named("L4"), None);
        assert!(Isolation::Cgroup < Isolation::Namespaces && !Isolation::Landlock.is_own_world());
    }
}
