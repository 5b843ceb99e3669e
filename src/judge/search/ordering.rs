//! The order that the lanes ask for, against the order that the causes of the run give.
//!
//! A demand holds where causes force it. Where it only happened so it is *unforced*; where the run went the other way
//! it is wrong.

use std::collections::VecDeque;

use super::assign::{Assignment, Domain, Extent};
use super::plan::{Ask, Atom, Effect, Plan, Tree};
use crate::judge::matching::{Mark, ProblemKind, Unforced};
use crate::trace::canonical::Clock;
use crate::trace::{EventId, Order};

/// An end of an atom's extent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edge {
    First,
    Last,
}

/// One of the first group comes before one of the second.
#[derive(Debug, Clone)]
struct Demand {
    first: (Vec<usize>, Edge),
    second: (Vec<usize>, Edge),
}

impl Demand {
    fn between(first: usize, second: usize) -> Self {
        Self { first: (vec![first], Edge::Last), second: (vec![second], Edge::First) }
    }

    /// The pairs of atoms of which one has to be in order, with their events.
    fn pairs(&self, domains: &[Domain]) -> Vec<(usize, EventId, usize, EventId)> {
        let event = |atom: usize, at: Edge| edge(domains[atom][0], at);
        let seconds =
            |a: usize| self.second.0.iter().map(move |b| (a, event(a, self.first.1), *b, event(*b, self.second.1)));
        self.first.0.iter().flat_map(|a| seconds(*a)).collect()
    }

    fn holds(&self, order: &Order, domains: &[Domain], level: Level) -> bool {
        self.pairs(domains).iter().any(|(_, first, _, second)| level.holds(order, *first, *second))
    }
}

fn edge(extent: Extent, edge: Edge) -> EventId {
    match edge {
        Edge::First => extent.0,
        Edge::Last => extent.1,
    }
}

/// The demands of all lanes, of `before` lines, and of values that go through memory.
fn demands(plan: &Plan, domains: &[Domain], before: &[(String, String)]) -> Vec<Demand> {
    let mut demands = Vec::new();
    for tree in &plan.trees {
        of_tree(tree, plan, domains, &mut demands);
    }
    let labelled = |label: &str| -> Vec<usize> {
        let is = |(index, atom): &(usize, &Atom)| atom.label.as_deref() == Some(label) && !domains[*index].is_empty();
        plan.atoms.iter().enumerate().filter(is).map(|(index, _)| index).collect()
    };
    for (first, second) in before {
        for a in labelled(first) {
            demands.extend(labelled(second).into_iter().map(|b| Demand::between(a, b)));
        }
    }
    for (a, store) in plan.atoms.iter().enumerate() {
        let Ask::Effect(Effect::Store(place, value)) = &store.ask else { continue };
        for (b, load) in plan.atoms.iter().enumerate() {
            if let Ask::Effect(Effect::Load(from, seen)) = &load.ask
                && (store.object.as_ref(), place, value) == (load.object.as_ref(), from, seen)
                && !domains[a].is_empty()
                && !domains[b].is_empty()
            {
                demands.push(Demand::between(a, b));
            }
        }
    }
    demands
}

fn of_tree(tree: &Tree, plan: &Plan, domains: &[Domain], demands: &mut Vec<Demand>) {
    match tree {
        Tree::Atom(_) => {}
        Tree::Both(trees) => trees.iter().for_each(|tree| of_tree(tree, plan, domains, demands)),
        Tree::Sequence(trees) | Tree::Then(trees) => {
            trees.iter().for_each(|tree| of_tree(tree, plan, domains, demands));
            let there: Vec<&Tree> = trees.iter().filter(|tree| !starts(tree, domains).is_empty()).collect();
            for pair in there.windows(2) {
                let (a, b) = (pair[0], pair[1]);
                if matches!(tree, Tree::Then(_)) {
                    for first in ends(a, domains) {
                        demands.extend(starts(b, domains).into_iter().map(|second| Demand::between(first, second)));
                    }
                    continue;
                }
                // What never came neither begins nor ends anything: where a part would end is not known then.
                if !never_came(a, plan, domains, Edge::First) {
                    let from = starts(a, domains);
                    let start =
                        |start| Demand { first: (from.clone(), Edge::First), second: (vec![start], Edge::First) };
                    demands.extend(starts(b, domains).into_iter().map(start));
                }
                if !never_came(b, plan, domains, Edge::Last) {
                    let to = ends(b, domains);
                    let end = |end| Demand { first: (vec![end], Edge::Last), second: (to.clone(), Edge::Last) };
                    demands.extend(ends(a, domains).into_iter().map(end));
                }
            }
        }
    }
}

