//! A lane under one assignment of roles and objects: single demands (*atoms*), and a tree that orders them.
//!
//! Loops are unrolled here, with the trace in hand: `each x in` by its list, `repeat` by what happened.

mod asks;

use std::collections::{BTreeMap, BTreeSet};

use super::cast::Cast;
use super::facts::{Facts, Way};
use super::text;
use crate::model::{Diagnostic, RoleName, Signal, Value, Values};
use crate::pattern::Expected;
use crate::pattern::ast::{Action, Maker, Node, ObjectName, Payload, Span, Step, Text, Who};
use crate::pattern::values;
use crate::trace::{EventId, LifeId, ObjectId, ObjectKind, Verb};

/// One thing that is asked of one process.
#[derive(Debug, Clone)]
pub(super) struct Atom {
    /// Whose lane: an index into [`Plan::players`].
    pub(super) player: usize,
    pub(super) ask: Ask,
    /// It may be left out.
    pub(super) optional: bool,
    /// It must come after this signal was taken.
    pub(super) on: Option<Signal>,
    /// As a person reads it, values resolved.
    pub(super) text: String,
    pub(super) line: u32,
    pub(super) label: Option<String>,
    /// The object's name in the expected trace, and what is bound to it.
    pub(super) object: Option<Named>,
    /// The way down the tree.
    pub(super) path: Vec<Turn>,
}

/// An object's name in the expected trace, and what is bound to it.
pub(super) type Named = (String, Option<ObjectId>);

/// What is asked.
#[derive(Debug, Clone)]
pub(super) enum Ask {
    /// Bytes of a stream, one of these texts.
    Bytes(Way, Vec<Vec<u8>>),
    /// A message, one of these, and its priority.
    Message(Way, Vec<Value>, Option<i64>),
    /// A signal to a life.
    Signal(Option<LifeId>, Signal),
    /// A life was collected, by this player or by whomever.
    Reaped(Option<LifeId>, Vec<How>, By),
    /// The player's own end.
    Ends(Vec<How>),
    /// A life began.
    Fork(Option<LifeId>, bool),
    /// At least one event of this sort.
    Effect(Effect),
}

/// Who collects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// The player.
    Player,
    /// Anybody of the learner's.
    Anyone,
}

/// What counts when it happens at least once.
#[derive(Debug, Clone)]
pub(super) enum Effect {
    Make(Maker),
    Exec(Vec<Vec<u8>>),
    Open,
    Unlink,
    EndOfFile,
    Stderr(Vec<Vec<u8>>),
    Store(Option<u64>, Vec<Vec<u8>>),
    Load(Option<u64>, Vec<Vec<u8>>),
    Acquire,
    Release,
    Ready(Signal),
    Take(Signal),
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Exit(i64),
    Killed(Signal),
}

/// Atoms in their order.
#[derive(Debug, Clone)]
pub(super) enum Tree {
    Atom(usize),
    Sequence(Vec<Tree>),
    Then(Vec<Tree>),
    Both(Vec<Tree>),
}

/// A lane's performance by one life.
#[derive(Debug, Clone)]
pub(super) struct Player {
    pub(super) role: RoleName,
    pub(super) life: Option<LifeId>,
    /// Signals that the lane has an `on` block for.
    pub(super) handles: BTreeSet<Signal>,
}

/// All lanes together.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) players: Vec<Player>,
    pub(super) atoms: Vec<Atom>,
    pub(super) trees: Vec<Tree>,
    /// Members of families that a fork step accounts for, where the lanes have fork steps for the family at all.
    pub(super) forks: BTreeMap<RoleName, BTreeSet<LifeId>>,
}

/// What objects' names stand for.
pub(super) type Objects = BTreeMap<String, Option<ObjectId>>;

