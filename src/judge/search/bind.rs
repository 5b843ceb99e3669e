//! Which object each name stands for.
//!
//! A name with a path or a POSIX name is that object. A variable is bound to the object that its users used as the
//! lanes say; two variables are never one object.

use std::collections::BTreeSet;

use super::cast::Cast;
use super::facts::{Facts, Way};
use super::plan::{Objects, object_key};
use super::text;
use crate::model::{Diagnostic, RoleName, Values};
use crate::pattern::Expected;
use crate::pattern::ast::{Action, Declaration, Maker, Measure, Node, ObjectName, Rule, Span};
use crate::pattern::values;
use crate::trace::{LifeId, ObjectId, ObjectKind, Verb};

/// A name to bind.
struct Variable {
    key: String,
    /// Of which kind, where the verbs tell.
    kind: Option<Maker>,
    /// The object has this very name.
    named: bool,
    /// What must have been done with it, by whom.
    uses: BTreeSet<(RoleName, Use)>,
    /// Texts, one of which must have gone that way.
    texts: Vec<(RoleName, Way, Vec<Vec<u8>>)>,
}

/// How a lane uses an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    Bytes(Way),
    Message(Way),
    Acquire,
    Release,
    Store,
    Load,
    Make,
    Open,
    Unlink,
    End,
}

/// The names of an expected trace, ready to be bound under any cast.
pub(super) struct Binding<'a> {
    facts: &'a Facts<'a>,
    variables: Vec<Variable>,
    /// For each object, what was done with it and by which life.
    done: Vec<BTreeSet<(Use, LifeId)>>,
}

impl<'a> Binding<'a> {
    pub(super) fn new(expected: &Expected, facts: &'a Facts<'a>, values: &Values) -> Result<Self, Diagnostic> {
        let mut names = Names { expected, values, variables: Vec::new() };
        for declaration in &expected.declarations {
            if let Declaration::Objects { kind, names: objects, span } = declaration {
                for object in objects {
                    names.kind(object, *kind, *span)?;
                }
            }
        }
        for lane in &expected.lanes {
            names.node(&lane.body, &lane.role, true)?;
        }
        for rule in &expected.rules {
            match rule {
                Rule::Free { queue, span, .. } => names.kind(queue, Maker::Queue, *span)?,
                Rule::Always { measure: Measure::Unread(object), span, .. } => names.kind(object, Maker::Shm, *span)?,
                Rule::Never { action, span, .. } => names.action(action, *span, None)?,
                _ => {}
            }
        }
        let mut done = vec![BTreeSet::new(); facts.trace.objects.len()];
        for (_, event) in facts.trace.iter() {
            let how = match &event.verb {
                Verb::Write { .. } => Use::Bytes(Way::In),
                Verb::Read { .. } => Use::Bytes(Way::Out),
                Verb::Send { .. } => Use::Message(Way::In),
                Verb::Receive { .. } => Use::Message(Way::Out),
                Verb::Acquire { .. } => Use::Acquire,
                Verb::Release { .. } => Use::Release,
                Verb::Store { .. } => Use::Store,
                Verb::Load { .. } => Use::Load,
                Verb::Create { .. } => Use::Make,
                Verb::Open { .. } => Use::Open,
                Verb::Unlink { .. } => Use::Unlink,
                Verb::End { .. } => Use::End,
                _ => continue,
            };
            if let Some(object) = event.verb.object() {
                done[object.index()].insert((how, event.life));
            }
        }
        Ok(Self { facts, variables: names.variables, done })
    }

    /// Calls `visit` with each way to bind the names, best first, until it says `false`.
    ///
    /// # Errors
    /// What `visit` returns.
    pub(super) fn each<E>(&self, cast: &Cast, visit: &mut impl FnMut(&Objects) -> Result<bool, E>) -> Result<bool, E> {
        let candidates: Vec<Vec<ObjectId>> = self.variables.iter().map(|it| self.candidates(it, cast)).collect();
        // The name with the fewest candidates first: a wrong guess is found out early.
        let mut turns: Vec<usize> = (0..self.variables.len()).collect();
        turns.sort_by_key(|index| (!self.variables[*index].named, candidates[*index].len()));
        self.bind(&turns, &candidates, &mut Objects::new(), visit)
    }

