//! The `[[scenario.fault]]` tables of an exercise: what goes wrong with the program's calls in a scenario.
//!
//! ```toml
//! [[scenario.fault]]                    # each read from the pipe gets at most 3 bytes
//! on   = "data"
//! call = "read"
//! most = 3
//!
//! [[scenario.fault]]                    # the second receive is interrupted
//! on    = "/{name}-orders"
//! call  = "receive"
//! error = "EINTR"
//! after = 1                             # so many go well first; 0 unless said
//! times = 1                             # so many go wrong; unless said, one where there is an error, else all
//! ```
//!
//! `call` is read, write, open, send or receive, with the object in `on`, or wait or fork, without one. `on` is a path, a
//! POSIX name, `stdin`, `stdout`, `stderr`, or a name of the expected trace, which stands for every anonymous pipe and
//! socket and every System V queue. The learner's processes alone are meant, all together, in the order of the run; peers
//! never are. A peer that dies at a named event needs no fault: its steps are `when …`, then `die`.
//!
//! An error is one that the call may give: `EINTR` where the task says that a call may be interrupted, `EAGAIN` where
//! the program asked not to wait. A program is right only by what its task tells it.

use super::document::{Document, Fields, Item, Scope};
use super::scenario::accept;
use crate::model::fault::LEAST_WRITTEN;
use crate::model::{Fault, FaultError, FaultyCall, Mishap, Template};

/// Reads a fault; `None` where it lacks what it cannot be without.
pub(super) fn read(document: &Document<'_>, fields: Fields<'_, '_>, scope: &Scope) -> Option<Fault<Template>> {
    let span = fields.span();
    let call = fields.required("call", "\"read\" (or write, open, send, receive, wait, fork)");
    let call = call.and_then(|item| item.one_of("call that can go wrong", &FaultyCall::ALL));
    let on = object(document, &fields, call, scope);
    let most = fields.optional("most");
    let error = fields.optional("error");
    if most.is_some() == error.is_some() {
        let help = "expected: most = 1, or error = \"EINTR\"".to_owned();
        let message = "a fault has either `most` or `error`".to_owned();
        document.mistake(span, message, Some(help));
    }
    let becomes = match (&most, &error) {
        (Some(item), None) => at_most(item, call).map(Mishap::AtMost),
        (None, Some(item)) => item.one_of("error", FaultError::ALL).map(Mishap::Fails),
        _ => None,
    };
    let after = fields.optional("after").map_or(Some(0), |item| item.number(0));
    let times = match fields.optional("times") {
        Some(item) => item.number(1).map(Some),
        // A program that makes the call again must come to its end.
        None => Some(error.is_some().then_some(1)),
    };
    fields.finish();
    Some(Fault { on: on?, call: call?, becomes: becomes?, after: after?, times: times? })
}

/// The object's name, where the call has one; `None` where there is a mistake in it.
fn object(
    document: &Document<'_>,
    fields: &Fields<'_, '_>,
    call: Option<FaultyCall>,
    scope: &Scope,
) -> Option<Option<Template>> {
    if call.is_none_or(FaultyCall::has_object) {
        let text = fields.required("on", "\"data\"")?.text()?;
        return accept(document, scope.template(&text)).map(Some);
    }
    if let Some(item) = fields.optional("on") {
        item.wrong("this call is about no object", "expected: no `on` beside wait and fork");
        return None;
    }
    Some(None)
}

fn at_most(item: &Item<'_, '_>, call: Option<FaultyCall>) -> Option<u64> {
    let most = item.number(1)?;
    match call {
        Some(call) if !call.moves_bytes() => {
            item.wrong("only reads and writes move a part of their bytes", "expected: error = \"EINTR\"");
            None
        }
        // Cut shorter it would not be what any kernel does.
        Some(FaultyCall::Write) if most < LEAST_WRITTEN => {
            let message = format!("a write of up to {LEAST_WRITTEN} bytes goes into a pipe whole (pipe(7))");
            item.wrong(message, format!("expected: {LEAST_WRITTEN} or more"));
            None
        }
        _ => Some(most),
    }
}
