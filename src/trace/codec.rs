//! Canonical traces as text: JSON Lines with a version, so that a run can be judged again without running anything.
//!
//! ```text
//! {"schema":"ipc-grade/trace/1","lives":2,"objects":1,"events":9}
//! {"life":{"name":"main","kind":"learner","ended":8}}
//! {"event":{"life":0,"thread":0,"verb":"write","object":0,"bytes":"kettle\\n"}}
//! ```
//!
//! A header with the number of things to come, then a line for each life, object and event, in this order, and one
//! for the end. A life, an object, an event is referred to by its place among its kind, from 0. Fields may be added
//! within a version and are passed over by those who do not know them.

use serde::{Deserialize, Serialize};

use super::canonical::{Event, EventId, Life, LifeId, Object, ObjectId, RunEnd, Trace, Verb};
use crate::model::{ScenarioId, Values};

/// The format's name and version.
pub const SCHEMA: &str = "ipc-grade/trace/1";

/// Why a text is no trace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct CodecError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub message: String,
}

/// What a run was a run of, as far as it is known; a judge needs it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Context {
    /// The program and its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The scenario of the exercise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<ScenarioId>,
    /// The values that were carried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Values>,
    /// In a run that changed bytes in transit: what the arguments held instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<Values>,
}

