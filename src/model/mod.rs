//! The vocabulary of the whole program: ids, seeds, drawn values, exercises, limits, signals.
//!
//! Architecture invariant: pure data. This layer opens no file, makes no system call and uses no other layer.

pub mod code;
pub mod diagnostic;
pub mod exercise;
pub mod fault;
pub mod ids;
pub mod limits;
pub mod peer;
pub mod schedule;
pub mod seed;
pub mod signal;
pub mod signal_safety;
pub mod sleepers;
pub mod template;
pub mod values;

pub use code::Code;
pub use diagnostic::Diagnostic;
pub use exercise::{CheckKind, CheckSpec, Exercise, Invariant, PeerSpec, Scenario, Stdin, Track};
pub use fault::{Fault, FaultError, FaultyCall, Mishap};
pub use ids::{CheckId, ExerciseId, PeerName, RoleName, ScenarioId};
pub use limits::Limits;
pub use schedule::{Held, Hold, Place, Played, Schedule, Strategy, Turn};
pub use seed::{ScheduleSeed, Token, ValueSeed};
pub use signal::Signal;
pub use sleepers::Sleepers;
pub use template::Template;
pub use values::{Draw, Value, Values};
