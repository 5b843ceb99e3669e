//! What a command asks of the machine before it runs anybody's program.

use anyhow::Context;

use super::terminal::Terminal;
use crate::report::Report;
use crate::sandbox::remedies::Platform;
use crate::sandbox::{Isolation, probe};

/// A machine that does not hold what a batch asks for.
#[derive(Debug, thiserror::Error)]
#[error(
    "this machine isolates programs at {} ({}) and no better, which is no place for code that nobody has looked at\n  \
     not held: {}\n  to get L1 ({}): {}\n  to grade all the same: --isolation {}",
    .0.level(), .0.name(), .0.not_held().join("; "), Platform::here().name(),
    Platform::here().command(Isolation::Namespaces), .0.level()
)]
pub(super) struct NotHeld(Isolation);

/// The level at which a batch runs: the one that was asked for, or the best there is, if that is L1 at least.
///
/// To be called while this process has one thread.
///
/// # Errors
/// [`NotHeld`]; a level that this machine does not give, and why.
pub(super) fn for_batch(asked: Option<Isolation>) -> anyhow::Result<Isolation> {
    match asked {
        Some(level) => {
            probe::works(level)?.with_context(|| format!("failed to isolate programs at {}", level.level()))?;
            Ok(level)
        }
        None => {
            let best = probe::best().context("failed to isolate programs at all: see `ipc-grade doctor`")?;
            if best.is_own_world() { Ok(best) } else { Err(NotHeld(best).into()) }
        }
    }
}

/// Says what was not held, where programs did not run in a world of their own.
pub(super) fn note(report: &Report, terminal: &Terminal) {
    let isolation = report.isolation.as_deref().and_then(Isolation::named);
    if let Some(level) = isolation.filter(|level| !level.is_own_world()) {
        terminal.note(&format!("isolation {} ({}): {}", level.level(), level.name(), level.not_held().join("; ")));
    }
}
