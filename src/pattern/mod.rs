//! The expected-trace language: what right processes do, as a text that a student can read.
//!
//! ```text
//! parent:
//!     pipe data then { fork child & write data "{word}\n" } then wait child -> exit 0
//!
//! child:
//!     read data "{word}\n" then stdout "{word|upper}\n"
//!     exit 0
//!
//! never child: write data
//! ```
//!
//! The grammar stands in [`parser`]. Printing an expected trace and parsing it again gives the same one.
//!
//! # In short
//! - The first lane is the program that was started (or `main`, where others are declared `below main` and it has no
//!   lane). Roles and bare object names are variables, bound to whichever process and object fit; `mkfifo names` is
//!   the path `names`, a quoted name is that very name, `stdin` is the program's standard input. Peers have no lanes.
//! - `a; b` (or two lines): starts in order and ends in order, so that composed steps may overlap. `a then b`: all of
//!   the one before any of the other. `a & b`: no order. `&` binds tightest, then `then`, then `;`; braces group.
//! - `write`, `read` and `stdout` are about bytes, not calls: the texts of one process on one stream stand one behind
//!   the other, in pieces of any size, and nothing else stands there.
//! - `send` and `receive` are one message each; a number too large for an accident (above 2^32) may stand inside
//!   whatever the message is. `store` and `load` find such a number anywhere in the memory, or a value at an offset.
//! - What a lane does not speak of: ends of file, stderr, forks, opens, closes, loads … are free; so is the end of a
//!   process whose lane names none, and the reaping of one that no line names. Bytes, messages and signals between
//!   roles are never free.
//! - `wait` is done by this role, `reaped` by whomever; `each` leaves out whom a step before it has collected.
//! - `repeat { … }` goes round as often as its first step happened; a `receive q ?j in {jobs}` there catches the item,
//!   which the steps behind it call `{?j}`.
//! - `always` looks at the run's own order, `never` at everything.
//!
//! Architecture invariant: pure, and it knows no run. What it means for a trace to be as expected is the judge's.

pub mod ast;
mod carried;
mod check;
mod lexer;
pub mod parser;
mod print;
pub mod values;

use std::ops::Range;

use crate::model::{Diagnostic, RoleName};
use ast::{Declaration, Lane, Rule, Span};

/// An expected trace. Displays as its own text, put in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// What is said about roles and objects.
    pub declarations: Vec<Declaration>,
    /// The processes' parts, in the order of the file.
    pub lanes: Vec<Lane>,
    /// What holds over several lanes.
    pub rules: Vec<Rule>,
    /// The program that was started: the role of the first lane, unless a declaration names another one.
    pub program: RoleName,
    /// Where it was read.
    pub origin: Origin,
}

/// The file that something was read from. All origins are equal: they are no part of what was said.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The file, relative to the course's folder.
    pub file: String,
    /// Its text.
    pub text: String,
}

impl PartialEq for Origin {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Origin {}

impl Expected {
    /// Reads an expected trace and checks its names: roles, objects, labels.
    ///
    /// # Errors
    /// The author's first mistake, with its place in `file`.
    pub fn parse(file: &str, text: &str) -> Result<Self, Diagnostic> {
        let expected = parser::parse(file, text)?;
        check::check(&expected)?;
        Ok(expected)
    }

    /// A mistake at a place of its text.
    pub fn mistake(&self, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::at(&self.origin.file, &self.origin.text, Range::from(span), message)
    }

    /// The line of a place, from 1.
    pub fn line(&self, span: Span) -> u32 {
        self.origin.text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() as u32 + 1
    }

    /// The lane of a role, where it has one.
    pub fn lane(&self, role: &RoleName) -> Option<&Lane> {
        self.lanes.iter().find(|lane| lane.role == *role)
    }

    /// Whether a role is a family, and then how it is declared.
    pub fn family(&self, role: &RoleName) -> Option<(&ast::Count, bool)> {
        self.declarations.iter().find_map(|declaration| match declaration {
            Declaration::Family { role: family, size, open, .. } if family == role => Some((size, *open)),
            _ => None,
        })
    }

    /// Whether a role's threads and the processes below it that play no role are part of it.
    pub fn may_delegate(&self, role: &RoleName) -> bool {
        self.declarations.iter().any(|it| matches!(it, Declaration::MayDelegate { role: who, .. } if who == role))
    }

    /// Whether one process may play both roles.
    pub fn may_be(&self, a: &RoleName, b: &RoleName) -> bool {
        self.declarations.iter().any(|declaration| match declaration {
            Declaration::MayBe { roles, other, .. } => {
                (roles.contains(a) && other == b) || (roles.contains(b) && other == a)
            }
            _ => false,
        })
    }
}
