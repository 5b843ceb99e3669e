//! What holds over several lanes: shared work, reaping by whomever, `never` and `always`.

use super::assign::{Assignment, FreeMessages};
use super::facts::Way;
use super::plan::{Ask, Effect, How, Objects, object_key};
use super::text;
use crate::judge::matching::{Mark, Problem, ProblemKind};
use crate::model::{Diagnostic, RoleName, Signal, Value, Values};
use crate::pattern::Expected;
use crate::pattern::ast::{Action, Ending, Maker, Measure, Payload, Rule, Span, Text};
use crate::pattern::values;
use crate::trace::{self, Event, EventId, LifeId, ObjectId, ObjectKind, Verb};

type Checked<T> = Result<T, Diagnostic>;

/// The messages that `free messages` lines leave strict, by queue.
pub(super) fn free_messages(expected: &Expected, drawn: &Values, objects: &Objects) -> Checked<FreeMessages> {
    let mut free = FreeMessages::new();
    for rule in &expected.rules {
        if let Rule::Free { queue, list, span } = rule {
            let mistake = |message| expected.mistake(*span, message);
            let items = values::list(list, drawn).map_err(mistake)?;
            let key = object_key(queue, drawn).map_err(mistake)?;
            if let Some(object) = objects.get(&key).copied().flatten() {
                free.insert(object, items);
            }
        }
    }
    Ok(free)
}

/// Checks every rule but `before`, which is an order.
pub(super) fn check(expected: &Expected, drawn: &Values, assignment: &mut Assignment<'_>) -> Checked<()> {
    for rule in &expected.rules {
        let mut rules = Rules { expected, drawn, assignment };
        match rule {
            Rule::Share { list, family, span } => rules.share(list, family, *span)?,
            Rule::Reaped { who, endings, span } => {
                for who in who {
                    rules.reaped(who.role(), endings, *span)?;
                }
            }
            Rule::Never { role, action, span } => rules.never(role.as_ref(), action, *span)?,
            Rule::Always { between, measure, at_least, bound, span } => {
                let bound = rules.at(*span, values::count(bound, drawn))?;
                rules.always(between.as_ref(), measure, *at_least, bound, *span)?;
            }
            Rule::Free { .. } | Rule::Before { .. } => {}
        }
    }
    Ok(())
}

struct Rules<'r, 'a> {
    expected: &'r Expected,
    drawn: &'r Values,
    assignment: &'r mut Assignment<'a>,
}

impl Rules<'_, '_> {
    fn at<T>(&self, span: Span, result: Result<T, String>) -> Checked<T> {
        result.map_err(|message| self.expected.mistake(span, message))
    }

    fn problem(
        &mut self,
        kind: ProblemKind,
        role: Option<&RoleName>,
        step: String,
        span: Span,
        event: Option<EventId>,
    ) {
        self.assignment.cost += 4;
        if let Some(event) = event
            && kind != ProblemKind::Missing
        {
            self.assignment.marks.insert(event, Mark::Wrong);
        }
        self.assignment.problems.push(Problem {
            kind,
            role: role.cloned(),
            life: event.map(|event| self.assignment.facts.life_of(event)),
            step: Some(step),
            line: self.expected.line(span),
            event,
            object: event.and_then(|event| self.assignment.facts.trace.event(event).verb.object()),
        });
    }

    /// The members together received each item once.
    fn share(&mut self, list: &crate::pattern::ast::List, family: &RoleName, span: Span) -> Checked<()> {
        let items = self.at(span, values::list(list, self.drawn))?;
        let mut received: Vec<(Value, EventId)> = Vec::new();
        for (index, atom) in self.assignment.plan.atoms.iter().enumerate() {
            if let Ask::Message(Way::Out, wanted, _) = &atom.ask
                && self.assignment.role(index) == family
                && let (Some(value), Some((event, _))) = (wanted.first(), self.assignment.domains[index].first())
            {
                received.push((value.clone(), *event));
            }
        }
        received.sort_by_key(|(_, event)| *event);
        for item in items {
            let Some(place) = received.iter().position(|(value, _)| *value == item) else {
                let step = format!("receive {}", text::short(&item.bytes()));
                self.problem(ProblemKind::Missing, Some(family), step, span, None);
                continue;
            };
            received.remove(place);
        }
        for (_, event) in received {
            self.problem(ProblemKind::Surplus, Some(family), String::new(), span, Some(event));
        }
        Ok(())
    }

