//! Events for the atoms of a plan, under one assignment of roles and objects.
//!
//! Strict events are handed out once each: what is left over is surplus, an atom that gets none is missing. Effects
//! are only looked for; which of several is meant is left to the order (`ordering`).

use std::collections::{BTreeMap, BTreeSet};

use super::cast::Cast;
use super::facts::{Facts, Way};
use super::memory;
use super::plan::{Ask, Atom, By, Effect, How, Objects, Plan};
use super::streams::{Wanted, divide};
use super::text;
use crate::judge::matching::{Mark, Problem, ProblemKind};
use crate::model::{RoleName, Value};
use crate::pattern::ast::Maker;
use crate::trace::{Ending, Event, EventId, LifeId, ObjectId, ObjectKind, Verb};

/// From an atom's first event to its last.
pub(super) type Extent = (EventId, EventId);

/// What an atom may be: one extent for a strict one, several for an effect, none for what did not happen.
pub(super) type Domain = Vec<Extent>;

/// Messages that are nobody's business, by queue: all but these.
pub(super) type FreeMessages = BTreeMap<ObjectId, Vec<Value>>;

/// Atoms with events, and what does not fit.
pub(super) struct Assignment<'a> {
    pub(super) plan: &'a Plan,
    pub(super) facts: &'a Facts<'a>,
    pub(super) cast: &'a Cast,
    pub(super) objects: &'a Objects,
    pub(super) domains: Vec<Domain>,
    pub(super) problems: Vec<Problem>,
    /// Events that a step accounts for, or that are wrong.
    pub(super) marks: BTreeMap<EventId, Mark>,
    /// Strict things that are missing, or too much, or other than expected.
    pub(super) cost: u32,
}

const MISSING: u32 = 4;
const SURPLUS: u32 = 4;
const WRONG: u32 = 6;
const ORDER: u32 = 1;

impl<'a> Assignment<'a> {
    pub(super) fn of(
        plan: &'a Plan,
        facts: &'a Facts<'a>,
        cast: &'a Cast,
        objects: &'a Objects,
        free: &FreeMessages,
        nodes: &mut u32,
    ) -> Self {
        let mut assignment = Self {
            plan,
            facts,
            cast,
            objects,
            domains: vec![Domain::new(); plan.atoms.len()],
            problems: Vec::new(),
            marks: BTreeMap::new(),
            cost: 0,
        };
        assignment.bytes(nodes);
        assignment.messages(free);
        assignment.signals();
        let mut accesses = assignment.accesses();
        for index in 0..plan.atoms.len() {
            assignment.single(index, &mut accesses);
        }
        assignment.handlers();
        assignment.doubles();
        assignment
    }

