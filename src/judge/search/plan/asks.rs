//! What one step asks, under the values and the lives of its round.

use super::super::facts::Way;
use super::super::text;
use super::{Ask, Atom, By, Effect, How, Named, Planned, Planner, Tree, object_key};
use crate::model::{Signal, Value};
use crate::pattern::ast::{Action, Cell, Ending, Number, ObjectName, Payload, SignalArg, Span, Step, Text, Who};
use crate::pattern::values;
use crate::trace::{EventId, LifeId, ObjectKind, Verb};

/// An atom without its circumstances.
struct Asked {
    ask: Ask,
    object: Option<Named>,
    text: String,
}

impl Planner<'_> {
    pub(super) fn step(&mut self, step: &Step) -> Planned<Tree> {
        let first = self.plan.atoms.len();
        for Asked { ask, object, text } in self.asks(step)? {
            self.plan.atoms.push(Atom {
                player: self.plan.players.len().saturating_sub(1),
                ask,
                optional: self.optional,
                on: self.on,
                text,
                line: self.expected.line(step.span),
                label: step.label.clone(),
                object,
                path: Vec::new(),
            });
        }
        Ok(match self.plan.atoms.len() - first {
            1 => Tree::Atom(first),
            _ => Tree::Both((first..self.plan.atoms.len()).map(Tree::Atom).collect()),
        })
    }

    /// What a step asks; several things where it is about several lives or objects.
    fn asks(&mut self, step: &Step) -> Planned<Vec<Asked>> {
        let span = step.span;
        Ok(match &step.action {
            Action::Make { kind, names } => {
                let make = |name| {
                    let object: Named = self.object(name, span)?;
                    let text = format!("{} {}", kind.word(), object.0);
                    Ok(Asked { ask: Ask::Effect(Effect::Make(*kind)), object: Some(object), text })
                };
                names.iter().map(make).collect::<Planned<_>>()?
            }
            Action::Fork { who, directly } => {
                let text = format!("fork {}", who.role());
                self.lives_to_fork(who, span)?
                    .into_iter()
                    .map(|life| Asked { ask: Ask::Fork(life, *directly), object: None, text: text.clone() })
                    .collect()
            }
            Action::Signal(_, None) => Vec::new(),
            Action::Signal(who, Some(signal)) => {
                let signal = self.signal(signal, span)?;
                let text = format!("signal {} {signal}", who.role());
                self.lives_to_signal(who, signal)
                    .into_iter()
                    .map(|life| Asked { ask: Ask::Signal(life, signal), object: None, text: text.clone() })
                    .collect()
            }
            Action::Wait(who, endings) => self.reaps("wait", who, endings, By::Player, span)?,
            Action::Reaped(who, endings) => {
                let mut asks = Vec::new();
                for who in who {
                    asks.extend(self.reaps("reaped", who, endings, By::Anyone, span)?);
                }
                asks
            }
            _ => {
                let (ask, object) = self.ask(&step.action, span)?;
                vec![Asked { ask, object, text: text::step(&step.action, &self.values) }]
            }
        })
    }

    /// The one thing that any other step asks.
    fn ask(&self, action: &Action, span: Span) -> Planned<(Ask, Option<Named>)> {
        let effect = |object: &ObjectName, effect| Ok((Ask::Effect(effect), Some(self.object(object, span)?)));
        let alone = |effect| Ok((Ask::Effect(effect), None));
        let standard = |name: &str, kind| Some((name.to_owned(), self.facts.object_of_kind(kind)));
        match action {
            Action::Exec(program) => alone(Effect::Exec(self.texts(Some(program), span)?)),
            Action::Open(object) => effect(object, Effect::Open),
            Action::Unlink(object) => effect(object, Effect::Unlink),
            Action::Acquire(object) => effect(object, Effect::Acquire),
            Action::Release(object) => effect(object, Effect::Release),
            Action::End(object) => effect(object, Effect::EndOfFile),
            Action::Write(object, text) => {
                Ok((Ask::Bytes(Way::In, self.texts(text.as_ref(), span)?), Some(self.object(object, span)?)))
            }
            Action::Read(object, text) => {
                Ok((Ask::Bytes(Way::Out, self.texts(text.as_ref(), span)?), Some(self.object(object, span)?)))
            }
            Action::Stdout(text) => {
                Ok((Ask::Bytes(Way::In, self.texts(text.as_ref(), span)?), standard("stdout", ObjectKind::Stdout)))
            }
            Action::Stderr(text) => {
                let texts = self.texts(text.as_ref(), span)?;
                Ok((Ask::Effect(Effect::Stderr(texts)), standard("stderr", ObjectKind::Stderr)))
            }
            Action::Send(queue, text, priority) => {
                let payload = self.messages_of(text.as_ref(), span)?;
                let priority = self.priority(priority.as_ref(), span)?;
                Ok((Ask::Message(Way::In, payload, priority), Some(self.object(queue, span)?)))
            }
            Action::Receive(queue, payload, priority) => {
                let wanted = match payload {
                    Some(Payload::Capture { variable, .. }) => {
                        let caught = self.values.get(variable).cloned();
                        let message = || format!("`{variable}` can be caught in a `repeat` only");
                        vec![self.at(span, caught.ok_or_else(message))?]
                    }
                    Some(Payload::Text(text)) => self.messages_of(Some(text), span)?,
                    None => Vec::new(),
                };
                let priority = self.priority(priority.as_ref(), span)?;
                Ok((Ask::Message(Way::Out, wanted, priority), Some(self.object(queue, span)?)))
            }
            Action::Store(object, cell, value) => {
                effect(object, Effect::Store(self.offset(cell.as_ref(), span)?, self.cell(cell.as_ref(), value, span)?))
            }
            Action::Load(object, cell, value) => {
                effect(object, Effect::Load(self.offset(cell.as_ref(), span)?, self.cell(cell.as_ref(), value, span)?))
            }
            Action::Ready(signal) => alone(Effect::Ready(self.signal(signal, span)?)),
            Action::Take(signal) => alone(Effect::Take(self.signal(signal, span)?)),
            Action::Ends(endings) => Ok((Ask::Ends(self.endings(endings, span)?), None)),
            Action::Make { .. } | Action::Fork { .. } | Action::Signal(..) | Action::Wait(..) | Action::Reaped(..) => {
                unreachable!("these may ask several things: `asks`")
            }
        }
    }

    fn texts(&self, text: Option<&Text>, span: Span) -> Planned<Vec<Vec<u8>>> {
        text.map_or(Ok(Vec::new()), |text| self.at(span, values::text(text, &self.values)))
    }

    fn messages_of(&self, text: Option<&Text>, span: Span) -> Planned<Vec<Value>> {
        let alternatives = text.iter().flat_map(|text| &text.alternatives);
        self.at(span, alternatives.map(|it| values::value(it, &self.values)).collect())
    }

    fn signal(&self, signal: &SignalArg, span: Span) -> Planned<Signal> {
        self.at(span, values::signal(signal, &self.values))
    }

    fn offset(&self, cell: Option<&Cell>, span: Span) -> Planned<Option<u64>> {
        let Some(cell) = cell else { return Ok(None) };
        let offset = self.at(span, values::number(&cell.offset, &self.values))?;
        self.at(span, u64::try_from(offset).map_err(|_| format!("{offset} is no offset"))).map(Some)
    }

    fn reaps(&mut self, verb: &str, who: &Who, endings: &[Ending], by: By, span: Span) -> Planned<Vec<Asked>> {
        let how = self.endings(endings, span)?;
        let text = match text::endings(&how) {
            endings if endings.is_empty() => format!("{verb} {}", who.role()),
            endings => format!("{verb} {} -> {endings}", who.role()),
        };
        let mut lives = self.meant(who);
        if !matches!(who, Who::One(_) | Who::Any(_)) {
            lives.retain(|life| life.is_none_or(|life| !self.collected.contains(&life)));
        }
        self.collected.extend(lives.iter().flatten());
        let asked = |life| Asked { ask: Ask::Reaped(life, how.clone(), by), object: None, text: text.clone() };
        Ok(lives.into_iter().map(asked).collect())
    }

    fn object(&self, name: &ObjectName, span: Span) -> Planned<Named> {
        let key = self.at(span, object_key(name, &self.values))?;
        let bound = self.objects.get(&key).copied().flatten();
        Ok((key, bound))
    }

    fn priority(&self, priority: Option<&Number>, span: Span) -> Planned<Option<i64>> {
        priority.map(|number| self.at(span, values::number(number, &self.values))).transpose()
    }

    /// The bytes that stand for a value in memory.
    fn cell(&self, cell: Option<&Cell>, value: &Option<Text>, span: Span) -> Planned<Vec<Vec<u8>>> {
        let alternatives = value.as_ref().map(|text| text.alternatives.as_slice()).unwrap_or_default();
        alternatives
            .iter()
            .map(|template| {
                let value = self.at(span, values::value(template, &self.values))?;
                let bytes = match cell {
                    Some(cell) => value
                        .as_int()
                        .and_then(|number| cell.scalar.encode(number))
                        .ok_or_else(|| format!("`{template}` does not fit a {}", cell.scalar.name())),
                    None => Ok(text::token(&value)),
                };
                self.at(span, bytes)
            })
            .collect()
    }

    fn endings(&self, endings: &[Ending], span: Span) -> Planned<Vec<How>> {
        let one = |ending: &Ending| match ending {
            Ending::Exit(status) => values::number(status, &self.values).map(How::Exit),
            Ending::Killed(signal) => values::signal(signal, &self.values).map(How::Killed),
        };
        self.at(span, endings.iter().map(one).collect())
    }

    /// The lives that `who` means; `None` for one that is not there.
    fn meant(&self, who: &Who) -> Vec<Option<LifeId>> {
        match who {
            Who::One(role) | Who::Any(role) => {
                vec![self.member.get(role).copied().or_else(|| self.cast.lives(role).first().copied())]
            }
            Who::Each(role) | Who::Live(role) | Who::Some(_, role) => {
                self.cast.lives(role).iter().copied().map(Some).collect()
            }
        }
    }

    fn lives_to_fork(&mut self, who: &Who, span: Span) -> Planned<Vec<Option<LifeId>>> {
        let role = who.role();
        let taken = self.plan.forks.entry(role.clone()).or_default().clone();
        let mut free: Vec<LifeId> = self.cast.lives(role).iter().copied().filter(|l| !taken.contains(l)).collect();
        let wanted = match who {
            Who::Some(count, _) => self.at(span, values::count(count, &self.values))?,
            Who::Each(_) => match self.cast.wanted(role) {
                Some((size, false)) => size,
                Some((size, true)) => size.max(free.len() as i64),
                None => free.len() as i64,
            },
            Who::One(_) | Who::Live(_) | Who::Any(_) => {
                if let Some(after) = self.after {
                    let later = |life: &LifeId| self.facts.forked[life.index()].is_some_and(|fork| fork > after);
                    free.sort_by_key(|life| !later(life));
                }
                1
            }
        };
        let wanted = usize::try_from(wanted).unwrap_or_default();
        let lives: Vec<Option<LifeId>> = (0..wanted).map(|index| free.get(index).copied()).collect();
        self.plan.forks.entry(role.clone()).or_default().extend(lives.iter().flatten());
        Ok(lives)
    }

    fn lives_to_signal(&self, who: &Who, signal: Signal) -> Vec<Option<LifeId>> {
        let Who::Live(role) = who else { return self.meant(who) };
        let lives = self.cast.lives(role);
        let first = self.facts.trace.iter().find(|(id, event)| {
            self.is_own(*id)
                && matches!(event.verb, Verb::Signal { target: Some(target), signal: sent, .. }
                    if sent == signal && lives.contains(&target))
        });
        let start = first.map(|(id, _)| id);
        // Whom this very signal ended was alive when it was due.
        let by_it =
            |end: &EventId| matches!(self.facts.trace.event(*end).verb, Verb::Killed { signal: by } if by == signal);
        let ended = |life: &LifeId| {
            let end = self.facts.ends[life.index()].first().filter(|end| !by_it(end));
            end.is_some_and(|end| start.is_none_or(|start| *end < start))
        };
        lives.iter().filter(|life| !ended(life)).copied().map(Some).collect()
    }
}