    fn bind<E>(
        &self,
        turns: &[usize],
        candidates: &[Vec<ObjectId>],
        objects: &mut Objects,
        visit: &mut impl FnMut(&Objects) -> Result<bool, E>,
    ) -> Result<bool, E> {
        let Some((turn, later)) = turns.split_first() else { return visit(objects) };
        let key = &self.variables[*turn].key;
        let taken = |object: &ObjectId, objects: &Objects| objects.values().any(|it| *it == Some(*object));
        let free: Vec<ObjectId> = candidates[*turn].iter().copied().filter(|it| !taken(it, objects)).collect();
        if free.is_empty() {
            objects.insert(key.clone(), None);
            let go_on = self.bind(later, candidates, objects, visit);
            objects.remove(key);
            return go_on;
        }
        for object in free {
            objects.insert(key.clone(), Some(object));
            let go_on = self.bind(later, candidates, objects, visit);
            objects.remove(key);
            if !go_on? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn candidates(&self, variable: &Variable, cast: &Cast) -> Vec<ObjectId> {
        let mut rated: Vec<(usize, ObjectId)> = Vec::new();
        for (index, object) in self.facts.trace.objects.iter().enumerate() {
            let id = ObjectId(index as u32);
            if !fits(variable.kind, object.kind, variable.named) || (variable.named && object.name != variable.key) {
                continue;
            }
            let done = &self.done[index];
            if !variable.named && !done.iter().any(|(_, life)| self.facts.is_learner(*life)) {
                continue;
            }
            let plays = |role: &RoleName, life: LifeId| cast.lives(role).contains(&cast.principal(life));
            let met = |role: &RoleName, how: Use| done.iter().any(|(did, life)| *did == how && plays(role, *life));
            let carried = |role: &RoleName, way: Way, texts: &[Vec<u8>]| {
                let events = self.facts.bytes.get(&(id, way)).map(Vec::as_slice).unwrap_or_default();
                let own = events.iter().copied().filter(|event| plays(role, self.facts.life_of(*event))).collect();
                let stream = self.facts.stream(own);
                texts.iter().any(|text| text::find(&stream.bytes, text, 0).is_some())
            };
            let unused = variable.uses.iter().filter(|(role, how)| !met(role, *how)).count();
            let unsaid = variable.texts.iter().filter(|(role, way, texts)| !carried(role, *way, texts)).count();
            rated.push((unused + unsaid, id));
        }
        if variable.key == "stdin" {
            return self.facts.object_of_kind(ObjectKind::Stdin).into_iter().collect();
        }
        rated.sort();
        match rated.first() {
            Some((0, _)) => rated.retain(|(unmet, _)| *unmet == 0),
            _ => rated.truncate(self.facts.few()),
        }
        rated.into_iter().map(|(_, object)| object).collect()
    }
}

/// Whether an object of this kind can be what the trace speaks of.
fn fits(wanted: Option<Maker>, kind: ObjectKind, named: bool) -> bool {
    match wanted {
        Some(Maker::Pipe) => kind.is_channel(),
        Some(Maker::Fifo) => kind == ObjectKind::Fifo,
        Some(Maker::Queue) => kind.is_queue(),
        // A file is shared memory only where the trace names it: any file could be mapped.
        Some(Maker::Shm) => kind.is_memory() && (named || kind != ObjectKind::File),
        Some(Maker::Sem) => matches!(kind, ObjectKind::Semaphore | ObjectKind::Lock | ObjectKind::Futex),
        None => !matches!(kind, ObjectKind::Stdin | ObjectKind::Stdout | ObjectKind::Stderr),
    }
}

struct Names<'a> {
    expected: &'a Expected,
    values: &'a Values,
    variables: Vec<Variable>,
}

impl Names<'_> {
    fn variable(&mut self, name: &ObjectName, span: Span) -> Result<&mut Variable, Diagnostic> {
        let key = object_key(name, self.values).map_err(|message| self.expected.mistake(span, message))?;
        let index = match self.variables.iter().position(|variable| variable.key == key) {
            Some(index) => index,
            None => {
                let named = matches!(name, ObjectName::Named(_));
                self.variables.push(Variable { key, kind: None, named, uses: BTreeSet::new(), texts: Vec::new() });
                self.variables.len() - 1
            }
        };
        Ok(&mut self.variables[index])
    }

