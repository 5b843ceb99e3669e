//! Which runs make up a grade, and with which values.

use sha2::{Digest, Sha256};

use crate::build::Allowed;
use crate::course::{AllowedCrate, Course, CourseExercise, CrateSource};
use crate::harness::{Attempt, ResolveError, StdinSource, resolve};
use crate::judge;
use crate::model::Diagnostic;
use crate::model::exercise::CheckKind;
use crate::model::{
    Scenario, ScenarioId, Schedule, ScheduleSeed, Sleepers, Stdin, Template, Token, Value, ValueSeed, Values, values,
};
use crate::recorder::Substitution;
use crate::report;
use crate::trace::{Life, LifeKind, RunEnd, Trace};

/// The seeds of a grade, in the order in which they are tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Value seeds.
    pub values: Vec<ValueSeed>,
    /// Schedule seeds, each tried with every value seed.
    pub schedules: Vec<ScheduleSeed>,
    /// Only this scenario, where one is named.
    pub scenario: Option<ScenarioId>,
    /// Runs go on after the first that fails, as `verify` needs it.
    pub to_the_end: bool,
}

/// One run of a scenario.
#[derive(Debug, Clone)]
pub struct Run<'c> {
    /// The scenario.
    pub scenario: &'c Scenario,
    /// Value and schedule seed.
    pub token: Token,
    /// What was carried, and what a right program's output follows.
    pub values: Values,
    /// What the arguments held instead, in a run that changes bytes in transit.
    pub original: Option<Values>,
}

impl Plan {
    /// The runs of an exercise in their order: for each pair of seeds every scenario, and under the first schedule also
    /// the ones with bytes changed in transit.
    pub fn runs<'c>(&self, exercise: &'c CourseExercise) -> Vec<Run<'c>> {
        let mut runs = Vec::new();
        for seed in &self.values {
            for (index, schedule) in self.schedules.iter().enumerate() {
                let token = Token { values: Some(*seed), schedule: *schedule };
                let wanted = |scenario: &&Scenario| self.scenario.as_ref().is_none_or(|id| *id == scenario.id);
                for scenario in exercise.exercise.scenarios.iter().filter(wanted) {
                    let values = draw(exercise, scenario, *seed);
                    runs.push(Run { scenario, token, values: values.clone(), original: None });
                    if index == 0 && !scenario.substitute.is_empty() {
                        let carried = exchanged(exercise, scenario, &values, *seed);
                        runs.push(Run { scenario, token, values: carried, original: Some(values) });
                    }
                }
            }
        }
        runs
    }
}

/// The crates that a course's programs may use.
pub fn allowed(course: &Course) -> Vec<Allowed> {
    let allowed = |(name, allowed): (&String, &AllowedCrate)| Allowed {
        name: name.clone(),
        requirement: allowed.requirement(),
        own: match &allowed.source {
            CrateSource::Course(folder) => Some(folder.clone()),
            CrateSource::Registry(_) => None,
        },
    };
    course.crates.iter().map(allowed).collect()
}

/// Whether every value that the expected trace and the peers ask for is drawn, before anything is built or run.
///
/// # Errors
/// The author's first mistake.
pub fn preflight(exercise: &CourseExercise) -> Result<(), Diagnostic> {
    let main = Life {
        name: "main".to_owned(),
        kind: LifeKind::Learner,
        parent: None,
        ended: None,
        reaped: None,
        orphaned: false,
        self_reaping: false,
    };
    // A run in which nothing happened needs every value, and no search.
    let nothing = Trace { lives: vec![main], objects: Vec::new(), events: Vec::new(), end: RunEnd::Finished };
    for scenario in &exercise.exercise.scenarios {
        judge::match_trace(&exercise.expected, &draw(exercise, scenario, ValueSeed(0)), &nothing)?;
    }
    Ok(())
}

fn draw(exercise: &CourseExercise, scenario: &Scenario, seed: ValueSeed) -> Values {
    let salt = format!("{}/{}", exercise.id(), scenario.id);
    values::draw(scenario.values.iter().map(|(name, draw)| (name.as_str(), draw)), &salt, seed)
}

/// The values with those exchanged that are carried on the scenario's substituted objects.
fn exchanged(exercise: &CourseExercise, scenario: &Scenario, values: &Values, seed: ValueSeed) -> Values {
    let others = draw(exercise, scenario, ValueSeed(!seed.0));
    let carried = exercise.expected.carried_on(&scenario.substitute);
    let mut exchanged = values.clone();
    for name in carried {
        let (Some(old), Some(new)) = (values.get(&name), others.get(&name)) else { continue };
        // Only what keeps its length can be changed in transit, and a new value must not be another's old one.
        let fits = old.bytes().len() == new.bytes().len() && !values.values().any(|value| value == new);
        if fits {
            exchanged.insert(name, new.clone());
        }
    }
    exchanged
}