    fn reaped(&mut self, role: &RoleName, endings: &[Ending], span: Span) -> Checked<()> {
        let one = |ending: &Ending| match ending {
            Ending::Exit(status) => values::number(status, self.drawn).map(How::Exit),
            Ending::Killed(signal) => values::signal(signal, self.drawn).map(How::Killed),
        };
        let allowed: Vec<How> = self.at(span, endings.iter().map(one).collect())?;
        let main = self.assignment.facts.trace.main();
        for life in self.assignment.cast.lives(role).to_vec() {
            // Nobody in the run collects the program itself.
            if Some(life) == main {
                continue;
            }
            let Some(event) = self.assignment.facts.reaped[life.index()].first().copied() else {
                let last = self.assignment.facts.span[life.index()].map(|(_, last)| last);
                self.problem(ProblemKind::Missing, Some(role), format!("reaped {role}"), span, last);
                continue;
            };
            self.assignment.marks.entry(event).or_insert(Mark::Expected);
            let saw = match self.assignment.facts.trace.event(event).verb {
                Verb::Reaped { ending: trace::Ending::Exit(status), .. } => How::Exit(status.into()),
                Verb::Reaped { ending: trace::Ending::Killed(signal), .. } => How::Killed(signal),
                _ => continue,
            };
            if !allowed.is_empty() && !allowed.contains(&saw) {
                let (expected, saw) = (text::endings(&allowed).into_bytes(), text::endings(&[saw]).into_bytes());
                let at = expected.iter().zip(&saw).take_while(|(a, b)| a == b).count();
                let kind = ProblemKind::WrongData { expected, saw, at };
                self.problem(kind, Some(role), format!("reaped {role}"), span, Some(event));
            }
        }
        Ok(())
    }

    fn never(&mut self, role: Option<&RoleName>, action: &Action, span: Span) -> Checked<()> {
        let step = text::step(action, self.drawn);
        let ban = self.ban(action, span)?;
        let mut found = Vec::new();
        for (id, event) in self.assignment.facts.trace.iter() {
            let life = self.assignment.cast.principal(event.life);
            let by = match role {
                Some(role) => self.assignment.cast.lives(role).contains(&life),
                None => self.assignment.facts.is_learner(event.life),
            };
            if by && ban.is(event, self.assignment) {
                found.push(id);
            }
        }
        if let Some(event) = found.first() {
            self.problem(ProblemKind::Forbidden, role, step, span, Some(*event));
        }
        Ok(())
    }

    fn ban(&self, action: &Action, span: Span) -> Checked<Ban> {
        let mut ban = Ban { action: action.clone(), ..Ban::default() };
        let (object, text) = match action {
            Action::Open(object)
            | Action::Unlink(object)
            | Action::End(object)
            | Action::Acquire(object)
            | Action::Release(object)
            | Action::Receive(object, None | Some(Payload::Capture { .. }), _) => (Some(object), None),
            Action::Write(object, text)
            | Action::Read(object, text)
            | Action::Send(object, text, _)
            | Action::Store(object, _, text)
            | Action::Load(object, _, text) => (Some(object), text.as_ref()),
            Action::Receive(object, Some(Payload::Text(text)), _) => (Some(object), Some(text)),
            Action::Stdout(text) | Action::Stderr(text) => (None, text.as_ref()),
            Action::Exec(text) => (None, Some(text)),
            Action::Make { names, .. } => (names.first(), None),
            _ => (None, None),
        };
        if let Some(object) = object {
            let key = self.at(span, object_key(object, self.drawn))?;
            // A name that nothing is bound to can be no event's.
            ban.object = Some(self.assignment.objects.get(&key).copied().flatten());
        }
        let texts = text.map(|text: &Text| {
            if matches!(action, Action::Store(..) | Action::Load(..)) {
                let tokens =
                    text.alternatives.iter().map(|it| values::value(it, self.drawn).map(|it| text::token(&it)));
                return tokens.collect();
            }
            values::text(text, self.drawn)
        });
        ban.texts = texts.map(|texts| self.at(span, texts)).transpose()?;
        ban.signal = match action {
            Action::Ready(signal) | Action::Take(signal) | Action::Signal(_, Some(signal)) => {
                Some(self.at(span, values::signal(signal, self.drawn))?)
            }
            _ => None,
        };
        if let Action::Ends(endings) = action {
            for ending in endings {
                ban.endings.push(match ending {
                    Ending::Exit(status) => How::Exit(self.at(span, values::number(status, self.drawn))?),
                    Ending::Killed(signal) => How::Killed(self.at(span, values::signal(signal, self.drawn))?),
                });
            }
        }
        Ok(ban)
    }