    fn kind(&mut self, name: &ObjectName, kind: Maker, span: Span) -> Result<(), Diagnostic> {
        let variable = self.variable(name, span)?;
        variable.kind = Some(kind);
        variable.named |= kind == Maker::Fifo;
        Ok(())
    }

    fn node(&mut self, node: &Node, role: &RoleName, certain: bool) -> Result<(), Diagnostic> {
        match node {
            Node::Sequence(nodes) | Node::Then(nodes) | Node::Both(nodes) => {
                nodes.iter().try_for_each(|node| self.node(node, role, certain))
            }
            Node::On { body, .. } => self.node(body, role, certain),
            Node::Each { body, list, span, .. } => {
                let items = values::list(list, self.values);
                let items = items.map_err(|message| self.expected.mistake(*span, message))?;
                self.node(body, role, certain && !items.is_empty())
            }
            Node::Optional(node) | Node::Repeat(node) => self.node(node, role, false),
            Node::EachKilled { body, .. } => self.node(body, role, false),
            Node::Step(step) => self.action(&step.action, step.span, certain.then_some(role)),
        }
    }

    /// Notes an object's use; it must have been so used if `role` is there.
    fn action(&mut self, action: &Action, span: Span, role: Option<&RoleName>) -> Result<(), Diagnostic> {
        let (name, kind, how) = match action {
            Action::Make { kind, names } => {
                for name in names {
                    self.kind(name, *kind, span)?;
                    if let Some(role) = role {
                        self.variable(name, span)?.uses.insert((role.clone(), Use::Make));
                    }
                }
                return Ok(());
            }
            Action::Write(object, text) | Action::Read(object, text) => {
                let way = if matches!(action, Action::Write(..)) { Way::In } else { Way::Out };
                // A text with a loop's variable is known in the loop only.
                let texts = text.as_ref().and_then(|text| values::text(text, self.values).ok());
                if let (Some(role), Some(texts)) = (role, texts) {
                    self.variable(object, span)?.texts.push((role.clone(), way, texts));
                }
                (object, Maker::Pipe, Use::Bytes(way))
            }
            Action::End(object) => (object, Maker::Pipe, Use::End),
            Action::Send(object, ..) => (object, Maker::Queue, Use::Message(Way::In)),
            Action::Receive(object, ..) => (object, Maker::Queue, Use::Message(Way::Out)),
            Action::Store(object, ..) => (object, Maker::Shm, Use::Store),
            Action::Load(object, ..) => (object, Maker::Shm, Use::Load),
            Action::Acquire(object) => (object, Maker::Sem, Use::Acquire),
            Action::Release(object) => (object, Maker::Sem, Use::Release),
            Action::Open(object) | Action::Unlink(object) => {
                let opened = matches!(action, Action::Open(_));
                let variable = self.variable(object, span)?;
                // What is opened and made nowhere is a path.
                variable.named |= opened && variable.kind.is_none();
                let how = if opened { Use::Open } else { Use::Unlink };
                variable.uses.extend(role.map(|role| (role.clone(), how)));
                return Ok(());
            }
            _ => return Ok(()),
        };
        let variable = self.variable(name, span)?;
        if !variable.named {
            variable.kind.get_or_insert(kind);
        }
        variable.uses.extend(role.map(|role| (role.clone(), how)));
        Ok(())
    }
}
