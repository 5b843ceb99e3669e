//! The steps of the picture: events as a person reads them, with neighbouring reads and writes merged.

use crate::trace::canonical::{Ending, Event, LifeId, ObjectId, ObjectKind, ThreadId, Trace, Verb};
use crate::trace::{Bytes, RunEnd};

/// How much of long data is shown.
const SHOWN: usize = 32;

/// One line of one lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// Whose: the place of the life among those that have steps.
    pub(super) lane: usize,
    pub(super) text: String,
    /// Earlier steps of other lanes that made it possible.
    pub(super) from: Vec<usize>,
    /// It has not come back: all these stand in one row, the last.
    pub(super) stuck: bool,
}

/// Steps in the order of the run, and the names of the lanes.
#[derive(Debug, Default)]
pub(super) struct Steps {
    pub(super) lanes: Vec<String>,
    pub(super) steps: Vec<Step>,
}

/// A step while its neighbours may still be merged into it.
struct Draft {
    life: LifeId,
    thread: ThreadId,
    /// Where it stands in the run: a merged write where the first was, a merged read where the last was.
    at: usize,
    text: String,
    /// Bytes that went in (true) or came out of an object.
    carries: Option<(bool, ObjectId, Bytes)>,
    from: Vec<usize>,
}

/// How a row about signals begins.
const READY: &str = "ready for ";

/// The steps of a trace.
pub(super) fn steps(trace: &Trace) -> Steps {
    let mut drafts: Vec<Draft> = Vec::new();
    let mut of_event: Vec<Option<usize>> = Vec::with_capacity(trace.events.len());
    let mut last: Vec<Option<usize>> = vec![None; trace.lives.len()];
    for (id, event) in trace.iter() {
        let from: Vec<usize> = event.causes.iter().filter_map(|cause| of_event[cause.index()]).collect();
        let carries = match &event.verb {
            Verb::Write { object, bytes } => Some((true, *object, bytes)),
            Verb::Read { object, bytes } => Some((false, *object, bytes)),
            _ => None,
        };
        let mergeable = last[event.life.index()].filter(|last| {
            let draft = &drafts[*last];
            let same = draft.carries.as_ref().zip(carries).is_some_and(|(a, b)| (a.0, a.1) == (b.0, b.1));
            same && draft.thread == event.thread
        });
        if let (Some(into), Some((write, _, bytes))) = (mergeable, carries) {
            let draft = &mut drafts[into];
            if let Some((_, _, all)) = &mut draft.carries {
                all.0.extend_from_slice(&bytes.0);
            }
            draft.from.extend(from);
            if !write {
                draft.at = id.index();
            }
            of_event.push(Some(into));
            continue;
        }
        let Some(text) = text(trace, event) else {
            of_event.push(None);
            continue;
        };
        // A shell gets ready for thirty signals in a row: that is one row.
        let ready = last[event.life.index()].filter(|last| drafts[*last].text.starts_with(READY));
        if let (Some(into), Verb::Ready { signal }) = (ready, &event.verb)
            && drafts[into].thread == event.thread
        {
            drafts[into].text.push_str(&format!(", {signal}"));
            of_event.push(Some(into));
            continue;
        }
        let carries = carries.map(|(write, object, bytes)| (write, object, bytes.clone()));
        let (life, thread, at) = (event.life, event.thread, id.index());
        let this = drafts.len();
        drafts.push(Draft { life, thread, at, text, carries, from });
        last[event.life.index()] = Some(this);
        of_event.push(Some(this));
        if let Verb::Fork { child } = event.verb {
            let text = "begins".to_owned();
            drafts.push(Draft { life: child, thread, at, text, carries: None, from: vec![this] });
            last[child.index()] = Some(this + 1);
        }
    }
    drafts.extend(stuck(trace));
    settle(trace, drafts)
}

/// Those that wait at the end, each where it is stuck.
fn stuck(trace: &Trace) -> Vec<Draft> {
    let (RunEnd::Deadlock { waits } | RunEnd::AllBlocked { waits }) = &trace.end else { return Vec::new() };
    waits
        .iter()
        .map(|wait| {
            let object = wait.object.map(|object| format!(" {}", trace.object(object).name)).unwrap_or_default();
            let child = wait.child.map(|child| format!(" {}", trace.life(child).name)).unwrap_or_default();
            let text = format!("{}{object}{child}: stuck", wait.call);
            Draft { life: wait.life, thread: wait.thread, at: usize::MAX, text, carries: None, from: Vec::new() }
        })
        .collect()
}

