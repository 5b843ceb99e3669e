//! The search for the assignment under which a trace is as expected, or comes closest.
//!
//! 1. [`cast`] binds roles to lives, parents first; [`bind`] binds names to objects.
//! 2. [`plan`] unrolls the lanes under such an assignment into single demands, *atoms*, in a tree of order.
//! 3. [`assign`] hands out the strict events, each once ([`streams`] divides byte strings, [`memory`] finds values in
//!    shared memory) and looks for effects; [`ordering`] asks whether causes force the order that the lanes ask for;
//!    [`rules`] checks what holds over several lanes, [`forced`] what no kernel does.
//! 4. The assignment with the lowest cost wins; of equal ones the first, in order of creation. [`rows`] draws it.
//!
//! Events are of three classes. *Strict*: bytes of bound streams and of stdout, messages of bound queues, signals
//! between roles, and a role's end and its reaping where the lanes speak of them: each event is for one step, each step
//! is for its events. *Effects*: a fork, an open, a take, a load, an acquire …: a step asks for at least one, more are
//! free. *Housekeeping*: everything else, free. Peers play no roles and nothing that they do is too much.
//!
//! The first two offer what fits first, so that for a right program the first try is nearly always the last.

mod assign;
mod bind;
mod cast;
mod facts;
mod forced;
mod memory;
mod messages;
mod ordering;
mod plan;
mod rows;
mod rules;
mod streams;
mod text;

use std::collections::BTreeMap;

use self::assign::Assignment;
use self::bind::Binding;
use self::cast::{Cast, Casting};
use self::facts::Facts;
use self::plan::{Objects, Plan};
use super::matching::Matching;
use crate::model::{Diagnostic, Values};
use crate::pattern::Expected;
use crate::pattern::ast::Rule;
use crate::trace::Trace;

/// How many assignments and divisions of streams are tried at most.
const BUDGET: u32 = 100_000;

/// Matches a trace with an expected one: the best assignment, and what remains wrong under it.
///
/// # Errors
/// The author's mistakes only: a value that the scenario does not draw, or an expected trace so ambiguous that the
/// search for an assignment is over its budget.
pub fn match_trace(expected: &Expected, values: &Values, trace: &Trace) -> Result<Matching, Diagnostic> {
    let facts = Facts::of(trace);
    let binding = Binding::new(expected, &facts, values)?;
    let casting = Casting::new(expected, &facts, values)?;
    let before = expected.rules.iter().filter_map(|rule| match rule {
        Rule::Before { first, second, .. } => Some((first.clone(), second.clone())),
        _ => None,
    });
    let mut search = Search { expected, values, facts: &facts, before: before.collect(), nodes: BUDGET, best: None };
    casting.each(&mut |cast: &Cast| binding.each(cast, &mut |objects| search.attempt(cast, objects)))?;
    Ok(search.best.map(|(_, matching)| matching).expect("there is always a cast, if an empty one"))
}

struct Search<'a> {
    expected: &'a Expected,
    values: &'a Values,
    facts: &'a Facts<'a>,
    before: Vec<(String, String)>,
    nodes: u32,
    /// The lowest cost so far: what is wrong, then what is unforced.
    best: Option<((u32, usize), Matching)>,
}

impl Search<'_> {
    /// Judges one assignment; whether a better one can be.
    fn attempt(&mut self, cast: &Cast, objects: &Objects) -> Result<bool, Diagnostic> {
        // A trial takes as long as the run is.
        self.nodes = self.nodes.saturating_sub(1 + self.facts.trace.events.len() as u32 / 100);
        let plan = Plan::make(self.expected, self.facts, cast, objects, self.values)?;
        let free = rules::free_messages(self.expected, self.values, objects)?;
        let mut assignment = Assignment::of(&plan, self.facts, cast, objects, &free, &mut self.nodes);
        let unforced = ordering::check(&mut assignment, &self.before);
        rules::check(self.expected, self.values, &mut assignment)?;
        forced::check(&mut assignment);
        if self.nodes == 0 {
            let message = "matching this expected trace with a run takes too long";
            let diagnostic = Diagnostic::of_file(&self.expected.origin.file, message);
            return Err(diagnostic.help("say more about who uses which object, or give parallel steps different texts"));
        }
        let cost = (assignment.cost, unforced.len());
        if self.best.as_ref().is_none_or(|(best, _)| cost < *best) {
            let lanes = rows::rows(&assignment);
            let mut problems = std::mem::take(&mut assignment.problems);
            problems.sort_by_key(|problem| (problem.event, problem.line));
            let objects: BTreeMap<_, _> =
                objects.iter().filter_map(|(name, object)| Some((name.clone(), (*object)?))).collect();
            let matching = Matching { roles: cast.roles.clone(), objects, problems, unforced, lanes };
            self.best = Some((cost, matching));
        }
        Ok(cost != (0, 0))
    }
}