impl Plan {
    pub(super) fn make(
        expected: &Expected,
        facts: &Facts<'_>,
        cast: &Cast,
        objects: &Objects,
        values: &Values,
    ) -> Result<Self, Diagnostic> {
        let mut planner = Planner {
            expected,
            facts,
            cast,
            objects,
            values: values.clone(),
            plan: Self::default(),
            optional: false,
            on: None,
            member: BTreeMap::new(),
            collected: BTreeSet::new(),
            after: None,
        };
        for lane in &expected.lanes {
            let lives: Vec<Option<LifeId>> = match (cast.lives(&lane.role), expected.family(&lane.role)) {
                ([], None) => vec![None],
                (lives, _) => lives.iter().copied().map(Some).collect(),
            };
            for life in lives {
                planner.plan.players.push(Player { role: lane.role.clone(), life, handles: BTreeSet::new() });
                let tree = planner.node(&lane.body)?;
                planner.plan.trees.push(tree);
            }
        }
        let mut plan = planner.plan;
        for tree in &plan.trees {
            set_paths(tree, &mut plan.atoms, &mut Vec::new());
        }
        Ok(plan)
    }

    /// The principal life of an atom's player.
    pub(super) fn life(&self, atom: &Atom) -> Option<LifeId> {
        self.players[atom.player].life
    }

    /// Whether one atom stands before another in the same lane, and not just beside it.
    pub(super) fn ordered(&self, a: usize, b: usize) -> bool {
        self.turns(a, b).is_some_and(|(a, b)| a.joint != Joint::Both && a.side < b.side)
    }

    /// Whether the tree demands one atom before another in every run: all of `a` before any of `b` for `a then b`, but
    /// for `a; b` only the first of all before the others, and the last of all behind them.
    pub(super) fn precedes(&self, a: usize, b: usize) -> bool {
        self.turns(a, b).is_some_and(|(a, b)| match a.joint {
            Joint::Then => a.side < b.side,
            Joint::Sequence => a.side < b.side && (a.begins || b.ends),
            Joint::Both => false,
        })
    }

    /// Where the ways down to two atoms of one lane part.
    fn turns(&self, a: usize, b: usize) -> Option<(Turn, Turn)> {
        let (a, b) = (&self.atoms[a], &self.atoms[b]);
        if a.player != b.player {
            return None;
        }
        a.path.iter().zip(&b.path).find(|(a, b)| a.side != b.side).map(|(a, b)| (*a, *b))
    }
}

/// How the sides of a node stand to one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joint {
    Sequence,
    Then,
    Both,
}

/// A step on the way down the tree to an atom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    joint: Joint,
    side: usize,
    /// The side can begin with nothing but this atom.
    begins: bool,
    /// The side can end with nothing but this atom.
    ends: bool,
}

impl Tree {
    fn sides(&self) -> Option<(Joint, &[Tree])> {
        match self {
            Self::Atom(_) => None,
            Self::Sequence(trees) => Some((Joint::Sequence, trees)),
            Self::Then(trees) => Some((Joint::Then, trees)),
            Self::Both(trees) => Some((Joint::Both, trees)),
        }
    }

    /// The one atom that this part begins (or ends) with, where it is one.
    fn only(&self, end: bool) -> Option<usize> {
        match self {
            Self::Atom(atom) => Some(*atom),
            Self::Sequence(trees) | Self::Then(trees) => {
                if end { trees.last() } else { trees.first() }.and_then(|tree| tree.only(end))
            }
            Self::Both(trees) => match trees.as_slice() {
                [tree] => tree.only(end),
                _ => None,
            },
        }
    }
}

fn set_paths(tree: &Tree, atoms: &mut [Atom], path: &mut Vec<Turn>) {
    let Some((joint, trees)) = tree.sides() else {
        if let Tree::Atom(atom) = tree {
            atoms[*atom].path.clone_from(path);
        }
        return;
    };
    let depth = path.len();
    for (side, tree) in trees.iter().enumerate() {
        path.push(Turn { joint, side, begins: false, ends: false });
        set_paths(tree, atoms, path);
        path.pop();
        tree.only(false).into_iter().for_each(|atom| atoms[atom].path[depth].begins = true);
        tree.only(true).into_iter().for_each(|atom| atoms[atom].path[depth].ends = true);
    }
}

struct Planner<'a> {
    expected: &'a Expected,
    facts: &'a Facts<'a>,
    cast: &'a Cast,
    objects: &'a Objects,
    values: Values,
    plan: Plan,
    optional: bool,
    on: Option<Signal>,
    /// In a loop over a family, the member that its name means.
    member: BTreeMap<RoleName, LifeId>,
    /// Lives that a step before this one collects: `each` means the others.
    collected: BTreeSet<LifeId>,
    /// In such a loop, the member's reaping: what is forked for it is forked later.
    after: Option<EventId>,
}

