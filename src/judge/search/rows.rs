//! The run as rows for the picture of lanes: what each role did, in the order of the run, and what came from where.

use std::collections::BTreeMap;

use super::assign::Assignment;
use super::text;
use crate::judge::diagnose::steps::Step;
use crate::judge::matching::{LaneStep, Mark};
use crate::trace::{Ending, EventId, LifeId, ObjectId, ObjectKind, RunEnd, Verb, Wait};

/// The rows of a run under an assignment. Neighbouring chunks of one stream are one row.
pub(super) fn rows(assignment: &Assignment<'_>) -> Vec<LaneStep> {
    let several = assignment.objects.values().flatten().count() > 1;
    let family = assignment.facts.learners().count() > 2;
    let accesses = &assignment.facts.accesses;
    let many = accesses.values().map(Vec::len).sum::<usize>() > ACCESSES_SHOWN;
    let (of_event, open) = (BTreeMap::new(), BTreeMap::new());
    let mut rows = Rows { assignment, several, family, many, rows: Vec::new(), of_event, open };
    for (id, _) in assignment.facts.trace.iter() {
        rows.event(id);
    }
    rows.stuck();
    rows.missing();
    rows.rows.into_iter().map(|row| row.step).collect()
}

/// With more accesses to memory than this only those are shown that a step accounts for.
const ACCESSES_SHOWN: usize = 64;

struct Row {
    step: LaneStep,
    /// What was carried, and the words before and after it.
    carried: Option<(String, Vec<u8>)>,
}

struct Rows<'r, 'a> {
    assignment: &'r Assignment<'a>,
    /// Several objects have names, so that each row must say which it is about.
    several: bool,
    /// There are several children, so that each wait must say for whom.
    family: bool,
    /// There are more accesses to memory than a picture can hold.
    many: bool,
    rows: Vec<Row>,
    /// The row of each event that has one.
    of_event: BTreeMap<EventId, usize>,
    /// For each life the row of a stream that its next chunk would go on with.
    open: BTreeMap<LifeId, (usize, ObjectId, bool)>,
}