/// Whether the first or the last atom of a part is missing from the run.
fn never_came(tree: &Tree, plan: &Plan, domains: &[Domain], edge: Edge) -> bool {
    match tree {
        Tree::Atom(atom) => domains[*atom].is_empty() && !plan.atoms[*atom].optional,
        Tree::Both(trees) => trees.iter().any(|tree| never_came(tree, plan, domains, edge)),
        Tree::Sequence(trees) | Tree::Then(trees) => {
            let counts = |tree: &&Tree| never_came(tree, plan, domains, edge) || !starts(tree, domains).is_empty();
            let outermost = match edge {
                Edge::First => trees.iter().find(counts),
                Edge::Last => trees.iter().rev().find(counts),
            };
            outermost.is_some_and(|tree| never_came(tree, plan, domains, edge))
        }
    }
}

/// The atoms that a part may begin with, of those that happened.
fn starts(tree: &Tree, domains: &[Domain]) -> Vec<usize> {
    match tree {
        Tree::Atom(atom) if domains[*atom].is_empty() => Vec::new(),
        Tree::Atom(atom) => vec![*atom],
        Tree::Both(trees) => trees.iter().flat_map(|tree| starts(tree, domains)).collect(),
        Tree::Sequence(trees) | Tree::Then(trees) => {
            trees.iter().map(|tree| starts(tree, domains)).find(|atoms| !atoms.is_empty()).unwrap_or_default()
        }
    }
}

fn ends(tree: &Tree, domains: &[Domain]) -> Vec<usize> {
    match tree {
        Tree::Atom(_) => starts(tree, domains),
        Tree::Both(trees) => trees.iter().flat_map(|tree| ends(tree, domains)).collect(),
        Tree::Sequence(trees) | Tree::Then(trees) => {
            trees.iter().rev().map(|tree| ends(tree, domains)).find(|atoms| !atoms.is_empty()).unwrap_or_default()
        }
    }
}

/// A way in which a demand may be met.
#[derive(Debug, Clone, Copy)]
enum Level {
    /// By causes.
    Forced,
    /// At least in this run.
    Happened,
}

use Level::{Forced, Happened};

impl Level {
    fn holds(self, order: &Order, a: EventId, b: EventId) -> bool {
        match self {
            Forced => order.le(a, b),
            Happened => a <= b,
        }
    }
}

/// Two groups of events, each of which may be as large as the run: asked whether an event of one comes before *any* of
/// the other, it looks at each event once and not at each pair.
struct Between {
    level: Level,
    /// For each thread of the first group: its first place there, and how much of it comes before one of the second.
    threads: Vec<(u32, Clock, Clock)>,
    first: Option<EventId>,
    last: Option<EventId>,
}

impl Between {
    fn of(level: Level, order: &Order, firsts: &[EventId], seconds: &[EventId]) -> Self {
        let mut threads: Vec<(u32, Clock, Clock)> = Vec::new();
        if let Forced = level {
            for event in firsts {
                let (thread, place) = order.place(*event);
                match threads.iter_mut().find(|(of, ..)| *of == thread) {
                    Some((_, first, _)) => *first = (*first).min(place),
                    None => threads.push((thread, place, 0)),
                }
            }
            for event in seconds {
                for (thread, _, reach) in &mut threads {
                    *reach = (*reach).max(order.known(*event, *thread));
                }
            }
        }
        Self { level, threads, first: firsts.iter().min().copied(), last: seconds.iter().max().copied() }
    }

    /// Whether one of the second group comes after this event of the first.
    fn is_followed(&self, order: &Order, event: EventId) -> bool {
        match self.level {
            Happened => self.last.is_some_and(|last| event <= last),
            Forced => {
                let (thread, place) = order.place(event);
                self.threads.iter().any(|(of, _, reach)| *of == thread && place <= *reach)
            }
        }
    }

    /// Whether one of the first group comes before this event of the second.
    fn is_preceded(&self, order: &Order, event: EventId) -> bool {
        match self.level {
            Happened => self.first.is_some_and(|first| first <= event),
            Forced => self.threads.iter().any(|(thread, first, _)| *first <= order.known(event, *thread)),
        }
    }
}

