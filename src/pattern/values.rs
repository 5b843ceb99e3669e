//! Arguments of steps under a run's drawn values.
//!
//! What goes wrong here is the author's: a value that the scenario does not draw, or one of another kind. Errors are
//! messages; the caller knows the place.

use super::ast::{Count, List, Number, SignalArg, Text};
use crate::model::{Signal, Template, Value, Values};

/// The bytes of each alternative of a text.
///
/// # Errors
/// A value that is not drawn.
pub fn text(text: &Text, values: &Values) -> Result<Vec<Vec<u8>>, String> {
    text.alternatives.iter().map(|template| template.resolve(values).map_err(not_drawn)).collect()
}

/// The items of a list.
///
/// # Errors
/// A value that is not drawn, or is no list.
pub fn list(list: &List, values: &Values) -> Result<Vec<Value>, String> {
    match list.0.resolve_value(values).map_err(not_drawn)? {
        Value::List(items) => Ok(items),
        _ => Err(format!("`{}` is no list", list.0)),
    }
}

/// A number.
///
/// # Errors
/// A value that is not drawn, or is no number, or too large.
pub fn number(number: &Number, values: &Values) -> Result<i64, String> {
    match number {
        Number::Literal(number) => Ok(*number),
        Number::Hole(template) => template
            .resolve_value(values)
            .map_err(not_drawn)?
            .as_int()
            .and_then(|number| number.try_into().ok())
            .ok_or_else(|| format!("`{template}` is no number")),
    }
}

/// How many.
///
/// # Errors
/// As [`number`].
pub fn count(count: &Count, values: &Values) -> Result<i64, String> {
    number(&count.base, values).map(|base| base.saturating_add(count.plus))
}

/// A signal.
///
/// # Errors
/// A value that is not drawn, or names no signal.
pub fn signal(signal: &SignalArg, values: &Values) -> Result<Signal, String> {
    match signal {
        SignalArg::Literal(signal) => Ok(*signal),
        SignalArg::Hole(template) => match template.resolve_value(values).map_err(not_drawn)? {
            Value::Signal(signal) => Ok(signal),
            other => String::from_utf8_lossy(&other.bytes())
                .parse()
                .map_err(|unknown: crate::model::signal::UnknownSignal| unknown.to_string()),
        },
    }
}

/// The value that a text is, where it is one hole; its bytes otherwise.
///
/// # Errors
/// A value that is not drawn.
pub fn value(template: &Template, values: &Values) -> Result<Value, String> {
    template.resolve_value(values).map_err(not_drawn)
}

fn not_drawn(name: String) -> String {
    match name.strip_prefix('?') {
        Some(_) => format!("`{name}` is not caught before this step"),
        None => format!("no value is called `{name}`"),
    }
}
