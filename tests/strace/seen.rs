//! What the recorder saw.

use std::collections::HashMap;
use std::path::Path;

use ipc_grade::trace::{ObjectKind, RunEnd, Trace, Verb};

use crate::{Account, count, lines, traced};

pub(crate) fn account(command: &[String], folder: &Path) -> Account {
    let run = traced::trace(&[], command, folder);
    assert_eq!(run.trace.end, RunEnd::Finished, "{command:?}");
    let mut account = of_trace(&run.trace, &command[0]);
    account.output = lines(&run.stdout);
    let told: u64 = run
        .trace
        .events
        .iter()
        .map(|event| match &event.verb {
            Verb::Write { object, bytes } if run.trace.object(*object).kind == ObjectKind::Stdout => bytes.len() as u64,
            _ => 0,
        })
        .sum();
    assert_eq!(told, run.stdout.len() as u64, "{command:?}: what the trace tells of standard output");
    account
}

fn of_trace(trace: &Trace, started: &str) -> Account {
    let mut account = Account::default();
    // The exec that started it all is the recorder's own, and no event.
    let started = started.rsplit('/').next().unwrap().to_owned();
    count(&mut account.programs, started.clone());
    let mut program = HashMap::from([(trace.main().unwrap(), started)]);
    let mut pipes: HashMap<_, (u64, u64)> = HashMap::new();
    for event in &trace.events {
        match &event.verb {
            Verb::Exec { program: name } => {
                count(&mut account.programs, name.clone());
                program.insert(event.life, name.clone());
            }
            Verb::Fork { child } => {
                let same = program.get(&event.life).cloned().unwrap_or_default();
                program.insert(*child, same);
            }
            Verb::Exit { status } => count(&mut account.endings, (program[&event.life].clone(), status.to_string())),
            Verb::Killed { signal } => count(&mut account.endings, (program[&event.life].clone(), signal.to_string())),
            Verb::Write { object, bytes } if trace.object(*object).kind == ObjectKind::Pipe => {
                pipes.entry(*object).or_default().0 += bytes.len() as u64;
            }
            Verb::Read { object, bytes } if trace.object(*object).kind == ObjectKind::Pipe => {
                pipes.entry(*object).or_default().1 += bytes.len() as u64;
            }
            Verb::Signal { signal, .. } => count(&mut account.sent, signal.to_string()),
            Verb::Take { signal } => count(&mut account.taken, signal.to_string()),
            _ => {}
        }
    }
    pipes.into_values().for_each(|pipe| count(&mut account.pipes, pipe));
    account
}