/// Chooses one extent for each effect, such that as many demands as can be hold, and causes force them.
///
/// Arc consistency, then the first of what is left. It prefers what causes force; where that leads a choice astray
/// that goes well without, the choice by the run's order alone is taken.
fn choose(order: &Order, demands: &[Demand], domains: &mut Vec<Domain>) {
    if domains.iter().all(|domain| domain.len() <= 1) {
        return;
    }
    let mut best: Option<((usize, usize), Vec<Domain>)> = None;
    for levels in [&[Forced, Happened][..], &[Happened][..]] {
        let mut chosen = domains.clone();
        narrow(order, demands, &mut chosen, levels);
        let unmet = |level: Level| demands.iter().filter(|demand| !demand.holds(order, &chosen, level)).count();
        let cost = (unmet(Happened), unmet(Forced));
        if best.as_ref().is_none_or(|(least, _)| cost < *least) {
            best = Some((cost, chosen));
        }
    }
    if let Some((_, chosen)) = best {
        *domains = chosen;
    }
}

fn narrow(order: &Order, demands: &[Demand], domains: &mut [Domain], levels: &[Level]) {
    let pairs: Vec<(usize, Edge, usize, Edge)> = demands
        .iter()
        .filter_map(|demand| match (demand.first.0.as_slice(), demand.second.0.as_slice()) {
            ([a], [b]) if domains[*a].len() > 1 || domains[*b].len() > 1 => {
                Some((*a, demand.first.1, *b, demand.second.1))
            }
            _ => None,
        })
        .collect();
    let mut at = vec![Vec::new(); domains.len()];
    for (index, (a, _, b, _)) in pairs.iter().enumerate() {
        at[*a].push(index);
        at[*b].push(index);
    }
    let settle = |domains: &mut [Domain], mut queue: VecDeque<usize>| {
        while let Some(index) = queue.pop_front() {
            let (a, a_edge, b, b_edge) = pairs[index];
            for level in levels {
                let ends: Vec<EventId> = domains[a].iter().map(|it| edge(*it, a_edge)).collect();
                let begins: Vec<EventId> = domains[b].iter().map(|it| edge(*it, b_edge)).collect();
                let between = Between::of(*level, order, &ends, &begins);
                let kept = |x: &&Extent| between.is_followed(order, edge(**x, a_edge));
                let firsts: Domain = domains[a].iter().filter(kept).copied().collect();
                let kept = |y: &&Extent| between.is_preceded(order, edge(**y, b_edge));
                let seconds: Domain = domains[b].iter().filter(kept).copied().collect();
                if firsts.is_empty() {
                    continue;
                }
                for (atom, narrowed) in [(a, firsts), (b, seconds)] {
                    if narrowed.len() < domains[atom].len() {
                        domains[atom] = narrowed;
                        queue.extend(at[atom].iter().filter(|other| **other != index));
                    }
                }
                break;
            }
        }
    };
    settle(domains, (0..pairs.len()).collect());
    for atom in 0..domains.len() {
        if domains[atom].len() > 1 {
            domains[atom].truncate(1);
            settle(domains, at[atom].iter().copied().collect());
        }
    }
}

/// Chooses among effects and checks every demand; gives the orders that held unforced.
pub(super) fn check(assignment: &mut Assignment<'_>, before: &[(String, String)]) -> Vec<Unforced> {
    let facts = assignment.facts;
    let demands = demands(assignment.plan, &assignment.domains, before);
    choose(&facts.order, &demands, &mut assignment.domains);
    for (index, domain) in assignment.domains.iter().enumerate() {
        if matches!(assignment.plan.atoms[index].ask, Ask::Effect(_) | Ask::Fork(..)) {
            for extent in domain {
                assignment.marks.entry(extent.1).or_insert(Mark::Expected);
            }
        }
    }
    let mut unforced: Vec<Unforced> = Vec::new();
    let mut blamed = Vec::new();
    for demand in demands {
        if demand.holds(&facts.order, &assignment.domains, Forced) {
            continue;
        }
        let pairs = demand.pairs(&assignment.domains);
        if let Some((a, first, b, second)) = pairs.iter().find(|(_, first, _, second)| first <= second) {
            let held = Unforced {
                first: assignment.plan.atoms[*a].text.clone(),
                first_event: *first,
                second: assignment.plan.atoms[*b].text.clone(),
                second_event: *second,
                witness: None,
            };
            if !unforced.contains(&held) {
                unforced.push(held);
            }
        } else if let Some((a, first, b, second)) = pairs.first() {
            // One step out of place breaks several demands; it is said once.
            if !blamed.contains(b) {
                blamed.push(*b);
                let kind =
                    ProblemKind::WrongOrder { first: assignment.plan.atoms[*a].text.clone(), first_event: *first };
                assignment.problem(*b, kind, Some(*second));
            }
        }
    }
    unforced
}