impl<'a> Rows<'_, 'a> {
    /// A life's role, with a number where a family plays it; else its name in the trace.
    fn lane(&self, life: LifeId) -> String {
        let cast = self.assignment.cast;
        let Some(role) = cast.role_of(life).filter(|_| cast.principal(life) == life) else {
            return self.assignment.facts.trace.life(life).name.clone();
        };
        match cast.lives(role) {
            lives if lives.len() > 1 => {
                let place = lives.iter().position(|it| *it == life).unwrap_or_default();
                format!("{role} {}", place + 1)
            }
            _ => role.to_string(),
        }
    }

    /// The name that the expected trace has for an object, or its own.
    fn name(&self, object: ObjectId) -> String {
        let bound = self.assignment.objects.iter().find(|(_, bound)| **bound == Some(object));
        let own = || self.assignment.facts.trace.object(object).name.clone();
        bound.map_or_else(own, |(name, _)| name.clone())
    }

    /// The name, with a space before it, where it says something: the only object of an exercise needs none.
    fn which(&self, object: ObjectId) -> String {
        let only = !self.several && self.assignment.objects.values().any(|bound| *bound == Some(object));
        if only { String::new() } else { format!(" {}", self.name(object)) }
    }

    fn mark(&self, event: EventId) -> Mark {
        self.assignment.marks.get(&event).copied().unwrap_or(Mark::Free)
    }

    /// The latest row among an event's causes.
    fn from(&self, event: EventId) -> Option<usize> {
        let event = self.assignment.facts.trace.event(event);
        event.causes.iter().chain(&event.reads_from).filter_map(|cause| self.of_event.get(cause)).max().copied()
    }

    fn push(&mut self, event: EventId, text: String, carried: Option<(String, Vec<u8>)>) {
        let life = self.assignment.facts.life_of(event);
        let step = LaneStep { lane: self.lane(life), text, from: self.from(event), mark: self.mark(event) };
        self.of_event.insert(event, self.rows.len());
        self.rows.push(Row { step, carried });
    }

    fn event(&mut self, id: EventId) {
        let trace = self.assignment.facts.trace;
        let event = trace.event(id);
        let life = event.life;
        let shown = match &event.verb {
            Verb::Write { object, bytes } => return self.bytes(id, *object, true, &bytes.0),
            Verb::Read { object, bytes } => return self.bytes(id, *object, false, &bytes.0),
            Verb::Fork { child } => Some(format!("fork {}", self.lane(*child))),
            Verb::Exec { program } => Some(format!("exec {program}")),
            Verb::Exit { status } => Some(format!("exit {status}")),
            Verb::Killed { signal } => Some(format!("killed by {signal}")),
            Verb::Reaped { child, ending } => {
                let ending = match ending {
                    Ending::Exit(status) => format!("exit {status}"),
                    Ending::Killed(signal) => format!("killed by {signal}"),
                };
                let whom = if self.family { format!(" {}", self.lane(*child)) } else { String::new() };
                Some(format!("wait{whom}: {ending}"))
            }
            Verb::End { object } => Some(format!("read{}: end", self.which(*object))),
            // Of interest where it brings the end that somebody reads, or would have to.
            Verb::Close { object, write: true, last: true } if self.brings_an_end(id) => {
                Some(format!("close{}: last write end", self.which(*object)))
            }
            Verb::Close { object, write: true, last: false } if self.end_awaited(*object) => {
                Some(format!("close{}: write end", self.which(*object)))
            }
            Verb::Send { object, bytes, priority } => {
                Some(format!("send{} \"{}\" priority {priority}", self.which(*object), text::short(&bytes.0)))
            }
            Verb::Receive { object, bytes, priority } => {
                Some(format!("receive{} \"{}\" priority {priority}", self.which(*object), text::short(&bytes.0)))
            }
            Verb::Ready { signal } => Some(format!("ready for {signal}")),
            Verb::Take { signal } => Some(format!("take {signal}")),
            Verb::Signal { target, signal, .. } => {
                let target = target.map_or_else(|| "a stranger".to_owned(), |target| self.lane(target));
                Some(format!("signal {target} {signal}"))
            }
            Verb::Create { object } => Some(format!("make {}", self.name(*object))),
            Verb::Unlink { object } => Some(format!("unlink {}", self.name(*object))),
            // Of many accesses those are of interest that the lanes ask for, or that are wrong.
            Verb::Acquire { .. } | Verb::Release { .. } | Verb::Store { .. } | Verb::Load { .. }
                if self.many && self.mark(id) == Mark::Free =>
            {
                None
            }
            Verb::Acquire { object } => Some(format!("acquire {}", self.name(*object))),
            Verb::Release { object } => Some(format!("release {}", self.name(*object))),
            Verb::Store { object, offset, bytes, .. } => Some(self.access("store", *object, *offset, &bytes.0)),
            Verb::Load { object, offset, bytes, .. } => Some(self.access("load", *object, *offset, &bytes.0)),
            Verb::Failed { call, errno, .. } => Some(format!("{call} failed: {errno}")),
            Verb::Thread { .. }
            | Verb::Open { .. }
            | Verb::Close { .. }
            | Verb::Map { .. }
            | Verb::Resize { .. }
            | Verb::Unready { .. }
            | Verb::Ignore { .. }
            | Verb::Return { .. }
            | Verb::Holds { .. }
            | Verb::Step { .. }
            | Verb::Unexamined { .. }
            | Verb::Call { .. } => None,
            Verb::Init { object, value, .. } => Some(format!("set {} up with {value}", self.name(*object))),
        };
        if let Some(text) = shown {
            self.open.remove(&life);
            self.push(id, text, None);
        }
    }

    fn access(&self, verb: &str, object: ObjectId, offset: u64, bytes: &[u8]) -> String {
        let number = match bytes.len() {
            4 => bytes.try_into().map(u32::from_ne_bytes).map(u64::from).ok(),
            8 => bytes.try_into().map(u64::from_ne_bytes).ok(),
            _ => None,
        };
        let value = number.map_or_else(|| format!("\"{}\"", text::short(bytes)), |number| number.to_string());
        format!("{verb} {} at {offset}: {value}", self.name(object))
    }

    /// A chunk: it goes on with the row before it where that is of the same stream and stands alike.
    fn bytes(&mut self, id: EventId, object: ObjectId, write: bool, bytes: &[u8]) {
        let life = self.assignment.facts.life_of(id);
        if bytes.is_empty() {
            return;
        }
        let (mark, from) = (self.mark(id), self.from(id));
        // An arrow never points upwards: what comes from a later row begins a row of its own.
        let open = self.open.get(&life).copied().filter(|(index, ..)| from.is_none_or(|from| from < *index));
        if let Some((index, of, way)) = open
            && (of, way) == (object, write)
            && let Row { step, carried: Some((words, so_far)) } = &mut self.rows[index]
            && (step.mark == mark || (step.mark == Mark::Expected && mark == Mark::Free))
        {
            so_far.extend_from_slice(bytes);
            step.text = format!("{words} \"{}\"", text::short(so_far));
            step.from = step.from.or(from);
            self.of_event.insert(id, index);
            return;
        }
        let words = match (self.assignment.facts.trace.object(object).kind, write) {
            (ObjectKind::Stdout, true) => "print".to_owned(),
            (ObjectKind::Stderr, true) => "print to stderr".to_owned(),
            (_, true) => format!("write{}", self.which(object)),
            (_, false) => format!("read{}", self.which(object)),
        };
        self.open.insert(life, (self.rows.len(), object, write));
        let text = format!("{words} \"{}\"", text::short(bytes));
        self.push(id, text, Some((words, bytes.to_vec())));
    }

    /// Who is stuck, and whose open write end keeps it so; behind all that their lanes did.
    fn stuck(&mut self) {
        for wait in self.waits() {
            let Some(object) = wait.object.filter(|object| self.end_awaited(*object)) else { continue };
            for holder in &wait.holders {
                let since = holder.since.map(|since| &self.assignment.facts.trace.event(since).verb);
                let what = if matches!(since, Some(Verb::Fork { .. })) { "own copy" } else { "write end" };
                let which = self.which(object);
                let of = if which.is_empty() { String::new() } else { format!(" of{which}") };
                self.last(holder.life, format!("(its {what}{of} stays open)"), Mark::Free);
            }
        }
        for wait in self.waits() {
            let on = match (wait.object, wait.child) {
                (Some(object), _) => self.which(object),
                (None, Some(child)) => format!(" for {}", self.lane(child)),
                (None, None) => String::new(),
            };
            let had_some = wait.call == "read" && wait.object.is_some_and(|object| self.has_read(wait.life, object));
            let more = match (had_some, on.is_empty()) {
                (false, _) => "",
                (true, true) => " more",
                (true, false) => " more of",
            };
            self.last(wait.life, format!("{}{more}{on}: stuck", wait.call), Mark::Stuck);
        }
    }

    /// Steps that did not happen.
    fn missing(&mut self) {
        for (index, atom) in self.assignment.plan.atoms.iter().enumerate() {
            if self.assignment.domains[index].is_empty() && !atom.optional {
                let lane = match self.assignment.plan.life(atom) {
                    Some(life) => self.lane(life),
                    None => self.assignment.role(index).to_string(),
                };
                let known = |name: &str| self.assignment.objects.get(name).is_some_and(Option::is_some);
                let text = Step::parse(&atom.text).deed(|name| self.several || !known(name), self.family);
                let step = LaneStep { lane, text, from: None, mark: Mark::Missing };
                self.rows.push(Row { step, carried: None });
            }
        }
    }

    /// A row behind all that a life did.
    fn last(&mut self, life: LifeId, text: String, mark: Mark) {
        let step = LaneStep { lane: self.lane(life), text, from: None, mark };
        self.rows.push(Row { step, carried: None });
    }

    fn waits(&self) -> &'a [Wait] {
        match &self.assignment.facts.trace.end {
            RunEnd::Deadlock { waits } | RunEnd::AllBlocked { waits } => waits,
            _ => &[],
        }
    }

    /// Whether somebody is stuck at the end of an object of which all that was asked for has been read.
    fn end_awaited(&self, object: ObjectId) -> bool {
        let stuck = self.waits().iter().any(|wait| wait.object == Some(object) && wait.call == "read");
        let lacks = |index: usize| {
            let atom = &self.assignment.plan.atoms[index];
            let known = Step::parse(&atom.text).object().and_then(|name| self.assignment.objects.get(name));
            self.assignment.domains[index].is_empty() && !atom.optional && known == Some(&Some(object))
        };
        stuck && !(0..self.assignment.plan.atoms.len()).any(lacks)
    }

    /// Whether a close is among the causes of an end that somebody read.
    fn brings_an_end(&self, close: EventId) -> bool {
        let events = &self.assignment.facts.trace.events;
        events.iter().any(|event| matches!(event.verb, Verb::End { .. }) && event.causes.contains(&close))
    }

    fn has_read(&self, life: LifeId, of: ObjectId) -> bool {
        self.assignment.facts.trace.events.iter().any(|event| {
            event.life == life
                && matches!(&event.verb, Verb::Read { object, bytes } if *object == of && !bytes.is_empty())
        })
    }
}
