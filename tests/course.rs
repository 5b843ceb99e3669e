//! The course of this repository: what the grader promises of every code and exercise holds of it.

use std::collections::BTreeSet;
use std::path::Path;

use ipc_grade::course::Course;
use ipc_grade::model::Code;
use ipc_grade::pipeline::proof::{self, Expectation};

fn course() -> Course {
    Course::load(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap_or_else(|mistakes| {
        let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        panic!("the course has mistakes:\n{}", told.join("\n"))
    })
}

#[test]
fn every_code_has_a_program_that_must_be_rejected_with_it() {
    let course = course();
    let mut shown = BTreeSet::new();
    for exercise in &course.exercises {
        let (exhibits, mistakes) = proof::exhibits(&course, exercise);
        assert_eq!(mistakes, [], "{}", exercise.id());
        shown.extend(exhibits.iter().filter_map(|exhibit| match exhibit.expectation {
            Expectation::Rejected(code) => Some(code),
            Expectation::Fails | Expectation::Passes => None,
        }));
    }
    // Luck is advice until it is proved by a replay: no program is rejected for it yet.
    let without: Vec<&Code> = Code::ALL.iter().filter(|code| !shown.contains(code) && **code != Code::T004).collect();
    assert!(without.is_empty(), "no rejected program has {without:?}");
}

#[test]
fn every_lesson_tells_the_task_and_what_to_read() {
    for exercise in &course().exercises {
        let lesson = exercise.lesson.to_lowercase();
        for word in ["task", "read", "by hand"] {
            assert!(lesson.contains(word), "{}: the lesson has no word `{word}`", exercise.id());
        }
        assert_eq!(exercise.exercise.hints.len(), 3, "{}", exercise.id());
        assert_eq!(exercise.exercise.max_points(), 10, "{}", exercise.id());
    }
}
