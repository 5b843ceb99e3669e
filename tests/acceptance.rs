//! The language's acceptance test: eight exercises, their right programs of different shapes, their wrong ones.
//!
//! The runs are read from `tests/traces`; `IPC_GRADE_BLESS=1` writes them anew from `support::programs`.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::{Path, PathBuf};

use ipc_grade::judge::{Matching, ProblemKind, match_trace};
use ipc_grade::pattern::Expected;
use ipc_grade::trace::{Trace, codec};
use support::programs::{self, Program, Verdict};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn expected(exercise: &str) -> Expected {
    let file = format!("{exercise}.trace");
    let text = std::fs::read_to_string(folder("acceptance").join(&file)).unwrap();
    Expected::parse(&file, &text).unwrap_or_else(|diagnostic| panic!("{diagnostic}"))
}

fn recorded(program: &Program) -> Trace {
    let path = folder("traces").join(format!("{}.{}.jsonl", program.exercise, program.name));
    let built = (program.run)();
    if std::env::var_os("IPC_GRADE_BLESS").is_some() {
        std::fs::write(&path, codec::write(&built)).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let trace = codec::read(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(trace == built, "{} is not as the builder has it", path.display());
    trace
}

fn has(matching: &Matching, verdict: Verdict) -> bool {
    let any = |is: fn(&ProblemKind) -> bool| matching.problems.iter().any(|problem| is(&problem.kind));
    match verdict {
        Verdict::Accepted => matching.problems.is_empty() && matching.unforced.is_empty(),
        Verdict::Unforced => matching.problems.is_empty() && !matching.unforced.is_empty(),
        Verdict::Missing => any(|kind| matches!(kind, ProblemKind::Missing)),
        Verdict::Surplus => any(|kind| matches!(kind, ProblemKind::Surplus)),
        Verdict::WrongData => any(|kind| matches!(kind, ProblemKind::WrongData { .. })),
        Verdict::WrongOrder => any(|kind| matches!(kind, ProblemKind::WrongOrder { .. })),
        Verdict::Forbidden => any(|kind| matches!(kind, ProblemKind::Forbidden)),
    }
}

#[test]
fn right_programs_are_accepted_and_wrong_ones_rejected() {
    let mut wrong = String::new();
    for program in programs::all() {
        let expected = expected(program.exercise);
        let values = programs::values(program.exercise);
        let matching = match_trace(&expected, &values, &recorded(&program)).unwrap_or_else(|error| panic!("{error}"));
        if !has(&matching, program.verdict) {
            let Program { exercise, name, verdict, .. } = program;
            wrong += &format!("{exercise}.{name} is not {verdict:?}:\n");
            matching.problems.iter().for_each(|problem| wrong += &format!("    {problem:?}\n"));
            matching.unforced.iter().for_each(|unforced| wrong += &format!("    {unforced:?}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_exercises_print_as_they_parse() {
    for program in programs::all() {
        let expected = expected(program.exercise);
        let printed = expected.to_string();
        let again = Expected::parse("printed", &printed).unwrap_or_else(|diagnostic| panic!("{diagnostic}"));
        assert_eq!(again, expected, "{printed}");
    }
}