    fn always(
        &mut self,
        between: Option<&(String, String)>,
        measure: &Measure,
        at_least: bool,
        bound: i64,
        span: Span,
    ) -> Checked<()> {
        let plan = self.assignment.plan;
        let extents = |label: &str| {
            let atoms = plan.atoms.iter().enumerate().filter(|(_, atom)| atom.label.as_deref() == Some(label));
            atoms.filter_map(|(index, _)| self.assignment.domains[index].first().copied()).collect::<Vec<_>>()
        };
        let (mut from, mut to) = (EventId(0), EventId(u32::MAX));
        if let Some((first, last)) = between {
            // Where a bound never came, its own absence is the finding.
            let (Some(start), Some(end)) =
                (extents(first).iter().map(|it| it.1).max(), extents(last).iter().map(|it| it.0).min())
            else {
                return Ok(());
            };
            (from, to) = (start, end);
        }
        let mut changes: Vec<(EventId, i64)> = Vec::new();
        match measure {
            Measure::Live(role) => {
                for life in self.assignment.cast.lives(role) {
                    let facts = self.assignment.facts;
                    changes.push((facts.forked[life.index()].unwrap_or(EventId(0)), 1));
                    changes.extend(facts.ends[life.index()].first().map(|end| (*end, -1)));
                }
            }
            Measure::Unread(object) => {
                let key = self.at(span, object_key(object, self.drawn))?;
                for (index, atom) in plan.atoms.iter().enumerate() {
                    let Some((_, last)) = self.assignment.domains[index].first() else { continue };
                    let change = match (&atom.ask, &atom.object) {
                        (Ask::Effect(Effect::Store(..)), Some((name, _))) if *name == key => 1,
                        (Ask::Effect(Effect::Load(..)), Some((name, _))) if *name == key => -1,
                        _ => continue,
                    };
                    changes.push((*last, change));
                }
            }
        }
        changes.sort();
        let holds = |level: i64| if at_least { level >= bound } else { level <= bound };
        let mut level: i64 = changes.iter().filter(|(event, _)| *event <= from).map(|(_, change)| change).sum();
        let mut broken = (between.is_some() && !holds(level)).then_some(from);
        for (event, change) in changes.iter().filter(|(event, _)| *event > from && *event < to) {
            level += change;
            if !holds(level) {
                broken = broken.or(Some(*event));
            }
        }
        if broken.is_some() {
            let step = format!("always: {measure} {} {bound}", if at_least { ">=" } else { "<=" });
            self.problem(ProblemKind::Forbidden, None, step, span, broken);
        }
        Ok(())
    }
}

/// What a `never` line forbids, its names resolved.
struct Ban {
    action: Action,
    /// The object it is about; inner none where the name is bound to nothing.
    object: Option<Option<ObjectId>>,
    texts: Option<Vec<Vec<u8>>>,
    signal: Option<Signal>,
    endings: Vec<How>,
}

impl Default for Ban {
    fn default() -> Self {
        Self { action: Action::Stdout(None), object: None, texts: None, signal: None, endings: Vec::new() }
    }
}

impl Ban {
    fn is(&self, event: &Event, assignment: &Assignment<'_>) -> bool {
        let on = |object: &ObjectId| self.object.is_none_or(|wanted| wanted == Some(*object));
        let says = |bytes: &[u8]| {
            self.texts.as_ref().is_none_or(|texts| texts.iter().any(|text| text::find(bytes, text, 0).is_some()))
        };
        let kind = |object: &ObjectId, kind| assignment.facts.trace.object(*object).kind == kind;
        let of = |who: &RoleName, life: &LifeId| assignment.cast.lives(who).contains(life);
        match (&self.action, &event.verb) {
            (Action::Stdout(_), Verb::Write { object, bytes }) => kind(object, ObjectKind::Stdout) && says(&bytes.0),
            (Action::Stderr(_), Verb::Write { object, bytes }) => kind(object, ObjectKind::Stderr) && says(&bytes.0),
            (Action::Write(..), Verb::Write { object, bytes })
            | (Action::Read(..), Verb::Read { object, bytes })
            | (Action::Send(..), Verb::Send { object, bytes, .. })
            | (Action::Receive(..), Verb::Receive { object, bytes, .. })
            | (Action::Store(..), Verb::Store { object, bytes, .. })
            | (Action::Load(..), Verb::Load { object, bytes, .. }) => on(object) && says(&bytes.0),
            (Action::Open(_), Verb::Open { object, .. })
            | (Action::Unlink(_), Verb::Unlink { object })
            | (Action::End(_), Verb::End { object })
            | (Action::Acquire(_), Verb::Acquire { object })
            | (Action::Release(_), Verb::Release { object }) => on(object),
            (Action::Make { kind: Maker::Sem, .. }, Verb::Create { object } | Verb::Open { object, .. })
            | (Action::Make { .. }, Verb::Create { object }) => on(object),
            (Action::Exec(_), Verb::Exec { program }) => {
                self.texts.as_ref().is_none_or(|texts| texts.iter().any(|text| text == program.as_bytes()))
            }
            (Action::Fork { who, .. }, Verb::Fork { child }) => of(who.role(), child),
            (Action::Wait(who, _), Verb::Reaped { child, .. }) => of(who.role(), child),
            (Action::Reaped(who, _), Verb::Reaped { child, .. }) => who.iter().any(|who| of(who.role(), child)),
            (Action::Ready(_), Verb::Ready { signal }) | (Action::Take(_), Verb::Take { signal }) => {
                Some(*signal) == self.signal
            }
            (Action::Signal(who, _), Verb::Signal { target: Some(target), signal, .. }) => {
                of(who.role(), target) && self.signal.is_none_or(|wanted| wanted == *signal)
            }
            (Action::Ends(_), Verb::Exit { status }) => self.endings.contains(&How::Exit((*status).into())),
            (Action::Ends(_), Verb::Killed { signal }) => self.endings.contains(&How::Killed(*signal)),
            _ => false,
        }
    }
}
