//! Calls that the recorder's model foresees, recorded with every one of them audited and with none: the same trace.
//!
//! Tests run with debug assertions, where all are audited unless told otherwise; what is graded goes mostly without.

use std::ffi::OsString;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::process::Command;

use ipc_grade::harness::{Attempt, attempt};
use ipc_grade::model::ScheduleSeed;
use ipc_grade::pipeline::record::record_audited;
use ipc_grade::trace::Trace;
use ipc_grade::trace::canonical::{Event, Verb};
use ipc_grade::trace::naming::name;

/// Programs of tests/recorder/programs and their cases: addresses where nothing is, ends that close, children, writes in
/// pieces. None that waits for a time: outside of the box that is the machine's own.
const CASES: [(&str, &[&str]); 6] = [
    ("pipes", &["does_not_wait", "no_reader", "bad_addresses", "vectors", "two_readers"]),
    ("pieces", &["slow_reader", "two_writers", "small_among_large", "in_several_parts"]),
    ("polls", &["ready_at_once"]),
    ("eventfds", &["counts", "of_semaphores", "in_parts", "bad_addresses"]),
    ("epolls", &["edges", "one_shot", "in_turn"]),
    ("streams", &["both_ways", "there_and_back", "shut", "by_epoll", "passed"]),
];

pub(crate) fn same_without() {
    let folder = tempfile::tempdir().expect("a folder");
    CASES.iter().for_each(|(name, cases)| same(folder.path(), name, cases));
}

/// Back and forth, fifty times or more: what the model knows needs no look whether somebody sleeps, and what is left to the
/// kernel needs one at each call that may.
pub(crate) fn no_looks() {
    let folder = tempfile::tempdir().expect("a folder");
    let cases = [
        ("sysv", "ping_pong"),
        ("sysv", "echo"),
        ("queues", "echo"),
        ("signalfds", "echo"),
        ("timerfds", "again_and_again"),
        ("named", "one_by_one"),
        ("watched", "echo"),
    ];
    for (name, case) in cases {
        let program = compiled(folder.path(), name);
        let looks = |case: &str| {
            let described = Attempt::plain(program.clone(), name, vec![case.as_bytes().to_vec()]);
            attempt(&described).expect("an attempt").looks
        };
        let (modelled, generic) = (looks(case), looks(&format!("generic_{case}")));
        assert!(modelled < 20 && generic >= 200, "{name} {case}: {modelled} looks, and {generic} without the model");
    }
}

/// Calls on each kind of object, each of which stops its caller once and not twice.
pub(crate) fn one_stop() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = compiled(folder.path(), "foreseen");
    for case in ["pipes", "counters", "pairs", "left_to_the_kernel"] {
        let command = [program.clone().into_os_string(), OsString::from(case)];
        let trace = name(&record_audited(&command, ScheduleSeed(0), None, NonZeroU64::MAX).expect("a recording"));
        let ended = |event: &Event| event.verb == Verb::Exit { status: 0 };
        assert!(trace.events.iter().any(ended), "{case}: {:?}", trace.events.last());
    }
}

fn compiled(folder: &Path, name_of_it: &str) -> PathBuf {
    let program = folder.join(name_of_it);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/recorder/programs/{name_of_it}.c"));
    let mut cc = Command::new("cc");
    cc.args(["-O0", "-pthread", "-o"]).arg(&program).arg(source).arg("-lrt");
    assert!(cc.status().expect("a compiler").success());
    program
}

fn same(folder: &Path, name_of_it: &str, cases: &[&str]) {
    let program = compiled(folder, name_of_it);
    let all = NonZeroU64::MIN;
    for case in cases {
        for seed in 0..4 {
            let record = |audits: NonZeroU64| -> Trace {
                let command = [program.clone().into_os_string(), OsString::from(*case)];
                name(&record_audited(&command, ScheduleSeed(seed), None, audits).expect("a recording"))
            };
            // Never, or nearly: one is drawn in so many.
            let (with, without) = (record(all), record(NonZeroU64::MAX));
            assert!(with == without, "{case} under {seed}: {} and {} events", with.events.len(), without.events.len());
            assert!(with.events.len() > 2, "{case} under {seed}: {with:?}");
        }
    }
}
