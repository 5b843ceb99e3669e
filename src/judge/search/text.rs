//! Values as bytes and steps as people read them.

use super::plan::How;
use crate::model::template::Piece;
use crate::model::{Template, Value, Values};
use crate::pattern::ast::Action;
use crate::trace::Bytes;

/// A step with its values: `read data "kettle\n"`. Long values are cut; where bytes differ, the finding shows them.
pub(super) fn step(action: &Action, values: &Values) -> String {
    let printed = action.to_string();
    // A printed action is a template itself: its holes are those of its texts and numbers.
    let Ok(template) = Template::parse(&printed) else { return printed };
    let mut text = String::new();
    for piece in template.pieces() {
        match piece {
            Piece::Literal(literal) => text.push_str(literal),
            Piece::Hole { name, filters } => match values.get(name) {
                Some(value) => {
                    let value = filters.iter().fold(value.clone(), |value, filter| filter.apply(value));
                    text.push_str(&short(&value.bytes()));
                }
                None => text.push_str(&format!("{{{name}}}")),
            },
        }
    }
    text
}

/// Bytes as text, the middle of a long one left out.
pub(super) fn short(bytes: &[u8]) -> String {
    const WHOLE: usize = 72;
    const PART: usize = 16;
    if bytes.len() <= WHOLE {
        return Bytes::from(bytes).to_string();
    }
    let (head, tail) = (Bytes::from(&bytes[..PART]), Bytes::from(&bytes[bytes.len() - PART..]));
    format!("{head} … {tail} ({} bytes)", bytes.len())
}

/// The endings that were allowed, or the one that came.
pub(super) fn endings(endings: &[How]) -> String {
    let one = |how: &How| match how {
        How::Exit(status) => format!("exit {status}"),
        How::Killed(signal) => format!("killed {signal}"),
    };
    endings.iter().map(one).collect::<Vec<_>>().join(" or ")
}

/// The bytes by which a value is known in memory: eight for a number that needs them, four for a smaller one.
pub(super) fn token(value: &Value) -> Vec<u8> {
    let Some(number) = value.as_int() else { return value.bytes() };
    if let Ok(number) = u32::try_from(number) {
        return number.to_ne_bytes().to_vec();
    }
    match (u64::try_from(number), i64::try_from(number)) {
        (Ok(number), _) => number.to_ne_bytes().to_vec(),
        (_, Ok(number)) => number.to_ne_bytes().to_vec(),
        _ => value.bytes(),
    }
}

/// Whether a message is this value: its text, or anything around it where it is a number that occurs by no accident.
pub(super) fn carries(message: &[u8], value: &Value) -> bool {
    let text = value.bytes();
    if message == text {
        return true;
    }
    let Some(number) = value.as_int().and_then(|number| u64::try_from(number).ok()) else { return false };
    number > u64::from(u32::MAX)
        && [&number.to_le_bytes()[..], &number.to_be_bytes()[..], &text]
            .iter()
            .any(|form| find(message, form, 0).is_some())
}

/// The first place at or after `from` where `wanted` stands.
pub(super) fn find(bytes: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    if wanted.is_empty() || bytes.len() < from + wanted.len() {
        return None;
    }
    bytes[from..].windows(wanted.len()).position(|window| window == wanted).map(|at| from + at)
}

/// How often `wanted` stands there, without overlap.
pub(super) fn count(bytes: &[u8], wanted: &[u8]) -> usize {
    let mut from = 0;
    let mut count = 0;
    while let Some(at) = find(bytes, wanted, from) {
        from = at + wanted.len();
        count += 1;
    }
    count
}
