//! The right and the wrong programs of the eight acceptance exercises, as runs.

mod channels;
mod memory;
mod processes;

use ipc_grade::model::{Signal, Value, Values};
use ipc_grade::trace::Trace;

/// What a run must come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As expected, every order forced.
    Accepted,
    /// A step is missing.
    Missing,
    /// A step too many.
    Surplus,
    /// Other bytes, another status.
    WrongData,
    /// In the wrong order.
    WrongOrder,
    /// What a `never` or `always` line rules out, or what a handler must not do.
    Forbidden,
    /// As expected, but by luck.
    Unforced,
}

/// A program by its run.
pub struct Program {
    pub exercise: &'static str,
    pub name: &'static str,
    pub verdict: Verdict,
    pub run: fn() -> Trace,
}

/// All of them.
pub fn all() -> Vec<Program> {
    [channels::programs(), memory::programs(), processes::programs()].into_iter().flatten().collect()
}

pub const BLOB: usize = 12_000;

/// Lines of letters.
pub fn blob() -> Vec<u8> {
    (0..BLOB).map(|at| if at % 64 == 63 { b'\n' } else { b'a' + (at * 7 % 26) as u8 }).collect()
}

pub fn rev4k(bytes: &[u8]) -> Vec<u8> {
    bytes.chunks(4096).flat_map(|block| block.iter().rev().copied()).collect()
}

pub const ITEMS: [u64; 4] =
    [10_000_000_000_000_000_007, 11_000_000_000_000_000_019, 12_000_000_000_000_000_011, 13_000_000_000_000_000_003];

pub const JOBS: [i128; 5] = [41, 17, 88, 23, 64];

/// The drawn values of an exercise.
pub fn values(exercise: &str) -> Values {
    let text = |text: &str| Value::Text(text.into());
    let list = |items: &[i128]| Value::List(items.iter().copied().map(Value::Int).collect());
    let pairs: Vec<(&str, Value)> = match exercise {
        "one_line" => vec![("word", text("kettle"))],
        "both_ways" => vec![("blob", Value::Bytes(blob()))],
        "pipeline" => vec![("text", text("wind\nrain\nsnow\n"))],
        "producer_consumer" => vec![("items", list(&ITEMS.map(i128::from))), ("slots", Value::Int(2))],
        "work_queue" => vec![("jobs", list(&JOBS))],
        "handle_interrupt" => vec![("sig", Value::Signal(Signal::TERM)), ("n", Value::Int(44))],
        "reap_on_sigchld" => vec![("n", Value::Int(4)), ("code", Value::Int(9))],
        "supervisor" => {
            vec![("k", Value::Int(3)), ("crash", Value::Signal(Signal::SEGV)), ("jobs", list(&[1001, 1002, 1003]))]
        }
        other => panic!("no exercise is called {other}"),
    };
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
