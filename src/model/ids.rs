//! Names that people write, each with a type of its own so that one is never taken for another.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(String);

        impl $type {
            /// Takes the name as it stands.
            pub fn new(name: impl Into<String>) -> Self {
                Self(name.into())
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl From<&str> for $type {
            fn from(name: &str) -> Self {
                Self::new(name)
            }
        }
    };
}

name! {
    /// An exercise by its folder: `02_pipes/one_line`.
    ExerciseId
}
name! {
    /// A check of an exercise, unique within it: `trace`, `clean`, `greets`.
    CheckId
}
name! {
    /// A scenario of an exercise, unique within it.
    ScenarioId
}
name! {
    /// A peer of a scenario, unique within it.
    PeerName
}
name! {
    /// A role of an expected trace: `parent`, `child`, `worker`.
    RoleName
}

impl ExerciseId {
    /// The chapter's folder: `02_pipes` of `02_pipes/one_line`.
    pub fn chapter(&self) -> &str {
        self.0.split_once('/').map_or("", |(chapter, _)| chapter)
    }

    /// The exercise's own name, which people type: `one_line`.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(self.0.as_str(), |(_, name)| name)
    }
}
