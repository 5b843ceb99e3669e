//! A canonical trace as short text: one lane per process, one line per event, and who made it possible.
//!
//! ```text
//! main
//!   create main.pipe1
//!   fork main.1
//!   read main.pipe1 "word" < main.1
//! main.1
//!   write main.pipe1 "word"
//!   exit 0
//! deadlock
//!   main in wait for main.1, held by main.1
//! ```
//!
//! Behind `<` stand the other processes, or the process's own other threads, in which the causes lie. A line of another
//! thread than a process's first begins with its number.

use std::collections::BTreeSet;
use std::fmt::Write;

use ipc_grade::trace::{Ending, Event, LifeId, ObjectId, RunEnd, Trace, Verb, Wait};

/// Longer texts are given by their length.
const LONG: usize = 40;

/// The trace as text.
pub(crate) fn story(trace: &Trace) -> String {
    let mut text = String::new();
    for (index, life) in trace.lives.iter().enumerate() {
        let orphaned = if life.orphaned { " (orphaned)" } else { "" };
        writeln!(text, "{}{orphaned}", life.name).unwrap();
        let id = LifeId(index as u32);
        let first = trace.of(id).map(|(_, event)| event.thread).min();
        for (_, event) in trace.of(id) {
            let thread = first.map_or(0, |first| event.thread.0 - first.0);
            let thread = if thread == 0 { String::new() } else { format!("[{thread}] ") };
            writeln!(text, "  {thread}{}{}", verb(trace, &event.verb), causes(trace, event)).unwrap();
        }
    }
    let waits = match &trace.end {
        RunEnd::Finished => return text + "finished\n",
        RunEnd::Limit { limit, .. } => return text + "limit " + limit + "\n",
        RunEnd::Deadlock { waits } => {
            text.push_str("deadlock\n");
            waits
        }
        RunEnd::AllBlocked { waits } => {
            text.push_str("all blocked\n");
            waits
        }
    };
    waits.iter().for_each(|it| writeln!(text, "  {}", wait(trace, it)).unwrap());
    text
}

fn causes(trace: &Trace, event: &Event) -> String {
    let names: BTreeSet<&str> = event.causes.iter().map(|id| trace.life(trace.event(*id).life).name.as_str()).collect();
    if names.is_empty() { String::new() } else { format!(" < {}", names.into_iter().collect::<Vec<_>>().join(", ")) }
}

fn wait(trace: &Trace, wait: &Wait) -> String {
    let mut text = format!("{} in {}", trace.life(wait.life).name, wait.call);
    if let Some(object) = wait.object {
        write!(text, " of {}", trace.object(object).name).unwrap();
    }
    if let Some(child) = wait.child {
        write!(text, " for {}", trace.life(child).name).unwrap();
    }
    let holders: Vec<&str> = wait.holders.iter().map(|holder| trace.life(holder.life).name.as_str()).collect();
    if !holders.is_empty() {
        write!(text, ", held by {}", holders.join(", ")).unwrap();
    }
    text
}

fn verb(trace: &Trace, verb: &Verb) -> String {
    let object = |id: &ObjectId| trace.object(*id).name.clone();
    let bytes = |bytes: &ipc_grade::trace::Bytes| {
        if bytes.len() > LONG { format!("{} bytes", bytes.len()) } else { format!("\"{bytes}\"") }
    };
    let ending = |ending: &Ending| match ending {
        Ending::Exit(status) => format!("exit {status}"),
        Ending::Killed(signal) => format!("killed {signal}"),
    };
    match verb {
        Verb::Fork { child } => format!("fork {}", trace.life(*child).name),
        Verb::Thread { .. } => "thread".to_owned(),
        Verb::Exec { program } => format!("exec {program}"),
        Verb::Exit { status } => format!("exit {status}"),
        Verb::Killed { signal } => format!("killed {signal}"),
        Verb::Reaped { child, ending: how } => format!("reaped {} {}", trace.life(*child).name, ending(how)),
        Verb::Create { object: id } => format!("create {}", object(id)),
        Verb::Open { object: id, read, write } => {
            format!("open {} {}{}", object(id), if *read { "r" } else { "" }, if *write { "w" } else { "" })
        }
        Verb::Close { object: id, write, last } => {
            let end = if *write { "write" } else { "read" };
            format!("close {} {end}{}", object(id), if *last { ", the last" } else { "" })
        }
        Verb::Unlink { object: id } => format!("unlink {}", object(id)),
        Verb::Write { object: id, bytes: what } => format!("write {} {}", object(id), bytes(what)),
        Verb::Read { object: id, bytes: what } => format!("read {} {}", object(id), bytes(what)),
        Verb::End { object: id } => format!("end {}", object(id)),
        Verb::Send { object: id, bytes: what, priority } => format!("send {} {} {priority}", object(id), bytes(what)),
        Verb::Receive { object: id, bytes: what, priority } => {
            format!("receive {} {} {priority}", object(id), bytes(what))
        }
        Verb::Acquire { object: id } => format!("acquire {}", object(id)),
        Verb::Release { object: id } => format!("release {}", object(id)),
        Verb::Map { object: id, shared } => format!("map {}{}", object(id), if *shared { "" } else { " privately" }),
        Verb::Resize { object: id, len } => format!("resize {} {len}", object(id)),
        Verb::Store { object: id, offset, bytes: what, .. } => format!("store {}+{offset} {}", object(id), bytes(what)),
        Verb::Load { object: id, offset, bytes: what, .. } => format!("load {}+{offset} {}", object(id), bytes(what)),
        Verb::Init { object: id, value, .. } => format!("init {} {value}", object(id)),
        Verb::Unexamined { object: id } => format!("unexamined {}", object(id)),
        Verb::Ready { signal } => format!("ready {signal}"),
        Verb::Unready { signal } => format!("unready {signal}"),
        Verb::Ignore { signal } => format!("ignore {signal}"),
        Verb::Take { signal } => format!("take {signal}"),
        Verb::Return { signal } => format!("return {signal}"),
        Verb::Signal { target, signal, group } => {
            let target = target.map_or("a stranger", |life| trace.life(life).name.as_str());
            format!("signal {target} {signal}{}", if *group { " as a group" } else { "" })
        }
        Verb::Failed { call, errno, object: about } => {
            format!("failed {call} {errno}{}", about.map_or(String::new(), |id| format!(" {}", object(&id))))
        }
        Verb::Holds { value, .. } => format!("holds {value}"),
        Verb::Step { step, .. } => format!("step {step}"),
        Verb::Call { name } => format!("call {name}"),
    }
}