impl Context {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Serialize, Deserialize)]
struct Header {
    schema: String,
    lives: usize,
    objects: usize,
    events: usize,
    #[serde(default, skip_serializing_if = "Context::is_empty")]
    context: Context,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Life(Life),
    Object(Object),
    Event(Event),
    End(RunEnd),
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum LineRef<'a> {
    Life(&'a Life),
    Object(&'a Object),
    Event(&'a Event),
    End(&'a RunEnd),
}

/// A trace as text, with a line feed at its end.
pub fn write(trace: &Trace) -> String {
    write_with(trace, &Context::default())
}

/// A trace as text with what it is a run of.
pub fn write_with(trace: &Trace, context: &Context) -> String {
    let header = Header {
        schema: SCHEMA.to_owned(),
        lives: trace.lives.len(),
        objects: trace.objects.len(),
        events: trace.events.len(),
        context: context.clone(),
    };
    let mut text = json(&header);
    let lines = (trace.lives.iter().map(LineRef::Life))
        .chain(trace.objects.iter().map(LineRef::Object))
        .chain(trace.events.iter().map(LineRef::Event))
        .chain([LineRef::End(&trace.end)]);
    for line in lines {
        text.push_str(&json(&line));
    }
    text
}

fn json(line: &impl Serialize) -> String {
    let mut text = serde_json::to_string(line).expect("a trace has text keys and no failing serializers");
    text.push('\n');
    text
}

/// Reads a trace. Every reference in what is returned leads somewhere.
///
/// # Errors
/// The first line that is not as it should be.
pub fn read(text: &str) -> Result<Trace, CodecError> {
    read_with(text).map(|(trace, _)| trace)
}

/// Reads a trace and what it is a run of.
///
/// # Errors
/// As [`read`].
pub fn read_with(text: &str) -> Result<(Trace, Context), CodecError> {
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    let at = |line: usize, message: String| CodecError { line, message };
    let (_, first) = lines.next().ok_or_else(|| at(1, "nothing is there".to_owned()))?;
    let header: Header =
        serde_json::from_str(first).map_err(|error| at(1, format!("no header of a trace: {error}")))?;
    if header.schema != SCHEMA {
        return Err(at(1, format!("this is `{}`, and only `{SCHEMA}` can be read", header.schema)));
    }
    let (mut lives, mut objects, mut events, mut end) = (Vec::new(), Vec::new(), Vec::new(), None);
    let mut places = Vec::new();
    let mut last = 1;
    for (number, line) in lines {
        last = number;
        if end.is_some() {
            return Err(at(number, "something stands behind the end".to_owned()));
        }
        match serde_json::from_str(line).map_err(|error| at(number, error.to_string()))? {
            Line::Life(life) => lives.push((number, life)),
            Line::Object(object) => objects.push((number, object)),
            Line::Event(event) => {
                places.push(number);
                events.push(event);
            }
            Line::End(it) => end = Some((number, it)),
        }
    }
    let (end_line, end) = end.ok_or_else(|| at(last, "the trace stops before its end".to_owned()))?;
    for (what, there, said) in [
        ("lives", lives.len(), header.lives),
        ("objects", objects.len(), header.objects),
        ("events", events.len(), header.events),
    ] {
        if there != said {
            return Err(at(1, format!("{said} {what} are announced, {there} are there")));
        }
    }
    let known = Known { lives: lives.len(), objects: objects.len(), events: events.len() };
    for (index, (number, life)) in lives.iter().enumerate() {
        known.life_line(index, life).map_err(|message| at(*number, message))?;
    }
    for (number, object) in &objects {
        known.life(object.creator).map_err(|message| at(*number, message))?;
    }
    for (index, event) in events.iter().enumerate() {
        known.event_line(index, event).map_err(|message| at(places[index], message))?;
    }
    known.end(&end).map_err(|message| at(end_line, message))?;
    let lives = lives.into_iter().map(|(_, life)| life).collect();
    let objects = objects.into_iter().map(|(_, object)| object).collect();
    Ok((Trace { lives, objects, events, end }, header.context))
}

/// How many of each there are, to which references can lead.
struct Known {
    lives: usize,
    objects: usize,
    events: usize,
}

impl Known {
    fn life(&self, lives: impl IntoIterator<Item = LifeId>) -> Result<(), String> {
        reference("life", self.lives, lives.into_iter().map(LifeId::index))
    }

    fn object(&self, objects: impl IntoIterator<Item = ObjectId>) -> Result<(), String> {
        reference("object", self.objects, objects.into_iter().map(ObjectId::index))
    }

    fn event(&self, events: impl IntoIterator<Item = EventId>) -> Result<(), String> {
        reference("event", self.events, events.into_iter().map(EventId::index))
    }

    fn life_line(&self, index: usize, life: &Life) -> Result<(), String> {
        self.life(life.parent)?;
        if life.parent.is_some_and(|parent| parent.index() >= index) {
            return Err("a parent stands before its children".to_owned());
        }
        self.event(life.ended.into_iter().chain(life.reaped))
    }

    fn event_line(&self, index: usize, event: &Event) -> Result<(), String> {
        self.life([event.life])?;
        let threads = self.lives + self.events;
        reference("thread", threads, [event.thread.index()])?;
        self.event(event.causes.iter().chain(&event.reads_from).chain(&event.handler).copied())?;
        if event.causes.iter().any(|cause| cause.index() >= index) {
            return Err("a cause stands before its effect".to_owned());
        }
        self.object(event.verb.object())?;
        match &event.verb {
            Verb::Fork { child } | Verb::Reaped { child, .. } => self.life([*child]),
            Verb::Thread { child } => reference("thread", threads, [child.index()]),
            Verb::Signal { target, .. } => self.life(*target),
            Verb::Holds { elsewhere, .. } => self.life(elsewhere.iter().map(|(life, _)| *life)),
            _ => Ok(()),
        }
    }

    fn end(&self, end: &RunEnd) -> Result<(), String> {
        match end {
            RunEnd::Finished => Ok(()),
            RunEnd::Limit { life, .. } => self.life(*life),
            RunEnd::Deadlock { waits } | RunEnd::AllBlocked { waits } => waits.iter().try_for_each(|wait| {
                self.life([wait.life].into_iter().chain(wait.child).chain(wait.holders.iter().map(|it| it.life)))?;
                self.object(wait.object)?;
                self.event(wait.holders.iter().filter_map(|holder| holder.since))
            }),
        }
    }
}

fn reference(what: &str, known: usize, references: impl IntoIterator<Item = usize>) -> Result<(), String> {
    match references.into_iter().find(|index| *index >= known) {
        Some(index) => Err(format!("there is no {what} {index}")),
        None => Ok(()),
    }
}
