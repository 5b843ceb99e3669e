//! `grader.toml`: the course as a whole.

use std::collections::BTreeMap;
use std::fmt;

use super::document::{Document, Fields, Item};
use super::{Chapter, Seeds, limits, seeds};
use crate::model::{ExerciseId, Limits};

/// What the file says its format is.
const SCHEMA: &str = "ipc-grade/course/1";

/// What `grader.toml` says, with the place of each exercise's name in it.
#[derive(Debug, Clone)]
pub(super) struct CourseFile {
    pub(super) title: String,
    pub(super) limits: Limits,
    pub(super) seeds: Seeds,
    pub(super) crates: BTreeMap<String, AllowedCrate>,
    pub(super) chapters: Vec<Chapter>,
    pub(super) places: Vec<(ExerciseId, std::ops::Range<usize>)>,
}

/// A crate that a learner's program may use. Prints as the right-hand side of a line of `[dependencies]`.
///
/// It comes from the registry alone: a path or a repository could bring in what nobody has looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedCrate {
    /// Its version, as Cargo writes requirements.
    pub version: String,
    /// The features that are switched on.
    pub features: Vec<String>,
    /// Whether its own default features are on.
    pub default_features: bool,
}

impl fmt::Display for AllowedCrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{ version = {:?}, default-features = {}", self.version, self.default_features)?;
        write!(f, ", features = {:?} }}", self.features)
    }
}

/// Reads the course file; `None` where it lacks what a course cannot be without.
pub(super) fn read(document: &Document<'_>) -> Option<CourseFile> {
    let table = document.parse()?;
    let fields = Fields::of(document, "grader.toml", table.span(), table.get_ref());
    if let Some(item) = fields.required("schema", &format!("{SCHEMA:?}")) {
        item.one_of("format of a course", &[(SCHEMA, ())]);
    }
    let title = fields.required("title", "\"Processes and interprocess communication\"").and_then(|item| item.words());
    let limits = limits::read(fields.table("limits", "[limits]"), Limits::default());
    let seeds = seeds::of_course(fields.table("seeds", "[seeds]"));
    let crates = fields.table("crates", "[crates]").map(|table| crates(&table)).unwrap_or_default();
    let mut places = Vec::new();
    let mut chapters: Vec<Chapter> = Vec::new();
    for table in fields.tables("chapter", "[[chapter]]") {
        if let Some(chapter) = chapter(table, &chapters, &mut places) {
            chapters.push(chapter);
        }
    }
    if chapters.is_empty() && fields.optional("chapter").is_none() {
        fields.required("chapter", "[[chapter]] tables, one at least");
    }
    fields.finish();
    Some(CourseFile { title: title?, limits, seeds, crates, chapters, places })
}

fn crates(fields: &Fields<'_, '_>) -> BTreeMap<String, AllowedCrate> {
    fields.entries().filter_map(|(name, _, item)| Some((name.to_owned(), allowed(&item)?))).collect()
}

fn allowed(item: &Item<'_, '_>) -> Option<AllowedCrate> {
    if item.is_text() {
        return Some(AllowedCrate { version: item.words()?, features: Vec::new(), default_features: true });
    }
    let fields = item.fields("an allowed crate")?;
    let version = fields.required("version", "\"0.2\"").and_then(|item| item.words());
    let features = fields.optional("features").and_then(|item| item.texts()).unwrap_or_default();
    let features = features.iter().map(|text| text.text().to_owned()).collect();
    let default_features = fields.optional("default-features").and_then(|item| item.truth()).unwrap_or(true);
    fields.finish();
    Some(AllowedCrate { version: version?, features, default_features })
}

fn chapter(
    fields: Fields<'_, '_>,
    before: &[Chapter],
    places: &mut Vec<(ExerciseId, std::ops::Range<usize>)>,
) -> Option<Chapter> {
    let id = fields.required("id", "\"02_pipes\", its folder's name");
    let title = fields.required("title", "\"Pipes and FIFOs\"").and_then(|item| item.words());
    let list = fields.required("exercises", "[\"one_line\"]");
    let name = id.as_ref().and_then(|item| folder(item, "a chapter"));
    if let (Some(item), Some(name)) = (&id, &name)
        && before.iter().any(|chapter| chapter.id == *name)
    {
        item.wrong(format!("there is a chapter `{name}` already"), "give each chapter a folder of its own");
    }
    let mut exercises = Vec::new();
    for item in list.and_then(|item| item.list()).unwrap_or_default() {
        let Some(exercise) = folder(&item, "an exercise") else { continue };
        // People name an exercise without its chapter, so the name must be one exercise's.
        if let Some((other, _)) = places.iter().find(|(other, _)| other.name() == exercise) {
            item.wrong(format!("there is an exercise `{other}` already"), "give each exercise a name of its own");
            continue;
        }
        if let Some(name) = &name {
            let id = ExerciseId::new(format!("{name}/{exercise}"));
            places.push((id.clone(), item.span()));
            exercises.push(id);
        }
    }
    fields.finish();
    Some(Chapter { id: name?, title: title?, exercises })
}

/// A name that is a folder's.
fn folder(item: &Item<'_, '_>, what: &str) -> Option<String> {
    let name = item.words()?;
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.chars().all(good) {
        item.wrong(format!("`{name}` cannot be the name of {what}"), "expected: letters, digits, _ and -");
        return None;
    }
    Some(name)
}
