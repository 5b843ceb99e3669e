//! `exercise.toml`: what an exercise says of itself.
//!
//! ```toml
//! title = "One line through a pipe"
//! track = "core"                        # or "extra"
//! read  = ["pipe(2)"]                   # manual pages
//! after = ["01_processes/two"]          # exercises that it builds on
//! hints = ["gentle", "plainer", "plain"]
//! hints_for = { F001 = "…" }            # by code or check
//! tools = ["upper"]                     # programs that the learner's may run by name; sources: tools/NAME.rs
//! limits = { processes = 4 }            # over the course's
//! seeds = { schedules = 64 }            # the orders of processes to try, over the course's
//! off = { leak = "why" }                # invariants that would punish a right answer here
//!
//! [[scenario]]
//! id = "one word"
//! args = ["{word}"]
//! stdin = "peer"                        # or a text; "" is at its end from the start
//! values = { word = { draw = "word" } } # word, int{min,max}, ints{count,min,max}, token64, blob{bytes}, signal{of}
//! substitute = ["data"]                 # objects on which one run changes bytes in transit
//! fault = [{ on = "data", call = "read", most = 1 }] # what goes wrong with the program's calls: see `faults.rs`
//! sleepers = "on time"                  # or "early": may wake at any step; unsaid: on time under seed 0 only
//! peer = [{ name = "client", steps = """…""" }]   # the language of `steps.rs`
//!
//! [[check]]                             # keys by kind, besides id, kind, points, needs:
//! id = "prints"
//! kind = "output"                       # on, text
//! on = "stdout"                         # separation: processes, old, new
//! points = 3                            # memory: object, offset, type, value, at; signal: signal, fate
//! ```

use std::collections::BTreeMap;

use super::document::{Document, Fields, instead};
use super::place::Placed;
use super::{checks, limits, scenario, seeds};
use crate::model::exercise::{Invariant, Track};
use crate::model::{CheckSpec, Code, Exercise, ExerciseId, Limits, Scenario, ScheduleSeed};

/// How many hints there are, from gentle to plain.
pub(crate) const HINTS: usize = 3;

/// Reads an exercise, and the orders that it asks for itself; `exercises` are the names that the course has, `defaults` the course's limits.
///
/// Mistakes are noted in the document; what is returned is whole only where there are none.
pub(super) fn read(
    document: &Document<'_>,
    id: &ExerciseId,
    exercises: &[ExerciseId],
    defaults: Limits,
) -> Option<(Exercise, Option<Vec<ScheduleSeed>>)> {
    let table = document.parse()?;
    let fields = Fields::of(document, "exercise.toml", table.span(), table.get_ref());
    let tracks = [("core", Track::Core), ("extra", Track::Extra)];
    let texts = |key| fields.optional(key).and_then(|item| item.texts()).unwrap_or_default();
    let plain = |texts: Vec<Placed>| texts.iter().map(|text| text.text().to_owned()).collect::<Vec<_>>();
    let title = fields.required("title", "\"One line through a pipe\"").and_then(|item| item.words());
    let track = fields.optional("track").and_then(|item| item.one_of("track", &tracks)).unwrap_or_default();
    let read = plain(texts("read"));
    let after = after(document, &texts("after"), id, exercises);
    let hints = hints(&fields);
    let tools = tools(&fields, id);
    let limits = limits::read(fields.table("limits", "[limits]"), defaults);
    let schedules = seeds::of_exercise(fields.table("seeds", "[seeds]"));
    let off = fields.table("off", "[off]").map(|table| off(table)).unwrap_or_default();
    let scenarios = scenarios(document, &fields);
    let checks = checks::read(document, &fields, &scenarios);
    if checks.is_empty() && fields.optional("check").is_none() {
        fields.required("check", "[[check]] tables, one at least");
    }
    let hints_for = fields.table("hints_for", "[hints_for]");
    let hints_for = hints_for.map(|table| hints_for_causes(document, &table, &checks)).unwrap_or_default();
    fields.finish();
    let (id, title) = (id.clone(), title?);
    let exercise = Exercise { id, title, track, read, after, hints, hints_for, tools, limits, off, scenarios, checks };
    Some((exercise, schedules))
}

