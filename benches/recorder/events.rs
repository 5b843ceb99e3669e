//! Memory for a long recording and its trace, and the time that judging it takes.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use ipc_grade::judge::match_trace;
use ipc_grade::model::{Value, Values};
use ipc_grade::pattern::Expected;
use ipc_grade::trace::naming::name;

/// A round trip is so many events: four calls, and two waits that are told before them.
const EVENTS_EACH: u64 = 6;

/// What is expected of it: all bytes on both pipes; who writes first the pipes themselves say.
const EXPECTED: &str = "\
parent:
    pipe ask & pipe answer then fork child then write ask \"{sent}\" & read answer \"{sent}\" then wait child -> exit 0

child:
    read ask \"{sent}\" & write answer \"{sent}\" then exit 0
";

/// In a process of its own, whose memory is then that of this recording alone.
pub(crate) fn inside(program: &Path, events: u64) {
    let before = resident();
    let rounds = (events / EVENTS_EACH).to_string();
    let recording = super::recording(&[program.as_os_str(), "ping_pong".as_ref(), rounds.as_ref()], 0);
    let count = recording.events.len();
    let recorded = resident() - before;
    let trace = name(&recording);
    drop(recording);
    let start = Instant::now();
    let expected = Expected::parse("expected.trace", EXPECTED).unwrap();
    let mut values = Values::default();
    values.insert("sent".to_owned(), Value::Text("x".repeat((events / EVENTS_EACH) as usize)));
    let matching = match_trace(&expected, &values, &trace).unwrap();
    let judged = start.elapsed();
    let wrong = matching.problems.len();
    assert_eq!(wrong, 0, "the run fits what is expected of it: {:?}", matching.problems.first());
    println!("{count} {recorded} {} {} {}", peak() - before, judged.as_secs_f64(), trace.events.len());
}

pub(crate) fn measure(program: &Path, events: u64) {
    let figures = |events: u64| -> Vec<f64> {
        let mut again = Command::new(std::env::current_exe().unwrap());
        let output = again.arg("--events").arg(program).arg(events.to_string()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).split_whitespace().map(|word| word.parse().unwrap()).collect()
    };
    let (half, full) = (figures(events / 2), figures(events));
    let more = full[0] - half[0];
    super::row("memory of a recording, for one more event", (full[1] - half[1]) / more, 400.0, "B");
    super::row("at most, with naming and judging", (full[2] - half[2]) / more, 400.0, "B");
    super::row("twice the events, times the memory", full[2] / half[2], 2.2, "x");
    super::row("judging it", full[3], 2.0, "s");
    println!("    {} raw events, {} named ones", full[0], full[4]);
}

fn resident() -> f64 {
    status("VmRSS:")
}

fn peak() -> f64 {
    status("VmHWM:")
}

/// A line of /proc/self/status (proc_pid_status(5)), in bytes.
fn status(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.split_whitespace().next().unwrap().parse::<f64>().unwrap() * 1024.0
}
