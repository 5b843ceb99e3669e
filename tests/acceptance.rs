//! The language's acceptance test: eight exercises, their right programs of different shapes, their wrong ones.
//!
//! The runs here are small and made by hand (`support::programs`): the properties of `judge_properties.rs` and `order.rs`
//! need runs of a few dozen events, to be permuted and cut, and some shapes no program of the course has. What the
//! course's own programs do is recorded (`recorded.rs`).
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ipc_grade::judge::{Case, Matching, ProblemKind, Severity, judge, match_trace};
use ipc_grade::model::{CheckKind, CheckSpec, Code, Exercise, ExerciseId, Limits, Scenario, ScenarioId, Stdin, Track};
use ipc_grade::pattern::Expected;
use support::programs::{self, Program, Verdict};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn expected(exercise: &str) -> Expected {
    let file = format!("{exercise}.trace");
    let text = std::fs::read_to_string(folder("acceptance").join(&file)).unwrap();
    Expected::parse(&file, &text).unwrap_or_else(|diagnostic| panic!("{diagnostic}"))
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
        let matching = match_trace(&expected, &values, &(program.run)()).unwrap_or_else(|error| panic!("{error}"));
        if !has(&matching, program.verdict) {
            let Program { exercise, name, verdict, .. } = program;
            wrong += &format!("{exercise}.{name} is not {verdict:?}:\n");
            matching.problems.iter().for_each(|problem| wrong += &format!("    {problem:?}\n"));
            matching.unforced.iter().for_each(|unforced| wrong += &format!("    {unforced:?}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The codes that a run of producer_consumer gets, errors and advice, where its accesses are all that it is judged by.
fn codes(name: &str) -> Vec<(Severity, Code)> {
    let program = programs::all().into_iter().find(|it| it.exercise == "producer_consumer" && it.name == name).unwrap();
    let check = |id: &str, kind| CheckSpec { id: id.into(), kind, points: 1, needs: Vec::new() };
    let exercise = Exercise {
        id: ExerciseId::new("03_shared_memory/producer_consumer"),
        title: "A test".to_owned(),
        track: Track::Core,
        read: Vec::new(),
        after: Vec::new(),
        hints: Vec::new(),
        tools: Vec::new(),
        hints_for: BTreeMap::new(),
        limits: Limits::default(),
        off: BTreeMap::new(),
        scenarios: Vec::new(),
        checks: vec![check("trace", CheckKind::Trace), check("clean", CheckKind::Clean)],
    };
    let scenario = Scenario {
        id: ScenarioId::new("one"),
        args: Vec::new(),
        stdin: Stdin::Empty,
        values: BTreeMap::new(),
        substitute: Vec::new(),
        faults: Vec::new(),
        peers: Vec::new(),
        sleepers: None,
    };
    let (values, trace) = (programs::values("producer_consumer"), (program.run)());
    let matching = match_trace(&expected("producer_consumer"), &values, &trace).unwrap();
    let case = Case { exercise: &exercise, scenario: &scenario, values: &values, original: None, trace: &trace };
    let findings = judge(&case, matching).findings;
    findings.iter().map(|finding| (finding.severity, finding.code)).collect()
}

#[test]
fn producer_consumer_gets_the_codes_of_its_faults() {
    use Severity::{Advice, Error};
    for right in ["unnamed_semaphores", "system_v", "extra_lock", "batch", "main_forks_both", "every_access"] {
        assert_eq!(codes(right), [], "{right}");
    }
    assert_eq!(codes("every_access_many_looks"), []);
    // They go well in this run: a suspicion costs nothing.
    assert_eq!(codes("full_starts_at_1"), [(Advice, Code::M008)]);
    assert_eq!(codes("post_before_store"), [(Advice, Code::M003)]);
    assert_eq!(codes("post_before_store_unlucky").first(), Some(&(Error, Code::M003)));
    assert!(codes("spins_on_index").contains(&(Error, Code::H003)), "{:?}", codes("spins_on_index"));
    assert!(codes("spins_on_index").iter().any(|(_, code)| *code == Code::M003));
    assert!(codes("no_semaphore").iter().any(|(_, code)| *code == Code::M003));
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