type Planned<T> = Result<T, Diagnostic>;

impl Planner<'_> {
    fn at<T>(&self, span: Span, result: Result<T, String>) -> Planned<T> {
        result.map_err(|message| self.expected.mistake(span, message))
    }

    fn nodes(&mut self, nodes: &[Node]) -> Planned<Vec<Tree>> {
        nodes.iter().map(|node| self.node(node)).collect()
    }

    fn node(&mut self, node: &Node) -> Planned<Tree> {
        Ok(match node {
            Node::Step(step) => self.step(step)?,
            Node::Sequence(nodes) => Tree::Sequence(self.nodes(nodes)?),
            Node::Then(nodes) => Tree::Then(self.nodes(nodes)?),
            Node::Both(nodes) => Tree::Both(self.nodes(nodes)?),
            Node::Optional(node) => {
                let before = std::mem::replace(&mut self.optional, true);
                let tree = self.node(node);
                self.optional = before;
                tree?
            }
            Node::On { signal, body, span } => {
                let signal = self.at(*span, values::signal(signal, &self.values))?;
                if let Some(player) = self.plan.players.last_mut() {
                    player.handles.insert(signal);
                }
                let before = self.on.replace(signal);
                let tree = self.node(body);
                self.on = before;
                tree?
            }
            Node::Each { variable, list, any_order, body, span } => {
                let items = self.at(*span, values::list(list, &self.values))?;
                let mut rounds = Vec::new();
                for item in items {
                    rounds.push(self.with(variable, item, |planner| planner.node(body))?);
                }
                if *any_order { Tree::Both(rounds) } else { Tree::Sequence(rounds) }
            }
            Node::EachKilled { family, signal, body, span } => {
                let signal = self.at(*span, values::signal(signal, &self.values))?;
                let mut rounds = Vec::new();
                for life in self.cast.lives(family).to_vec() {
                    let killed = |end: &EventId| matches!(self.facts.trace.event(*end).verb, Verb::Killed { signal: by } if by == signal);
                    if self.facts.ends[life.index()].first().is_some_and(killed) {
                        self.after = self.facts.reaped[life.index()].first().copied();
                        rounds.push(self.of_member(family, life, body)?);
                        self.after = None;
                    }
                }
                Tree::Both(rounds)
            }
            Node::Repeat(body) => self.repeat(body)?,
        })
    }

    fn with<T>(&mut self, name: &str, value: Value, then: impl FnOnce(&mut Self) -> Planned<T>) -> Planned<T> {
        let hidden = self.values.insert(name.to_owned(), value);
        let result = then(self);
        match hidden {
            Some(value) => self.values.insert(name.to_owned(), value),
            None => self.values.remove(name),
        };
        result
    }

    fn of_member(&mut self, family: &RoleName, life: LifeId, body: &Node) -> Planned<Tree> {
        let hidden = self.member.insert(family.clone(), life);
        let tree = self.node(body);
        match hidden {
            Some(life) => self.member.insert(family.clone(), life),
            None => self.member.remove(family),
        };
        tree
    }

    /// As many rounds as its first step happened.
    fn repeat(&mut self, body: &Node) -> Planned<Tree> {
        let Some(step) = first_step(body) else { return Ok(Tree::Sequence(Vec::new())) };
        let mut rounds = Vec::new();
        match &step.action {
            Action::Receive(queue, Some(Payload::Capture { variable, list }), _) => {
                let items = self.at(step.span, values::list(list, &self.values))?;
                for bytes in self.messages(queue, Way::Out, step.span)? {
                    if let Some(item) = items.iter().find(|item| text::carries(&bytes, item)) {
                        rounds.push(self.with(variable, item.clone(), |planner| planner.node(body))?);
                    }
                }
            }
            Action::Wait(Who::Any(family), _) => rounds = self.rounds_of_reaped(family, body, true)?,
            Action::Reaped(who, _) if matches!(who.as_slice(), [Who::Any(_)]) => {
                rounds = self.rounds_of_reaped(who[0].role(), body, false)?;
            }
            _ => {
                for _ in 0..self.times(step)? {
                    rounds.push(self.node(body)?);
                }
            }
        }
        Ok(Tree::Sequence(rounds))
    }

    fn rounds_of_reaped(&mut self, family: &RoleName, body: &Node, own: bool) -> Planned<Vec<Tree>> {
        let mut reaped: Vec<(EventId, LifeId)> = Vec::new();
        for life in self.cast.lives(family) {
            reaped.extend(self.facts.reaped[life.index()].first().map(|event| (*event, *life)));
        }
        reaped.retain(|(event, _)| !own || self.is_own(*event));
        reaped.sort();
        reaped.into_iter().map(|(_, life)| self.of_member(family, life, body)).collect()
    }

    /// Whether the current player's company did it.
    fn is_own(&self, event: EventId) -> bool {
        let life = self.plan.players.last().and_then(|player| player.life);
        life.is_some_and(|life| self.cast.principal(self.facts.life_of(event)) == life)
    }

    fn messages(&self, queue: &ObjectName, way: Way, span: Span) -> Planned<Vec<Vec<u8>>> {
        let key = self.at(span, object_key(queue, &self.values))?;
        let Some(object) = self.objects.get(&key).copied().flatten() else { return Ok(Vec::new()) };
        let events = self.facts.messages.get(&(object, way)).map(Vec::as_slice).unwrap_or_default();
        Ok(events
            .iter()
            .filter(|event| self.is_own(**event))
            .filter_map(|event| match &self.facts.trace.event(*event).verb {
                Verb::Send { bytes, .. } | Verb::Receive { bytes, .. } => Some(bytes.0.clone()),
                _ => None,
            })
            .collect())
    }

    /// How often a step that begins a `repeat` happened.
    fn times(&self, step: &Step) -> Planned<usize> {
        let of_verb = |is: &dyn Fn(&Verb) -> bool| {
            self.facts.trace.iter().filter(|(id, event)| self.is_own(*id) && is(&event.verb)).count()
        };
        Ok(match &step.action {
            Action::Write(object, Some(text)) | Action::Read(object, Some(text)) => {
                let way = if matches!(step.action, Action::Write(..)) { Way::In } else { Way::Out };
                let key = self.at(step.span, object_key(object, &self.values))?;
                self.occurrences(self.objects.get(&key).copied().flatten(), way, text, step.span)?
            }
            Action::Stdout(Some(text)) => {
                self.occurrences(self.facts.object_of_kind(ObjectKind::Stdout), Way::In, text, step.span)?
            }
            Action::Send(queue, Some(text), _) | Action::Receive(queue, Some(Payload::Text(text)), _) => {
                let way = if matches!(step.action, Action::Send(..)) { Way::In } else { Way::Out };
                let texts = self.at(step.span, values::text(text, &self.values))?;
                self.messages(queue, way, step.span)?.iter().filter(|bytes| texts.contains(bytes)).count()
            }
            Action::Take(signal) => {
                let wanted = self.at(step.span, values::signal(signal, &self.values))?;
                of_verb(&|verb| matches!(verb, Verb::Take { signal } if *signal == wanted))
            }
            _ => 1,
        })
    }

    fn occurrences(&self, object: Option<ObjectId>, way: Way, text: &Text, span: Span) -> Planned<usize> {
        let texts = self.at(span, values::text(text, &self.values))?;
        let Some(events) = object.and_then(|object| self.facts.bytes.get(&(object, way))) else { return Ok(0) };
        let own = events.iter().copied().filter(|event| self.is_own(*event)).collect();
        let stream = self.facts.stream(own);
        Ok(texts.iter().map(|text| text::count(&stream.bytes, text)).sum())
    }
}

/// The step that a body begins with.
fn first_step(node: &Node) -> Option<&Step> {
    match node {
        Node::Step(step) => Some(step),
        Node::Sequence(nodes) | Node::Then(nodes) | Node::Both(nodes) => nodes.first().and_then(first_step),
        Node::Optional(node) | Node::Repeat(node) => first_step(node),
        Node::On { body, .. } | Node::Each { body, .. } | Node::EachKilled { body, .. } => first_step(body),
    }
}

/// What an object is called in the table of objects.
pub(super) fn object_key(name: &ObjectName, values: &Values) -> Result<String, String> {
    match name {
        ObjectName::Word(word) => Ok(word.clone()),
        ObjectName::Named(template) => {
            values::value(template, values).map(|value| String::from_utf8_lossy(&value.bytes()).into_owned())
        }
    }
}