fn after(document: &Document<'_>, texts: &[Placed], id: &ExerciseId, exercises: &[ExerciseId]) -> Vec<ExerciseId> {
    for text in texts {
        let message = if text.text() == id.as_str() {
            "an exercise cannot come after itself".to_owned()
        } else if exercises.iter().any(|known| known.as_str() == text.text()) {
            continue;
        } else {
            format!("no exercise is called `{}`", text.text())
        };
        let help = instead(text.text(), exercises.iter().map(ExerciseId::as_str));
        document.mistake(text.whole(), message, Some(help));
    }
    texts.iter().map(|text| ExerciseId::new(text.text())).collect()
}

fn hints(fields: &Fields<'_, '_>) -> Vec<String> {
    let Some(item) = fields.required("hints", "[\"gentle\", \"plainer\", \"plain\"]") else { return Vec::new() };
    let hints: Vec<String> = item.list().unwrap_or_default().iter().filter_map(|item| item.words()).collect();
    if let Some(list) = item.list().filter(|list| list.len() != HINTS) {
        item.wrong(format!("there are {} hints", list.len()), "expected: three, from gentle to plain");
    }
    hints
}

/// The programs that the exercise brings: names of files, each once, and none that is the learner's own.
fn tools(fields: &Fields<'_, '_>, id: &ExerciseId) -> Vec<String> {
    let mut tools: Vec<String> = Vec::new();
    for item in fields.optional("tools").and_then(|item| item.list()).unwrap_or_default() {
        let Some(name) = item.words() else { continue };
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || !name.chars().all(good) {
            item.wrong(format!("`{name}` cannot be the name of a tool"), "expected: letters, digits, _ and -");
        } else if name == id.name() || tools.contains(&name) {
            item.wrong(format!("there is a program called `{name}` already"), "give each tool a name of its own");
        } else {
            tools.push(name);
        }
    }
    tools
}

fn hints_for_causes(
    document: &Document<'_>,
    fields: &Fields<'_, '_>,
    checks: &[CheckSpec],
) -> BTreeMap<String, String> {
    let mut hints = BTreeMap::new();
    for (name, span, item) in fields.entries() {
        if !Code::ALL.iter().any(|code| code.as_str() == name) && !checks.iter().any(|check| check.id.as_str() == name)
        {
            let known = Code::ALL.iter().map(|code| code.as_str()).chain(checks.iter().map(|check| check.id.as_str()));
            let help = match super::nearest(name, known).first() {
                Some(near) => format!("did you mean `{near}`?"),
                None => "expected: a code (F001) or one of the checks' names".to_owned(),
            };
            document.mistake(span, format!("`{name}` is neither a code nor a check"), Some(help));
        }
        hints.extend(item.words().map(|hint| (name.to_owned(), hint)));
    }
    hints
}

fn off(fields: Fields<'_, '_>) -> BTreeMap<Invariant, String> {
    const INVARIANTS: [(&str, Invariant); 7] = [
        ("zombie", Invariant::Zombie),
        ("orphan", Invariant::Orphan),
        ("leak", Invariant::Leak),
        ("deadlock", Invariant::Deadlock),
        ("crash", Invariant::Crash),
        ("race", Invariant::Race),
        ("busy_wait", Invariant::BusyWait),
    ];
    let reason = |(name, invariant)| Some((invariant, fields.optional(name)?.words()?));
    let off = INVARIANTS.into_iter().filter_map(reason).collect();
    fields.finish();
    off
}

fn scenarios(document: &Document<'_>, fields: &Fields<'_, '_>) -> Vec<Scenario> {
    let tables = fields.tables("scenario", "[[scenario]]");
    if tables.is_empty() && fields.optional("scenario").is_none() {
        fields.required("scenario", "[[scenario]] tables, one at least");
    }
    let mut scenarios: Vec<Scenario> = Vec::new();
    for table in tables {
        let span = table.span();
        let Some(scenario) = scenario::read(document, table) else { continue };
        if scenarios.iter().any(|other| other.id == scenario.id) {
            let message = format!("there is a scenario called \"{}\" already", scenario.id);
            document.mistake(span, message, Some("give each scenario a name of its own".to_owned()));
        }
        scenarios.push(scenario);
    }
    scenarios
}