    pub(super) fn atoms(&self) -> impl Iterator<Item = (usize, &'a Atom)> + use<'a> {
        self.plan.atoms.iter().enumerate()
    }

    /// A problem with an atom.
    pub(super) fn problem(&mut self, index: usize, kind: ProblemKind, event: Option<EventId>) {
        let atom = &self.plan.atoms[index];
        self.cost += match kind {
            ProblemKind::Missing => MISSING,
            ProblemKind::WrongData { .. } => WRONG,
            _ => ORDER,
        };
        let mark = match kind {
            ProblemKind::WrongData { .. } | ProblemKind::Forbidden => Some(Mark::Wrong),
            ProblemKind::WrongOrder { .. } => Some(Mark::Early),
            ProblemKind::Missing | ProblemKind::Surplus => None,
        };
        if let Some((event, mark)) = event.zip(mark)
            && self.marks.get(&event) != Some(&Mark::Wrong)
        {
            self.marks.insert(event, mark);
        }
        self.problems.push(Problem {
            kind,
            role: Some(self.plan.players[atom.player].role.clone()),
            life: self.plan.life(atom),
            step: Some(atom.text.clone()),
            line: atom.line,
            event,
            object: atom.object.as_ref().and_then(|(_, object)| *object),
        });
    }

    pub(super) fn missing(&mut self, index: usize, event: Option<EventId>) {
        if !self.plan.atoms[index].optional {
            let event = event.or_else(|| self.last_of(self.plan.life(&self.plan.atoms[index])?));
            self.problem(index, ProblemKind::Missing, event);
        }
    }

    /// The last thing that a life did; where it did nothing, its fork.
    fn last_of(&self, life: LifeId) -> Option<EventId> {
        self.facts.span[life.index()].map(|(_, last)| last).or(self.facts.forked[life.index()])
    }

    /// An event that no step asks for.
    pub(super) fn surplus(&mut self, event: EventId) {
        self.cost += SURPLUS;
        self.marks.insert(event, Mark::Surplus);
        let life = self.facts.life_of(event);
        self.problems.push(Problem {
            kind: ProblemKind::Surplus,
            role: self.cast.role_of(life).cloned(),
            life: Some(life),
            step: None,
            line: 0,
            event: Some(event),
            object: self.facts.trace.event(event).verb.object(),
        });
    }

    pub(super) fn give(&mut self, index: usize, extent: Extent) {
        self.domains[index] = vec![extent];
        self.marks.entry(extent.0).or_insert(Mark::Expected);
        self.marks.entry(extent.1).or_insert(Mark::Expected);
    }

    /// The objects whose bytes and messages are strict. A semaphore has none: sem_open(3) writes its file, which is libc's
    /// own business.
    pub(super) fn strict_objects(&self) -> BTreeSet<ObjectId> {
        let stdout = self.facts.trace.objects.iter().enumerate().filter(|(_, it)| it.kind == ObjectKind::Stdout);
        let kind = |object: ObjectId| self.facts.trace.object(object).kind;
        let bound = self.objects.values().flatten().copied().filter(|object| kind(*object) != ObjectKind::Semaphore);
        bound.chain(stdout.map(|(index, _)| ObjectId(index as u32))).collect()
    }

    /// Events by who acted, the peers' left out.
    pub(super) fn by_principal(&self, events: &[EventId]) -> BTreeMap<LifeId, Vec<EventId>> {
        let mut groups = BTreeMap::<LifeId, Vec<EventId>>::new();
        for event in events.iter().filter(|event| self.facts.is_learner(self.facts.life_of(**event))) {
            groups.entry(self.cast.principal(self.facts.life_of(*event))).or_default().push(*event);
        }
        groups
    }

    fn bytes(&mut self, nodes: &mut u32) {
        let mut asked = BTreeMap::<(ObjectId, Way, LifeId), Vec<usize>>::new();
        for (index, atom) in self.atoms() {
            let Ask::Bytes(way, _) = &atom.ask else { continue };
            match (atom.object.as_ref().and_then(|(_, object)| *object), self.plan.life(atom)) {
                (Some(object), Some(life)) => asked.entry((object, *way, life)).or_default().push(index),
                _ => self.missing(index, None),
            }
        }
        let mut there = BTreeMap::new();
        for ((object, way), events) in &self.facts.bytes {
            if self.strict_objects().contains(object) {
                for (life, events) in self.by_principal(events) {
                    there.insert((*object, *way, life), events);
                    asked.entry((*object, *way, life)).or_default();
                }
            }
        }
        for (key, atoms) in asked {
            self.stream(&atoms, there.remove(&key).unwrap_or_default(), nodes);
        }
    }

    fn stream(&mut self, atoms: &[usize], events: Vec<EventId>, nodes: &mut u32) {
        let plan = self.plan;
        let stream = self.facts.stream(events);
        let wanted = atoms.iter().filter_map(|index| match &plan.atoms[*index].ask {
            Ask::Bytes(_, texts) => Some(Wanted { atom: *index, texts, optional: plan.atoms[*index].optional }),
            _ => None,
        });
        let wanted: Vec<Wanted<'_>> = wanted.collect();
        let segments = divide(&stream, &wanted, &|a, b| plan.ordered(a, b), nodes);
        if segments.shuffled {
            // One call may carry both texts, so that no order of events would show it.
            let order = &segments.found;
            let pairs =
                order.iter().enumerate().flat_map(|(at, early)| order[at + 1..].iter().map(move |it| (early, it)));
            let inverted = pairs.into_iter().find(|(early, late)| plan.precedes(late.0, early.0));
            if let Some(((early, at), (late, then))) = inverted
                && let (Some(event), Some(first_event)) = (stream.event_at(at.start), stream.event_at(then.start))
            {
                let first = plan.atoms[*late].text.clone();
                self.problem(*early, ProblemKind::WrongOrder { first, first_event }, Some(event));
            }
        }
        for (index, range) in segments.found {
            let extent = stream.event_at(range.start).zip(stream.event_at(range.end.max(range.start + 1) - 1));
            extent.into_iter().for_each(|extent| self.give(index, extent));
        }
        for (index, at) in segments.missing {
            let before = at.checked_sub(1).and_then(|at| stream.event_at(at));
            self.missing(index, before);
        }
        for (index, expected, range, at) in segments.wrong {
            let saw = stream.bytes[range.clone()].to_vec();
            let event = stream.event_at((range.start + at).min(range.end.saturating_sub(1)));
            if let Some(event) = event {
                let first = stream.event_at(range.start).unwrap_or(event);
                self.give(index, (first, event));
            }
            self.problem(index, ProblemKind::WrongData { expected, saw, at }, event);
        }
        for range in segments.surplus {
            stream.event_at(range.start).into_iter().for_each(|event| self.surplus(event));
        }
    }

    pub(super) fn wrong(&mut self, index: usize, expected: Vec<u8>, saw: Vec<u8>, event: EventId) {
        let at = expected.iter().zip(&saw).take_while(|(a, b)| a == b).count();
        self.problem(index, ProblemKind::WrongData { expected, saw, at }, Some(event));
    }

    /// Signals from one role to another.
    fn signals(&mut self) {
        let mut sent: Vec<(EventId, LifeId, crate::model::Signal)> = Vec::new();
        for (id, event) in self.facts.trace.iter() {
            if let Verb::Signal { target: Some(target), signal, .. } = event.verb
                && self.facts.is_learner(event.life)
                && self.cast.is_bound(target)
                && self.cast.principal(event.life) != target
            {
                sent.push((id, target, signal));
            }
        }
        for exactly in [true, false] {
            for (index, atom) in self.atoms() {
                let Ask::Signal(target, wanted) = atom.ask else { continue };
                if !self.domains[index].is_empty() {
                    continue;
                }
                let fits = |(event, to, signal): &(EventId, LifeId, _)| {
                    Some(*to) == target
                        && (!exactly || *signal == wanted)
                        && Some(self.cast.principal(self.facts.life_of(*event))) == self.plan.life(atom)
                };
                if let Some(place) = sent.iter().position(fits) {
                    let (event, _, signal) = sent.remove(place);
                    self.give(index, (event, event));
                    if !exactly {
                        self.wrong(index, wanted.to_string().into_bytes(), signal.to_string().into_bytes(), event);
                    }
                } else if !exactly {
                    self.missing(index, None);
                }
            }
        }
        sent.into_iter().for_each(|(event, ..)| self.surplus(event));
    }

    /// What each step that loads or stores may be. Those that ask the same of one process are looked for together.
    fn accesses(&self) -> BTreeMap<usize, Domain> {
        let mut asked = BTreeMap::<(ObjectId, bool, LifeId), Vec<(usize, memory::Wanted<'a>)>>::new();
        for (index, atom) in self.atoms() {
            let Ask::Effect(effect) = &atom.ask else { continue };
            let (stores, wanted) = match effect {
                Effect::Store(place, values) => (true, (*place, &values[..])),
                Effect::Load(place, values) => (false, (*place, &values[..])),
                _ => continue,
            };
            if let (Some((_, Some(object))), Some(life)) = (&atom.object, self.plan.life(atom)) {
                asked.entry((*object, stores, life)).or_default().push((index, wanted));
            }
        }
        let stretch = |thread, event| self.facts.stretch(thread, event);
        let mut domains = BTreeMap::new();
        for ((object, stores, life), atoms) in asked {
            let Some(accesses) = self.facts.accesses.get(&(object, stores)) else { continue };
            let own = accesses.iter().map(|id| (*id, self.facts.trace.event(*id)));
            let own = own.filter(|(_, event)| self.cast.principal(event.life) == life);
            let (indices, wanted): (Vec<usize>, Vec<memory::Wanted<'_>>) = atoms.into_iter().unzip();
            domains.extend(indices.into_iter().zip(memory::touches(own, stretch, &wanted)));
        }
        domains
    }

    /// Atoms that no other competes with.
    fn single(&mut self, index: usize, accesses: &mut BTreeMap<usize, Domain>) {
        let atom = &self.plan.atoms[index];
        let life = self.plan.life(atom);
        let domain: Domain = match &atom.ask {
            Ask::Bytes(..) | Ask::Message(..) | Ask::Signal(..) => return,
            Ask::Fork(child, directly) => {
                let event = child.and_then(|child| self.facts.forked[child.index()]);
                let own = |event: &EventId| Some(self.cast.principal(self.facts.life_of(*event))) == life;
                event.filter(|event| !directly || own(event)).map(|event| (event, event)).into_iter().collect()
            }
            Ask::Ends(how) => {
                let end = life.and_then(|life| self.facts.ends[life.index()].first().copied());
                if let Some(event) = end {
                    self.give(index, (event, event));
                    self.ending(index, how, event);
                    return;
                }
                Domain::new()
            }
            Ask::Reaped(child, how, by) => {
                let own = |event: &&EventId| {
                    *by == By::Anyone || Some(self.cast.principal(self.facts.life_of(**event))) == life
                };
                let reaped = child.and_then(|child| self.facts.reaped[child.index()].iter().find(own).copied());
                if let Some(event) = reaped {
                    self.give(index, (event, event));
                    self.ending(index, how, event);
                    return;
                }
                Domain::new()
            }
            Ask::Effect(Effect::Store(..) | Effect::Load(..)) => accesses.remove(&index).unwrap_or_default(),
            Ask::Effect(effect) => self.effects(atom, effect, life),
        };
        if domain.is_empty() {
            self.missing(index, None);
        }
        self.domains[index] = domain;
    }

    fn ending(&mut self, index: usize, allowed: &[How], event: EventId) {
        let saw = match self.facts.trace.event(event).verb {
            Verb::Exit { status } | Verb::Reaped { ending: Ending::Exit(status), .. } => How::Exit(status.into()),
            Verb::Killed { signal } | Verb::Reaped { ending: Ending::Killed(signal), .. } => How::Killed(signal),
            _ => return,
        };
        if !allowed.is_empty() && !allowed.contains(&saw) {
            self.wrong(index, text::endings(allowed).into_bytes(), text::endings(&[saw]).into_bytes(), event);
        }
    }

    /// The events that an effect may be.
    fn effects(&self, atom: &Atom, effect: &Effect, life: Option<LifeId>) -> Domain {
        let Some(life) = life else { return Domain::new() };
        let object = match &atom.object {
            Some((_, None)) => return Domain::new(),
            Some((_, object)) => *object,
            None => None,
        };
        let event = |id: &EventId| (*id, self.facts.trace.event(*id));
        let is_own = |(_, event): &(EventId, &Event)| self.cast.principal(event.life) == life;
        let own = self.facts.others.iter().map(event).filter(is_own);
        match effect {
            Effect::Stderr(texts) => {
                let written = object.and_then(|object| self.facts.bytes.get(&(object, Way::In)));
                let events = written.map(|events| self.by_principal(events).remove(&life).unwrap_or_default());
                let stream = self.facts.stream(events.unwrap_or_default());
                let place = texts.iter().find_map(|text| Some((text::find(&stream.bytes, text, 0)?, text.len())));
                let extent = |(at, length): (usize, usize)| stream.event_at(at).zip(stream.event_at(at + length - 1));
                return place.and_then(extent).into_iter().collect();
            }
            Effect::Acquire | Effect::Release => {
                let key = |object| (object, matches!(effect, Effect::Release));
                let events = object.and_then(|object| self.facts.syncs.get(&key(object))).map(Vec::as_slice);
                let own = events.unwrap_or_default().iter().map(event).filter(is_own);
                return own.map(|(id, _)| (id, id)).collect();
            }
            _ => {}
        }
        let is = |verb: &Verb| match (effect, verb) {
            (Effect::Make(Maker::Sem), Verb::Create { .. } | Verb::Open { .. })
            | (Effect::Make(_), Verb::Create { .. })
            | (Effect::Open, Verb::Open { .. })
            | (Effect::Unlink, Verb::Unlink { .. })
            | (Effect::EndOfFile, Verb::End { .. }) => verb.object() == object,
            (Effect::Exec(programs), Verb::Exec { program }) => programs.iter().any(|it| it == program.as_bytes()),
            (Effect::Ready(wanted), Verb::Ready { signal }) | (Effect::Take(wanted), Verb::Take { signal }) => {
                wanted == signal
            }
            _ => false,
        };
        own.filter(|(_, event)| is(&event.verb)).map(|(id, _)| (id, id)).collect()
    }

    /// What belongs to an `on` block comes after its signal was taken; what does not is not done in its handler.
    fn handlers(&mut self) {
        for (index, atom) in self.atoms() {
            let handles = &self.plan.players[atom.player].handles;
            let Some(life) = self.plan.life(atom) else { continue };
            let inside = |event: EventId| self.facts.handler_of(event).filter(|signal| handles.contains(signal));
            if atom.on.is_none() && self.domains[index].len() > 1 {
                let mut outside = self.domains[index].clone();
                outside.retain(|(first, _)| inside(*first).is_none());
                if !outside.is_empty() {
                    self.domains[index] = outside;
                }
            }
            let Some((first, _)) = self.domains[index].first().copied() else { continue };
            let Some(signal) = atom.on else {
                if inside(first).is_some() && !matches!(atom.ask, Ask::Effect(Effect::Take(_))) {
                    self.problem(index, ProblemKind::Forbidden, Some(first));
                }
                continue;
            };
            let took = |id: &EventId| {
                let event = self.facts.trace.event(*id);
                self.cast.principal(event.life) == life
                    && matches!(event.verb, Verb::Take { signal: taken } if taken == signal)
            };
            let takes: Vec<EventId> = self.facts.others.iter().copied().filter(took).collect();
            if !takes.iter().any(|take| self.facts.order.le(*take, first)) {
                match takes.first() {
                    Some(take) => {
                        let first_step = format!("take {signal}");
                        let kind = ProblemKind::WrongOrder { first: first_step, first_event: *take };
                        self.problem(index, kind, Some(first));
                    }
                    None => self.problem(index, ProblemKind::Missing, Some(first)),
                }
            }
        }
    }

    /// A life ends once, is collected once, and is forked by a step where the lanes fork its family.
    fn doubles(&mut self) {
        let mut surplus = Vec::new();
        for life in self.facts.learners().filter(|life| self.cast.is_bound(*life)) {
            surplus.extend(self.facts.ends[life.index()].iter().skip(1).copied());
            surplus.extend(self.facts.reaped[life.index()].iter().skip(1).copied());
        }
        for (family, forked) in &self.plan.forks {
            let extra = self.cast.lives(family).iter().filter(|life| !forked.contains(life));
            surplus.extend(extra.filter_map(|life| self.facts.forked[life.index()]));
        }
        surplus.into_iter().for_each(|event| self.surplus(event));
    }

    /// The role of an atom's lane.
    pub(super) fn role(&self, index: usize) -> &RoleName {
        &self.plan.players[self.plan.atoms[index].player].role
    }
}