/// Puts drafts in order and gives lanes their numbers.
fn settle(trace: &Trace, drafts: Vec<Draft>) -> Steps {
    let mut order: Vec<usize> = (0..drafts.len()).collect();
    order.sort_by_key(|index| drafts[*index].at);
    let mut place = vec![0; drafts.len()];
    for (new, old) in order.iter().enumerate() {
        place[*old] = new;
    }
    let mut lane_of = vec![None; trace.lives.len()];
    let mut settled = Steps::default();
    for (index, life) in trace.lives.iter().enumerate() {
        if drafts.iter().any(|draft| draft.life.index() == index) {
            lane_of[index] = Some(settled.lanes.len());
            settled.lanes.push(life.name.clone());
        }
    }
    for (new, old) in order.into_iter().enumerate() {
        let draft = &drafts[old];
        let text = match &draft.carries {
            Some((true, object, bytes)) => format!("write {} {}", trace.object(*object).name, data(bytes)),
            Some((false, object, bytes)) => format!("read {} {}", trace.object(*object).name, data(bytes)),
            None => draft.text.clone(),
        };
        let mut from: Vec<usize> = draft
            .from
            .iter()
            .filter(|cause| drafts[**cause].life != draft.life)
            .map(|cause| place[*cause])
            .filter(|cause| *cause < new)
            .collect();
        from.sort_unstable();
        from.dedup();
        let lane = lane_of[draft.life.index()].unwrap_or_default();
        settled.steps.push(Step { lane, text, from, stuck: draft.at == usize::MAX });
    }
    settled
}

/// Data as in a Rust string; what is long is cut, and its length said.
fn data(bytes: &Bytes) -> String {
    if bytes.len() <= SHOWN {
        return format!("\"{}\"", bytes.to_string().replace('"', "\\\""));
    }
    let shown = Bytes(bytes.0[..SHOWN / 2].to_vec()).to_string().replace('"', "\\\"");
    format!("\"{shown}\"... {} bytes", bytes.len())
}

/// An event in words; none for what a picture leaves out.
fn text(trace: &Trace, event: &Event) -> Option<String> {
    let life = |id: LifeId| trace.life(id).name.as_str();
    let name = |id: ObjectId| trace.object(id).name.as_str();
    Some(match &event.verb {
        Verb::Fork { child } => format!("fork {}", life(*child)),
        Verb::Thread { .. } => "thread".to_owned(),
        Verb::Exec { program } => format!("exec {program}"),
        Verb::Exit { status } => format!("exit {status}"),
        Verb::Killed { signal } => format!("killed by {signal}"),
        Verb::Reaped { child, ending } => format!("reaped {}: {}", life(*child), ended(*ending)),
        Verb::Create { object } => {
            let object = trace.object(*object);
            match object.kind {
                ObjectKind::Fifo => format!("mkfifo {}", object.name),
                _ => format!("make {}", object.name),
            }
        }
        Verb::Open { object, read, write } => {
            let how = match (read, write) {
                (true, false) => " to read",
                (false, true) => " to write",
                _ => "",
            };
            format!("open {}{how}", name(*object))
        }
        Verb::Close { object, write, last } => {
            let end = if *write { "write" } else { "read" };
            let last = if *last { "last " } else { "" };
            match trace.object(*object).kind.is_channel() {
                true => format!("close {} ({last}{end} end)", name(*object)),
                false => format!("close {}", name(*object)),
            }
        }
        Verb::Unlink { object } => format!("unlink {}", name(*object)),
        Verb::Write { object, bytes } => format!("write {} {}", name(*object), data(bytes)),
        Verb::Read { object, bytes } => format!("read {} {}", name(*object), data(bytes)),
        Verb::End { object } => format!("read {}: end", name(*object)),
        Verb::Send { object, bytes, priority } => format!("send {} {} ({priority})", name(*object), data(bytes)),
        Verb::Receive { object, bytes, priority } => {
            format!("receive {} {} ({priority})", name(*object), data(bytes))
        }
        Verb::Acquire { object } => format!("acquire {}", name(*object)),
        Verb::Release { object } => format!("release {}", name(*object)),
        Verb::Map { object, shared } => {
            format!("map {}{}", name(*object), if *shared { "" } else { " privately" })
        }
        Verb::Resize { object, len } => format!("resize {} to {len}", name(*object)),
        Verb::Store { object, offset, bytes, .. } => format!("store {}[{offset}] {}", name(*object), data(bytes)),
        Verb::Load { object, offset, bytes, .. } => format!("load {}[{offset}] {}", name(*object), data(bytes)),
        Verb::Init { object, value, .. } => format!("init {} to {value}", name(*object)),
        Verb::Unexamined { object } => format!("accesses to {} are too many to show", name(*object)),
        // A child is ready for what its parent was: that is no step of its own.
        Verb::Ready { .. } if !event.causes.is_empty() => return None,
        Verb::Ready { signal } => format!("{READY}{signal}"),
        Verb::Ignore { signal } => format!("ignore {signal}"),
        Verb::Take { signal } => format!("take {signal}"),
        Verb::Signal { target, signal, group } => {
            let target = target.map_or("somebody outside", life);
            format!("signal {signal} to {target}{}", if *group { " and its group" } else { "" })
        }
        Verb::Failed { call, errno, object } => {
            format!("{call}{}: {errno}", object.map(|object| format!(" {}", name(object))).unwrap_or_default())
        }
        Verb::Step { instead: Some(instead), .. } => format!("met {instead} instead"),
        Verb::Call { name } => name.clone(),
        Verb::Unready { .. } | Verb::Return { .. } | Verb::Holds { .. } | Verb::Step { .. } => return None,
    })
}

fn ended(ending: Ending) -> String {
    match ending {
        Ending::Exit(status) => format!("exit {status}"),
        Ending::Killed(signal) => format!("killed by {signal}"),
    }
}