impl Run<'_> {
    /// What it is judged by.
    pub(super) fn case<'a>(&'a self, exercise: &'a CourseExercise, trace: &'a Trace) -> judge::Case<'a> {
        let original = self.original.as_ref();
        judge::Case { exercise: &exercise.exercise, scenario: self.scenario, values: &self.values, original, trace }
    }

    /// What the worker is asked to do.
    ///
    /// # Errors
    /// A peer's step that the values do not fit: the author's mistake.
    pub fn attempt(
        &self,
        exercise: &CourseExercise,
        program: std::path::PathBuf,
        tools: Vec<(String, std::path::PathBuf)>,
    ) -> Result<Attempt, ResolveError> {
        let given = self.original.as_ref().unwrap_or(&self.values);
        let bytes = |template: &Template| template.resolve(given).unwrap_or_default();
        let peers = self.scenario.peers.iter().map(|peer| resolve(peer, &self.values)).collect::<Result<_, _>>()?;
        let substitution = self.original.as_ref().map(|original| Substitution {
            objects: self.scenario.substitute.clone(),
            pairs: original
                .iter()
                .filter_map(|(name, old)| Some((old.bytes(), self.values.get(name)?.bytes())))
                .filter(|(old, new)| old != new)
                .collect(),
        });
        let entropy = Sha256::digest(self.token.values.map_or(0, |seed| seed.0).to_le_bytes());
        Ok(Attempt {
            program,
            name: exercise.name().to_owned(),
            tools,
            args: self.scenario.args.iter().map(bytes).collect(),
            stdin: match &self.scenario.stdin {
                Stdin::Empty => StdinSource::Empty,
                Stdin::Text(text) => StdinSource::Text(crate::trace::Bytes(bytes(text))),
                Stdin::Peer => StdinSource::Peer,
            },
            peers,
            limits: exercise.exercise.limits,
            schedule: Schedule::Seeded { seed: self.token.schedule, steps: 0 },
            sleepers: self.scenario.sleepers.unwrap_or(Sleepers::under(self.token.schedule)),
            hold: None,
            places: false,
            entropy: u64::from_le_bytes(entropy[..8].try_into().expect("a hash has eight bytes")),
            holds: self.holds(exercise),
            substitution,
            faults: self.scenario.faults.iter().filter_map(|fault| fault.resolve(given).ok()).collect(),
            sites: None,
            changes: Vec::new(),
            by_hand: true,
            // The worker's.
            isolation: None,
        })
    }

    /// The values that separation checks look for in memory.
    fn holds(&self, exercise: &CourseExercise) -> Vec<u64> {
        let wanted = exercise.exercise.checks.iter().filter_map(|check| match &check.kind {
            CheckKind::Separation { new: Some(new), .. } => new.resolve_value(&self.values).ok()?.as_int(),
            _ => None,
        });
        wanted.filter_map(|value| u64::try_from(value).ok()).collect()
    }
}

/// The longest text that a command line shows.
const SHORT: usize = 40;

/// How to run the program of a run without the grader, and whose part one has to play then.
pub fn by_hand(run: &Run<'_>) -> String {
    let given = run.original.as_ref().unwrap_or(&run.values);
    let args = run.scenario.args.iter().map(|template| template.resolve(given).unwrap_or_default());
    let mut command = report::by_hand(&args.collect::<Vec<_>>());
    // Without its peers the program waits; a comment says who has to be them, and the line can still be pasted.
    if let Stdin::Text(text) = &run.scenario.stdin {
        let text = text.resolve(given).unwrap_or_default();
        match std::str::from_utf8(&text) {
            // A new line is a word of its own to printf(1), so that the command stays on one.
            Ok(line) if line.len() <= SHORT && !line.trim_end_matches('\n').contains(char::is_control) => {
                let lines: Vec<Vec<u8>> = line.lines().map(|line| line.as_bytes().to_vec()).collect();
                command = format!("printf '%s\\n' {} | {command}", report::as_words(&lines));
            }
            _ => command.push_str(&format!("  # with {} bytes of text on standard input", text.len())),
        }
    }
    let peers: Vec<&str> = run.scenario.peers.iter().map(|peer| peer.name.as_str()).collect();
    if !peers.is_empty() {
        command.push_str(&format!("  # you are the {}", peers.join(" and the ")));
    }
    command
}

/// The values that a recorded program's arguments tell, where each is an argument of its own.
pub fn infer_values(scenario: &Scenario, args: &[String]) -> Values {
    let mut values = Values::new();
    for (template, arg) in scenario.args.iter().zip(args) {
        let [hole] = template.pieces() else { continue };
        let crate::model::template::Piece::Hole { name, filters } = hole else { continue };
        if !filters.is_empty() {
            continue;
        }
        let value = match scenario.values.get(name) {
            Some(crate::model::Draw::Signal { .. }) => {
                arg.parse().map_or_else(|_| Value::Text(arg.clone()), Value::Signal)
            }
            Some(crate::model::Draw::Ints { .. }) => {
                let number = |word: &str| word.parse().map_or_else(|_| Value::Text(word.to_owned()), Value::Int);
                Value::List(arg.split_whitespace().map(number).collect())
            }
            Some(crate::model::Draw::Word) | None => Value::Text(arg.clone()),
            Some(_) => arg.parse().map_or_else(|_| Value::Text(arg.clone()), Value::Int),
        };
        values.insert(name.clone(), value);
    }
    values
}
